/*
 * sum_row: what a query_sum says, as fields of a report's row.
 *
 *	struct tenant_row { const char *tenant; struct sum_row sum; };
 *	SUM_ROW_TIMES(offsetof(struct tenant_row, sum)),	the columns that all such reports have
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

#define SUM_ROW_COLUMN(name, type, at, field) { name, type, (at) + offsetof(struct sum_row, field) }
#define SUM_ROW_COUNTS(at)                                    \
	SUM_ROW_COLUMN("calls", COLUMN_INT8, at, calls),      \
	SUM_ROW_COLUMN("errors", COLUMN_INT8, at, errors),    \
	SUM_ROW_COLUMN("slow", COLUMN_INT8, at, slow)
#define SUM_ROW_TIMES(at)                                     \
	SUM_ROW_COLUMN("rows", COLUMN_INT8, at, rows),        \
	SUM_ROW_COLUMN("total_ms", COLUMN_MSEC, at, total),   \
	SUM_ROW_COLUMN("mean_ms", COLUMN_MSEC, at, mean),     \
	SUM_ROW_COLUMN("p50_ms", COLUMN_MSEC, at, p50),       \
	SUM_ROW_COLUMN("p95_ms", COLUMN_MSEC, at, p95),       \
	SUM_ROW_COLUMN("p99_ms", COLUMN_MSEC, at, p99),       \
	SUM_ROW_COLUMN("max_ms", COLUMN_MSEC, at, max),       \
	SUM_ROW_COLUMN("wait_ms", COLUMN_MSEC, at, wait)

void sum_row_fill(struct sum_row *row, const struct query_sum *s);

/* "0123456789abcdef" of a digest; NULL for 0, which is none. */
#define HASH_TEXT 17
const char *hash_print(char buf[HASH_TEXT], uint64_t hash);

#endif
