#include "reports/sum_row.h"

#include <inttypes.h>
#include <stdio.h>

/* The middle of a bucket may lie above all that is in it: never tell more than the longest. */
static int64_t
quantile(const struct query_sum *s, double q)
{
	int64_t v = histogram_quantile(&s->latency, q);

	if (v < 0)
		return REPORT_NULL;
	return v < s->n.max ? v : s->n.max;
}

/* what / n, rounded. */
static int64_t
divide(int64_t what, uint64_t n)
{
	return n > 0 ? (what + (int64_t)n / 2) / (int64_t)n : REPORT_NULL;
}

void
sum_row_fill(struct sum_row *row, const struct query_sum *s)
{
	const struct query_counters *n = &s->n;

	*row = (struct sum_row){
		.calls = (int64_t)n->calls,
		.errors = (int64_t)n->errors,
		.slow = (int64_t)n->slow,
		.slow_percent = divide((int64_t)n->slow * 10000, n->calls),
		.rows = (int64_t)n->rows,
		.bytes_in = (int64_t)n->bytes_in,
		.bytes_out = (int64_t)n->bytes_out,
		.cache_hits = (int64_t)n->cache_hits,
		.total = n->total,
		.mean = divide(n->total, n->calls),
		.p50 = quantile(s, 0.50),
		.p95 = quantile(s, 0.95),
		.p99 = quantile(s, 0.99),
		.max = n->calls > 0 ? n->max : REPORT_NULL,
		.wait = divide(n->wait, n->calls),
	};
}

const char *
hash_print(char buf[HASH_TEXT], uint64_t hash)
{
	if (hash == 0)
		return NULL;
	snprintf(buf, HASH_TEXT, "%016" PRIx64, hash);
	return buf;
}
