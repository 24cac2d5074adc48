#include "stats/counters.h"

#include <criterion/criterion.h>
#include <string.h>

#define N (sizeof(struct query_counters) / sizeof(uint64_t))

/* Every member counts: no name is forgotten when one is added to the struct. */
Test(counters, add_and_subtract_every_one)
{
	struct query_counters sum = { .calls = 0 }, more;
	uint64_t values[N];

	for (size_t i = 0; i < N; i++)
		values[i] = (uint64_t)1 << (i + 1);
	memcpy(&more, values, sizeof(more));
	query_counters_add(&sum, &more);
	query_counters_add(&sum, &more);
	for (size_t i = 0; i < N; i++)
		values[i] *= 2;
	memcpy(&more, values, sizeof(more));
	cr_assert_eq(sum.max, more.max / 2, "the greatest, not the sum");
	sum.max = more.max;
	cr_assert_eq(memcmp(&sum, &more, sizeof(sum)), 0);
	query_counters_subtract(&sum, &more);
	cr_assert_eq(sum.max, more.max);
	sum.max = 0;
	cr_assert_eq(memcmp(&sum, &(struct query_counters){ .calls = 0 }, sizeof(sum)), 0);
}

Test(counters, sums_have_latencies)
{
	struct query_sum a = { .n = { .calls = 2 } }, b = { .n = { .calls = 1 } };

	histogram_add(&a.latency, 10);
	histogram_add(&a.latency, 5000);
	histogram_add(&b.latency, 5000);
	query_sum_subtract(&a, &b);
	cr_assert_eq(a.n.calls, 1);
	cr_assert_eq(a.latency.total, 1);
	cr_assert_eq(histogram_quantile(&a.latency, 0.5), 10);
	query_sum_add(&a, &b);
	cr_assert_eq(a.n.calls, 2);
	cr_assert_eq(a.latency.total, 2);
	query_sum_release(&a);
	cr_assert_eq(a.n.calls, 0);
	cr_assert_eq(a.latency.counts, NULL);
	query_sum_release(&b);
}
