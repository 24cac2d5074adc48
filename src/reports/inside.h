/*
 * inside: how reports are made, as the files of this folder know it.
 *
 *	report_ask ──> look, on each worker: its part ──> parts added up ──> add ──> sorted ──> done
 *
 * A report may be made of rows (part.rows: a row is whole when its worker has told it), or
 * of sums that only mean something when those of all workers are there (tally, queries);
 * then add makes the rows.
 */
#ifndef REPORTS_INSIDE_H
#define REPORTS_INSIDE_H

#include <bsd/sys/queue.h>

#include "base/memory.h"
#include "reports/console_facts.h"
#include "reports/reports.h"
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
	struct report rows;
	struct tally tally;
	bool found;		/* the tenant that was asked for is in use there */
};

struct report_order {
	LIST_ENTRY(report_order) link;
	struct inquiry inquiry;
	struct reports *reports;
	const struct report_kind *kind;
	char *tenant;			/* NULL: all */
	enum query_order by;
	unsigned top;
	report_done_fn *done;		/* NULL: nobody waits for it any more */
	void *arg;
	int nparts;
	struct part parts[];
};

struct report_maker {
	/* On each worker; NULL: there is nothing to see. */
	void (*look)(const struct report_order *o, struct shard *s, struct part *part);
	/* Add what is known on the control thread; all: of all shards.  NULL: nothing. */
	void (*add)(const struct report_order *o, const struct part *all, struct report *rows);
	unsigned choice;	/* for these two: what is wanted */
	unsigned nsorted;	/* by so many of the first columns; 0: as they come */
};

static inline const struct config *
reports_config(const struct reports *r)
{
	return r->inquirer->config(r->inquirer->daemon);
}

/* How many rows are wanted; f may be NULL. */
unsigned report_top(const struct report_filter *f);

/* 3D000: what is asked about a tenant that nobody uses. */
void report_no_tenant(struct error *e, const char *name);

/* --- the reports, by file --- */

extern const struct report_kind report_config, report_version, report_state, report_peers, report_peer_pools,
	report_dns_hosts, report_dns_zones;			/* settings.c */
extern const struct report_kind report_databases;		/* databases.c */
extern const struct report_kind report_pools;			/* pools.c */
extern const struct report_kind report_clients, report_servers, report_sockets, report_active_sockets; /* sockets.c */
extern const struct report_kind report_stats, report_stats_totals, report_stats_averages, report_totals; /* stats.c */
extern const struct report_kind report_users;			/* users.c */
extern const struct report_kind report_lists, report_mem;	/* lists.c */
extern const struct report_kind report_fds;			/* fds.c */

/* "round-robin" or "disable" of a list of hosts; NULL: it is none. */
const char *report_load_balance(const struct config_database *db);

/* An idle server that is checked before it is lent: PgBouncer calls it used. */
bool report_is_used(const struct server *s, usec_t now);

/* Count a shard: the look of reports that need no more. */
void tally_look(const struct report_order *o, struct shard *s, struct part *part);
void tally_add(struct tally *to, const struct tally *t);

#endif
