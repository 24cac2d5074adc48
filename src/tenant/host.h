/*
 * host: a PostgreSQL server that tenants share, and its budget of connections.
 *
 * One per (host, port) in use, for the whole process.  Every connection that we
 * open to it takes a place before it dials and gives it back when the server has
 * closed its side, which is when its backend has ended: those of pools, cancel
 * requests, questions of our own.  So the cap (max_connections of [hosts]) is
 * never exceeded, by whatever thread.
 *
 *	pool wants to grow ── hosts_claim ──> a place ───────────────> dial
 *	                          │ full
 *	                          v
 *	                     the claim is queued   <── a place is given back (hosts_give)
 *	                          │                <── hosts_yield: a busy tenant gives one up
 *	                          │                <── ops->evict: an idle one is closed
 *	                          v
 *	                     CLAIM_GRANTED, ops->tell ──> hosts_collect on its worker ──> dial
 *
 * Whose the places are, of max_connections N and admin_reserve R:
 *
 *	N - R - 1	tenants', and whoever's
 *	R		administrators' and cancel requests', who leave one to them
 *	1		cancel requests': they may be what makes room, so nobody else keeps them
 *			waiting.  (None if N is 1: there is no other then.)
 *
 * Cancel requests are short.  Those that find no place are served one after the other.
 *
 * Who is next: cancel requests; administrators; then the tenant that holds least for its
 * weight; among equals the one whose turn it is: each has a clock that a granted claim
 * moves on by 1/weight, and who is furthest behind is next.  (That is deficit round robin, without a deficit to be lost: a pool
 * claims one place at a time, so a tenant's queue is empty between two claims.)  Within
 * a tenant, pools that have nothing at all; then first come first served.
 *
 * Who gives: V, for the tenant C that is next,
 *
 *	V holds more for its weight than C would with one more	at once, idle or at the end of a
 *								transaction
 *	C has nothing at all					if V has had it for min_lease, or
 *								has no use for it before then
 *	neither							if it is idle and V will not be
 *								back soon (twice its usual pause,
 *								min_lease at least)
 *	V is C itself, and the pool that claims has nothing	as if C had nothing at all: pools of
 *	at all (claim.bare)					other users, of auth_query and of
 *								other workers give way to it
 *
 * Idle ones go first, that of the tenant furthest over its share before the others,
 * among equals the one that will be idle for longest.  A tenant with clients keeps
 * `min`, unless C has less than that.
 *
 * One lock for all hosts.  It is taken when a connection opens or closes and, while
 * somebody waits for a host, by a tenant that is asked to give one up; never per query
 * otherwise: seats carry a few atomics that only one thread writes.
 */
#ifndef TENANT_HOST_H
#define TENANT_HOST_H

#include <bsd/sys/queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "config/config.h"

struct host;
struct hosts;
struct share;

/* What a worker holds of a host for one tenant.  It lives as long as it has places or claims. */
struct seat {
	LIST_ENTRY(seat) link;		/* the share's */
	TAILQ_ENTRY(seat) asked_link;	/* the worker's, while asked > 0 */
	struct share *share;
	void *owner;			/* the worker's tenant; its places may outlive it, as they end */
	int worker;			/* -1: none, a side connection */
	bool side;			/* for questions of our own and cancel requests */
	bool cancels;			/* for cancel requests */
	int used;			/* lock */
	int leaving;			/* of these, on their way back; lock */
	int claims;			/* and whoever else needs it to stay; lock */
	int asked;			/* idle ones that the worker was asked to close; lock */
	usec_t granted_at;		/* the last one; lock */
	/* Written by the worker, read by all. */
	atomic_int idle;
	_Atomic usec_t idle_since;	/* one became idle last */
	_Atomic usec_t pause;		/* how long it usually stays idle; 0: not known */
	atomic_bool active;		/* its tenant has clients */
	/* Written under the lock, read by the worker: */
	atomic_int wanted;		/* enum seat_wanted */
	_Atomic usec_t min_lease;	/* 0 too if the host has no cap */
	atomic_bool capped;		/* places are given back only when the server has closed */
};

enum seat_wanted {
	WANTED_NOT,
	WANTED_OLD,	/* those it has had for min_lease, or has no use for */
	WANTED_ANY,
};

/* What a claim is for. */
enum claim_kind {
	CLAIM_ORDINARY,
	CLAIM_ADMIN,		/* somebody in admin_users waits: may use admin_reserve; not queued behind tenants */
	CLAIM_CANCEL,		/* likewise, and the last place of all is theirs */
	CLAIM_KINDS,
};

enum claim_state {
	CLAIM_NONE,
	CLAIM_QUEUED,
	CLAIM_GRANTED,		/* the place is claim->seat's, and the claimant's to use or to withdraw */
};

/* Embedded in who claims; zero-filled at first.  state and seat change under the lock: read them with
 * hosts_claim_state, or after a call of this file on the claimant's thread. */
struct claim {
	TAILQ_ENTRY(claim) link;
	void (*granted)(struct claim *c);	/* on the claimant's thread, from hosts_collect; c is CLAIM_GRANTED */
	struct seat *seat;
	enum claim_kind kind;
	enum claim_state state;
	usec_t since;
	bool told;			/* granted was called */
	atomic_bool bare;		/* who claims has no connection at all; the claimant's to write, at any time */
};

/* Which place. */
struct wish {
	const char *host;		/* as the database's line says it: one host; NULL: the Unix socket */
	int port;
	const char *tenant;
	int weight;
	int worker;
	void *owner;			/* seat->owner */
	bool side;
};

struct hosts_ops {
	/* Any thread, under the lock: have worker call hosts_collect.  Not repeated until it has. */
	void (*tell)(void *arg, int worker);
};

/* What SHOW HOSTS tells of one; a copy. */
struct host_facts {
	const char *host;		/* borrowed for the call */
	int port;
	int index;			/* hosts_index */
	int max_connections;		/* 0: no cap */
	int admin_reserve;
	int used;			/* places taken */
	int leaving;			/* of these, being closed */
	int side;			/* of these: cancels and questions of our own */
	int tenants;			/* that have some */
	int waiting;			/* tenants that wait for one */
	uint64_t granted;		/* claims that had to wait and were granted */
	uint64_t evictions;		/* idle connections closed for somebody else */
	uint64_t yielded;		/* busy tenants that gave one up at the end of a transaction */
	uint64_t refused;		/* gave up waiting */
	usec_t longest_wait;		/* of those that wait now */
	uint64_t failures;		/* connections that could not be made */
	bool known;			/* one could be, or could not */
	usec_t down_since;		/* wall clock; 0: the last one could */
	char last_error[200];		/* of the last failure; "" */
};

struct hosts *hosts_new(const struct config *c);
void hosts_free(struct hosts **h);

/* Before any worker runs.  Without it no worker is ever told of anything. */
void hosts_set_ops(struct hosts *h, int nworkers, const struct hosts_ops *ops, void *arg);

/* The next snapshot's caps count at once: who is above only shrinks. Control thread. */
void hosts_set_config(struct hosts *h, const struct config *c);

/* For each in use or in [hosts], under the lock: fn only copies. */
void hosts_each(struct hosts *h, void (*fn)(void *arg, const struct host_facts *f), void *arg);

/* --- places --- */

/* Claim a place.  CLAIM_GRANTED: it is c->seat's, take it with hosts_take; CLAIM_QUEUED: c->granted will be called, on
 * the thread of w->worker. */
enum claim_state hosts_claim(struct hosts *h, struct claim *c, enum claim_kind kind, const struct wish *w);

enum claim_state hosts_claim_state(struct hosts *h, const struct claim *c);

/* The place of a granted claim: the caller's, given back with hosts_give. */
struct seat *hosts_take(struct hosts *h, struct claim *c);

/* Give up a claim, queued or granted; fine if there is none.  refused: whoever waited was told that it is in vain. */
void hosts_withdraw(struct hosts *h, struct claim *c, bool refused);

/* One of a seat's places will be given back as soon as its server has closed.  Once for each. */
void hosts_leave(struct hosts *h, struct seat *seat);

/* It was not given back, and may not be for long: nobody is served by waiting for it.  It counts as leaving no more, but
 * its tenant can't use it either.  Who waits is looked after by the next hosts_look_again. */
void hosts_linger(struct hosts *h, struct seat *seat);

/* A place is free again: the connection is gone.  leaving: hosts_leave, or hosts_yield, was called for it. */
void hosts_give(struct hosts *h, struct seat **seat, bool leaving);

/* Likewise, behind hosts_linger. */
void hosts_give_lingering(struct hosts *h, struct seat **seat);

/* A connection changes threads: its place goes to the seat of w->worker. */
struct seat *hosts_move(struct hosts *h, struct seat *seat, const struct wish *w);

/* At the end of a transaction, if seat->wanted says so: is a connection that its tenant has had since `since` to be
 * closed for somebody else?  true: it counts as leaving.  unneeded: nobody of this tenant waits for it. */
bool hosts_yield(struct hosts *h, struct seat *seat, usec_t since, bool unneeded);

static inline bool
seat_is_wanted(const struct seat *seat)
{
	return atomic_load_explicit(&seat->wanted, memory_order_relaxed) != WANTED_NOT;
}

/* On the thread of worker, told to: granted claims are told, and evict is called for each idle connection that is asked
 * for; false: there is none.  What it closes counts as leaving already. */
void hosts_collect(struct hosts *h, int worker, bool (*evict)(void *arg, struct seat *seat), void *arg);

/* Time has passed: look again who must give up one for those who wait, or because a cap was lowered.  Any thread, every
 * few ms while a claim of its waits, and now and then. */
void hosts_look_again(struct hosts *h);

/* A place for a connection that is none of a pool's (the catalogue's, a benchmark's), given back with hosts_give_side.
 * Any thread.  false: the host is full, and c waits as a claim of a tenant's does: idle ones are evicted for it, but
 * nobody is told.  Ask again with the same c, or hosts_withdraw it. */
bool hosts_want_side(struct hosts *h, struct claim *c, enum claim_kind kind, const char *host, int port);
void hosts_give_side(struct hosts *h, const char *host, int port);

/* --- health --- */

enum host_role {
	ROLE_UNKNOWN,
	ROLE_PRIMARY,
	ROLE_READ_ONLY,		/* no standby, but default_transaction_read_only */
	ROLE_STANDBY,
};

/* What is known of a host now. */
struct host_health {
	bool skipped;		/* it could not be reached a short while ago */
	bool full;		/* no place is free, or others wait */
	bool in_reserve;	/* places of admin_reserve are taken */
	enum host_role role;	/* as it was a short while ago */
};

void hosts_health(struct hosts *h, const char *host, int port, struct host_health *health);

/* A connection could not be made, or was. */
void hosts_failed(struct hosts *h, struct seat *seat, const struct error *e);
void hosts_reached(struct hosts *h, struct seat *seat, enum host_role role);

/* As it was first called; good as long as the process runs. */
const char *hosts_name(const struct seat *seat, int *port);

/* A small number that is the host's as long as the process runs. */
int hosts_index(const struct seat *seat);

#endif
