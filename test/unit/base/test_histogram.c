#include "base/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* xorshift, so that a failure comes again. */
static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Of all magnitudes up to 2^36. */
static int64_t
draw_time(uint64_t *seed)
{
	return (int64_t)(draw(seed) & (((uint64_t)1 << (draw(seed) % 37)) - 1));
}

static int
by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
expect_equal(const struct histogram *a, const struct histogram *b)
{
	struct histogram_bucket x, y;
	size_t at = 0, bt = 0;

	cr_assert_eq(a->total, b->total);
	while (histogram_next(a, &at, &x)) {
		cr_assert(histogram_next(b, &bt, &y));
		cr_assert(x.low == y.low && x.high == y.high && x.count == y.count);
	}
	cr_assert_not(histogram_next(b, &bt, &y));
}

Test(histogram, is_empty_and_without_memory_at_first)
{
	struct histogram h = HISTOGRAM_INIT;
	struct histogram_bucket b;
	size_t at = 0;

	cr_assert_eq(histogram_quantile(&h, 0.5), -1);
	cr_assert_eq(histogram_up_to(&h, INT64_MAX), 0);
	cr_assert_not(histogram_next(&h, &at, &b));
	cr_assert_eq(histogram_memory(&h), 0);
	histogram_clear(&h);
	histogram_merge(&h, &h);
	histogram_subtract(&h, &h, &(struct histogram)HISTOGRAM_INIT);
	cr_assert_null(h.counts);
	histogram_release(&h);
}

/* Every edge of every bucket, from both sides. */
Test(histogram, buckets_hold_what_they_say)
{
	for (int bit = 0; bit < 63; bit++) {
		for (int64_t off = -1; off <= 1; off++) {
			for (int64_t sub = 0; sub < 16; sub++) {
				struct histogram h = HISTOGRAM_INIT;
				struct histogram_bucket b;
				size_t at = 0;
				int64_t v = ((int64_t)1 << bit) + (((int64_t)1 << bit) / 16) * sub + off;
				histogram_add(&h, v);
				cr_assert(histogram_next(&h, &at, &b));
				cr_assert(b.low <= v && v <= b.high, "%ld in %ld..%ld", (long)v, (long)b.low,
					(long)b.high);
				cr_assert_eq(b.count, 1);
				if (v < 16)
					cr_assert(b.low == v && b.high == v);
				else if (b.high != INT64_MAX)
					cr_assert_leq((b.high - b.low + 1) * 16, b.low);
				cr_assert_eq(histogram_up_to(&h, b.high), 1);
				cr_assert_eq(histogram_up_to(&h, b.low - 1), 0);
				histogram_release(&h);
			}
		}
	}
}

Test(histogram, negative_and_huge_values_are_at_the_ends)
{
	struct histogram h = HISTOGRAM_INIT;
	struct histogram_bucket b;
	size_t at = 0;

	histogram_add(&h, INT64_MIN);
	histogram_add(&h, -1);
	histogram_add(&h, INT64_MAX);
	histogram_add(&h, (int64_t)1 << 36);
	cr_assert(histogram_next(&h, &at, &b));
	cr_assert(b.low == 0 && b.high == 0 && b.count == 2);
	cr_assert(histogram_next(&h, &at, &b));
	cr_assert(b.low == ((int64_t)31 << 31) && b.high == INT64_MAX && b.count == 2);
	cr_assert_not(histogram_next(&h, &at, &b));
	cr_assert_eq(histogram_memory(&h), HISTOGRAM_OCTAVES * HISTOGRAM_SUB * sizeof(uint64_t));
	histogram_release(&h);
}

Test(histogram, memory_is_for_the_octaves_that_were_seen)
{
	struct histogram h = HISTOGRAM_INIT;

	for (int64_t v = 1024; v < 8192; v++)
		histogram_add(&h, v);
	cr_assert_eq(histogram_memory(&h), 3 * 128);
	histogram_clear(&h);
	cr_assert_eq(h.total, 0);
	cr_assert_eq(histogram_memory(&h), 3 * 128);
	histogram_add(&h, 1500);
	cr_assert_eq(histogram_up_to(&h, 1500), 1);
	histogram_release(&h);
	cr_assert_eq(histogram_memory(&h), 0);
}

Test(histogram, quantiles_of_few_values)
{
	struct histogram h = HISTOGRAM_INIT;

	histogram_add(&h, 7);
	for (double q = -1; q <= 2; q += 0.25)
		cr_assert_eq(histogram_quantile(&h, q), 7);
	histogram_add(&h, 9);
	cr_assert_eq(histogram_quantile(&h, 0), 7);
	cr_assert_eq(histogram_quantile(&h, 0.5), 7);
	cr_assert_eq(histogram_quantile(&h, 0.51), 9);
	cr_assert_eq(histogram_quantile(&h, 1), 9);
	histogram_release(&h);
}

/* Against the values themselves, sorted: at most half a bucket beside. */
Test(histogram, quantiles_are_known_to_a_thirty_second)
{
	enum { N = 4096 };
	int64_t *all = memory_alloc(N * sizeof(*all));
	uint64_t seed = 42;

	for (int round = 0; round < 20; round++) {
		struct histogram h = HISTOGRAM_INIT;
		for (size_t i = 0; i < N; i++) {
			all[i] = draw_time(&seed);
			histogram_add(&h, all[i]);
		}
		qsort(all, N, sizeof(*all), by_value);
		for (int p = 1; p <= 1024; p++) {
			int64_t exact = all[p * (N / 1024) - 1], got = histogram_quantile(&h, p / 1024.0);
			cr_assert_leq(llabs(got - exact) * 32, exact, "p %d: %ld instead of %ld", p, (long)got,
				(long)exact);
		}
		histogram_release(&h);
	}
	free(all);
}

Test(histogram, up_to_counts_every_value)
{
	struct histogram h = HISTOGRAM_INIT;
	uint64_t seed = 7, below = 0;

	for (int i = 0; i < 2000; i++) {
		int64_t v = draw_time(&seed);
		histogram_add(&h, v);
		below += v < 1 << 20;
	}
	cr_assert_eq(histogram_up_to(&h, (1 << 20) - 1), below);
	cr_assert_eq(histogram_up_to(&h, INT64_MAX), 2000);
	cr_assert_eq(histogram_up_to(&h, -1), 0);
	histogram_release(&h);
}

/* In whatever order parts are put together, the whole is the same. */
Test(histogram, merging_loses_nothing)
{
	struct histogram whole = HISTOGRAM_INIT, forth = HISTOGRAM_INIT, back = HISTOGRAM_INIT;
	struct histogram parts[8] = { HISTOGRAM_INIT };
	uint64_t seed = 3;

	for (int i = 0; i < 4000; i++) {
		int64_t v = draw_time(&seed) >> (draw(&seed) % 8);
		histogram_add(&whole, v);
		histogram_add(&parts[draw(&seed) % 7], v);
	}
	for (size_t i = 0; i < 8; i++) {
		histogram_merge(&forth, &parts[i]);
		histogram_merge(&back, &parts[7 - i]);
	}
	expect_equal(&whole, &forth);
	expect_equal(&whole, &back);
	histogram_merge(&back, &back);
	cr_assert_eq(back.total, 8000);
	cr_assert_eq(histogram_quantile(&back, 0.9), histogram_quantile(&whole, 0.9));
	for (size_t i = 0; i < 8; i++)
		histogram_release(&parts[i]);
	histogram_release(&whole);
	histogram_release(&forth);
	histogram_release(&back);
}

Test(histogram, subtracting_gives_what_came_since)
{
	struct histogram now = HISTOGRAM_INIT, then = HISTOGRAM_INIT, since = HISTOGRAM_INIT;
	struct histogram difference = HISTOGRAM_INIT;
	uint64_t seed = 99;

	histogram_add(&difference, 123456);
	for (int i = 0; i < 3000; i++)
		histogram_add(&now, draw_time(&seed) >> 20);
	histogram_merge(&then, &now);
	for (int i = 0; i < 500; i++) {
		int64_t v = draw_time(&seed);
		histogram_add(&now, v);
		histogram_add(&since, v);
	}
	histogram_subtract(&difference, &now, &then);
	expect_equal(&difference, &since);
	histogram_subtract(&now, &now, &then);
	expect_equal(&now, &since);
	histogram_release(&now);
	histogram_release(&then);
	histogram_release(&since);
	histogram_release(&difference);
}

/* After a reset the earlier stand has more than there is. */
Test(histogram, subtracting_more_leaves_nothing)
{
	struct histogram few = HISTOGRAM_INIT, many = HISTOGRAM_INIT, left = HISTOGRAM_INIT;

	histogram_add(&few, 5);
	histogram_add(&few, 100);
	for (int i = 0; i < 3; i++) {
		histogram_add(&many, 5);
		histogram_add(&many, 70000);
	}
	histogram_subtract(&left, &few, &many);
	cr_assert_eq(left.total, 1);
	cr_assert_eq(histogram_up_to(&left, 99), 0);
	histogram_release(&few);
	histogram_release(&many);
	histogram_release(&left);
}
