/*
 * metrics_collect: what a scrape asks the workers.
 *
 * One inquiry a scrape.  A visit walks the tenants of its worker once, adds up plain numbers,
 * and copies those of a few tenants one by one: those that are shown already, and the busiest
 * of the others.  Nothing is formatted there.
 */
#ifndef HTTP_METRICS_COLLECT_H
#define HTTP_METRICS_COLLECT_H

#include "session/inquiry.h"
#include "stats/applications.h"
#include "stats/queries.h"
#include "stats/traffic.h"

/* The upper ends of the histogram of a tenant, in us; that of all has more. */
#define METRICS_TENANT_BOUNDS 6
extern const usec_t metrics_tenant_bounds[METRICS_TENANT_BOUNDS];

/* What only grows.  All members are 64 bits wide: the struct is an array for those who add. */
struct metrics_counts {
	struct traffic traffic;
	struct query_counters queries;		/* its max is 0: it can't be added */
	int64_t up_to[METRICS_TENANT_BOUNDS];	/* queries that took no longer than each of the bounds */
};

void metrics_counts_add(struct metrics_counts *to, const struct metrics_counts *what);
void metrics_counts_subtract(struct metrics_counts *from, const struct metrics_counts *what);

/* What goes up and down. */
struct metrics_level {
	int64_t sessions;		/* clients that are logged in, or nearly */
	int64_t waiting;		/* of these, those that wait for a server */
	int64_t active;			/* of these, those that have one */
	int64_t cancels_active, cancels_waiting;	/* cancel requests */
	int64_t servers[PLACES];
	int64_t nservers;		/* in all places */
	int64_t pools;
	int64_t pools_waiting;		/* in which somebody waits */
	usec_t max_wait;		/* of who waits longest */
};

/* The longest wait of two is theirs together. */
void metrics_level_add(struct metrics_level *to, const struct metrics_level *what);

struct metrics_peer;

/* A tenant. */
struct metrics_tenant {
	char *name;
	int64_t load;			/* us of queries in the last one or two stats_periods, and one each */
	struct metrics_counts counts;
	struct metrics_level level;
	struct metrics_peer *peer;	/* http/metrics_pgbouncer.h; NULL: not asked for */
	UT_hash_handle hh;
};

/* What one worker said. */
struct metrics_part {
	struct metrics_counts counts;	/* of all tenants that there ever were */
	struct metrics_level level;
	usec_t max_wait_of_others;	/* than those that were shown already */
	struct histogram latency;
	struct metrics_tenant *tenants;
	size_t ntenants;
	int64_t in_use, autodbs, paused;	/* tenants; 1: PAUSE */
	int64_t clients, logins;
	int64_t handshakes, failed_handshakes;
	int64_t digests, entries, evicted_digests, evicted_entries, truncated, memory;
	usec_t since;			/* of the counting of queries */
	struct application_counts none, other;
	struct application *applications;	/* copies */
	size_t napplications;
	usec_t took;			/* the visit */
};

struct metrics_scrape {
	struct inquiry inquiry;
	void *asker;
	unsigned top;			/* tenants that are copied, beside those shown */
	bool applications, peer;	/* copy these, too */
	char **shown;			/* names; owned */
	size_t nshown;
	int nparts;
	struct metrics_part parts[];
};

/* A question for so many workers; the rest is for the caller to fill. */
struct metrics_scrape *metrics_scrape_new(int nworkers);
void metrics_scrape_free(struct metrics_scrape **s);

/* inquiry.visit */
void metrics_visit(struct shard *shard, struct inquiry *q);

#endif
