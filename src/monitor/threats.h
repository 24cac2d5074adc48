/*
 * threats: what the guards of the workers have noticed (session/guard.h): the last ones, how
 * many of which rule at which tenant, and the file of what was learned.
 *
 * For reports, from monitor/monitor.h:
 *
 *	monitor_next_threat	the latest first, THREATS_KEPT at most
 *	monitor_threat_counts	of the process
 *	monitor_tenant_threats	of a tenant
 *
 * A threat is an alert, too (ALERT_THREAT), once per (tenant, digest) and alert_cooldown.
 *
 * The file (threat_file, threat/habit_file.h) is read at start, and at RELOAD if somebody has
 * changed it; it is written on a helper thread a while after something was learned.  One
 * that can't be read is told, and is not written over until it can be: traffic goes on,
 * with what is in memory.
 */
#ifndef MONITOR_THREATS_H
#define MONITOR_THREATS_H

#include "config/config.h"
#include "net/helpers.h"
#include "threat/threat.h"

#define THREATS_KEPT 1000
#define THREATS_TENANTS 10000	/* that are counted one by one */

/* Since the start; RESET STATS leaves them. */
struct threat_counts {
	uint64_t told;			/* in RECORD and DETECT */
	uint64_t refused;		/* in PROTECT */
	uint64_t rules[THREAT_RULES];	/* a threat may have several */
};

struct threats;
struct habits;

/* Without habits there is no file. */
struct threats *threats_new(struct mailbox *mb, int job_mail, struct helpers *askers);
void threats_free(struct threats **t);

/* hs stays.  Reads the file that c names. */
void threats_set_habits(struct threats *t, struct habits *hs, const struct config *c);

/* A new snapshot, or RELOAD. */
void threats_set_config(struct threats *t, const struct config *c);

/* About every second: the file is written, if something was learned. */
void threats_tick(struct threats *t, usec_t now);

/* The end begins: before helpers_free. */
void threats_close(struct threats *t);

/* At the end, when no worker and no helper runs any more: what was learned last.  false: a helper hangs, and what
 * threats_set_habits got must stay. */
bool threats_save(struct threats *t);

/* Takes it. */
void threats_keep(struct threats *t, struct threat *x);

/* The latest first: NULL starts, NULL ends.  Borrowed until the next event. */
const struct threat *threats_next(const struct threats *t, const struct threat *after);
const struct threat_counts *threats_counts(const struct threats *t);

/* NULL: nothing was noticed there (or at too many others before). */
const struct threat_counts *threats_of_tenant(const struct threats *t, const char *tenant);

/* RESET STATS: forget the last ones. */
void threats_reset(struct threats *t);

#endif
