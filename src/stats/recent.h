/*
 * recent: the last hour by minutes, and the trend of a statement by periods.
 *
 * Both are kept where they are counted and cost no timer: a minute or a period that is over
 * is noticed when the next query comes, or when somebody looks.
 */
#ifndef STATS_RECENT_H
#define STATS_RECENT_H

#include <stdint.h>

#include "base/clock.h"
#include "stats/counters.h"

/* --- minutes --- */

#define QUERY_MINUTES 60
#define QUERY_MINUTE (60 * USEC_PER_SEC)

/* Of one minute. */
struct query_minute {
	uint32_t minute;	/* its number: monotonic time divided by 60 s */
	uint32_t calls, errors, slow;
	uint64_t total;
};

/* Start with zeros.  Minutes in which nothing was counted take no memory: of ten thousand tenants, most are silent. */
struct query_minutes {
	uint32_t last;		/* the minute that was counted in last */
	uint32_t from;		/* older ones were reset */
	struct query_minute hour;	/* the sum of the hour up to `last` */
	struct query_minute *of;	/* a ring of `room`: the n of that hour that counted something, oldest first */
	uint8_t first, n, room;
	uint8_t at;		/* where `last` is, if n > 0 */
};

/* Make `minute` the last one, unless there is a later one. */
void query_minutes_advance(struct query_minutes *m, uint32_t minute);

void query_minutes_release(struct query_minutes *m);

static inline void
query_minute_add(struct query_minute *m, const struct query_sample *q)
{
	m->calls++;
	m->errors += q->failed;
	m->slow += q->slow;
	m->total += (uint64_t)q->total;
}

static inline void
query_minutes_count(struct query_minutes *m, uint32_t minute, const struct query_sample *q)
{
	if (m->last < minute || m->n == 0)
		query_minutes_advance(m, minute);
	query_minute_add(&m->hour, q);
	query_minute_add(&m->of[m->at], q);
}

/* All that was counted is forgotten; the memory stays. */
void query_minutes_reset(struct query_minutes *m, usec_t now);

/* What the last `window` (rounded up to minutes, 1 h at most) held, the present minute included.  `minute` is the first
 * one's.  An hour is as cheap as a minute, where there was a query not long ago. */
struct query_minute query_minutes_sum(const struct query_minutes *m, usec_t now, usec_t window);

/* --- periods --- */

/* A stretch of alert_baseline_period. */
struct query_period {
	uint64_t calls;
	usec_t total;
};

/*
 * How long a statement takes now, and used to take.
 *
 *	... ──> baseline ──> before ──> now
 *
 * When a period is over, `now` becomes `before`, and `before` goes into the baseline, if it had
 * enough calls (query_limits.period_calls): a silent night says nothing of how long a query takes.
 * The baseline is the mean of the periods' means, where each new one has a weight of 1/8 (of the
 * first eight: the same weight as those before it).
 */
struct query_trend {
	uint32_t number;	/* of the present period: time / length */
	uint32_t periods;	/* that are in the baseline */
	struct query_period now;	/* the present one */
	struct query_period before;	/* just before it; all 0 if nothing passed then */
	double baseline;	/* us; 0 if there is none yet */
};

/* Bring t to the period of this number; the least calls (at least 1) that a period must have to count. */
void query_trend_roll(struct query_trend *t, uint32_t number, unsigned least);

#endif
