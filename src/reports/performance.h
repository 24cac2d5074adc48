/*
 * performance: how queries did, of one tenant or all, over a window: the numbers behind
 * SHOW QUERIES, SHOW LATENCY, /api/system/query-performance and the metrics.
 *
 * Sums and percentiles are since the counting began (start or RESET STATS).  A window of
 * up to an hour has counts and the mean, of tenants and of all, by whole minutes;
 * percentiles of a window there are for all tenants together only (monitor_window).
 * Digests are told since the counting began.  Each answer says what it covers.
 *
 * Control thread.
 */
#ifndef REPORTS_PERFORMANCE_H
#define REPORTS_PERFORMANCE_H

#include "reports/reports.h"

/* What tenants have open now. */
struct tenant_load {
	char *tenant;
	int64_t clients, servers, waiting;
	const char *state, *source;	/* static; NULL: of several */
	char *host;			/* owned; NULL: unix_socket_dir, or of several */
	int64_t port, weight;		/* REPORT_NULL: of several */
};

struct performance {
	bool found;			/* false: no such tenant is in use, and the rest is empty */
	usec_t from, to;		/* wall clock: what the sums cover */
	usec_t window;			/* that was asked for; 0: all */
	usec_t window_from;		/* wall clock: since when the window's numbers really are */
	struct query_minute recent;	/* of the window; all 0 if it is 0 */
	struct query_sum sum;
	struct query_rows digests;	/* sorted, cut, `other` last */
	struct query_rows tenants;	/* likewise, if no tenant was asked for: `other` is all that have no row of their own */
	struct tenant_load *loads;	/* of `tenants`, in their order */
	size_t nloads;
	struct tenant_load all;		/* of all tenants; its name is NULL */
	uint64_t evicted_digests, evicted_entries, truncated;
	size_t ntenants;		/* in use */
	size_t memory;			/* bytes that the statistics take */
};

typedef void performance_done_fn(void *arg, const struct performance *p);	/* p: borrowed for the call */

struct performance_order;

/* What f says (its order and top count for digests and tenants). done is called once, later, unless abandoned. */
struct performance_order *performance_ask(struct reports *r, const struct report_filter *f,
					  performance_done_fn *done, void *arg);
void performance_abandon(struct performance_order **o);

/* What SHOW QUERIES and SHOW TENANTS would show of it, as rows of those reports; the caller releases r. */
void performance_queries(const struct performance *p, struct report *r);
void performance_tenants(const struct performance *p, struct report *r);

#endif
