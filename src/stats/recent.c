#include "stats/recent.h"

/* What a new period weighs in a baseline, once that has so many. */
#define BASELINE_PERIODS 8

void
query_minutes_reset(struct query_minutes *m, usec_t now)
{
	m->from = (uint32_t)(now / QUERY_MINUTE);
	m->of[m->from % QUERY_MINUTES] = (struct query_minute){ .minute = m->from };
}

struct query_minute
query_minutes_sum(const struct query_minutes *m, usec_t now, usec_t window)
{
	uint32_t present = (uint32_t)(now / QUERY_MINUTE);
	usec_t n = (window + QUERY_MINUTE - 1) / QUERY_MINUTE;
	struct query_minute sum = { .minute = present };

	if (n < 1)
		n = 1;
	if (n > QUERY_MINUTES)
		n = QUERY_MINUTES;
	sum.minute = present >= (uint32_t)n ? present - (uint32_t)n + 1 : 0;
	if (sum.minute < m->from)
		sum.minute = m->from;
	for (uint32_t number = sum.minute; number <= present; number++) {
		const struct query_minute *one = &m->of[number % QUERY_MINUTES];

		if (one->minute != number)
			continue;
		sum.calls += one->calls;
		sum.errors += one->errors;
		sum.slow += one->slow;
		sum.total += one->total;
	}
	return sum;
}

static void
take_into_baseline(struct query_trend *t, unsigned least)
{
	const struct query_period *p = &t->before;
	double mean;

	if (p->calls == 0 || p->calls < least)
		return;
	mean = (double)p->total / (double)p->calls;
	if (t->periods < UINT32_MAX)
		t->periods++;
	t->baseline += (mean - t->baseline) / (t->periods < BASELINE_PERIODS ? t->periods : BASELINE_PERIODS);
}

void
query_trend_roll(struct query_trend *t, uint32_t number, unsigned least)
{
	/* After three, all that was is in the baseline, or told too little for that. */
	for (int turns = 0; t->number != number && turns < 3; turns++) {
		take_into_baseline(t, least);
		t->before = t->now;
		t->now = (struct query_period){ .calls = 0 };
		t->number++;
	}
	t->number = number;
}
