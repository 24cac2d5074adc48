/*
 * pace: how many servers of one host work at a time (pool_size = auto).
 *
 * More connections than a server can use make it slower.  Per host (for the whole process) pool/steer.h finds the number
 * that does most, between active_floor and active_ceiling.  Servers are lent only while fewer work; sessions beyond it
 * wait in their pool, and pools take turns, by weight (deficit round robin).
 *
 *	pool lends ──> pace_enter          active + 1
 *	a statement ends ──> pace_observe  work + its baseline   ── the slot is over? ──> steer_next ──> shares
 *	pool gets it back ──> pace_leave   active - 1 ──> pace_serve: the next pool's turn
 *
 * Each worker has a pace of the host: a share of its number, by how many work or wait there, at least one.  (So there can
 * be as many more than the number as there are workers.)  Counters are written by their own worker only, and read by
 * whichever one finds that a slot is over.  On the way of a query: some additions and a comparison, no lock.
 *
 * What would fool it does not count:
 *
 *	- A server that has not ended a statement for long (pace_patience) is *set aside*: its client sits in a transaction,
 *	  it waits for a lock, copies, has much to tell or a client that is slow to hear.  It takes up no place until it
 *	  ends one.  Those that wait for their client make room for as many others; of those that run something, as many
 *	  as there are places do.
 *	- What such a statement took is no work, and changes no baseline; nor does the time in which a client did not
 *	  take what there was.
 *	- A slot in which nobody waited says nothing.
 *
 * A host is what a database's line says, a list included: sessions take whichever server of it is free.
 */
#ifndef POOL_PACE_H
#define POOL_PACE_H

#include <bsd/sys/queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"
#include "net/loop.h"

struct pace_host;
struct paces;
struct pool;
struct query_baseline;
struct server;

/* Where neither active_ceiling nor max_connections says how many may work. */
#define PACE_CEILING 64

TAILQ_HEAD(pace_line, pool);

/* Of a host, on one worker. */
struct pace {
	struct pace_host *host;
	struct pace_line line;		/* pools in which somebody waits, and a server may be idle; whose turn is first */
	bool serving;			/* its line is being served */
	struct deferred deferred;	/* to serve it at the end of the turn */
	int aside;			/* of those that work: set aside */
	double typical;			/* us a statement takes; 0: not known */
	double lease;			/* us a server is lent; 0: not known */
	atomic_int share;		/* how many may work; written by whoever ends a slot */
	/* Written here, read by all: */
	atomic_int active;		/* lent, set aside or not */
	atomic_int waiting;		/* sessions */
	_Atomic uint64_t work;		/* us of baseline that ended */
	_Atomic uint64_t took;		/* us that it took */
	_Atomic uint64_t done;		/* statements */
};

/* What SHOW HOSTS tells. */
struct pace_facts {
	bool on;
	int limit;			/* servers that may work at a time */
	int active;			/* that do */
	int waiting;			/* sessions */
	const char *state;		/* "measuring", "growing", "steady", "shrinking", "probing" */
	char reason[100];		/* why, for people */
	double gradient;		/* time taken to the baseline; 0: not known */
	double per_second;		/* queries */
};

/* Of the process; any thread.  Freed when no worker runs. */
struct paces *paces_new(int nworkers);
void paces_free(struct paces **ps);

/* Alone or in a list.  false: no pool of this host has its size found out. */
bool paces_find(struct paces *ps, const char *host, int port, struct pace_facts *f);

/* --- for a worker's pools --- */

/* The pace of a host on this worker, made if need be: it stays as long as ps does.  bounds: the host's line or NULL. */
struct pace *pace_open(struct paces *ps, int worker, const char *host, int port, const struct config_host *bounds);

/* Is it that of this host?  Other bounds for it. */
bool pace_is_of(const struct pace *p, const char *host, int port);
void pace_bound(struct pace *p, const struct config_host *bounds);

/* How many may work at a time at most, by the host's line (NULL: none). */
int pace_ceiling(const struct config_host *bounds);

/* How many may work here; may one more be lent? */
int pace_share(const struct pace *p);
bool pace_has_place(const struct pace *p);

/* A server is lent; it is back, or gone. */
void pace_enter(struct pace *p);
void pace_leave(struct pace *p, struct server *s, usec_t now);

/* Sessions began (1) or ceased (-1) to wait. */
void pace_count_waiting(struct pace *p, int n);

/* Somebody waits in pool, for which it may have a server: it stands in line, if it doesn't yet. */
void pace_join(struct pace *p, struct pool *pool);
void pace_quit(struct pace *p, struct pool *pool);

/* The pool whose turn it is; it is asked for one lease (pace_took), or has nothing to lend (pace_quit).  NULL: nobody
 * waits. */
struct pool *pace_first(struct pace *p);
void pace_took(struct pace *p, struct pool *pool, int weight);

/* Set servers aside that have not ended a statement for so long. */
usec_t pace_patience(const struct pace *p);
void pace_set_aside(struct pace *p, struct server *s, bool waits_for_client);

/* Several times a second, and at each statement's end: is the slot over? */
void pace_tick(struct pace *p, usec_t now);

/* --- for sessions --- */

/* s ended a statement, which took so long, without the time in which its client did not take what there was.  b: NULL if
 * its digest is not counted. */
void pace_observe(struct pace *p, struct server *s, struct query_baseline *b, usec_t took, usec_t now);

#endif
