#include "stats/recent.h"

#include <criterion/criterion.h>
#include <string.h>

#include "stage.h"

#define MINUTE (60 * SECOND)

static void
pass(struct query_minutes *m, uint32_t minute, uint32_t calls)
{
	for (uint32_t i = 0; i < calls; i++)
		query_minutes_count(m, minute, &(struct query_sample){ .total = 10, .slow = i % 2 == 0, .failed = i == 0 });
}

/* One call in minute 101, ten in 102, and so on. */
Test(minutes, windows_end_with_the_present_minute)
{
	static const struct {
		usec_t window, now;
		uint32_t calls, first;
	} cases[] = {
		{ MINUTE, 104 * MINUTE, 1000, 104 },
		{ MINUTE, 105 * MINUTE - 1, 1000, 104 },
		{ MINUTE, 105 * MINUTE, 0, 105 },
		{ 0, 104 * MINUTE, 1000, 104 },			/* there is always one */
		{ MINUTE + 1, 104 * MINUTE, 1100, 103 },	/* rounded up */
		{ 5 * MINUTE, 104 * MINUTE, 1111, 100 },
		{ 5 * MINUTE, 106 * MINUTE, 1110, 102 },
		{ 60 * MINUTE, 104 * MINUTE, 1111, 45 },
		{ 60 * MINUTE, 163 * MINUTE, 1000, 104 },
		{ 60 * MINUTE, 164 * MINUTE, 0, 105 },
		{ 24 * 60 * MINUTE, 160 * MINUTE, 1111, 101 },	/* an hour at most */
	};
	struct query_minutes m = { .from = 0 };

	pass(&m, 101, 1);
	pass(&m, 102, 10);
	pass(&m, 103, 100);
	pass(&m, 104, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct query_minute sum = query_minutes_sum(&m, cases[i].now, cases[i].window);

		if (i == sizeof(cases) / sizeof(cases[0]) - 1)
			cr_assert_eq(sum.total, 11110);
		cr_assert_eq(sum.calls, cases[i].calls, "case %zu: %u", i, sum.calls);
		cr_assert_eq(sum.minute, cases[i].first, "case %zu: %u", i, sum.minute);
	}
	query_minutes_release(&m);
}

Test(minutes, the_first_hour_of_the_machine)
{
	struct query_minutes m = { .from = 0 };

	pass(&m, 0, 5);
	pass(&m, 2, 6);
	cr_assert_eq(query_minutes_sum(&m, 2 * MINUTE, 60 * MINUTE).calls, 11);
	cr_assert_eq(query_minutes_sum(&m, 2 * MINUTE, 60 * MINUTE).minute, 0);
	query_minutes_release(&m);
}

Test(minutes, a_reset_ends_what_was)
{
	struct query_minutes m = { .from = 0 };

	for (uint32_t minute = 100; minute <= 130; minute++)
		pass(&m, minute, 10);
	query_minutes_reset(&m, 130 * MINUTE + 5);
	cr_assert_eq(query_minutes_sum(&m, 130 * MINUTE + 6, 60 * MINUTE).calls, 0);
	pass(&m, 130, 3);
	pass(&m, 131, 4);
	cr_assert_eq(query_minutes_sum(&m, 131 * MINUTE, 60 * MINUTE).calls, 7);
	cr_assert_eq(query_minutes_sum(&m, 131 * MINUTE, 60 * MINUTE).minute, 130);
	cr_assert_eq(query_minutes_sum(&m, 131 * MINUTE, MINUTE).calls, 4);
	query_minutes_release(&m);
}

/* Whatever happens, the sums are those of a plain list. */
Test(minutes, agree_with_a_list)
{
	static uint32_t calls[3000];
	struct query_minutes m = { .from = 0 };
	uint32_t minute = 0, reset = 0;

	for (unsigned step = 0; step < 20000; step++) {
		uint32_t window = 1 + stage_random(62), present, sum = 0;

		if (stage_random(10) == 0)
			minute += stage_random(50) == 0 ? stage_random(130) : 1;
		if (minute > 2800)
			break;
		if (stage_random(300) == 0) {
			query_minutes_reset(&m, minute * MINUTE + 3);
			reset = minute;
			memset(calls, 0, sizeof(calls));
		}
		pass(&m, minute, 1);
		calls[minute]++;
		present = minute + stage_random(3) * stage_random(70);
		for (uint32_t i = 0; i < window && i < 60; i++)
			sum += present >= i && present - i < 3000 ? calls[present - i] : 0;
		cr_assert_eq(query_minutes_sum(&m, present * MINUTE, window * MINUTE).calls, sum, "step %u, reset at %u", step, reset);
		cr_assert_eq(query_minutes_sum(&m, present * MINUTE, window * MINUTE).total, 10 * sum);
	}
	cr_assert_gt(minute, 1000);
	query_minutes_release(&m);
}

/* A time that is a little older than the last one costs no hour. */
Test(minutes, never_go_back)
{
	struct query_minutes m = { .from = 0 };

	pass(&m, 100, 5);
	pass(&m, 101, 5);
	pass(&m, 100, 1);
	cr_assert_eq(query_minutes_sum(&m, 101 * MINUTE, 60 * MINUTE).calls, 11);
	cr_assert_eq(query_minutes_sum(&m, 101 * MINUTE, MINUTE).calls, 6);
	query_minutes_release(&m);
}

Test(minutes, silent_ones_take_no_room)
{
	struct query_minutes m = { .from = 0 };

	pass(&m, 100, 5);
	cr_assert_eq(m.room, 1);
	pass(&m, 1000, 5);
	cr_assert_eq(m.room, 1, "what is over makes room");
	for (uint32_t minute = 1001; minute < 1200; minute++)
		pass(&m, minute, 1);
	cr_assert_eq(m.room, QUERY_MINUTES);
	cr_assert_eq(query_minutes_sum(&m, 1199 * MINUTE, 60 * MINUTE).calls, 60);
	query_minutes_release(&m);
	cr_assert_null(m.of);
}

static void
spend(struct query_trend *t, uint32_t number, uint64_t calls, usec_t each)
{
	query_trend_roll(t, number, 20);
	t->now.calls += calls;
	t->now.total += (usec_t)calls * each;
}

Test(trend, a_period_passes_through)
{
	struct query_trend t = { .number = 0 };

	spend(&t, 7, 100, 1000);
	cr_assert_eq(t.now.calls, 100);
	cr_assert_eq(t.before.calls, 0);
	spend(&t, 8, 50, 2000);
	cr_assert_eq(t.now.calls, 50);
	cr_assert_eq(t.before.calls, 100);
	cr_assert_eq(t.periods, 0);
	query_trend_roll(&t, 9, 20);
	cr_assert_eq(t.now.calls, 0);
	cr_assert_eq(t.before.calls, 50);
	cr_assert_eq(t.periods, 1);
	cr_assert_float_eq(t.baseline, 1000, 1e-6);
	query_trend_roll(&t, 9, 20);
	cr_assert_eq(t.periods, 1, "nothing is over");
}

/* The night must not be taken for a time when queries took no time. */
Test(trend, silence_is_no_baseline)
{
	struct query_trend t = { .number = 0 };

	spend(&t, 7, 100, 1000);
	query_trend_roll(&t, 500000, 20);
	cr_assert_eq(t.number, 500000);
	cr_assert_eq(t.before.calls, 0);
	cr_assert_eq(t.periods, 1);
	cr_assert_float_eq(t.baseline, 1000, 1e-6);
	spend(&t, 500001, 19, 50000);	/* too few to say anything */
	query_trend_roll(&t, 500003, 20);
	cr_assert_eq(t.periods, 1);
	cr_assert_float_eq(t.baseline, 1000, 1e-6);
	spend(&t, 500003, 20, 3000);
	query_trend_roll(&t, 500005, 20);
	cr_assert_eq(t.periods, 2);
	cr_assert_float_eq(t.baseline, 2000, 1e-6);
}

Test(trend, the_past_fades)
{
	struct query_trend t = { .number = 0 };
	double expected = 1000;

	for (uint32_t i = 1; i <= 8; i++)
		spend(&t, i, 20, 1000);
	query_trend_roll(&t, 10, 20);
	cr_assert_eq(t.periods, 8);
	cr_assert_float_eq(t.baseline, expected, 1e-6);
	for (uint32_t i = 10; i < 20; i++) {
		spend(&t, i, 1000, 9000);
		expected += (9000 - expected) / 8;
	}
	query_trend_roll(&t, 21, 20);
	cr_assert_float_eq(t.baseline, expected, 1e-6);
	cr_assert(t.baseline > 6800 && t.baseline < 7000);
}

/* Without a bound, any query makes a period; none makes no division by zero. */
Test(trend, no_bound)
{
	struct query_trend t = { .number = 0 };

	query_trend_roll(&t, 4, 0);
	t.now = (struct query_period){ .calls = 1, .total = 70 };
	query_trend_roll(&t, 9, 0);
	cr_assert_eq(t.periods, 1);
	cr_assert_float_eq(t.baseline, 70, 1e-6);
}
