/*
 * performance: how queries did, of one tenant or all, over a window: the numbers behind
 * SHOW QUERIES, SHOW LATENCY, /api/system/query-performance and the metrics.
 *
 * Sums and percentiles are since the counting began (start or RESET STATS).  A window of
 * up to an hour has counts and the mean, of tenants and of all, by whole minutes;
 * percentiles of a window there are for all tenants together only (monitor's history).
 * Digests are told since the counting began.  Each answer says what it covers.
 */
#ifndef REPORTS_PERFORMANCE_H
#define REPORTS_PERFORMANCE_H

#include "reports/reports.h"

struct performance {
	bool found;			/* false: no such tenant is in use, and the rest is empty */
	usec_t from, to;		/* wall clock: what the sums cover */
	usec_t window;			/* that was asked for; 0: all */
	usec_t window_from;		/* wall clock: since when the window's numbers really are */
	struct query_minute recent;	/* of the window */
	struct query_sum sum;
	struct query_rows digests;	/* sorted, cut, `other` last */
	struct query_rows tenants;	/* likewise, if no tenant was asked for */
	uint64_t evicted_digests, evicted_entries, truncated;
	size_t ntenants;		/* in use */
	size_t memory;			/* bytes that the statistics take */
};

typedef void performance_done_fn(void *arg, const struct performance *p);	/* p: borrowed for the call */

struct performance_order;

/* What f says (its order and top count for digests and tenants). done is called once, later, unless abandoned. */
struct performance_order *performance_ask(struct reports *r, const struct report_filter *f, performance_done_fn *done,
					  void *arg);
void performance_abandon(struct performance_order **o);

#endif
