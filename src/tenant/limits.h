/*
 * limits: who may take how much ([limits]).
 *
 *	struct limits         the process's: who is counted, by (scope, name)
 *	  struct limited      one tenant, user, address ...: counts and rates (tenant/rate.h)
 *	struct limit_set      those that count for one client; made at login
 *
 * A struct limited is shared by all workers: its counts are atomics, and a rate is one
 * atomic time (GCRA).  So limits are exact however many workers serve one tenant.  Where
 * no limit is configured, there is no struct limited, and a query touches nothing here.
 * The registry's lock is taken when a client comes or goes, and at a reload.
 *
 * With limit_redis, rates are leased from Redis in the background, for all nodes
 * together; a query takes from what was leased and never waits for Redis.  While Redis
 * can't be reached, each node has rate / limit_nodes.
 */
#ifndef TENANT_LIMITS_H
#define TENANT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"
#include "net/address.h"

struct limits;
struct limited;

enum limit_kind {
	LIMIT_KIND_CLIENTS,
	LIMIT_KIND_CONNECTIONS,
	LIMIT_KIND_QUERIES,
	LIMIT_KIND_ACTIVE,
	LIMIT_KIND_BYTES,
	LIMIT_KIND_SERVER_TIME,
	LIMIT_KIND_RESULT_SIZE,
	LIMIT_KIND_QUERY_LENGTH,
	LIMIT_KIND_TRANSACTION,
	LIMIT_KIND_QUEUE,
	LIMIT_KINDS,
};

/* What counts for one client; zero-filled: nothing does. */
struct limit_set {
	struct limited *of[LIMIT_SCOPES];	/* NULL: no limit there; references */
	unsigned generation;			/* of the configuration that it was made by */
	bool any;				/* one of them is not NULL */
	bool counted;				/* it is one of their clients */
};

/* Whom a client is counted for. */
struct limit_names {
	const char *tenant, *class;	/* class: of the tenant's line, or NULL */
	const char *user;
	const struct address *address;
};

struct limits *limits_new(const struct config *c);
void limits_free(struct limits **l);

/* Control thread.  Counts go on; those that have no limit any more stay as they are, without one. */
void limits_set_config(struct limits *l, const struct config *c);

/* Control thread, now and then: forget those whose clients have gone and whose rates are at rest. */
void limits_upkeep(struct limits *l, usec_t now);

/* Is a set of this generation still what the configuration says?  One load. */
unsigned limits_generation(const struct limits *l);

/* A client comes.  false: e (53300 clients, 53400 connections a second) says what was hit and when to try again. */
bool limits_enter(struct limits *l, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e);
void limits_leave(struct limits *l, struct limit_set *set);

/* Likewise, a client that has been another tenant's so far: that is no new connection. */
bool limits_enter_from(struct limits *l, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e);

/* The configuration, or the client's tenant, is another one: make its set anew.  Nobody is refused for that. */
void limits_refresh(struct limits *l, const struct limit_names *n, struct limit_set *set);

/* --- a query; on the client's thread, without a lock --- */

enum limit_outcome {
	LIMIT_PASS,
	LIMIT_WAIT,
	LIMIT_REFUSE,
};

/* The kinds of rates that a query waits for. */
#define LIMIT_WAITS 3

/* What one query has taken: zero-filled, nothing. */
struct limit_hold {
	int64_t place[LIMIT_SCOPES][LIMIT_WAITS];	/* on the rate's clock; those in `waits` */
	uint32_t waits;			/* bits: scope * LIMIT_WAITS + kind */
	uint8_t taken;			/* bits of scopes: a query of its rate */
	uint8_t active;			/* bits of scopes: it counts as under way there */
	usec_t since;
};

/* A query comes, outside a transaction.  WAIT: its place is taken, limit_due says when.  REFUSE: e says why (53400). */
enum limit_outcome limit_admit(struct limit_set *set, usec_t now, struct limit_hold *h, struct error *e);

/* How long it still has to wait; 0: not at all. */
usec_t limit_due(const struct limit_set *set, const struct limit_hold *h, usec_t now);

/* Its turn has come: it is under way, if there are not too many.  WAIT: there are; try again when one is over. */
enum limit_outcome limit_start(struct limit_set *set, usec_t now, struct limit_hold *h, struct error *e);

/* It is over. */
void limit_end(struct limit_set *set, struct limit_hold *h);

/* It never was: who came for it has left or was refused, or there was no query after all. */
void limit_withdraw(struct limit_set *set, struct limit_hold *h);

/* More was used: of QUERIES (n of them), BYTES, SERVER_TIME (microseconds).  What comes next waits for it. */
void limit_debit(struct limit_set *set, enum limit_kind kind, usec_t now, int64_t n);

/* Would a query have to wait now? */
bool limit_is_over(const struct limit_set *set, usec_t now);

/* Is somebody close to the end of a rate, or of ACTIVE, and was not told for some seconds?  notice: says so
 * (SEVERITY_NOTICE). */
bool limit_warn(struct limit_set *set, usec_t now, struct error *notice);

/* RESULT_SIZE, QUERY_LENGTH, TRANSACTION (microseconds): the smallest that is enforced, or of those in shadow mode if
 * none is; 0: there is none. */
int64_t limit_least(const struct limit_set *set, enum limit_kind kind);

/* n is over the limit of this kind: true, and e (54000 or 25P04) tells whose.  In shadow mode it is counted, and false. */
bool limit_exceeds(struct limit_set *set, enum limit_kind kind, int64_t n, struct error *e);

/* The client waits for a server; true: too many do, it is not counted, and e (53300) says so. */
bool limit_enqueue(struct limit_set *set, struct error *e);
void limit_dequeue(struct limit_set *set);

/* For SHOW LIMITS; a copy. */
struct limit_facts {
	enum limit_scope scope;
	const char *name;		/* borrowed for the call */
	enum limit_kind kind;
	int64_t limit;			/* a second, or at a time */
	int64_t burst;			/* rates; 0: counts */
	int64_t used;			/* now, of the count; of a rate: what is used of its burst */
	uint64_t passed, delayed, refused;
	uint64_t shadowed;		/* would have been delayed or refused */
	usec_t delayed_time;		/* in all */
	bool shadow;
	bool leased;			/* from Redis */
};

void limits_each(struct limits *l, void (*fn)(void *arg, const struct limit_facts *f), void *arg);

const char *limit_scope_name(enum limit_scope scope);	/* "tenant", ... */
const char *limit_kind_name(enum limit_kind kind);	/* as the key of [limits]: "queries", ... */

#endif
