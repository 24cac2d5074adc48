#include "monitor/history.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)
#define START (1764110100 * SECOND)	/* wall clock; the beginning of a minute */

static struct history h;
static struct query_sum total;
static usec_t now;

static usec_t
wall(void)
{
	return START + now - 5 * SECOND;
}

static void
setup(void)
{
	now = 5 * SECOND;
	history_init(&h, now);
	memset(&total, 0, sizeof(total));
}

static void
teardown(void)
{
	history_release(&h);
	query_sum_release(&total);
}

TestSuite(history, .init = setup, .fini = teardown);

static void
count(int calls, usec_t each)
{
	for (int i = 0; i < calls; i++)
		histogram_add(&total.latency, each);
	total.n.calls += (uint64_t)calls;
	total.n.total += calls * each;
	total.n.rows += (uint64_t)calls * 2;
	if (each > total.n.max)
		total.n.max = each;
}

static void
take(void)
{
	history_take(&h, &total, now, wall());
}

static const struct history_point *
point(size_t i)
{
	cr_assert_lt(i, h.n);
	return &h.points[i];
}

static void
expect_near(int64_t is, int64_t should)
{
	cr_expect(is >= should - should / 16 && is <= should + should / 16, "%lld, not %lld", (long long)is,
		  (long long)should);
}

Test(history, the_present_minute_grows)
{
	now += 10 * SECOND;
	take();
	cr_assert_eq(h.n, 1);
	cr_expect_eq(point(0)->n.calls, 0);
	cr_expect_eq(point(0)->p50, -1);
	cr_expect_eq(point(0)->length, 10 * SECOND);
	count(3, 1000);
	now += 10 * SECOND;
	take();
	cr_assert_eq(h.n, 1);
	cr_expect_eq(point(0)->n.calls, 3);
	cr_expect_eq(point(0)->length, 20 * SECOND);
	cr_expect_eq(point(0)->at, START + 20 * SECOND);
}

Test(history, each_minute_has_its_own)
{
	count(90, 1000);
	count(10, 100000);
	now += MINUTE;
	take();
	count(100, 5000);
	now += MINUTE;
	take();
	now += MINUTE;
	take();
	now += SECOND;
	take();
	cr_assert_eq(h.n, 4);
	cr_expect_eq(point(0)->n.calls, 100);
	cr_expect_eq(point(0)->n.rows, 200);
	cr_expect_eq(point(0)->n.max, 100000);
	expect_near(point(0)->p50, 1000);
	expect_near(point(0)->p95, 100000);
	expect_near(point(0)->p99, 100000);
	cr_expect_eq(point(0)->length, MINUTE);
	cr_expect_eq(point(0)->at, START + MINUTE);
	cr_expect_eq(point(1)->n.calls, 100);
	cr_expect_eq(point(1)->n.total, 500000);
	expect_near(point(1)->p50, 5000);
	expect_near(point(1)->p99, 5000);
	expect_near(point(1)->n.max, 5000);
	cr_expect_eq(point(2)->n.calls, 0);
	cr_expect_eq(point(2)->p99, -1);
	cr_expect_eq(point(2)->n.max, 0);
	cr_expect_eq(point(3)->length, SECOND);
}

/* Nobody asked for a while. */
Test(history, missing_minutes_are_one_long_point)
{
	count(10, 1000);
	now += 5 * MINUTE + 10 * SECOND;
	take();
	count(5, 1000);
	now += 50 * SECOND;
	take();
	cr_assert_eq(h.n, 2);
	cr_expect_eq(point(0)->length, 5 * MINUTE + 10 * SECOND);
	cr_expect_eq(point(0)->n.calls, 10);
	cr_expect_eq(point(1)->length, 50 * SECOND);
	cr_expect_eq(point(1)->n.calls, 5);
}

Test(history, an_hour_is_kept)
{
	for (int i = 0; i < 100; i++) {
		count(i, 1000);
		now += MINUTE;
		take();
	}
	now += SECOND;
	take();
	cr_assert_eq(h.n, HISTORY_POINTS);
	cr_expect_eq(point(HISTORY_POINTS - 1)->length, SECOND);
	cr_expect_eq(point(HISTORY_POINTS - 2)->n.calls, 99);
	cr_expect_eq(point(0)->n.calls, 40);
	for (size_t i = 1; i < h.n; i++)
		cr_expect_gt(point(i)->at, point(i - 1)->at);
}

Test(history, what_is_older_than_an_hour_goes)
{
	count(1, 1000);
	now += MINUTE;
	take();
	now += 2 * 60 * MINUTE;
	take();
	cr_assert_eq(h.n, 1);
	cr_expect_eq(point(0)->n.calls, 0);
}

Test(history, counting_that_begins_anew)
{
	count(100, 1000);
	now += MINUTE;
	take();
	query_sum_release(&total);
	memset(&total, 0, sizeof(total));
	count(7, 2000);
	now += MINUTE;
	take();
	cr_assert_eq(h.n, 2);
	cr_expect_eq(point(1)->n.calls, 7);
	cr_expect_eq(point(1)->n.total, 14000);
	expect_near(point(1)->p50, 2000);
}

Test(history, reset_forgets)
{
	count(100, 1000);
	now += MINUTE;
	take();
	query_sum_release(&total);
	memset(&total, 0, sizeof(total));
	history_reset(&h, now);
	cr_expect_eq(h.n, 0);
	count(200, 1000);
	now += SECOND;
	take();
	cr_assert_eq(h.n, 1);
	cr_expect_eq(point(0)->n.calls, 200);
	cr_expect_eq(point(0)->length, SECOND);
}

Test(history, the_minute_has_so_much_left)
{
	cr_expect_eq(history_left(START), MINUTE);
	cr_expect_eq(history_left(START + 1), MINUTE - 1);
	cr_expect_eq(history_left(START + MINUTE - 1), 1);
}

/* --- windows --- */

/* What was counted in the last `window`. */
static uint64_t
calls_in(usec_t window, usec_t *from)
{
	static const struct query_sum nothing;
	const struct query_sum *before;
	struct query_sum between;
	uint64_t calls;

	*from = 0;
	before = history_before(&h, now, window, from);
	history_between(&between, &total, before != NULL ? before : &nothing);
	calls = between.n.calls;
	cr_expect_eq(between.latency.total, calls);
	query_sum_release(&between);
	return calls;
}

Test(history, a_window_is_what_lies_between_two_stands)
{
	usec_t from;

	for (int minute = 0; minute < 10; minute++) {
		count(10, 1000);
		now += MINUTE;
		take();
	}
	count(3, 1000);
	now += 20 * SECOND;
	take();
	cr_expect_eq(calls_in(5 * MINUTE, &from), 53);
	cr_expect_eq(wall() - from, 5 * MINUTE + 20 * SECOND);
	count(4, 1000);
	cr_expect_eq(calls_in(MINUTE, &from), 17, "what no look has seen yet is there, too");
	cr_expect_eq(calls_in(60 * MINUTE, &from), 107);
	cr_expect_eq(from, 0, "since the counting began");
}

Test(history, a_window_that_goes_back_farther_than_is_known)
{
	usec_t from;

	for (int minute = 0; minute < 90; minute++) {
		count(1, 1000);
		now += MINUTE;
		take();
	}
	cr_expect_eq(calls_in(60 * MINUTE, &from), 60);
	now += 30 * SECOND;
	take();
	cr_expect_eq(calls_in(60 * MINUTE, &from), 59);
	cr_expect_eq(wall() - from, 59 * MINUTE + 30 * SECOND);
}

Test(history, no_window_goes_back_behind_a_new_beginning)
{
	usec_t from;

	count(100, 1000);
	now += MINUTE;
	take();
	query_sum_release(&total);
	memset(&total, 0, sizeof(total));
	count(7, 1000);
	now += MINUTE;
	take();
	cr_expect_eq(calls_in(5 * MINUTE, &from), 7);
}
