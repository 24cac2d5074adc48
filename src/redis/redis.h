/*
 * redis: one connection to a Redis, for questions that nobody waits for.
 *
 *	redis_new ── dial ── AUTH, SELECT, PING ──> up ── lost, or an answer is late ──> dialled again, with pauses
 *
 * What is asked goes out at the end of the turn, all together; answers come to a function, in order.  A Redis that does
 * not answer in time is as good as none: the connection is given up with all that is asked, and made anew; so whoever
 * asks hears within the timeout.  Nothing is kept for later while there is no connection, and nothing is sent twice.
 *
 * A client belongs to one loop.
 */
#ifndef REDIS_REDIS_H
#define REDIS_REDIS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "net/loop.h"
#include "redis/reply.h"
#include "redis/url.h"

/* Questions that may be unanswered at a time. */
#define REDIS_OUTSTANDING_MAX 16384

struct redis;

/* v: borrowed for the call; NULL: the connection was lost, and nobody knows whether it was done. */
typedef void redis_done_fn(void *arg, const struct redis_value *v);

struct redis_options {
	usec_t timeout;				/* for an answer, and for a connection to be made */
	void (*changed)(void *arg, bool up);	/* may be NULL; not called from within redis_new and redis_free */
	void *arg;
};

/* A script, which Redis knows by its hash. */
struct redis_script {
	const char *text;
	char hash[41];
};

void redis_script_init(struct redis_script *s, const char *text);

/* Start connecting; a is copied. */
struct redis *redis_new(struct loop *l, const struct redis_address *a, const struct redis_options *o);

/* What is unanswered is told NULL.  Not before the end of the turn may the loop go; NULL is fine. */
void redis_free(struct redis **r);

bool redis_is_up(const struct redis *r);

struct redis_word {
	const void *bytes;
	size_t size;
};

/* Ask; the words are copied.  false: it is not up, or far too much is unanswered; done is not called then. */
bool redis_ask(struct redis *r, const struct redis_word *words, size_t n, redis_done_fn *done, void *arg);

/* Run a script with nkeys keys and then arguments, n words in all.  Redis is told its text only if it does not know it. */
bool redis_run(struct redis *r, const struct redis_script *s, const struct redis_word *words, size_t n, size_t nkeys,
	       redis_done_fn *done, void *arg);

#endif
