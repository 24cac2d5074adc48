/*
 * host: a PostgreSQL server that tenants share, and its budget of connections.
 *
 * One per (host, port) in use, for the whole process.  Every connection that we
 * open to it takes a place before it dials and gives it back when the socket is
 * closed: those of pools, cancel requests, questions of our own.  So the cap
 * (max_connections of [hosts]) is never exceeded, by whatever thread.
 *
 *	pool wants to grow ── host_take ──> a place ────────────────> dial
 *	                          │ full
 *	                          v
 *	                     claim queued (deficit round robin over tenants, by weight;
 *	                          │        within a tenant first come first served)
 *	                          │<── a place is given back (host_give)
 *	                          │<── an idle connection of who is furthest over its share is
 *	                          │    asked for (ops->yield on its worker)
 *	                          v
 *	                     ops->granted on the claimant's worker
 *
 * A lock is taken when a connection opens or closes, and by who gives a server back
 * while others wait for the host; never per query otherwise.
 */
#ifndef TENANT_HOST_H
#define TENANT_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"

struct host;
struct hosts;

/* What SHOW HOSTS tells of one; a copy. */
struct host_facts {
	const char *host;		/* borrowed for the call */
	int port;
	int max_connections;		/* 0: no cap */
	int admin_reserve;
	int used;			/* places taken */
	int side;			/* of these: cancels and questions of our own */
	int tenants;			/* that have some */
	int waiting;			/* tenants that wait for one */
	uint64_t granted;		/* claims that had to wait and were granted */
	uint64_t evictions;		/* idle connections closed for somebody else */
	uint64_t yielded;		/* busy tenants that gave one up at the end of a transaction */
	uint64_t refused;		/* gave up waiting */
	usec_t longest_wait;		/* of those that wait now */
	uint64_t failures;		/* connections that could not be made */
	usec_t down_since;		/* wall clock; 0: the last one could */
	char last_error[200];		/* of the last failure; "" */
};

struct hosts *hosts_new(const struct config *c);
void hosts_free(struct hosts **h);

/* The next snapshot's caps count at once: who is above only shrinks. Control thread. */
void hosts_set_config(struct hosts *h, const struct config *c);

/* For each in use or in [hosts], under the lock: fn only copies. */
void hosts_each(struct hosts *h, void (*fn)(void *arg, const struct host_facts *f), void *arg);

/* A place for a connection that is none of a pool's (the catalogue's, a benchmark's), given back with
 * hosts_give_side.  false: the host is full; nobody is evicted for it.  Any thread. */
bool hosts_take_side(struct hosts *h, const char *host, int port);
void hosts_give_side(struct hosts *h, const char *host, int port);

#endif
