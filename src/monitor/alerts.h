/*
 * alerts: what people were told of, and for how long they are left in peace.
 *
 * An alert of a kind, tenant and digest is raised once in a cool-down; what happens meanwhile
 * is counted in it.  Each is a WARNING in the log.  Both memories are bounded: the latest
 * ALERTS_KEPT alerts, and COOLING_MAX of each kind that cool down.  When that is full, further
 * ones of that kind are not told one by one but as a number, once a minute: who has that many
 * alerts has one big trouble.
 *
 * Times called now are clock_now()'s.
 */
#ifndef MONITOR_ALERTS_H
#define MONITOR_ALERTS_H

#include "monitor/monitor.h"

#define COOLING_MAX 2000
#define ALERT_TEXT_MAX 2048	/* bytes of a statement that an alert keeps */

struct alerts;

/* What has happened; all borrowed. */
struct alert_case {
	enum alert_kind kind;
	const char *tenant;
	uint64_t hash;
	const char *text;
	double value, limit;
	const char *message;
};

struct alerts *alerts_new(void);
void alerts_free(struct alerts **a);

/* The new alert, borrowed; or NULL: it was counted only. */
const struct alert *alerts_raise(struct alerts *a, const struct alert_case *what, usec_t cooldown, usec_t now);

/* Is this known and cooling down, so that alerts_raise would only count it?  Counts it if so. */
bool alerts_count(struct alerts *a, const struct alert_case *what, usec_t cooldown, usec_t now);

/* What became of the alert with this id, if it is kept yet. */
void alerts_deliver(struct alerts *a, uint64_t id, enum alert_delivery d);

/* Forget all alerts and cool-downs; ids go on. */
void alerts_reset(struct alerts *a);

/* About every second. */
void alerts_tick(struct alerts *a, usec_t cooldown, usec_t now);

/* The latest first: NULL starts, NULL ends. */
const struct alert *alerts_next(const struct alerts *a, const struct alert *after);

#endif
