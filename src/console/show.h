/*
 * show: the reports that SHOW can show.
 *
 * A report is a row of the table in show.c: its columns, how its rows are made
 * on each worker, and what the console adds before it is sorted and sent.
 * Each has its row struct, column table and functions in a file of its kind.
 */
#ifndef CONSOLE_SHOW_H
#define CONSOLE_SHOW_H

#include "base/report.h"
#include "console/inside.h"

/* What there is, counted: of one shard, then of all. */
struct tally {
	int64_t clients, logins, sessions;
	int64_t tenants, autodbs;
	int64_t pools, servers, links;
	int64_t statements, statement_bytes;
	int64_t paused; /* shards on which everything is paused */
	struct traffic traffic, older, newer;
};

/* One worker's contribution. */
struct part {
	struct report rows;
	struct tally tally;
};

struct report_kind {
	const char *name;
	const struct column *columns;
	size_t ncolumns;
	/* On each worker; NULL: there is nothing to see. */
	void (*look)(const struct report_kind *kind, struct shard *s, struct part *part);
	/* Add what the console knows; sum: of all shards.  NULL: nothing. */
	void (*add)(const struct report_kind *kind, struct console *k, const struct tally *sum,
		struct report *rows);
	unsigned choice;  /* for these two: what is wanted */
	unsigned nsorted; /* by so many of the first columns; 0: as they come */
	bool admin;	  /* not for stats_users */
};

/* NULL: no such report. Without case. */
const struct report_kind *show_find(const char *name);

/* All, in the order of the table: NULL starts, NULL ends. */
const struct report_kind *show_next(const struct report_kind *after);

/* Make and send a report; ends with a task. */
void show_run(struct dialogue *d, const struct report_kind *kind);

/* --- the reports, by file --- */

extern const struct report_kind show_config, show_version, show_state, show_peers, show_peer_pools,
	show_dns_hosts, show_dns_zones;		/* show_settings.c */
extern const struct report_kind show_databases; /* show_databases.c */
extern const struct report_kind show_pools;	/* show_pools.c */
extern const struct report_kind show_clients, show_servers, show_sockets,
	show_active_sockets; /* show_sockets.c */
extern const struct report_kind show_stats, show_stats_totals, show_stats_averages,
	show_totals;				      /* show_stats.c */
extern const struct report_kind show_users;	      /* show_users.c */
extern const struct report_kind show_lists, show_mem; /* show_lists.c */
extern const struct report_kind show_fds;	      /* show_fds.c */

/* "round-robin" or "disable" of a list of hosts; NULL: it is none. */
const char *show_load_balance(const struct config_database *db);

/* An idle server that is checked before it is lent: PgBouncer calls it used. */
bool show_is_used(const struct server *s, usec_t now);

/* Count a shard: the look of reports that need no more. */
void show_count(const struct report_kind *kind, struct shard *s, struct part *part);

#endif
