/*
 * pace: how many servers of one host work at a time (pool_size = auto).
 *
 * More connections than a server can use make it slower.  Per host, a controller in the
 * manner of TCP Vegas compares each statement's time with its own baseline (that of its
 * digest, when little else ran) and moves the number of servers that are lent at a time
 * between active_floor and active_ceiling.  Sessions beyond it wait; tenants in turn,
 * by weight.
 *
 * A worker has a pace for each host (its share of the host's number); control gathers
 * and hands out the shares.  On the way of a query: a comparison, a count, a division.
 */
#ifndef POOL_PACE_H
#define POOL_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct pace;

/* Of a digest: what it takes when nothing is in its way; zero-filled: not known yet.  Lives where the digest is counted. */
struct pace_baseline {
	uint32_t usec;
	uint32_t age;
};

/* What SHOW HOSTS tells. */
struct pace_facts {
	bool on;
	int limit;			/* servers that may work at a time */
	int active;			/* that do */
	int waiting;			/* sessions */
	const char *state;		/* "measuring", "growing", "steady", "shrinking", "probing" */
	double gradient;		/* latency now to the baseline */
	double per_second;		/* queries */
};

/* A statement took `took` on a server of this host, from sending to its last byte. */
void pace_observe(struct pace *p, struct pace_baseline *b, usec_t took, usec_t now);

#endif
