/*
 * plan: how a server would run a query that was slow.
 *
 * EXPLAIN (never ANALYZE) of the normalized text as a generic plan, in a read-only
 * transaction with a statement_timeout, on a server of the same pool: one that is idle,
 * so no client waits for it and no connection is opened.  At most slow_query_plan_rate a
 * minute and worker, and one at a time for each pool.  Where it can't be had, the record
 * says why (plan_note).
 */
#ifndef SESSION_PLAN_H
#define SESSION_PLAN_H

#include "session/session.h"
#include "stats/slow_query.h"

struct planner;

/* q ran in p.  Takes q: it goes on by shard_ops->slow, at once or when its plan is there. */
void plan_ask(struct shard *s, struct pool *p, struct slow_query *q);

/* Several times a second: give up what takes too long. */
void plans_keep(struct shard *s, usec_t now);

/* Hand over all without plans; the pools are closed already. */
void plans_release(struct shard *s);

#endif
