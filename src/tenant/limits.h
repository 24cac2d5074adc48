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

/* Control thread.  Counts go on; those that have no limit any more are let go of. */
void limits_set_config(struct limits *l, const struct config *c);

/* A client comes.  false: e (53300 clients, 53400 connections a second) says what was hit and when to try again. */
bool limits_enter(struct limits *l, const struct limit_names *n, usec_t now, struct limit_set *set, struct error *e);
void limits_leave(struct limits *l, struct limit_set *set);

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
