#include "net/helpers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

STAILQ_HEAD(job_list, mail);

struct helpers {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job_list queue;	/* under lock */
	bool stopping;		/* under lock */
	int nthreads;
	pthread_t threads[8];
};

static struct helper_job *
next_job(struct helpers *h)
{
	struct mail *m = NULL;

	pthread_mutex_lock(&h->lock);
	while (STAILQ_EMPTY(&h->queue) && !h->stopping)
		pthread_cond_wait(&h->more, &h->lock);
	if (!h->stopping) {
		m = STAILQ_FIRST(&h->queue);
		STAILQ_REMOVE_HEAD(&h->queue, link);
	}
	pthread_mutex_unlock(&h->lock);
	return m == NULL ? NULL : container_of(m, struct helper_job, mail);
}

static void *
run_helper(void *arg)
{
	struct helper_job *job;

	while ((job = next_job(arg)) != NULL) {
		job->work(job);
		mailbox_post(job->reply, &job->mail);
	}
	return NULL;
}

struct helpers *
helpers_new(int threads)
{
	struct helpers *h = memory_zalloc(sizeof(*h));

	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->more, NULL);
	STAILQ_INIT(&h->queue);
	if (threads > (int)lengthof(h->threads))
		threads = lengthof(h->threads);
	for (h->nthreads = 0; h->nthreads < threads; h->nthreads++) {
		if (pthread_create(&h->threads[h->nthreads], NULL, run_helper, h) != 0) {
			log_fatal("cannot start a helper thread");
			abort();
		}
	}
	return h;
}

void
helpers_free(struct helpers **hp, void (*discard)(struct mail *m))
{
	struct helpers *h = *hp;

	if (h == NULL)
		return;
	*hp = NULL;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_broadcast(&h->more);
	pthread_mutex_unlock(&h->lock);
	for (int i = 0; i < h->nthreads; i++)
		pthread_join(h->threads[i], NULL);
	while (!STAILQ_EMPTY(&h->queue)) {
		struct mail *m = STAILQ_FIRST(&h->queue);

		STAILQ_REMOVE_HEAD(&h->queue, link);
		discard(m);
	}
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void
helpers_submit(struct helpers *h, struct helper_job *job)
{
	pthread_mutex_lock(&h->lock);
	STAILQ_INSERT_TAIL(&h->queue, &job->mail, link);
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
}
