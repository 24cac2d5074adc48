#include "net/helpers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"

#define PATIENCE 2	/* seconds, with who is at work when all ends */

STAILQ_HEAD(job_list, mail);

struct helpers {
	pthread_mutex_t lock;	/* of all below, but most */
	pthread_cond_t more;	/* there is a job, or an end */
	pthread_cond_t left;	/* a thread has left */
	struct job_list queue;
	int nqueued;
	struct job_list spare;	/* what comes behind all that */
	int nspare;
	int nspare_begun;	/* threads that are at one of these */
	int nstarted;		/* threads[] up to here */
	int nrunning;		/* of these, have not left yet */
	int nidle;		/* of these, wait for a job */
	bool stopping;
	void (*discard)(struct mail *m);	/* not NULL: who made us is gone, and the mailboxes with it */
	int most;
	pthread_t threads[];
};

static void
destroy(struct helpers *h)
{
	pthread_cond_destroy(&h->left);
	pthread_cond_destroy(&h->more);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* ---- a thread's life ---- */

/* NULL: there is none. */
static struct mail *
take_first(struct job_list *queue, int *n)
{
	struct mail *m = STAILQ_FIRST(queue);

	if (m == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(queue, link);
	(*n)--;
	return m;
}

static bool
may_begin_spare(const struct helpers *h)
{
	return h->nspare > 0 && h->nspare_begun < (h->most > 1 ? h->most - 1 : 1);
}

static struct mail *
take_mail(struct helpers *h, bool *spare)
{
	*spare = h->nqueued == 0;
	h->nspare_begun += *spare;
	return *spare ? take_first(&h->spare, &h->nspare) : take_first(&h->queue, &h->nqueued);
}

/* NULL: this is the end. */
static struct helper_job *
next_job(struct helpers *h, bool *spare)
{
	h->nidle++;
	while (h->nqueued == 0 && !may_begin_spare(h) && !h->stopping)
		pthread_cond_wait(&h->more, &h->lock);
	h->nidle--;
	if (h->stopping)
		return NULL;
	return container_of(take_mail(h, spare), struct helper_job, mail);
}

/* Under the lock: helpers_free must know that nothing is posted after it. */
static void
hand_back(struct helpers *h, struct helper_job *job)
{
	if (h->discard != NULL)
		h->discard(&job->mail);
	else
		mailbox_post(job->reply, &job->mail);
}

static void *
run_helper(void *arg)
{
	struct helpers *h = arg;
	struct helper_job *job;
	bool spare, last;

	pthread_setname_np(pthread_self(), "helper");
	pthread_mutex_lock(&h->lock);
	while ((job = next_job(h, &spare)) != NULL) {
		pthread_mutex_unlock(&h->lock);
		job->work(job);
		pthread_mutex_lock(&h->lock);
		h->nspare_begun -= spare;
		hand_back(h, job);
	}
	h->nrunning--;
	last = h->nrunning == 0 && h->discard != NULL;
	pthread_cond_signal(&h->left);
	pthread_mutex_unlock(&h->lock);
	if (last)
		destroy(h);
	return NULL;
}

/* Signals are the control thread's, whichever thread starts this one. */
static void
start_thread(struct helpers *h)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&h->threads[h->nstarted], NULL, run_helper, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		log_error("cannot start a helper thread: %s", strerror(rc));
		return;
	}
	h->nstarted++;
	h->nrunning++;
}

/* ---- giving work ---- */

/* Another job is about to wait.  An idle thread that was woken is idle until it runs; so idle ones are counted against
 * all that waits. */
static void
see_to_threads(struct helpers *h)
{
	if (h->nqueued + h->nspare + 1 > h->nidle && h->nstarted < h->most)
		start_thread(h);
}

static void
enqueue(struct helpers *h, struct job_list *queue, int *n, struct helper_job *job)
{
	STAILQ_INSERT_TAIL(queue, &job->mail, link);
	(*n)++;
	pthread_cond_signal(&h->more);
}

static bool
offer(struct helpers *h, struct job_list *queue, int *n, struct helper_job *job)
{
	bool taken;

	pthread_mutex_lock(&h->lock);
	see_to_threads(h);
	taken = h->nrunning > 0 && *n < HELPERS_QUEUE;
	if (taken)
		enqueue(h, queue, n, job);
	pthread_mutex_unlock(&h->lock);
	return taken;
}

void
helpers_submit(struct helpers *h, struct helper_job *job)
{
	pthread_mutex_lock(&h->lock);
	see_to_threads(h);
	enqueue(h, &h->queue, &h->nqueued, job);
	pthread_mutex_unlock(&h->lock);
}

bool
helpers_offer(struct helpers *h, struct helper_job *job)
{
	return offer(h, &h->queue, &h->nqueued, job);
}

bool
helpers_offer_spare(struct helpers *h, struct helper_job *job)
{
	return offer(h, &h->spare, &h->nspare, job);
}

bool
helpers_withdraw(struct helpers *h, struct helper_job *job)
{
	struct mail *m;

	pthread_mutex_lock(&h->lock);
	STAILQ_FOREACH(m, &h->queue, link) {
		if (m == &job->mail)
			break;
	}
	if (m != NULL) {
		STAILQ_REMOVE(&h->queue, m, mail, link);
		h->nqueued--;
	}
	pthread_mutex_unlock(&h->lock);
	return m != NULL;
}

/* ---- beginning and end ---- */

static void
init_condition(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct helpers *
helpers_new(int threads)
{
	struct helpers *h = memory_zalloc(sizeof(*h) + (size_t)threads * sizeof(h->threads[0]));

	h->most = threads;
	pthread_mutex_init(&h->lock, NULL);
	init_condition(&h->more);
	init_condition(&h->left);
	STAILQ_INIT(&h->queue);
	STAILQ_INIT(&h->spare);
	return h;
}

/* Have all left? */
static bool
wait_for_threads(struct helpers *h)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE;
	while (h->nrunning > 0) {
		if (pthread_cond_timedwait(&h->left, &h->lock, &until) != 0)
			return h->nrunning == 0;
	}
	return true;
}

/* The threads, or who of them leaves last, keep h; nothing of it may be looked at after the lock is given back. */
static void
leave_behind(struct helpers *h, void (*discard)(struct mail *m))
{
	for (int i = 0; i < h->nstarted; i++)
		pthread_detach(h->threads[i]);
	h->discard = discard;
	pthread_mutex_unlock(&h->lock);
}

void
helpers_free(struct helpers **hp, void (*discard)(struct mail *m))
{
	struct helpers *h = *hp;
	struct mail *m;

	if (h == NULL)
		return;
	*hp = NULL;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_broadcast(&h->more);
	while ((m = take_first(&h->queue, &h->nqueued)) != NULL || (m = take_first(&h->spare, &h->nspare)) != NULL)
		discard(m);
	if (!wait_for_threads(h)) {
		leave_behind(h, discard);
		return;
	}
	pthread_mutex_unlock(&h->lock);
	for (int i = 0; i < h->nstarted; i++)
		pthread_join(h->threads[i], NULL);
	destroy(h);
}
