/*
 * watch: asks the shards every few seconds how all queries did, and what is out of the
 * ordinary.
 */
#ifndef MONITOR_WATCH_H
#define MONITOR_WATCH_H

#include "session/inquiry.h"
#include "stats/queries.h"

struct watch;

struct watch_ops {
	/* All workers' queries since the counting began. */
	void (*sum)(void *arg, const struct query_sum *total);
	void (*alarm)(void *arg, const struct query_alarm *a);
};

/* in, ops and arg stay.  Asks for the first time after a period. */
struct watch *watch_new(struct loop *l, const struct inquirer *in, const struct config *c, const struct watch_ops *ops,
			void *arg);

/* When no worker is visited any more, and the loop does not run any more. */
void watch_free(struct watch **w);

/* The next question is by c. */
void watch_configure(struct watch *w, const struct config *c);

/* What was asked before now is of no interest any more. */
void watch_forget(struct watch *w);

#endif
