#include "client/attempts.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "client/fingerprint.h"

/* uthash has no memory but ours. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#include <uthash.h>

/* Its user may be as long as a startup packet: the pair is known by its fingerprint. */
struct attempt {
	UT_hash_handle hh;
	TAILQ_ENTRY(attempt) link;
	uint8_t pair[FINGERPRINT_SIZE];
	int failures;			/* in a row */
	usec_t failed_at;
	usec_t next_at;			/* when the next one may begin */
};

struct attempts {
	pthread_mutex_t lock;
	struct attempt *by_pair;		/* a hash; under lock */
	TAILQ_HEAD(, attempt) by_failure;	/* longest ago first; under lock */
	uint64_t failed;			/* ever; under lock */
};

struct attempts *
attempts_new(void)
{
	struct attempts *a = memory_zalloc(sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	TAILQ_INIT(&a->by_failure);
	return a;
}

static void
forget(struct attempts *a, struct attempt *t)
{
	HASH_DEL(a->by_pair, t);
	TAILQ_REMOVE(&a->by_failure, t, link);
	free(t);
}

void
attempts_free(struct attempts **ap)
{
	struct attempts *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	while (!TAILQ_EMPTY(&a->by_failure))
		forget(a, TAILQ_FIRST(&a->by_failure));
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* How much of an address says who it is: of IPv6 the network, as its holder has 2^64 addresses in it. */
static size_t
significant_size(const struct address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };	/* ::ffff:0:0/96, IPv4 in disguise */

	if (address->family == AF_INET)
		return 4;
	if (address->family != AF_INET6)
		return 0;
	return memcmp(address->ip, mapped, sizeof(mapped)) == 0 ? 16 : 8;
}

static void
identify(const struct address *address, const char *user, uint8_t pair[FINGERPRINT_SIZE])
{
	const struct fingerprint_piece pieces[] = {
		{ &address->family, sizeof(address->family) },
		{ address->ip, significant_size(address) },
		{ user, strlen(user) },
	};

	fingerprint_take(pieces, lengthof(pieces), pair);
}

static struct attempt *
find(struct attempts *a, const uint8_t pair[FINGERPRINT_SIZE])
{
	struct attempt *t;

	HASH_FIND(hh, a->by_pair, pair, FINGERPRINT_SIZE, t);
	return t;
}

static struct attempt *
find_or_add(struct attempts *a, const uint8_t pair[FINGERPRINT_SIZE])
{
	struct attempt *t = find(a, pair);

	if (t != NULL) {
		TAILQ_REMOVE(&a->by_failure, t, link);
		return t;
	}
	if (HASH_COUNT(a->by_pair) == ATTEMPTS_MAX)
		forget(a, TAILQ_FIRST(&a->by_failure));
	t = memory_zalloc(sizeof(*t));
	memcpy(t->pair, pair, sizeof(t->pair));
	HASH_ADD(hh, a->by_pair, pair, FINGERPRINT_SIZE, t);
	return t;
}

static void
forget_old(struct attempts *a, usec_t now)
{
	struct attempt *t;

	while ((t = TAILQ_FIRST(&a->by_failure)) != NULL && now - t->failed_at >= ATTEMPTS_MEMORY)
		forget(a, t);
}

static usec_t
pause_after(int failures)
{
	usec_t pause = ATTEMPTS_PAUSE;

	if (failures <= ATTEMPTS_FREE)
		return 0;
	for (int i = ATTEMPTS_FREE + 1; i < failures && pause < ATTEMPTS_PAUSE_MAX; i++)
		pause *= 2;
	return pause < ATTEMPTS_PAUSE_MAX ? pause : ATTEMPTS_PAUSE_MAX;
}

usec_t
attempts_delay(struct attempts *a, const struct address *address, const char *user, usec_t now)
{
	uint8_t pair[FINGERPRINT_SIZE];
	struct attempt *t;
	usec_t delay = 0;

	identify(address, user, pair);
	pthread_mutex_lock(&a->lock);
	forget_old(a, now);
	t = find(a, pair);
	if (t != NULL && t->next_at > now)
		delay = t->next_at - now;
	else if (t != NULL)
		t->next_at = now + pause_after(t->failures);
	pthread_mutex_unlock(&a->lock);
	return delay;
}

void
attempts_failed(struct attempts *a, const struct address *address, const char *user, usec_t now)
{
	uint8_t pair[FINGERPRINT_SIZE];
	struct attempt *t;

	identify(address, user, pair);
	pthread_mutex_lock(&a->lock);
	forget_old(a, now);
	t = find_or_add(a, pair);
	a->failed++;
	if (t->failures < INT16_MAX)
		t->failures++;
	t->failed_at = now;
	t->next_at = now + pause_after(t->failures);
	TAILQ_INSERT_TAIL(&a->by_failure, t, link);
	pthread_mutex_unlock(&a->lock);
}

void
attempts_succeeded(struct attempts *a, const struct address *address, const char *user)
{
	uint8_t pair[FINGERPRINT_SIZE];
	struct attempt *t;

	identify(address, user, pair);
	pthread_mutex_lock(&a->lock);
	t = find(a, pair);
	if (t != NULL)
		forget(a, t);
	pthread_mutex_unlock(&a->lock);
}

size_t
attempts_count(struct attempts *a)
{
	size_t n;

	pthread_mutex_lock(&a->lock);
	n = HASH_COUNT(a->by_pair);
	pthread_mutex_unlock(&a->lock);
	return n;
}

uint64_t
attempts_failed_ever(struct attempts *a)
{
	uint64_t n;

	pthread_mutex_lock(&a->lock);
	n = a->failed;
	pthread_mutex_unlock(&a->lock);
	return n;
}
