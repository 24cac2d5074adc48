/*
 * lookout: asks the shards every few seconds how all queries did, and what is out of the
 * ordinary.
 */
#ifndef MONITOR_LOOKOUT_H
#define MONITOR_LOOKOUT_H

#include "session/inquiry.h"
#include "stats/queries.h"

struct lookout;

struct lookout_ops {
	/* All workers' queries since the counting began. */
	void (*sum)(void *arg, const struct query_sum *total);
	void (*alarm)(void *arg, const struct query_alarm *a);
};

/* in, ops and arg stay.  Asks for the first time after a period. */
struct lookout *lookout_new(struct loop *l, const struct inquirer *in, const struct config *c, const struct lookout_ops *ops,
			void *arg);

/* When no worker is visited any more, and the loop does not run any more. */
void lookout_free(struct lookout **w);

/* The next question is by c. */
void lookout_configure(struct lookout *w, const struct config *c);

/* What was asked before now is of no interest any more. */
void lookout_forget(struct lookout *w);

#endif
