#include "stats/alarms.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/memory.h"
#include "stage.h"

#define MINUTE (60 * SECOND)
#define NOW (1000 * PERIOD)	/* a whole hour, too */

static const struct query_alarm_rules rules = { .slow_share = 0.05, .min_calls = 20, .regression = 2 };

static void
begin(struct query_store *s)
{
	struct query_limits l = stage_limits(1000, 100);

	query_store_init(s, &l, NOW);
}

static void
ask_often(struct query_tenant *t, unsigned number, unsigned calls, usec_t total, usec_t now)
{
	for (unsigned i = 0; i < calls; i++)
		stage_ask(t, number, total, now);
}

/* --- slow share --- */

Test(slow_share, takes_both_windows)
{
	static const struct {
		const char *what;
		unsigned before, slow_before;	/* half an hour ago */
		unsigned calls, slow;		/* now */
		bool alarm;
	} cases[] = {
		{ "nothing", 0, 0, 0, 0, false },
		{ "all is well", 1000, 10, 100, 2, false },
		{ "at the limit is not over it", 0, 0, 100, 5, false },
		{ "over it", 0, 0, 100, 6, true },
		{ "over it, but the hour is not", 1000, 0, 100, 20, false },
		{ "over it, and the hour is", 1000, 60, 100, 20, true },
		{ "it was bad, and is over", 1000, 500, 100, 5, false },
		{ "too few to say", 1000, 500, 19, 19, false },
		{ "just enough to say", 1000, 500, 20, 20, true },
		{ "it was bad, and nobody asks", 1000, 500, 0, 0, false },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct query_store s;
		struct query_alarms a;
		struct query_tenant *t;

		begin(&s);
		t = query_tenant_new(&s, "t");
		ask_often(t, 1, cases[i].slow_before, 2 * SECOND, NOW - 30 * MINUTE);
		ask_often(t, 1, cases[i].before - cases[i].slow_before, 100, NOW - 30 * MINUTE);
		ask_often(t, 1, cases[i].slow, 2 * SECOND, NOW);
		ask_often(t, 1, cases[i].calls - cases[i].slow, 100, NOW + 4 * MINUTE);
		query_find_alarms(&s, &rules, NOW + 4 * MINUTE + 59 * SECOND, 10, &a);
		cr_assert_eq(a.n, cases[i].alarm, "%s", cases[i].what);
		if (cases[i].alarm) {
			cr_assert_eq(a.list[0].kind, QUERY_ALARM_SLOW_SHARE);
			cr_assert_str_eq(a.list[0].tenant, "t");
			cr_assert_eq(a.list[0].text, NULL);
			cr_assert_eq(a.list[0].calls, cases[i].calls);
			cr_assert_float_eq(a.list[0].value, (double)cases[i].slow / cases[i].calls, 1e-9);
			cr_assert_float_eq(a.list[0].limit, 0.05, 1e-9);
			cr_assert_float_eq(a.list[0].value_hour, (double)(cases[i].slow + cases[i].slow_before) /
									 (cases[i].calls + cases[i].before), 1e-9);
		}
		query_alarms_release(&a);
		query_find_alarms(&s, &rules, NOW + 5 * MINUTE, 10, &a);
		cr_assert_eq(a.n, 0, "%s: the slow ones are over five minutes old", cases[i].what);
		query_alarms_release(&a);
		query_store_release(&s);
	}
}

/* --- regression --- */

/* What happens in the periods from NOW on: calls and how long each took; a look at the end of the last one. */
struct story {
	const char *what;
	bool alarm;
	struct {
		unsigned calls;
		usec_t each;
	} periods[8];
	unsigned n;
	double baseline, value;
};

static const struct story stories[] = {
	{ "as ever", false, { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 50, 20000 } }, 5, 0, 0 },
	{ "slower just now", true,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 20, 50000 } }, 5, 20000, 50000 },
	{ "too few just now, and all was well before", false,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 19, 50000 } }, 5, 0, 0 },
	{ "slower in the last complete one, and silence since", true,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 20, 50000 }, { 0, 0 } }, 5, 20000, 50000 },
	{ "slower in the last complete one, and well again", false,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 20, 50000 }, { 20, 20000 } }, 5, 0, 0 },
	{ "two periods are no baseline", false,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 50000 }, { 50, 50000 } }, 4, 0, 0 },
	{ "three are, with silence between them", true,
	  { { 50, 20000 }, { 0, 0 }, { 50, 20000 }, { 0, 0 }, { 50, 20000 }, { 0, 0 }, { 20, 50000 } }, 7, 20000, 50000 },
	{ "periods of few calls are no baseline", false,
	  { { 50, 20000 }, { 19, 20000 }, { 50, 20000 }, { 19, 20000 }, { 0, 0 }, { 50, 50000 } }, 6, 0, 0 },
	{ "twice as long is not more than twice", false,
	  { { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 50, 20000 }, { 20, 40000 } }, 5, 0, 0 },
	{ "four times of nearly nothing is noise", false,
	  { { 50, 1000 }, { 50, 1000 }, { 50, 1000 }, { 50, 1000 }, { 20, 5999 } }, 5, 0, 0 },
	{ "5 ms more are not", true,
	  { { 50, 1000 }, { 50, 1000 }, { 50, 1000 }, { 50, 1000 }, { 20, 6000 } }, 5, 1000, 6000 },
	{ "from no time at all", true,
	  { { 50, 0 }, { 50, 0 }, { 50, 0 }, { 50, 0 }, { 20, 6000 } }, 5, 0, 6000 },
};

static void
tell(const struct story *y, struct query_tenant *t)
{
	for (unsigned i = 0; i < y->n; i++)
		ask_often(t, 1, y->periods[i].calls, y->periods[i].each, NOW + (usec_t)i * PERIOD);
}

Test(regression, is_by_its_own_baseline)
{
	for (size_t i = 0; i < lengthof(stories); i++) {
		const struct story *y = &stories[i];
		struct query_store s;
		struct query_alarms a;

		begin(&s);
		tell(y, query_tenant_new(&s, "t"));
		query_find_alarms(&s, &rules, NOW + (usec_t)y->n * PERIOD - 1, 10, &a);
		cr_assert_eq(a.n, y->alarm, "%s", y->what);
		if (y->alarm) {
			cr_assert_eq(a.list[0].kind, QUERY_ALARM_REGRESSION);
			cr_assert_str_eq(a.list[0].tenant, "t");
			cr_assert_str_eq(a.list[0].text, "select c1 from t");
			cr_assert_eq(a.list[0].hash, stage_hash(1));
			cr_assert_float_eq(a.list[0].baseline, y->baseline, 1e-6);
			cr_assert_float_eq(a.list[0].value, y->value, 1e-6);
			cr_assert_float_eq(a.list[0].limit, 2 * y->baseline, 1e-6);
			cr_assert_eq(a.list[0].calls, 20, "%s", y->what);
		}
		query_alarms_release(&a);
		/* Two silent periods later there is nothing to be said. */
		query_find_alarms(&s, &rules, NOW + (usec_t)(y->n + 2) * PERIOD, 10, &a);
		cr_assert_eq(a.n, 0, "%s, long ago", y->what);
		query_alarms_release(&a);
		query_store_release(&s);
	}
}

/* What is slow for good becomes what is usual. */
Test(regression, ends_when_one_is_used_to_it)
{
	struct query_store s;
	struct query_alarms a;
	struct query_tenant *t;
	unsigned alarms = 0;

	begin(&s);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 40; i++) {
		usec_t now = NOW + (usec_t)i * PERIOD;

		ask_often(t, 1, 50, i < 10 ? 20000 : 50000, now);
		query_find_alarms(&s, &rules, now, 10, &a);
		cr_assert(a.n == 0 || (i >= 10 && i < 20), "period %u", i);
		alarms += a.n > 0;
		query_alarms_release(&a);
	}
	cr_assert(alarms >= 3, "%u", alarms);
	query_store_release(&s);
}

/* --- both --- */

Test(alarms, worst_first_and_no_more_than_asked_for)
{
	struct query_store s;
	struct query_alarms a;
	char name[16];

	begin(&s);
	for (unsigned i = 1; i <= 20; i++) {
		struct query_tenant *t;

		snprintf(name, sizeof(name), "t%02u", i);
		t = query_tenant_new(&s, name);
		if (i % 2 == 0) {
			/* Over the limit of 5 % by i. */
			ask_often(t, 1, 5 * i, 2 * SECOND, NOW + 4 * PERIOD);
			ask_often(t, 1, 100 - 5 * i, 100, NOW + 4 * PERIOD);
			continue;
		}
		for (unsigned p = 0; p < 4; p++)
			ask_often(t, 1, 20, 10000, NOW + p * PERIOD);
		ask_often(t, 1, 20, 20000 * i, NOW + 4 * PERIOD);
	}
	query_find_alarms(&s, &rules, NOW + 4 * PERIOD, 5, &a);
	cr_assert_eq(a.n, 5);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "t%02u", 20 - i);
		cr_assert_str_eq(a.list[i].tenant, name);
	}
	query_alarms_release(&a);
	cr_assert_eq(a.list, NULL);
	query_find_alarms(&s, &rules, NOW + 4 * PERIOD, 100, &a);
	cr_assert_eq(a.n, 19, "all but t01, which is not over its limit");
	query_alarms_release(&a);
	query_find_alarms(&s, &rules, NOW + 4 * PERIOD, 0, &a);
	cr_assert_eq(a.n, 0);
	query_alarms_release(&a);
	query_find_alarms(&s, &(struct query_alarm_rules){ .min_calls = 1 }, NOW + 4 * PERIOD, 100, &a);
	cr_assert_eq(a.n, 0, "both are off");
	query_alarms_release(&a);
	query_store_release(&s);
}

/* With more statements than one look takes, each has its turn. */
Test(alarms, are_found_among_very_many)
{
	struct query_limits l = stage_limits(50000, 50000);
	struct query_store s;
	struct query_alarms a;
	struct query_tenant *t;
	unsigned looks = 0, found = 0;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned p = 0; p < 5; p++) {
		ask_often(t, 1, 20, p < 4 ? 20000 : 90000, NOW + p * PERIOD);
		ask_often(t, 2, 20, p < 4 ? 20000 : 90000, NOW + p * PERIOD);
	}
	for (unsigned i = 10; i < 45000; i++)
		stage_ask(t, i, 100, NOW + 4 * PERIOD);
	for (; looks < 9; looks++) {
		query_find_alarms(&s, &rules, NOW + 4 * PERIOD, 10, &a);
		found += (unsigned)a.n;
		query_alarms_release(&a);
	}
	/* 90,000 looks at 44,992. */
	cr_assert_eq(found, 4, "%u", found);
	query_store_release(&s);
}
