#include "stats/recent.h"

/* What a new period weighs in a baseline, once that has so many. */
#define BASELINE_PERIODS 8

static void
add_minute(struct query_minute *to, const struct query_minute *m)
{
	to->calls += m->calls;
	to->errors += m->errors;
	to->slow += m->slow;
	to->total += m->total;
}

/* A minute of this place, if it counts, is over for an hour. */
static void
leave_hour(struct query_minute *hour, const struct query_minutes *m, uint32_t number)
{
	const struct query_minute *one = &m->of[number % QUERY_MINUTES];

	if (one->minute < m->from)
		return;
	hour->calls -= one->calls;
	hour->errors -= one->errors;
	hour->slow -= one->slow;
	hour->total -= one->total;
}

void
query_minutes_advance(struct query_minutes *m, uint32_t minute)
{
	uint32_t first = minute - m->last < QUERY_MINUTES ? m->last + 1 : minute - QUERY_MINUTES + 1;

	/* Each takes the place of the one an hour before. */
	for (uint32_t number = first; number <= minute; number++) {
		leave_hour(&m->hour, m, number);
		m->of[number % QUERY_MINUTES] = (struct query_minute){ .minute = number };
	}
	m->last = minute;
}

/* Most of it is not touched: ten thousand tenants are reset at once. */
void
query_minutes_reset(struct query_minutes *m, usec_t now)
{
	uint32_t present = (uint32_t)(now / QUERY_MINUTE);

	m->last = m->from = present;
	m->hour = (struct query_minute){ .minute = 0 };
	m->of[present % QUERY_MINUTES] = (struct query_minute){ .minute = present };
}

/* The hour up to `present`: what has left it meanwhile is taken off. */
static struct query_minute
sum_hour(const struct query_minutes *m, uint32_t present)
{
	struct query_minute sum = m->hour;

	for (uint32_t number = m->last + 1; number <= present && number - m->last <= QUERY_MINUTES; number++)
		leave_hour(&sum, m, number);
	return sum;
}

static struct query_minute
sum_minutes(const struct query_minutes *m, uint32_t first, uint32_t present)
{
	struct query_minute sum = { .calls = 0 };

	for (uint32_t number = first; number <= present && number <= m->last; number++)
		add_minute(&sum, &m->of[number % QUERY_MINUTES]);
	return sum;
}

struct query_minute
query_minutes_sum(const struct query_minutes *m, usec_t now, usec_t window)
{
	uint32_t present = (uint32_t)(now / QUERY_MINUTE), first;
	usec_t n = (window + QUERY_MINUTE - 1) / QUERY_MINUTE;
	struct query_minute sum;

	if (n < 1)
		n = 1;
	if (n > QUERY_MINUTES)
		n = QUERY_MINUTES;
	first = present >= (uint32_t)n ? present - (uint32_t)n + 1 : 0;
	if (first < m->from)
		first = m->from;
	sum = n == QUERY_MINUTES ? sum_hour(m, present) : sum_minutes(m, first, present);
	sum.minute = first;
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
