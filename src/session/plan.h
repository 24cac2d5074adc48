/*
 * plan: how a server would run a query that was slow.
 *
 *	plan_ask ──> waits ── a server of the pool is idle ──> runs ──> shard_ops->slow
 *	               └── nobody can be asked, or not in time: plan_note says why ──────^
 *
 * EXPLAIN (never ANALYZE) of the normalized text as a generic plan, in a read-only
 * transaction with a statement_timeout, on a server of the same pool: one that is idle and
 * that no client waits for, so no connection is opened.  If somebody comes to wait for one
 * meanwhile, what runs is canceled.  At most slow_query_plan_rate a minute and worker, and
 * one at a time for each pool.
 *
 *	Q  BEGIN READ ONLY; SET LOCAL ...
 *	P D S  the text under a name of our own, and how many parameters it has
 *	Q  EXPLAIN (FORMAT JSON) EXECUTE name(NULL, ...)	if it could be prepared
 *	Q  ROLLBACK
 *	C S  the name						if it was prepared
 *
 * The text goes in a Parse, which takes one statement and no more, whatever is in it.  The
 * server goes back only if all of that ended as it should; else it is closed, so no client
 * sees anything of it.
 *
 * Names are looked up with the settings that the server has at that time (search_path, the
 * role): where the session that ran the query had others, preparing may fail, and plan_note
 * holds the server's words.
 */
#ifndef SESSION_PLAN_H
#define SESSION_PLAN_H

#include "session/session.h"
#include "stats/slow_query.h"

#define PLAN_MAX (64 * 1024)	/* bytes of a plan */

struct planner;

/* q ran in p.  Takes q: it goes on by shard_ops->slow, at once or when its plan is there. */
void plan_ask(struct shard *s, struct pool *p, struct slow_query *q);

/* Several times a second: give up what takes too long or stands in somebody's way. */
void plans_keep(struct shard *s, usec_t now);

/* Hand over all without plans; the pools are closed already. */
void plans_release(struct shard *s);

#endif
