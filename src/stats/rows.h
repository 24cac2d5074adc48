/*
 * rows: what queries cost, for reports: copies that may go to another thread.
 */
#ifndef STATS_ROWS_H
#define STATS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/digest.h"
#include "stats/counters.h"
#include "stats/recent.h"

struct query_store;
struct query_tenant;

enum query_order {
	QUERY_BY_TOTAL,		/* the default */
	QUERY_BY_CALLS,
	QUERY_BY_MEAN,
	QUERY_BY_P95,
	QUERY_BY_MAX,
	QUERY_BY_ERRORS,
	QUERY_BY_SLOW,
	QUERY_BY_ROWS,
	QUERY_BY_WAIT,		/* the sum of it */
	QUERY_ORDERS,
};

/* "total", "calls", ...; -1: no such word. */
int query_order_find(const char *word);
const char *query_order_name(enum query_order o);

/* All owned. */
struct query_row {
	uint64_t hash;		/* 0: other, or a tenant's row */
	char *tenant;		/* NULL: all tenants */
	char *text;		/* NULL: other, or a tenant's row */
	char *tables;		/* "a, b"; NULL: not known */
	enum sql_verb verb;
	bool other;		/* what is told of no row of its own */
	bool parsed, reads_only;
	uint32_t tenants;	/* that have it, on the workers that were asked; 0 in other */
	struct query_sum sum;
	struct query_trend trend;	/* as of the last query; of one worker, if several have it */
};

struct query_rows {
	struct query_row *list;
	size_t n, room;
};

void query_rows_release(struct query_rows *r);

/* One more, of zeros; good until the next one. */
struct query_row *query_rows_add(struct query_rows *r);

/* The first `top` digests of one tenant, or (NULL) of the whole store, in this order, and `other` if it has counted
 * anything.  Behind the first `top` of several stores something may be missing that is only near the top in each:
 * ask for more than is shown. */
void query_collect(const struct query_store *s, const struct query_tenant *t, enum query_order o, size_t top,
		   struct query_rows *r);

/* The first `top` tenants by this order: rows with tenant set, hash 0 and text NULL, and in the last one, if there is
 * more, the sum of the rest, freed tenants included (tenant "", other).  Cheap for ten thousand tenants. */
void query_collect_tenants(const struct query_store *s, enum query_order o, size_t top, struct query_rows *r);

/* Add src's rows to dst: those of one (tenant, hash) become one.  src is empty after. */
void query_rows_merge(struct query_rows *dst, struct query_rows *src);

/* Sort and cut; `other` is always last and is not counted.  What is cut off of tenants' rows is added to their other. */
void query_rows_sort(struct query_rows *r, enum query_order o, size_t top);

#endif
