/*
 * A report that takes many visits.
 */
#include <criterion/criterion.h>

#include "stage.h"

Test(slices, are_put_together)
{
	stage_open(2, "alfa bravo charlie delta echo foxtrot golf hotel", "");
	stage_reports.slice = -1;
	stage_expect("STATS_TOTALS", NULL, "database",
		"alfa\nbravo\ncharlie\ndelta\necho\nfoxtrot\ngolf\nhotel\npgbouncer\n");
	stage_expect("LISTS", NULL, "items", "9\n0\n0\n1\n0\n0\n0\n0\n0\n0\n0\n0\n0\n0\n");
	stage_close();
}

static void
count_rows(void *arg, struct report *rows, const struct error *e)
{
	(void)e;
	*(size_t *)arg = rows->nrows;
}

/* A tenant goes while the report is under way: the others are told once each. */
Test(slices, lose_their_way)
{
	size_t nrows = 0;
	int visits = 0;

	stage_open(1, "alfa bravo charlie delta", "");
	stage_reports.slice = -1;
	report_ask(&stage_reports, report_find("STATS"), NULL, count_rows, &nrows);
	cr_assert(stage_answer());
	stage_drop("bravo");
	while (stage_answer())
		visits++;
	cr_assert_gt(visits, 1);
	cr_assert_eq(nrows, 4);	/* with the console's own */
	stage_close();
}

static void
is_never_called(void *arg, struct report *rows, const struct error *e)
{
	(void)arg;
	(void)rows;
	(void)e;
	cr_assert_fail();
}

Test(slices, are_abandoned_half_way)
{
	struct report_order *o;

	stage_open(1, "alfa bravo charlie delta", "");
	stage_reports.slice = -1;
	o = report_ask(&stage_reports, report_find("STATS"), NULL, is_never_called, NULL);
	cr_assert(stage_answer());
	report_abandon(&o);
	cr_assert(stage_answer());
	cr_assert_not(stage_answer());
	report_ask(&stage_reports, report_find("STATS"), NULL, is_never_called, NULL);
	cr_assert(stage_answer());
	stage_close();
}
