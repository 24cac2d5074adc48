/*
 * alarms: what is out of the ordinary on one worker, just now.
 *
 *	slow share	of a tenant: more than slow_share of its queries were slow, over 5 minutes and
 *			over 1 hour, and there were min_calls in the 5 minutes.  The hour keeps a short
 *			burst from being told, the 5 minutes end the alarm soon after the trouble.
 *	regression	of a statement of a tenant: the mean of the present period, or as long as that
 *			has fewer than min_calls of the one before it, is over `regression` times the
 *			baseline and 5 ms more than it.  The baseline needs 3 periods.
 *
 * The same alarm is found again each time that it is looked at, as long as it is true; cooling down is the monitor's.
 */
#ifndef STATS_ALARMS_H
#define STATS_ALARMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct query_store;

/* So many statements are looked at each time, so that the worker isn't held up: with more than that, in turn. */
#define QUERY_ALARM_ENTRIES 10000

struct query_alarm_rules {
	double slow_share;	/* alert_slow_percent / 100; 0: off */
	unsigned min_calls;	/* alert_min_queries: in the window, before anything is said */
	double regression;	/* alert_regression_percent / 100: 2 is twice the baseline; 0: off */
};

enum query_alarm_kind {
	QUERY_ALARM_SLOW_SHARE,	/* of a tenant: over 5 min and over 1 h */
	QUERY_ALARM_REGRESSION,	/* of a statement of a tenant, against its baseline */
};

struct query_alarm {
	enum query_alarm_kind kind;
	char *tenant;
	uint64_t hash;		/* REGRESSION */
	char *text;		/* REGRESSION */
	double value, limit;	/* share over 5 min; mean of the period in us */
	double value_hour, baseline;	/* share over 1 h; baseline in us */
	uint64_t calls;		/* that it is judged by */
};

struct query_alarms {
	struct query_alarm *list;
	size_t n;
};

/* At most `max` alarms; those furthest over their limits, worst first. */
void query_find_alarms(struct query_store *s, const struct query_alarm_rules *r, usec_t now, size_t max,
		       struct query_alarms *out);
void query_alarms_release(struct query_alarms *a);

#endif
