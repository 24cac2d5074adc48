#include "stats/recent.h"

#include <stdlib.h>

#include "base/memory.h"

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

static void
leave_hour(struct query_minute *hour, const struct query_minute *m)
{
	hour->calls -= m->calls;
	hour->errors -= m->errors;
	hour->slow -= m->slow;
	hour->total -= m->total;
}

/* The i-th that is kept. */
static uint8_t
place_of(const struct query_minutes *m, unsigned i)
{
	unsigned at = m->first + i;

	return (uint8_t)(at < m->room ? at : at - m->room);
}

static bool
is_over(const struct query_minute *m, uint32_t present)
{
	return present - m->minute >= QUERY_MINUTES;
}

static void
grow(struct query_minutes *m)
{
	unsigned room = m->room == 0 ? 1 : m->room * 2 < QUERY_MINUTES ? m->room * 2u : QUERY_MINUTES;
	struct query_minute *of = memory_alloc(room * sizeof(*of));

	for (unsigned i = 0; i < m->n; i++)
		of[i] = m->of[place_of(m, i)];
	free(m->of);
	m->of = of;
	m->first = 0;
	m->room = (uint8_t)room;
}

void
query_minutes_advance(struct query_minutes *m, uint32_t minute)
{
	if (minute > m->last)
		m->last = minute;
	for (; m->n > 0 && is_over(&m->of[m->first], m->last); m->n--) {
		leave_hour(&m->hour, &m->of[m->first]);
		m->first = place_of(m, 1);
	}
	if (m->n == m->room)
		grow(m);
	m->at = place_of(m, m->n++);
	m->of[m->at] = (struct query_minute){ .minute = m->last };
}

void
query_minutes_release(struct query_minutes *m)
{
	free(m->of);
	*m = (struct query_minutes){ .of = NULL };
}

void
query_minutes_reset(struct query_minutes *m, usec_t now)
{
	m->last = m->from = (uint32_t)(now / QUERY_MINUTE);
	m->hour = (struct query_minute){ .minute = 0 };
	m->first = m->n = 0;
}

/* The hour up to `present`: what has left it meanwhile is taken off. */
static struct query_minute
sum_hour(const struct query_minutes *m, uint32_t present)
{
	struct query_minute sum = m->hour;

	for (unsigned i = 0; i < m->n && is_over(&m->of[place_of(m, i)], present); i++)
		leave_hour(&sum, &m->of[place_of(m, i)]);
	return sum;
}

static struct query_minute
sum_minutes(const struct query_minutes *m, uint32_t first, uint32_t present)
{
	struct query_minute sum = { .calls = 0 };

	for (unsigned i = m->n; i > 0; i--) {
		const struct query_minute *one = &m->of[place_of(m, i - 1)];

		if (one->minute < first)
			break;
		if (one->minute <= present)
			add_minute(&sum, one);
	}
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
