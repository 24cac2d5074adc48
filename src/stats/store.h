/*
 * store: where queries are counted.
 *
 * Sums never lose anything.  Entries and digests are bounded (query_limits): when there is no
 * room, the one that matters least is given up.  What a given-up entry had counted goes to its
 * tenant's `other`, of a digest to the store's, so that at any time
 *
 *	entries of a tenant + its other = its sum
 *	digests of a store  + its other = its sum
 *	tenants of a store  + gone      = its sum
 *
 * "Matters least" is a matter of weight:
 *
 *	- A query adds 16 to the weight of its entry and of its digest, and 1 for each 1.024 ms it
 *	  took, 2^20 at most.  So a report of a minute weighs as much as 3,700 short queries.
 *	- Weights halve every 2^29 us (9 minutes).
 *	- Room is made by looking at some, in turn (in the order of a secret hash: those that came
 *	  together don't lie together): at least 8, then on until one is found that is no heavier
 *	  than what was given up last was and half a call, and at most 64.  The lightest of them goes.
 *	- The newcomer inherits its weight (as in the space-saving algorithm): else newcomers would
 *	  only ever push out each other, or what is young.
 *
 * So what is asked often stays, with exact counts, however many different texts pass.  Entries
 * that a running query counts on stay (`running`).  A tenant that is at its own limit gives up
 * one of its own.
 *
 * A digest that is given up while entries of it are left goes on without a sum of its own; when
 * it is counted on again, it comes back as a newcomer.
 *
 * The way of a query is query_find and query_count: no clock, no allocation (but when a histogram
 * sees an octave for the first time, and a tenant one more minute of the hour).
 */
#ifndef STATS_STORE_H
#define STATS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/classify.h"
#include "sql/digest.h"
#include "stats/counters.h"
#include "stats/recent.h"
#include "stats/table.h"

/* How much it matters: private. */
struct query_weight {
	uint32_t value;
	uint32_t age;		/* it is as of then: time / 2^29 us */
};

/* A statement, all tenants of this worker.  Freed when it was given up and no entry is left. */
struct query_digest {
	uint64_t hash;
	struct query_weight weight;
	unsigned refs;		/* private: of entries, those in the attic included */
	unsigned tenants;	/* that have an entry of it */
	bool listed;		/* false: given up; its sum is empty */
	struct query_sum sum;
	struct query_trend trend;
	usec_t last_seen;
	/* What is not touched when it is counted. */
	usec_t first_seen;
	char *text;		/* sql_normalize */
	size_t text_length;
	enum sql_verb verb;
	struct sql_class *class;	/* of the parser; NULL: not yet */
	struct query_digest *next;	/* private: in the attic */
};

/* What a statement takes when nothing is in its way, as far as was seen (pool/pace.h); zero-filled: not known yet. */
struct query_baseline {
	uint32_t usec;
	uint32_t age;		/* it last grew at this time / 2^20 us */
};

/* A statement of one tenant. */
struct query_entry {
	uint64_t hash;		/* of the digest; 0: what `other` counts */
	struct query_tenant *tenant;
	struct query_digest *digest;	/* a reference; NULL in `other` */
	int running;		/* queries that will be counted here */
	unsigned index;		/* private: in tenant->entries */
	struct query_weight weight;
	struct query_baseline baseline;
	struct query_sum sum;
	struct query_trend trend;
	struct query_entry *next;	/* private: in the attic */
};

/* Of a tenant; made when its first query comes. */
struct query_tenant {
	char *name;		/* copied */
	struct query_store *store;
	uint64_t salt;		/* private: its entries' keys */
	unsigned index;		/* private: in store->tenants */
	struct query_sum sum;
	struct query_minutes minutes;
	struct query_entry **entries;	/* in no order */
	unsigned nentries, room;
	/* What is told of no other entry.  Its latency is not kept but worked out (query_tenant_other);
	 * its weight is private: what was given up last had it. */
	struct query_entry other;
};

struct query_limits {
	bool on;		/* query_stats */
	unsigned entries;	/* query_stats_max / number of workers, at least 16; of digests, too */
	unsigned entries_per_tenant;
	unsigned text_size;	/* longest text that is kept, with its NUL */
	usec_t period;		/* alert_baseline_period */
	unsigned period_calls;	/* alert_min_queries: a period with fewer is no part of a baseline */
};

/* What `now` means, worked out once: private. */
struct query_present {
	usec_t from;		/* good for now in [from, from + span) */
	uint64_t span;
	uint32_t minute, period, age;
};

struct query_store {
	struct query_limits limits;
	struct query_present present;
	struct query_table entries;	/* of all tenants */
	struct query_table digests;	/* listed ones, by hash */
	struct query_sum sum;
	struct query_minutes minutes;
	struct query_sum other;		/* of digests that were given up */
	struct query_counters gone;	/* of tenants that were freed */
	struct query_tenant **tenants;	/* in no order */
	unsigned ntenants, room;
	uint64_t evicted_digests, evicted_entries;
	uint64_t truncated;		/* statements too long to be read whole */
	usec_t since;			/* of the counting: start or the last reset */
	/* private */
	struct query_weight entry_level, digest_level;	/* what was given up last had it */
	uint64_t random;
	unsigned alarm_hand;
	struct query_entry *attic_entries;	/* of before a reset, to be freed by and by */
	struct query_digest *attic_digests;
	struct histogram *attic;	/* of tenants */
	size_t nattic, attic_room;
	char *scratch;			/* limits.text_size bytes, for a text */
	size_t memory;
};

void query_store_init(struct query_store *s, const struct query_limits *l, usec_t now);
void query_store_release(struct query_store *s);	/* with all tenants that are left */

/* New limits count at once.  What is too many is given up: a thousand or so here, so that nobody waits, the rest by and
 * by as new queries come.  With another period, trends begin anew. */
void query_store_limit(struct query_store *s, const struct query_limits *l);

/* RESET STATS: all sums, minutes, trends and texts begin anew; entries that queries run on stay, with nothing counted.
 * To free twenty thousand would hold up the worker: that is done by and by, as new queries come and alarms are looked for. */
void query_store_reset(struct query_store *s, usec_t now);

/* Bytes that the store, its tenants, texts and histograms take, with what malloc adds to them. */
size_t query_store_memory(const struct query_store *s);

struct query_tenant *query_tenant_new(struct query_store *s, const char *name);
void query_tenant_free(struct query_tenant **t);	/* no query of it runs any more */

/* What the tenant's `other` has counted, latency included, into a struct of zeros.  Release it. */
void query_tenant_other(const struct query_tenant *t, struct query_sum *sum);

/* --- counting --- */

/* A query begins: the entry that it will be counted on, with running + 1; or NULL: this tenant has no such entry. */
struct query_entry *query_find(struct query_tenant *t, uint64_t hash);

/* Likewise, made if need be from the n bytes of text that d is of.  *fresh: the digest is new on this worker, and the
 * parser may be asked what it is.  Never NULL; `other`, if all that could be given up is in use. */
struct query_entry *query_open(struct query_tenant *t, const struct sql_digest *d, const char *text, size_t n,
			       usec_t now, bool *fresh);

/* It is over (query_count), or will not be counted (query_abandon): running - 1. */
void query_count(struct query_entry *e, const struct query_sample *q, usec_t now);
void query_abandon(struct query_entry *e);

/* What the parser said; takes the inside of c.  The digest may be gone: then nothing happens. */
void query_classified(struct query_store *s, uint64_t hash, struct sql_class *c);

#endif
