/*
 * inside: how reports are made, as the files of this folder know it.
 *
 *	report_ask ──> look, on each worker: its part ──> parts added up ──> add ──> sorted, written
 *	                ^                       │                                         └──> done
 *	                └── there is more ──────┘
 *
 * A report may be made of rows (part.rows: a row is whole when its worker has told it), or
 * of sums that only mean something when those of all workers are there (tally, performance);
 * then add makes the rows.
 */
#ifndef REPORTS_INSIDE_H
#define REPORTS_INSIDE_H

#include <bsd/sys/queue.h>

#include "base/memory.h"
#include "reports/console_facts.h"
#include "reports/gather.h"
#include "reports/reports.h"
#include "reports/stock.h"
#include "session/walk.h"
#include "stats/traffic.h"

#define REPORT_TOP 100		/* rows of a list, if nobody says how many */
#define REPORT_TOP_MAX 500	/* and at most: workers copy several times as many */

/* What there is, counted: of one shard, then of all. */
struct tally {
	int64_t clients, logins, sessions;
	int64_t tenants, autodbs;
	int64_t pools, servers, links;
	int64_t statements, statement_bytes;
	int64_t paused;	/* shards on which everything is paused */
	struct traffic traffic, older, newer;
};

/* One worker's contribution, then that of all. */
struct part {
	struct walk walk;
	struct stock rows;
	struct tally tally;
	struct performance performance;
};

/*
 * An inquiry of ours that is under way.  Embedded.
 *
 *	work_start, work_ask ──> visit, on every worker ──> finish ──> work_end
 *	                ^                                     │
 *	                └── there is more to look at ─────────┘
 */
struct report_work {
	LIST_ENTRY(report_work) link;
	struct inquiry inquiry;
	struct reports *reports;
	void (*release)(struct report_work *w);	/* frees it with what it holds */
};

void work_start(struct report_work *w, struct reports *r, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q), void (*release)(struct report_work *w));

/* Visit all shards, then finish. */
void work_ask(struct report_work *w);

/* It is over: release it. */
void work_end(struct report_work *w);

static inline struct report_work *
work_of(struct inquiry *q)
{
	return container_of(q, struct report_work, inquiry);
}

struct report_order {
	struct report_work work;
	const struct report_kind *kind;
	struct report_wish wish;
	report_done_fn *done;		/* NULL: nobody waits for it any more */
	void *arg;
	bool again;			/* it is not the first visit */
	int nparts;
	struct part parts[];
};

struct report_maker {
	/* On each worker; NULL: there is nothing to see.  Again, while part->walk has more to see. */
	void (*look)(const struct report_order *o, struct shard *s, struct part *part);
	/* Add what is known on the control thread; all: of all shards.  NULL: nothing. */
	void (*add)(const struct report_order *o, const struct part *all, struct stock *rows);
	unsigned gathers;	/* enum gather_what, or-ed: what of the queries' statistics add finds in all->performance */
	unsigned choice;	/* for look and add: what is wanted */
	unsigned nsorted;	/* by so many of the first columns; 0: as they come */
	/* Rows that are equal in these are one: add `other` to row (the columns' struct).  NULL: none are. */
	void (*merge)(void *row, const void *other);
	void (*finish_row)(const struct report_order *o, void *row);	/* before it is written; NULL: it is as it is */
	/* No worker knows the tenant, but the catalogue does: its line.  NULL: then there is nothing to tell. */
	void (*seek)(const struct report_order *o, const char *line, struct stock *rows);
	bool many;		/* REPORT_TOP_MAX rows, if nobody says how many */
};

static inline const struct config *
reports_config(const struct reports *r)
{
	return r->inquirer->config(r->inquirer->daemon);
}

/* What f asks for, in w, which is zero-filled; but for `what`. */
void wish_make(struct report_wish *w, const struct report_filter *f);

/* "active", "idle", "paused", "disabled". */
const char *report_tenant_state(const struct tenant *t, bool all_paused);

/* Where a line comes from of which no tenant is in use. */
enum tenant_source report_line_source(const struct config *c, const struct config_database *conf);

/* Of a tenant, the number of sessions that wait for a server. */
int64_t report_waiting(const struct tenant *t);

/* Is what this tenant did to be told? */
bool report_is_wanted(const struct report_order *o, const char *tenant);

/* --- the reports, by file --- */

/* settings.c */
extern const struct report_kind report_config, report_version, report_state, report_peers, report_peer_pools,
	report_dns_hosts, report_dns_zones;
extern const struct report_kind report_databases;		/* databases.c */
extern const struct report_kind report_pools;			/* pools.c */
/* sockets.c */
extern const struct report_kind report_clients, report_servers, report_sockets, report_active_sockets;
/* stats.c */
extern const struct report_kind report_stats, report_stats_totals, report_stats_averages, report_totals;
extern const struct report_kind report_users;			/* users.c */
extern const struct report_kind report_lists, report_mem;	/* lists.c */
extern const struct report_kind report_fds;			/* fds.c */
extern const struct report_kind report_queries;			/* queries.c */
extern const struct report_kind report_tenants;			/* tenants.c */
extern const struct report_kind report_tenant;			/* tenant.c */
extern const struct report_kind report_hosts;			/* hosts.c */
extern const struct report_kind report_limits;			/* limits.c */
extern const struct report_kind report_bans;			/* bans.c */
extern const struct report_kind report_threats;			/* threats.c */
extern const struct report_kind report_catalogue;		/* catalogue.c */
extern const struct report_kind report_latency;			/* latency.c */
extern const struct report_kind report_slow_queries;		/* slow_queries.c */
extern const struct report_kind report_alerts;			/* alerts.c */

/* "round-robin" or "disable" of a list of hosts; NULL: it is none. */
const char *report_load_balance(const struct config_database *db);

/* An idle server that is checked before it is lent: PgBouncer calls it used. */
bool report_is_used(const struct server *s, usec_t now);

/* Count a shard: the look of reports that need no more. */
void tally_look(const struct report_order *o, struct shard *s, struct part *part);
void tally_add(struct tally *to, const struct tally *t);

#endif
