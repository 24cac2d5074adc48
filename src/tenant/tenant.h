/*
 * tenant: a database that clients ask for, as one worker knows it.
 *
 * A tenant belongs to one worker, which is chosen by its name alone
 * (tenant_worker), so that every thread agrees without asking; others may
 * serve it besides (tenant/spread.h), each with a struct of its own.  It is made
 * when first used; a database that nobody asked for costs only its line of
 * the configuration, or nothing, if it is a template or the catalogue that
 * knows it.
 *
 * What the catalogue says of a tenant comes by mail and is kept here
 * (tenants_put); there is no asking from here.
 */
#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <uthash.h>

#include "base/error.h"
#include "config/config.h"
#include "stats/traffic.h"

struct pool;
struct query_tenant;
struct spread;
struct statements;
struct tenants;

LIST_HEAD(pool_list, pool);

/* Where a tenant's line comes from; the first that has one counts. */
enum tenant_source {
	TENANT_FROM_LINE,	/* of [databases] or [tenants] */
	TENANT_FROM_CATALOGUE,	/* if there is one, what follows counts for no tenant */
	TENANT_FROM_TEMPLATE,	/* "*" of [tenants] */
	TENANT_FROM_STAR,	/* "*" of [databases] */
	TENANT_SOURCES,
};

struct tenant {
	const struct config *config;		/* the table's snapshot, or the one before if it has not caught up; a reference */
	const struct config_database *conf;	/* of this snapshot; NULL: its line is gone, it is being ended */
	struct config_database *autodb;		/* owned; conf points to it unless it is a line of the snapshot */
	char *line;				/* what the catalogue said; NULL: it was not asked */
	struct pool_list pools;			/* pool/pool.h */
	struct statements *statements;		/* session/statement.h; NULL until one is prepared */
	struct query_tenant *queries;		/* stats/queries.h; NULL until its first query */
	struct traffic traffic;
	struct traffic_history *history;	/* NULL: nothing has passed for a while (tenant_history) */
	int nclients;				/* logged in or past the check of max_db_client_connections */
	int nservers;				/* connected or connecting */
	uint64_t line_hash;			/* how its servers are made: the same on all workers that have the same line */
	unsigned generation;			/* RECONNECTs; servers of another, or made otherwise, are closed when they come back */
	unsigned next_host;			/* round robin over host=a,b */
	usec_t idle_since;			/* no client since; 0 while there is one */
	bool paused;				/* no server is lent */
	bool moving;				/* likewise, for MOVE TENANT (daemon/move.h) */
	bool disabled;				/* no client is let in */
	uint8_t source;				/* enum tenant_source: of conf */
	uint64_t held, backlog;			/* bytes that its clients have us keep: session/memory.h */
	uint64_t counting;			/* the next backlog */
	usec_t counted_at;
	uint8_t threat_mode;			/* enum threat_mode in force */
	unsigned class_epoch;			/* another one since the class of its limits has changed */
	unsigned threat_epoch;			/* another one since the mode, or anything else, may have changed */
	usec_t protected_at;			/* since when it is THREAT_PROTECT, if it is */
	struct spread *spread;			/* tenant/spread.h; NULL: it has one part */
	LIST_ENTRY(tenant) spread_link;		/* the shard's, if spread */
	unsigned spread_seen;			/* spreads_count, when it was looked for */
	unsigned kills;				/* how often KILL has ended its clients */
	int outflow;				/* so many of its clients are to go to another part */
	int64_t queries_seen;			/* of traffic, when the work was measured last */
	TAILQ_ENTRY(tenant) rest_link;
	bool awake;				/* upkeep looks at it: tenants_wake */
	UT_hash_handle hh;
	char name[];
};

TAILQ_HEAD(tenant_list, tenant);

const char *tenant_source_name(enum tenant_source source);	/* "line", "catalogue", "template", "star" */

/* No server is lent, and none opened. */
static inline bool
tenant_is_held(const struct tenant *t)
{
	return t->paused || t->moving;
}

/* Which of n workers owns the tenant of this name. */
int tenant_worker(const char *name, int n);

/* The tenants of one worker; c is referenced. */
struct tenants *tenants_new(const struct config *c);
void tenants_free(struct tenants **t);

const struct config *tenants_config(const struct tenants *t);

/*
 * Take the next snapshot.  With ten thousand tenants it takes a while until each has its new line, or NULL when that
 * is gone: so they are to catch up one by one, and until then all that concerns them is as the snapshot before had it.
 * But whoever looks for one by its name finds it up to date; unless its line is gone: then it is not opened any more, and
 * ended when it is told to catch up.
 */
void tenants_set_config(struct tenants *t, const struct config *c);
void tenants_catch_up(struct tenants *t, struct tenant *tenant);

/* Call line_changed(arg, tenant) whenever a tenant has another line, or the same of another snapshot. */
void tenants_watch(struct tenants *t, void (*line_changed)(void *arg, struct tenant *tenant), void *arg);

/* Is it the catalogue that knows whether there is a tenant of this name, and has not told? */
bool tenants_must_ask(struct tenants *t, const char *name);

/* The catalogue says this of a tenant: from now on its line, unless the files have one.  It is made if it is not in use.
 * NULL: e (3D000: the files do not want it; F0000: the line is wrong, and the old one counts on). */
struct tenant *tenants_put(struct tenants *t, const char *name, const char *line, struct error *e);

/* The catalogue says that it is gone: its conf is NULL, unless the files have a line. */
void tenants_end(struct tenants *t, struct tenant *tenant);

/* The tenant in use of this name, or NULL. */
struct tenant *tenants_find(struct tenants *t, const char *name);

/* The line of a tenant of this name, and no tenant is made; NULL: e (3D000) says that there is none.
 * *made: what the line is in, if "*" gives it: the caller's to free(), and no longer good than name. */
const struct config_database *tenants_line(struct tenants *t, const char *name, struct config_database **made,
					   struct error *e);

/* The tenant of this name, made if the files know it ("*" included). NULL: e (3D000) says so. */
struct tenant *tenants_open(struct tenants *t, const char *name, struct error *e);

/* Forget a tenant that has neither pools nor clients. */
void tenants_drop(struct tenants *t, struct tenant **tenant);

/* For each in use: NULL starts, NULL ends. */
struct tenant *tenants_next(struct tenants *t, struct tenant *after);
size_t tenants_count(const struct tenants *t);

/*
 * Most of ten thousand tenants do nothing, and nobody has to look at them: they rest.  One that is made, or gets a
 * client (tenants_wake), is awake until tenants_rest.  One whose pools have something to do, or whose line may have
 * changed, is so, too (tenants_stir), but as nothing passes there, it needs no history.
 */
void tenants_stir(struct tenants *t, struct tenant *tenant);
void tenants_wake_up(struct tenants *t, struct tenant *tenant);

static inline void
tenants_wake(struct tenants *t, struct tenant *tenant)
{
	if (!tenant->awake || tenant->history == NULL)
		tenants_wake_up(t, tenant);
}

/* It has neither clients nor servers, and tenant_is_still: what it needs only when awake is freed. */
void tenants_rest(struct tenants *t, struct tenant *tenant);

/* Of those, the one that rests for longest and may be forgotten (autodb), or NULL; put it behind the others. */
struct tenant *tenants_first_resting(const struct tenants *t);
void tenants_let_rest_on(struct tenants *t, struct tenant *tenant);

/* For each that is awake: NULL starts, NULL ends. */
struct tenant *tenants_next_awake(const struct tenants *t, const struct tenant *after);

/* Has nothing passed since the period before the last? */
bool tenant_is_still(const struct tenant *t);

/* The last two stands of its counters. */
struct traffic_history tenant_history(const struct tenant *t);

/* What those had counted that were dropped: with it, the sum over all tenants never falls. */
const struct traffic *tenants_past(const struct tenants *t);

/* Settings of a tenant and a user (may be NULL: no such line) with the wider ones behind them. */
int tenant_pool_mode(const struct tenant *t, const struct config *c, const struct config_user *u);
int tenant_pool_size(const struct tenant *t, const struct config *c, const struct config_user *u); /* POOL_SIZE_AUTO */
int tenant_min_pool_size(const struct tenant *t, const struct config *c);
int tenant_reserve_pool_size(const struct tenant *t, const struct config *c, const struct config_user *u);
int tenant_max_connections(const struct tenant *t, const struct config *c);
int tenant_max_client_connections(const struct tenant *t, const struct config *c);
usec_t tenant_server_lifetime(const struct tenant *t, const struct config *c);
usec_t tenant_slow_query_threshold(const struct tenant *t, const struct config *c, const struct config_user *u);
usec_t tenant_query_wait_timeout(const struct tenant *t, const struct config *c, const struct config_user *u);

/* Likewise for what only users have of their own. */
int user_max_connections(const struct config *c, const struct config_user *u);
int user_max_client_connections(const struct config *c, const struct config_user *u);
usec_t user_query_timeout(const struct config *c, const struct config_user *u);
usec_t user_idle_transaction_timeout(const struct config *c, const struct config_user *u);
usec_t user_transaction_timeout(const struct config *c, const struct config_user *u);
usec_t user_client_idle_timeout(const struct config *c, const struct config_user *u);

#endif
