/*
 * pool: lends the server connections of one (tenant, user) to sessions.
 *
 *	                 ┌────────────── pool_release ───────────────┐
 *	                 v                                           │
 *	LOGIN ──> IDLE ──┴── pool_acquire / granted ──> ACTIVE ──────┤
 *	            ^                                                │
 *	            ├── TESTED (reset or check query runs) <─────────┤
 *	            └── HELD (a cancel for it is under way) <────────┘
 *
 * Requests are served in the order in which they came.  A server is lent only
 * when it is known to answer (server_check_delay), is young enough, and no
 * cancel for it is in flight.  The pool grows by one connection at a time, as
 * long as somebody waits and every limit allows it: pool_size (and the
 * reserve), max_db_connections, max_user_connections.  When a limit that is
 * shared with other pools stops it, the longest idle connection there is
 * asked to go.  If the host has no place to spare (tenant/host.h), the pool claims one
 * and goes on when it is granted.
 *
 * While a server can't be reached, attempts go on with growing, jittered
 * pauses of at most a second, and requests wait; only when it has failed for
 * server_login_retry are they refused.  What the server itself refuses (wrong
 * password, no such database) is told at once.
 *
 * A pool belongs to its tenant's worker; if several serve the tenant
 * (tenant/spread.h), each has pools of its own, with a share of every limit.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <bsd/sys/queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pg/startup.h"
#include "server/server.h"
#include "tenant/host.h"
#include "tenant/spread.h"
#include "tenant/tenant.h"
#include "tenant/user.h"

struct farewell;
struct lease_request;
struct pace;
struct paces;
struct pool;
struct pools;

enum server_place {
	PLACE_LOGIN,		/* connecting or logging in */
	PLACE_IDLE,
	PLACE_ACTIVE,		/* lent */
	PLACE_TESTED,		/* runs a command of ours */
	PLACE_HELD,		/* given back, but a cancel for it may still arrive */
	PLACES,
};

TAILQ_HEAD(server_list, server);
TAILQ_HEAD(request_list, lease_request);

struct lease_request_ops {
	void (*granted)(struct lease_request *r, struct server *s);	/* s is SERVER_FREE and the callee's to lease */
	void (*failed)(struct lease_request *r, const struct error *e);
	void (*waiting)(struct lease_request *r);			/* once, after query_wait_notify */
};

/* A place in the queue; embedded in who asks. */
struct lease_request {
	TAILQ_ENTRY(lease_request) link;
	const struct lease_request_ops *ops;
	usec_t since;
	bool queued;
	bool told;		/* ops->waiting was called */
	bool is_admin;		/* for somebody in admin_users, who may use admin_reserve; the owner's to set, before it asks */
};

enum pool_keeping {
	KEEPING_NOT,		/* there is nothing to be done for it: it has neither servers nor waiters */
	KEEPING,		/* upkeep looks at it */
	KEEPING_EMPTY,		/* nobody uses it: it is forgotten after a while (pool/upkeep.c, idle_timeout) */
};

TAILQ_HEAD(kept_pools, pool);

struct pool {
	LIST_ENTRY(pool) link;			/* tenant->pools */
	TAILQ_ENTRY(pool) kept_link;		/* pools->kept, or pools->empty */
	struct pools *pools;
	struct tenant *tenant;
	struct user *user;			/* of the server connections; a reference */
	const struct config_user *user_conf;	/* of the tenant's snapshot, or NULL */
	struct server_list servers[PLACES];
	int count[PLACES];
	struct request_list waiters;		/* want a server */
	struct request_list newcomers;		/* want to know what the server reports (pool->welcome) */
	int nwaiters;
	int nadmins;				/* of waiters and newcomers: is_admin */
	int nclients;				/* sessions */
	usec_t empty_since;			/* neither sessions nor servers since; 0: there are some */
	int cancels_active;			/* cancel requests being sent */
	int cancels_waiting;			/* cancel requests that wait for a free connection */
	LIST_HEAD(, canceller) cancellers;
	const struct params *welcome;		/* what the first server reported; NULL until then */
	bool have_keys;
	struct scram_keys keys;			/* that a client proved with, to pass through */
	struct known_keys *known_keys;		/* what its password came to at the last login; NULL: nothing yet */
	struct secret secret;			/* learned from a login or by auth_query; SECRET_NONE: nothing */
	bool asking, asked;			/* auth_query is being, or has been, asked for it */
	bool is_private;			/* lent to no ordinary session: its connections run auth_query, or: */
	enum replication replication;		/* of its one session; the pool goes when that has gone */
	char **startup;				/* REPLICATION: the client's parameters, name, value, ..., NULL; owned */
	usec_t failing_since;			/* 0: the last attempt was good */
	bool unreachable;			/* it failed, and not because a server refused it */
	usec_t retry_at;
	usec_t asked_others;			/* when other pools were asked to close one of its user's; 0: it has got one since */
	int failures;
	struct pace *pace;			/* pool_size = auto: of its host; NULL: it has a size of its own */
	TAILQ_ENTRY(pool) turn;			/* pool/pace.h: pace->line, if in_line */
	bool in_line;
	int turns;				/* leases that it still has, before it is another's turn */
	uint8_t keeping;			/* enum pool_keeping: in which list it is */
	bool serving;				/* pool_serve is on the stack */
	bool due;				/* for upkeep, in this round */
	bool claiming;				/* claim is queued: the host is full */
	uint8_t next_host;			/* of host=a,b: which is tried now */
	uint8_t wrong_roles;			/* servers that were not what target_session_attrs wants, in a row */
	struct claim claim;
	usec_t pause;				/* how long a server that came back is idle, mostly; 0: not known */
	usec_t freed_at;			/* when one became idle last */
	bool from_reserve;
	struct spread_servers *shared;		/* its tenant is spread: the user's servers on all parts; else NULL */
	int8_t starved;				/* 1 + a worker that has none of these and waits; 0: none, when last looked */
};

/* What a worker lends to its pools, and what it does for them. */
struct pools_ops {
	void (*wake)(struct pools *p, uint64_t workers);	/* a budget has room again: tell these workers */
	void (*evict_elsewhere)(struct pools *p, const char *user);	/* other workers: drop an idle server of user */
	void (*ask_secret)(struct pools *ps, struct pool *p);	/* nothing is known of its user's password: tenant_learn */
	void (*hand_over)(struct pools *ps);	/* at the end of the turn: idle servers that pool_share_taker has a use for */
};

struct pools {
	struct server_env *env;
	struct tenants *tenants;
	struct users *users;
	const struct pools_ops *ops;
	struct hosts *hosts;		/* of the process */
	atomic_uint *next_id;		/* of the process: ids of connections */
	struct kept_pools kept, empty;	/* empty: longest first */
	LIST_HEAD(, farewell) farewells;	/* pool/farewell.c */
	int nclaiming;			/* claims of this worker that are queued */
	bool looking;			/* hosts_look_again is due */
	struct paces *paces;		/* of the process; NULL: no pool has its size found out */
	bool evicting;			/* what is given back now is meant for somebody */
	int worker;
};

/* The rest of ps is filled in. */
void pools_init(struct pools *ps);

/* When all pools are closed: do not wait any longer for servers to end. */
void pools_release(struct pools *ps);

/* The pool of a tenant for a server user, made if need be. */
struct pool *pool_open(struct pools *ps, struct tenant *t, const char *user);

/* Likewise, but its connections are lent to no session (session/lookup.h): no client's settings are on them. */
struct pool *pool_open_private(struct pools *ps, struct tenant *t, const char *user);

/* A new one for one replication connection, which is never lent to anybody else: its servers get all the startup
 * parameters of the client.  They count in the size of the user's pool. */
struct pool *pool_open_replication(struct pools *ps, struct tenant *t, const char *user, const struct startup *startup);

/* What a login told of the password of the pool's user; copied, unless the configuration says one: what is of no use is
 * not kept. */
void pool_learn(struct pool *p, const struct secret *secret);

/* What pools_ops->ask_secret found, for all pools of this user that have asked; NULL: nothing. */
void tenant_learn(struct tenant *t, const char *user, const struct secret *secret);

/* Close all servers (reason for the log), refuse all waiters with e, free.  Its sessions are gone already. */
void pool_close(struct pool **p, const struct error *e, const char *reason);

/* --- for sessions --- */

/* A server now, SERVER_FREE and the caller's to lease; or NULL, and r is called when there is one or never will be. */
struct server *pool_acquire(struct pool *p, struct lease_request *r);

/* Wait until pool->welcome is there: true if it is now; else r->ops->granted (with no server: NULL) or failed. */
bool pool_know_welcome(struct pool *p, struct lease_request *r);

/* Leave the queue; fine if r is in none. */
void pool_forget(struct pool *p, struct lease_request *r);

/* For a question of our own (session/plan.h): an idle server, while nobody waits for one; SERVER_FREE and the caller's
 * to lease.  No statistics count it.  NULL: there is none. */
struct server *pool_borrow(struct pool *p);

/* Give a leased server back; nothing is outstanding on it.  reset: the session is over, clean up behind it.
 * An open transaction is rolled back first. */
void pool_release(struct server *s, bool reset);

/* The lessee died in the middle of something: cancel what runs, drop the connection.  (Whoever closes a server that is
 * in the middle of something need not do so for a host with a cap: see pool/cancel.c.) */
void pool_abandon(struct server *s, const char *reason);

/* Ask PostgreSQL to cancel what s runs. done is called when the request has been delivered or given up;
 * outcome tells people which.  NULL: nobody wants to know. */
typedef void pool_cancel_done_fn(void *arg, const char *outcome);
void pool_cancel(struct server *s, pool_cancel_done_fn *done, void *arg);

/* Is s not what it should be any more (RECONNECT, changed configuration)? */
bool pool_is_outdated(const struct server *s);

/* Is s not to be lent again (that, or age)? */
bool pool_must_close(const struct server *s);

/* A server that pool_give_up took out finds no pool: close it; its place at its host is given back. */
void pools_discard(struct pools *ps, struct server *s, const struct error *e);

/* Take the longest idle server out of the pool, to move it; NULL: none is idle.  Those that are not to be lent again are
 * closed instead.  The user's budget stays taken, and so does what is counted for all parts of a tenant. */
struct server *pool_give_up(struct pool *p);

/* The worker that shall have an idle server of p, whose tenant is spread: this one has more than its share, or is a part
 * no more, or that one has none at all.  -1: none. */
int pool_share_taker(const struct pool *p);

/* Is there one that has none at all?  Several times a second. */
void pool_look_for_starved(struct pool *p);

/* The tenant is spread, from now on: its clients and servers are counted there, too. */
void tenant_set_spread(struct pools *ps, struct tenant *t, struct spread *spread);

/* Take in a free server that another pool of the same user gave up; first, if not NULL, is run before it is lent. */
void pool_adopt(struct pool *p, struct server *s, const char *first);

/* --- for the worker --- */

/* Several times a second: timeouts, retries, min_pool_size. */
void pools_upkeep(struct pools *ps);

/* Refuse everybody who waits. */
void pool_refuse_all(struct pool *p, const struct error *e);

/* A budget may have room: try again to serve whoever waits. */
void pools_retry(struct pools *ps);

/* The registry of hosts has something for this worker (hosts_ops.tell): places, or wishes for some. */
void pools_collect(struct pools *ps);

/* A session has left p, or joined it, without a word to it: upkeep shall look what p needs now. */
void pool_keep(struct pool *p);

/* Drop the longest idle server of a user (limits across pools). false: none is idle. */
bool pools_evict_user(struct pools *ps, const char *user);

/* Close idle servers of a tenant, or, with `all`, mark the others to be closed when they come back. */
void tenant_close_servers(struct tenant *t, bool all, const char *reason);

/* Nothing of the tenant is connected, or being connected, to PostgreSQL. */
bool tenant_is_quiet(const struct tenant *t);

/* --- for those who look on --- */

int pool_total(const struct pool *p);		/* server connections, those under way included */
int pool_mode(const struct pool *p);

/* pool_size for a user (NULL: any) in force, and as many as the host may have where that is auto; 0: no limit. */
int tenant_most_servers(const struct tenant *t, const struct config *c, const struct config_user *u);

usec_t pool_max_wait(const struct pool *p, usec_t now);	/* of the first in the queue; 0: nobody waits */
const char *server_place_name(enum server_place place);

#endif
