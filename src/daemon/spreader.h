/*
 * spreader: decides how many workers serve a tenant (tenant_workers).
 *
 * Once a second every worker tells how busy it is, and which tenants keep it so.
 *
 *	tenant_workers = 1	one, its home: the default
 *	tenant_workers = N	N, as soon as it is in use
 *	tenant_workers = auto	one more when, for WIDEN_AFTER, all that serve it are busy (BUSY), it
 *				makes more than half of the work of each, and the next worker has
 *				room (ROOM); one less when, for NARROW_AFTER, the others could do
 *				its work and stay below EASY
 *
 * never more than there are workers, or than connections that its limits allow it
 * (pool_size, max_db_connections): each part has one at least.  One that nobody
 * uses any more has one part again, after a while.
 *
 *	widening	look at home ── make the part ── the same still at home? ── it counts
 *					   ^______________ no __________|
 *	narrowing	it counts at once; the rest is the shards' (session/parts.h)
 *
 * Each step is in the log.  Control thread only.
 */
#ifndef DAEMON_SPREADER_H
#define DAEMON_SPREADER_H

#include "session/inquiry.h"

struct spreader;

struct spreader *spreader_new(const struct inquirer *inquirer, struct spreads *spreads);

/* When no worker runs any more. */
void spreader_free(struct spreader **s);

/* No inquiry is begun any more. */
void spreader_stop(struct spreader *s);

/* What auto decides from: one tenant, in this second. */
struct spread_load {
	int k;			/* parts */
	double least_busy;	/* of the workers that serve it, the share of its time that the idlest works */
	double least_part;	/* the least share that it has in the work of one of them */
	double next_busy;	/* of the worker that would come next; 1: there is none */
	double work;		/* all that it makes, in workers */
};

/* +1: it had better have one more; -1: one less would do; 0: neither. */
int spreader_judge(const struct spread_load *l);

#endif
