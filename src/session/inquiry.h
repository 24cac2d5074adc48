/*
 * inquiry: a question to all shards.
 *
 * Asked on the control thread.  Each shard is visited on its own thread, after what was
 * ready there has been served, so that numbers are exact right after an event; each visit
 * writes only its own part (by s->index).  Then `finish` runs on the control thread.
 */
#ifndef SESSION_INQUIRY_H
#define SESSION_INQUIRY_H

#include "session/shard.h"

/* The asker owns it until it calls `ask`, and again in `finish`. */
struct inquiry {
	void (*visit)(struct shard *s, struct inquiry *q);	/* on each worker's thread */
	void (*finish)(struct inquiry *q);			/* on the control thread, when all have been visited */
	int nworkers;						/* set by the daemon before the first visit */
	int pending;						/* the daemon's */
};

/* Who carries questions to the shards: the daemon.  Control thread. */
struct inquirer {
	int nworkers;
	void *daemon;
	/* Visit all shards, then finish; never from within this call. */
	void (*ask)(void *daemon, struct inquiry *q);
	/* Call fn(arg) once, after delay. */
	void (*later)(void *daemon, usec_t delay, void (*fn)(void *arg), void *arg);
	const struct config *(*config)(void *daemon);	/* the present snapshot, borrowed until the next event */
};

static inline void
inquirer_ask(const struct inquirer *i, struct inquiry *q)
{
	i->ask(i->daemon, q);
}

#endif
