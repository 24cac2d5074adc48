/*
 * sum_row: what a query_sum says, as fields of a report's row.
 *
 *	struct tenant_row { const char *tenant; struct sum_row sum; };
 *	{ "p95_ms", COLUMN_MSEC, offsetof(struct tenant_row, sum.p95) },
 */
#ifndef REPORTS_SUM_ROW_H
#define REPORTS_SUM_ROW_H

#include "base/report.h"
#include "stats/queries.h"

/* Times in microseconds; what can't be told without a query is REPORT_NULL. */
struct sum_row {
	int64_t calls, errors, slow, slow_percent, rows, bytes_in, bytes_out, cache_hits;
	int64_t total, mean, p50, p95, p99, max;
	int64_t wait;	/* mean */
};

void sum_row_fill(struct sum_row *row, const struct query_sum *s);

/* "0123456789abcdef" of a digest; NULL for 0, which is none. */
#define HASH_TEXT 17
const char *hash_print(char buf[HASH_TEXT], uint64_t hash);

#endif
