/*
 * limited: one that is counted (private to tenant/).
 *
 *	limits.c    the registry, clients that come and go, reload
 *	admit.c     queries: what they take, wait for and give back
 *	lease.c     rates that all nodes share, from Redis
 *
 * What workers touch is atomic; what is marked so is under the registry's lock.
 */
#ifndef TENANT_LIMITED_H
#define TENANT_LIMITED_H

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "tenant/limits.h"
#include "tenant/rate.h"

/* Rates, as indices. */
enum limit_rate {
	LIMIT_RATE_QUERIES,	/* those that queries wait for come first */
	LIMIT_RATE_BYTES,
	LIMIT_RATE_SERVER_TIME,
	LIMIT_RATE_CONNECTIONS,
	LIMIT_RATES,
};

struct limit_rate_kind {
	enum limit_kind kind;
	int64_t scale;		/* units of the rate for one of what the configuration counts */
};

extern const struct limit_rate_kind limit_rate_kinds[LIMIT_RATES];

/* What counts at a time. */
enum limit_level {
	LIMIT_LEVEL_CLIENTS,
	LIMIT_LEVEL_ACTIVE,
	LIMIT_LEVEL_QUEUE,
	LIMIT_LEVELS,
};

struct limit_tally {
	atomic_ullong passed, delayed, refused, shadowed;
	atomic_llong delayed_time;
};

/* Of a rate that is shared; under the lock. */
struct limit_lease {
	bool held;		/* the clock goes as far as Redis allowed */
	bool asking;
	int64_t used_before;	/* or wanted: when it was looked at last */
};

struct limited {
	UT_hash_handle hh;		/* under the lock; likewise the next four */
	int refs;
	int leases;			/* questions to Redis that are about it */
	usec_t idle_since;
	char *class;			/* of a tenant; NULL: none */
	enum limit_scope scope;
	_Atomic int64_t limit[LIMIT_KINDS];	/* as configured; 0: none */
	_Atomic int64_t burst[LIMIT_RATES];	/* likewise */
	_Atomic usec_t max_delay;
	atomic_int warn_percent;
	atomic_bool shadow;
	atomic_int level[LIMIT_LEVELS];
	_Atomic usec_t warned_at;
	struct rate rates[LIMIT_RATES];
	_Atomic int64_t debited[LIMIT_RATES];	/* units, of what is paid afterwards */
	struct limit_tally tally[LIMIT_KINDS];
	struct limit_lease lease[LIMIT_RATES];
	const char *name;		/* as people know it; in key */
	char key[];			/* a digit for the scope, and the name */
};

struct limits {
	pthread_mutex_t lock;
	struct limited *all;
	const struct config *config;
	atomic_uint generation;
	int nodes;			/* 1: nothing is shared */
};

/* One of so many nodes' part of a rate, and of a burst, in units; at least one query. */
int64_t limited_share(const struct limited *l, enum limit_rate r, int nodes);
int64_t limited_burst(const struct limited *l, enum limit_rate r, int nodes);

static inline int64_t
limited_limit(const struct limited *l, enum limit_kind kind)
{
	return atomic_load_explicit(&l->limit[kind], memory_order_relaxed);
}

static inline bool
limited_is_shadow(const struct limited *l)
{
	return atomic_load_explicit(&l->shadow, memory_order_relaxed);
}

static inline void
limited_count(atomic_ullong *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* "tenant \"acme\"", "address 10.1.2.3"; returns buf. */
#define LIMITED_TEXT 200
const char *limited_text(const struct limited *l, char buf[LIMITED_TEXT]);

/* e: l is over its limit of kind, and in wait there is room again (0: nobody knows). */
void limited_refuse(const struct limited *l, enum limit_kind kind, usec_t wait, struct error *e);

/* One more at a time, if there is room; shadow mode counts it all the same. */
bool limited_raise(struct limited *l, enum limit_level level, enum limit_kind kind);
void limited_lower(struct limited *l, enum limit_level level);

#endif
