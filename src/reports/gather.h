/*
 * gather: the statistics of queries, copied on each worker and put together.
 *
 *	gather_look, on each worker ──> gather_add, one behind the other ──> gather_settle
 *
 * A worker copies its part of `struct performance`: what stands at the top there.  Of
 * digests that are more rows than will be shown, since what is second on each of two
 * workers may be first of all.  A tenant is on one worker only, so of tenants as many do.
 */
#ifndef REPORTS_GATHER_H
#define REPORTS_GATHER_H

#include "reports/performance.h"

/* What costs something is only copied if it is wanted. */
enum gather_what {
	GATHER_SUM = 1 << 0,		/* sum, recent */
	GATHER_DIGESTS = 1 << 1,
	GATHER_TENANTS = 1 << 2,	/* with loads; of one tenant: itself */
	GATHER_BOUNDS = 1 << 3,		/* evicted ..., memory */
};

struct report_wish {
	unsigned what;		/* enum gather_what, or-ed */
	char *tenant;		/* NULL: all; owned by who holds the wish */
	enum query_order by;
	unsigned top;		/* never 0 */
	usec_t window;
};

/* On a worker; p is zero-filled, or holds what an earlier look has brought, which wanted other things. */
void gather_look(struct performance *p, const struct report_wish *w, struct shard *s);

/* Add one worker's to the sum; it is empty after. */
void gather_add(struct performance *to, struct performance *p);

/* All are there: sort and cut. */
void gather_settle(struct performance *p, const struct report_wish *w);

void gather_release(struct performance *p);

#endif
