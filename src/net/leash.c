#include "net/leash.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/watch.h"

#define LOOK_EVERY (20 * USEC_PER_MSEC)

struct leash {
	pthread_mutex_t lock;	/* of all below, but longest */
	pthread_cond_t over;
	pthread_t thread;
	bool running;
	int fd;			/* our duplicate; -1: none */
	usec_t since;		/* of the read under way; 0: there is none */
	uint64_t received, most;
	usec_t longest;
};

struct leash *
leash_new(usec_t longest)
{
	struct leash *l = memory_zalloc(sizeof(*l));
	pthread_condattr_t attr;

	l->fd = -1;
	l->longest = longest;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->over, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

static bool
is_too_much(struct leash *l)
{
	if (l->since == 0)
		return false;
	l->received = watch_received(l->fd, l->received);
	return l->received > l->most || clock_now() - l->since > l->longest;
}

static void
wait_a_little(struct leash *l)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_EVERY * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&l->over, &l->lock, &until);
}

static void *
look_on(void *arg)
{
	struct leash *l = arg;

	pthread_setname_np(pthread_self(), "leash");
	pthread_mutex_lock(&l->lock);
	while (l->running) {
		if (is_too_much(l))
			shutdown(l->fd, SHUT_RDWR);
		wait_a_little(l);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Signals are the control thread's. */
static bool
start_thread(struct leash *l)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	l->running = true;
	rc = pthread_create(&l->thread, NULL, look_on, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		l->running = false;
	return rc == 0;
}

bool
leash_put(struct leash *l, int fd)
{
	leash_take(l);
	l->fd = dup(fd);
	if (l->fd < 0)
		return false;
	l->received = 0;
	if (start_thread(l))
		return true;
	close(l->fd);
	l->fd = -1;
	return false;
}

void
leash_take(struct leash *l)
{
	bool was_running;

	if (l->fd < 0)
		return;
	pthread_mutex_lock(&l->lock);
	was_running = l->running;
	l->running = false;
	l->since = 0;
	pthread_cond_signal(&l->over);
	pthread_mutex_unlock(&l->lock);
	if (was_running)
		pthread_join(l->thread, NULL);
	close(l->fd);
	l->fd = -1;
}

void
leash_hold(struct leash *l, uint64_t most)
{
	pthread_mutex_lock(&l->lock);
	l->since = clock_now();
	l->most = most;
	pthread_mutex_unlock(&l->lock);
}

void
leash_let_go(struct leash *l)
{
	pthread_mutex_lock(&l->lock);
	l->since = 0;
	pthread_mutex_unlock(&l->lock);
}

void
leash_free(struct leash **lp)
{
	struct leash *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	leash_take(l);
	pthread_cond_destroy(&l->over);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
