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
};

void history_init(struct history *h, usec_t now);
void history_release(struct history *h);

/* Forget all; the counting begins at 0. */
void history_reset(struct history *h, usec_t now);

/* All that was counted so far; wall: the time for people. */
void history_take(struct history *h, const struct query_sum *total, usec_t now, usec_t wall);

/* How long until the present minute is over. */
usec_t history_left(usec_t wall);

#endif
