/*
 * monitor: what is slow, told to people.
 *
 *	workers ── struct slow_query ──> monitor ──┬─> slow log (JSON lines)
 *	   ^                                       ├─> the last SLOW_KEPT of them (SHOW SLOW_QUERIES)
 *	   └── every 10 s: sums, alarms ───────────┼─> history: a point a minute, for an hour
 *	                                           └─> alerts: log, SHOW ALERTS, metrics, webhook
 *
 * Lives on the control thread.  Its webhook waits on a helper thread; nothing here blocks
 * traffic: a full disk or a dead webhook costs lines, which are counted.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "base/histogram.h"
#include "config/config.h"
#include "monitor/threats.h"
#include "net/helpers.h"
#include "session/inquiry.h"
#include "stats/slow_query.h"

#define SLOW_KEPT 1000
#define ALERTS_KEPT 1000

struct monitor;

enum alert_kind {
	ALERT_SLOW_QUERY,	/* one query took alert_query_time or longer */
	ALERT_SLOW_SHARE,	/* too many queries of a tenant were slow, over 5 min and over 1 h */
	ALERT_REGRESSION,	/* a statement of a tenant is slower than it used to be */
	ALERT_THREAT,		/* a statement that its tenant never ran before, or that looks like an attack */
	ALERT_KINDS,
};

enum alert_delivery {
	DELIVERY_NONE,		/* no webhook is set */
	DELIVERY_PENDING,
	DELIVERY_SENT,
	DELIVERY_FAILED,	/* given up */
	DELIVERY_DROPPED,	/* too many wait */
};

/* An alert comes once per (kind, tenant, digest) and alert_cooldown; what happens meanwhile is counted in it. */
struct alert {
	uint64_t id;		/* 1, 2, ... */
	enum alert_kind kind;
	usec_t at;		/* wall clock */
	usec_t last_at;		/* when it happened last */
	uint64_t times;		/* 1, and what was held back by the cool-down */
	char *tenant;
	uint64_t hash;		/* of the digest; 0: none */
	char *text;		/* of it; NULL: none */
	char *message;		/* one line for people */
	double value, limit;	/* ms, or percent */
	enum alert_delivery delivery;
};

/* A minute of all tenants. */
struct history_point {
	usec_t at;		/* wall clock, its end */
	usec_t length;		/* of it; the last one is not over yet */
	struct query_counters n;
	int64_t p50, p95, p99;	/* us; -1: no queries */
};

/* Since the start; RESET STATS leaves them. */
struct monitor_counts {
	uint64_t slow_queries, slow_lost;	/* lost: not written to the log, slow_query_log_rate included */
	uint64_t alerts[ALERT_KINDS];
	uint64_t webhook_sent, webhook_failed, webhook_dropped;
};

/* in is borrowed and stays. */
struct monitor *monitor_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers,
			    const struct inquirer *in, const struct config *c);

/* What is usual (threat/habit.h) is read from threat_file now, and written there.  hs stays. */
void monitor_set_habits(struct monitor *m, struct habits *hs);

/* The end begins: what waits for the webhook is given up, and what is under way within about a second.  Before
 * helpers_free; monitor_free is after it, when no worker runs any more and the loop has run for the last time. */
void monitor_close(struct monitor *m);
void monitor_free(struct monitor **m);

/* Take the next snapshot.  c is referenced. */
void monitor_set_config(struct monitor *m, const struct config *c);

/* Open the slow log again (logrotate). */
void monitor_reopen(struct monitor *m);

/* Takes q. */
void monitor_slow_query(struct monitor *m, struct slow_query *q);

/* Takes t. */
void monitor_threat(struct monitor *m, struct threat *t);

/* When no worker and no helper runs any more: write what was learned last.  false: a helper hangs with what
 * monitor_set_habits got, so that must stay. */
bool monitor_save(struct monitor *m);

/* RESET STATS, when the workers have done their part: forget slow queries, history and alerts (with their cool-downs;
 * what is on its way to the webhook goes there). */
void monitor_reset(struct monitor *m);

/* --- for reports; all borrowed until the next event --- */

/* The latest first: NULL starts, NULL ends. */
const struct slow_query *monitor_next_slow(const struct monitor *m, const struct slow_query *after);
const struct alert *monitor_next_alert(const struct monitor *m, const struct alert *after);

const struct threat *monitor_next_threat(const struct monitor *m, const struct threat *after);
const struct threat_counts *monitor_threat_counts(const struct monitor *m);

/* NULL: nothing was noticed there. */
const struct threat_counts *monitor_tenant_threats(const struct monitor *m, const char *tenant);

/* Oldest first; returns how many (at most 61). */
size_t monitor_history(const struct monitor *m, const struct history_point **points);

/* What all tenants did in the last `window` (an hour at most), when `total` is what they did since the counting began:
 * in out, the caller's to release.  *from: wall clock, since when that really is; unchanged if nothing had been
 * counted before. */
void monitor_window(const struct monitor *m, const struct query_sum *total, usec_t window, struct query_sum *out,
		    usec_t *from);
const struct monitor_counts *monitor_counts(const struct monitor *m);

const char *alert_kind_name(enum alert_kind k);			/* "slow_query", ... */
const char *alert_delivery_name(enum alert_delivery d);		/* "none", ... */

#endif
