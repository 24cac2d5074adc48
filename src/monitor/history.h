/*
 * history: how all tenants did, minute by minute, for the last hour.
 *
 * Made of cumulative sums: what lies between two of them is a point.  A sum that is smaller
 * than the one before means that the counting began anew.  A minute of which nobody told is
 * part of the next point, which is longer then.
 */
#ifndef MONITOR_HISTORY_H
#define MONITOR_HISTORY_H

#include "monitor/monitor.h"
#include "stats/queries.h"

#define HISTORY_POINTS 61	/* an hour, and the minute that is not over yet */

struct history {
	struct query_sum base;	/* when the present point began */
	usec_t began;
	bool open;		/* the last point is the present one */
	size_t n;
	struct history_point points[HISTORY_POINTS];	/* oldest first */
	usec_t ends[HISTORY_POINTS];			/* of these, as clock_now() had it */
	struct query_sum sums[HISTORY_POINTS];		/* all that was counted up to these; of the open one: nothing */
	bool complete;					/* the first point begins where the counting began */
};

void history_init(struct history *h, usec_t now);
void history_release(struct history *h);

/* Forget all; the counting begins at 0. */
void history_reset(struct history *h, usec_t now);

/* All that was counted so far; wall: the time for people. */
void history_take(struct history *h, const struct query_sum *total, usec_t now, usec_t wall);

/* All that had been counted `window` ago (at the end of a minute before that; if that is not known any more, at the
 * end of the oldest that is), and when that was, by the wall clock.  NULL: nothing had been counted yet. */
const struct query_sum *history_before(const struct history *h, usec_t now, usec_t window, usec_t *at);

/* What lies between two stands of a sum: in out, which is the caller's to release. */
void history_between(struct query_sum *out, const struct query_sum *total, const struct query_sum *before);

/* How long until the present minute is over. */
usec_t history_left(usec_t wall);

#endif
