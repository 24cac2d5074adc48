/*
 * queries: what queries cost, counted by digest and by tenant.
 *
 * One store a worker, touched by that worker only.  What passed is counted in four
 * places, so that each question has its answer ready:
 *
 *	query_store.sum            everything on this worker
 *	  query_tenant.sum         of one tenant                     (struct tenant has it)
 *	  query_digest.sum         of one statement, all tenants     (and its text, once)
 *	    query_entry.sum        of one statement of one tenant
 *
 * Sums never lose anything.  Entries and digests are bounded (query_limits): when there
 * is no room, the one that matters least is given up.  What a given-up entry had counted
 * goes to its tenant's `other`, of a digest to the store's; "matters least" is decided
 * among a few that are looked at in turn, by a weight that a newcomer inherits (as in the
 * space-saving algorithm) and that fades with time.  So what is asked often stays, however
 * many different texts pass.  Entries that a running query counts on stay (`running`).
 *
 * Time is clock_now()'s; everything that depends on it takes `now`, so that tests need not
 * wait.  Durations are microseconds.
 */
#ifndef STATS_QUERIES_H
#define STATS_QUERIES_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "sql/classify.h"
#include "sql/digest.h"

/* One query, when it is over. */
struct query_sample {
	usec_t wait;		/* for a server */
	usec_t first_byte;	/* from sending it to the first byte of its reply */
	usec_t total;		/* from sending it to the end of its reply */
	usec_t blocked;		/* of that, the client did not take what there was */
	uint64_t rows;
	uint64_t bytes_in;	/* of its messages, from the client */
	uint64_t bytes_out;	/* of its replies, to the client */
	bool failed;
	bool slow;		/* took as long as slow_query_threshold, or longer */
};

struct query_counters {
	uint64_t calls, errors, slow, rows, bytes_in, bytes_out;
	uint64_t cache_hits;	/* 0, until there is a cache */
	usec_t total, wait, first_byte, blocked;	/* sums */
	usec_t max;		/* of total */
};

struct query_sum {
	struct query_counters n;
	struct histogram latency;	/* of total */
};

/* --- the recent past --- */

#define QUERY_MINUTES 60

/* Of one minute (monotonic time divided by 60 s). */
struct query_minute {
	uint32_t minute;
	uint32_t calls, errors, slow;
	uint64_t total;
};

struct query_minutes {
	struct query_minute of[QUERY_MINUTES];	/* by minute % QUERY_MINUTES; stale ones are known by their number */
};

/* What the last `window` (rounded up to minutes, 1 h at most) held, the present minute included. */
struct query_minute query_minutes_sum(const struct query_minutes *m, usec_t now, usec_t window);

/* A stretch of alert_baseline_period.  For "is it slower than it used to be". */
struct query_period {
	uint64_t calls, errors, slow, rows;
	usec_t total, max;
};

struct query_trend {
	uint32_t number;	/* of the present period: time / length */
	struct query_period now, before;	/* the present one, and the one just before it (all 0 if nothing passed) */
	double baseline;	/* mean duration of a query over the periods before those, fading (1/8 each); 0: none yet */
	uint32_t periods;	/* that are in it */
};

/* --- digests and entries --- */

/* A statement, all tenants of this worker.  Freed when it was given up and no entry is left. */
struct query_digest {
	uint64_t hash;
	char *text;		/* sql_normalize */
	enum sql_verb verb;
	struct sql_class *class;	/* of the parser; NULL: not yet */
	struct query_sum sum;
	struct query_trend trend;
	usec_t first_seen, last_seen;
	uint32_t weight;
	uint32_t weighed;	/* private */
	int refs;		/* entries */
	UT_hash_handle hh;
	TAILQ_ENTRY(query_digest) link;	/* private */
};

/* A statement of one tenant. */
struct query_entry {
	uint64_t hash;		/* of the digest; 0: what `other` counts */
	struct query_digest *digest;	/* a reference; NULL in `other` */
	struct query_tenant *tenant;
	struct query_sum sum;
	struct query_trend trend;
	uint32_t weight;
	uint32_t weighed;	/* private */
	int running;		/* queries that will be counted here */
	UT_hash_handle hh;
	TAILQ_ENTRY(query_entry) link;	/* private */
};

/* Embedded where the tenant is; made when its first query comes. */
struct query_tenant {
	char *name;		/* copied */
	struct query_store *store;
	struct query_sum sum;
	struct query_minutes minutes;
	struct query_entry *entries;	/* by hash */
	unsigned nentries;
	struct query_entry other;	/* what is told of no other entry */
	LIST_ENTRY(query_tenant) link;
};

struct query_limits {
	bool on;		/* query_stats */
	unsigned entries;	/* query_stats_max / number of workers, at least 16; of digests, too */
	unsigned entries_per_tenant;
	unsigned text_size;	/* longest text that is kept */
	usec_t period;		/* alert_baseline_period */
};

struct query_store {
	struct query_limits limits;
	struct query_sum sum;
	struct query_minutes minutes;
	struct query_sum other;		/* of digests that were given up */
	struct query_digest *digests;	/* by hash */
	unsigned ndigests, nentries;
	uint64_t evicted_digests, evicted_entries;
	uint64_t truncated;		/* statements too long to be read whole */
	usec_t since;			/* of the counting: start or the last reset */
	LIST_HEAD(query_tenant_list, query_tenant) tenants;
	TAILQ_HEAD(query_entry_list, query_entry) all;	/* private */
	TAILQ_HEAD(query_digest_list, query_digest) every;	/* private */
};

void query_store_init(struct query_store *s, const struct query_limits *l, usec_t now);
void query_store_release(struct query_store *s);	/* with all tenants that are left */

/* New limits count at once: what is too many is given up. */
void query_store_limit(struct query_store *s, const struct query_limits *l);

/* RESET STATS: all sums, minutes, trends and texts begin anew; entries that queries run on stay, with nothing counted. */
void query_store_reset(struct query_store *s, usec_t now);

struct query_tenant *query_tenant_new(struct query_store *s, const char *name);
void query_tenant_free(struct query_tenant **t);	/* no query of it runs any more */

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

/* --- reports: copies that may go to another thread --- */

enum query_order {
	QUERY_BY_TOTAL,		/* the default */
	QUERY_BY_CALLS,
	QUERY_BY_MEAN,
	QUERY_BY_P95,
	QUERY_BY_MAX,
	QUERY_BY_ERRORS,
	QUERY_BY_SLOW,
	QUERY_BY_ROWS,
	QUERY_BY_WAIT,
	QUERY_ORDERS,
};

/* "total", "calls", ...; -1: no such word. */
int query_order_find(const char *word);
const char *query_order_name(enum query_order o);

/* All owned. */
struct query_row {
	uint64_t hash;		/* 0: other */
	char *tenant;		/* NULL: all tenants */
	char *text;		/* NULL for other */
	char *tables;		/* "a, b"; NULL: not known */
	enum sql_verb verb;
	bool parsed, reads_only;
	uint32_t tenants;	/* that have it, on the workers that were asked */
	struct query_sum sum;
	struct query_trend trend;
};

struct query_rows {
	struct query_row *list;
	size_t n, room;
};

void query_rows_release(struct query_rows *r);

/* The first `top` digests of one tenant, or (NULL) of the whole store, in this order, and `other` if it has counted
 * anything.  Behind the first `top` of several stores something may be missing that is only near the top in each:
 * ask for more than is shown. */
void query_collect(const struct query_store *s, const struct query_tenant *t, enum query_order o, size_t top,
		   struct query_rows *r);

/* Add src's rows to dst: those of one (tenant, hash) become one.  src is empty after. */
void query_rows_merge(struct query_rows *dst, struct query_rows *src);

/* Sort and cut; `other` is always last and is not counted. */
void query_rows_sort(struct query_rows *r, enum query_order o, size_t top);

/* The first `top` tenants by this order: rows with tenant set, hash 0 and text NULL, and in the last one, if there are
 * more, the sum of the rest (tenant ""). Cheap for ten thousand tenants. */
void query_collect_tenants(const struct query_store *s, enum query_order o, size_t top, struct query_rows *r);

void query_counters_add(struct query_counters *to, const struct query_counters *what);
void query_sum_add(struct query_sum *to, const struct query_sum *what);
void query_sum_release(struct query_sum *s);

/* Bytes that the store, its tenants, texts and histograms take. */
size_t query_store_memory(const struct query_store *s);

/* --- what is out of the ordinary --- */

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

/* At most `max` alarms; the worst ones. */
void query_find_alarms(const struct query_store *s, const struct query_alarm_rules *r, usec_t now, size_t max,
		       struct query_alarms *out);
void query_alarms_release(struct query_alarms *a);

#endif
