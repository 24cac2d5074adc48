/*
 * metrics_guards: what the control thread knows without asking a worker: hosts, limits, bans,
 * threats, the catalogue.
 *
 * However many hosts there are, METRICS_HOSTS of them, those that came first, have series of
 * their own; all others are "other".  Of limits there are as many series as scopes and kinds.
 * What was counted for somebody who is forgotten since stays counted.
 *
 * Control thread.
 */
#ifndef HTTP_METRICS_GUARDS_H
#define HTTP_METRICS_GUARDS_H

#include "client/bans.h"
#include "reports/reports.h"
#include "tenant/catalogue.h"
#include "tenant/limits.h"

#define METRICS_HOSTS 100

/* What is told is 64 bits wide. */
struct metrics_host {
	char name[128];			/* "10.0.0.5:5432" */
	bool seen;			/* in this scrape */
	int64_t used, cap, tenants, waiting, longest_wait, up;
	int64_t granted, evictions, yielded, refused, failures;
	bool paced;			/* pool_size = auto */
	int64_t pace_limit, pace_active, pace_waiting;
};

struct metrics_limit {
	int64_t delayed, refused, shadowed, delayed_time;
};

struct metrics_guards {
	struct metrics_host hosts[METRICS_HOSTS + 1];	/* the last one: other */
	size_t nhosts;
	struct metrics_limit limits[LIMIT_SCOPES][LIMIT_KINDS];
	bool limited[LIMIT_SCOPES][LIMIT_KINDS];	/* somebody is, or was, counted there */
	int64_t bans;
	struct ban_totals ban_totals;
	struct catalogue_facts catalogue;
	struct metrics_limit sums[LIMIT_SCOPES][LIMIT_KINDS];	/* private: of the last scrape */
};

/* g is zero-filled before the first, and kept. */
void metrics_guards_read(struct metrics_guards *g, const struct reports *r);

#endif
