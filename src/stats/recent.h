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

/* --- minutes --- */

#define QUERY_MINUTES 60
#define QUERY_MINUTE (60 * USEC_PER_SEC)

/* Of one minute (monotonic time divided by 60 s). */
struct query_minute {
	uint32_t minute;
	uint32_t calls, errors, slow;
	uint64_t total;
};

struct query_minutes {
	uint32_t from;		/* older ones don't count: what they held was reset */
	struct query_minute of[QUERY_MINUTES];	/* by minute % QUERY_MINUTES; stale ones are known by their number */
};

/* All that was counted is forgotten. */
void query_minutes_reset(struct query_minutes *m, usec_t now);

/* What the last `window` (rounded up to minutes, 1 h at most) held, the present minute included.
 * `minute` is the first one's. */
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
