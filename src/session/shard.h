/*
 * shard: all that one worker owns: its clients, tenants, pools and sessions.
 *
 * Shards share nothing but `struct commons` (budgets, ids, users), which is
 * touched when connections open and close, never per query.  A client that
 * belongs elsewhere is moved by the daemon (shard_ops).
 */
#ifndef SESSION_SHARD_H
#define SESSION_SHARD_H

#include <stdatomic.h>

#include "client/client.h"
#include "config/config.h"
#include "pool/pool.h"
#include "server/server.h"
#include "sql/recall.h"
#include "stats/applications.h"
#include "stats/queries.h"
#include "stats/slow_query.h"
#include "tenant/budget.h"
#include "tenant/tenant.h"
#include "tenant/user.h"

struct arrival;
struct lookup;
struct search;
struct server_parcel;
struct session_parcel;
struct shard;
struct spreads;
struct tenant_question;
struct threat;
struct timing;
struct walk;

/* Of the process; any thread. */
struct commons {
	struct budget clients;		/* max_client_conn */
	struct users *users;
	atomic_uint next_id;		/* of clients and servers */
	atomic_bool stopping;		/* no new logins: the process is being shut down */
	struct attempts *attempts;	/* failed logins */
	struct helpers *helpers;	/* for what burns CPU */
	struct helpers *askers;		/* for what may hang */
	atomic_int slow_waiting;	/* records of slow queries on their way to the monitor */
	atomic_ullong slow_lost;	/* too many of them were */
	atomic_llong longest_visit;	/* us that an inquiry has held up a worker at most */
	struct hosts *hosts;		/* budgets of PostgreSQL servers */
	struct paces *paces;		/* how many of them work at a time */
	struct limits *limits;
	struct bans *bans;
	struct spreads *spreads;	/* tenants that several workers serve */
	struct habits *habits;		/* what roles of tenants usually run (threat/habit.h) */
	atomic_int threats_waiting;	/* on their way to the monitor */
	atomic_ullong threats_lost;	/* too many of them were */
};

#define CONSOLE (-1)			/* the control thread, where a worker's number could stand */

/* What the daemon does for a shard; all take the client, at the end of the turn at the earliest. */
struct shard_ops {
	void (*move)(struct shard *s, struct client *c, int to);	/* its tenant, or its cancel key, is there */
	/* Take k to the shard that owns its database (lookup_serve), or its answer to who asked (k->found). */
	void (*look_up)(struct shard *s, struct lookup *k);
	void (*found)(struct shard *s, struct lookup *k);
	void (*slow)(struct shard *s, struct slow_query *q);	/* to the monitor; takes q */
	void (*threat)(struct shard *s, struct threat *t);	/* likewise; it is counted in threats_waiting */
	void (*find_tenant)(struct shard *s, struct tenant_question *q);	/* to the catalogue; takes q */
	/* Take a session that has left this shard (session/move.h) to another one, perhaps this. */
	void (*move_session)(struct shard *s, struct session_parcel *p, int worker);
	void (*move_server)(struct shard *s, struct server_parcel *p, int worker);	/* likewise */
};

struct shard {
	int index;			/* of this worker */
	int nworkers;
	struct loop *loop;
	struct commons *commons;
	const struct shard_ops *ops;
	void *arg;			/* of ops */
	struct client_env client_env;
	struct server_env server_env;
	char *tracked;			/* what server_env.tracked points to */
	struct pools pools;
	struct tenants *tenants;
	struct params_table *params;
	struct client_set clients;	/* all of them, by id */
	size_t nclients;
	struct query_store queries;
	struct sql_recall recall;
	struct applications applications;	/* if metrics_application_label */
	struct planner *planner;	/* session/plan.h; NULL until a plan is wanted */
	SLIST_HEAD(timing_list, timing) timings;	/* session/timing.h: free ones */
	unsigned ntimings;
	struct search *searches;	/* session/lookup.h */
	TAILQ_HEAD(search_list, search) waiting_searches;	/* of these, that wait for a server; oldest first */
	int nlookups;			/* that wait for the answer to a search */
	struct arrival *arrivals;	/* session/arrival.h */
	struct config_database *at_door;	/* what "*" makes for who logs in just now; owned */
	struct throttles *throttles;	/* session/throttle.h; NULL: there never was a limit */
	LIST_HEAD(, tenant) spread;	/* tenants that it serves together with others: session/parts.h */
	struct deferred handing_over;
	bool paused;			/* PAUSE of all, those that come later included */
};

/* c is referenced.  pools_ops: who to wake (pool/pool.h). */
void shard_init(struct shard *s, int index, int nworkers, struct loop *l, struct mailbox *mb, int job_mail,
		const struct config *c, struct commons *commons, const struct shard_ops *ops,
		const struct pools_ops *pools_ops, void *arg);

/* Close everything; e is what clients are told.  What closed is freed at the end of the turn, then shard_free. */
void shard_release(struct shard *s, const struct error *e);
void shard_free(struct shard *s);

const struct config *shard_config(const struct shard *s);

/* Take the next snapshot.  Whoever comes finds it in force (tenants_set_config). */
void shard_set_config(struct shard *s, const struct config *c);

/* Bring all else to it, as far as the walk (session/walk.h) goes in one visit: tenants catch up, clients of those that
 * are gone are closed, pools that keep servers without being asked are made. */
void shard_catch_up(struct shard *s, struct walk *w);

/* A tenant has no line any more: its clients and servers are closed. */
void shard_end_tenant(struct shard *s, struct tenant *t);

/* Bring what clients are lent to the present settings: a shard's own, and the console's. */
void shard_configure_clients(struct client_env *env, const struct config *c);

/* The client of this id, or NULL. */
struct client *shard_find_client(struct shard *s, uint32_t id);

/* A connection was accepted here. */
void shard_accept(struct shard *s, int fd);

/* A cancel request: to the client whose key it has, on this shard or the next; the last stop is the console. */
void shard_route_cancel(struct shard *s, struct client *c);

/* Send a client in login, or one that cancels, to another worker, or the CONSOLE. */
void shard_move_client(struct shard *s, struct client *c, int to);

/* Take a client out of this shard, to be posted to another thread.  Not from within one of its callbacks. */
void shard_give_up(struct shard *s, struct client *c);

/* Make the pools that keep servers without being asked (min_pool_size and a forced user). */
void shard_prepare_pools(struct shard *s);

/* The other half: it is one of this shard's clients now. */
void shard_join(struct shard *s, struct client *c);

/* A client that another shard gave up: in login (its startup packet waits to be routed) or cancelling. */
void shard_adopt(struct shard *s, struct client *c);

/* Several times a second: deadlines of clients, sessions and pools. */
void shard_upkeep(struct shard *s);

/* A stats_period is over. */
void shard_roll_statistics(struct shard *s);

/* Lend no server of any tenant from now on.  Those that are idle stay open. */
void shard_hold(struct shard *s);

/* Stop and start lending servers: of one tenant, or (NULL) of all. */
void shard_pause(struct shard *s, struct tenant *t);
void shard_resume(struct shard *s, struct tenant *t);

/* Refuse all who wait for a server, or to be welcomed. */
void shard_refuse_waiters(struct shard *s, const struct error *e);

/* Is nothing connected to PostgreSQL for this tenant, or (NULL) for any? */
bool shard_is_quiet(struct shard *s, const struct tenant *t);

/* The line of the database that somebody asks for who has proved nothing yet: no tenant is made.  Good until the next
 * call.  NULL: e (3D000) says why. */
const struct config_database *shard_line(struct shard *s, const char *name, struct error *e);

/* May somebody at this address go to the tenant of this line (allow, deny)?  false: e (3D000): for him there is no such
 * tenant.  Whatever is said and asked is what would be if there were none, so he can't tell. */
bool shard_lets_in(const struct config_database *line, const struct address *a, struct error *e);

/* The tenant in use of this name; made if it is configured. NULL: e (3D000) says so. */
struct tenant *shard_open_tenant(struct shard *s, const char *name, struct error *e);

/* Close clients: of one tenant, or (NULL) of all. Returns how many. */
size_t shard_kill_clients(struct shard *s, const struct tenant *t, const struct error *e);

/* Close the client with this id. false: it is not here. */
bool shard_kill_client(struct shard *s, uint32_t id, const struct error *e);

/* The parameters that sessions carry from server to server: a list for string_in_list_nocase. */
char *shard_tracked_parameters(const struct config *c);

#endif
