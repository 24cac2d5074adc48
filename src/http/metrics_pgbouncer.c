#include "http/metrics_pgbouncer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "build.h"
#include "http/metrics_table.h"
#include "pool/pool.h"

/* --- on the worker --- */

static bool
is_used(const struct server *s, const struct config *c, usec_t now)
{
	return now - s->checked_at >= c->server_check_delay;
}

static void
add_idle(struct metrics_peer_pool *to, const struct pool *p, const struct config *c, usec_t now)
{
	const struct server *s;

	TAILQ_FOREACH(s, &p->servers[PLACE_IDLE], link) {
		bool used = is_used(s, c, now);

		to->sv_used += used;
		to->sv_idle += !used;
	}
}

static void
add_clients(struct metrics_peer_pool *to, const struct pool *p, usec_t now)
{
	const struct lease_request *r, *newcomer = TAILQ_FIRST(&p->newcomers);
	usec_t wait = pool_max_wait(p, now), other = newcomer != NULL ? now - newcomer->since : 0;
	int waiting = p->nwaiters;

	TAILQ_FOREACH(r, &p->newcomers, link)
		waiting++;
	to->cl_active += p->nclients > waiting ? p->nclients - waiting : 0;
	to->cl_waiting += waiting;
	if (other > wait)
		wait = other;
	if (wait > to->maxwait)
		to->maxwait = wait;
}

static void
add_pool(struct metrics_peer_pool *to, const struct pool *p, const struct config *c, usec_t now)
{
	add_clients(to, p, now);
	add_idle(to, p, c, now);
	to->cl_active_cancel += p->cancels_active;
	to->cl_waiting_cancel += p->cancels_waiting;
	to->sv_active += p->count[PLACE_ACTIVE];
	to->sv_active_cancel += p->cancels_active;
	to->sv_being_canceled += p->count[PLACE_HELD];
	to->sv_tested += p->count[PLACE_TESTED];
	to->sv_login += p->count[PLACE_LOGIN];
}

/* The place of a user's pools; the last is for those that have none. */
static struct metrics_peer_pool *
place_for(struct metrics_peer *peer, const char *user)
{
	struct metrics_peer_pool *rest = &peer->pools[PEER_USERS];

	for (size_t i = 0; i < peer->npools; i++) {
		if (strcmp(peer->pools[i].user, user) == 0)
			return &peer->pools[i];
	}
	if (peer->npools == PEER_USERS || !metrics_name_fits(user)) {
		peer->overflowed = true;
		return rest;
	}
	peer->pools[peer->npools].user = memory_strdup(user);
	return &peer->pools[peer->npools++];
}

static void
add_place(struct metrics_peer_pool *to, const struct metrics_peer_pool *what)
{
	to->cl_active += what->cl_active;
	to->cl_waiting += what->cl_waiting;
	to->cl_active_cancel += what->cl_active_cancel;
	to->cl_waiting_cancel += what->cl_waiting_cancel;
	to->sv_active += what->sv_active;
	to->sv_active_cancel += what->sv_active_cancel;
	to->sv_being_canceled += what->sv_being_canceled;
	to->sv_idle += what->sv_idle;
	to->sv_used += what->sv_used;
	to->sv_tested += what->sv_tested;
	to->sv_login += what->sv_login;
	if (what->maxwait > to->maxwait)
		to->maxwait = what->maxwait;
}

void
metrics_peer_add(struct metrics_peer *to, const struct metrics_peer *what)
{
	for (size_t i = 0; i < what->npools; i++)
		add_place(place_for(to, what->pools[i].user), &what->pools[i]);
	add_place(&to->pools[PEER_USERS], &what->pools[PEER_USERS]);
	to->overflowed |= what->overflowed;
	to->current_connections += what->current_connections;
}

static char *
copy_label(const char *value)
{
	return value != NULL && metrics_name_fits(value) ? memory_strdup(value) : NULL;
}

struct metrics_peer *
metrics_peer_new(const struct tenant *t, const struct config *c, bool all_paused, usec_t now)
{
	struct metrics_peer *peer = memory_zalloc(sizeof(*peer));
	const struct config_database *conf = t->conf;
	const struct pool *p;

	LIST_FOREACH(p, &t->pools, link)
		add_pool(place_for(peer, p->user->name), p, c, now);
	peer->current_connections = t->nservers;
	peer->paused = t->paused || all_paused;
	peer->disabled = t->disabled;
	if (conf == NULL)
		return peer;
	peer->host = copy_label(conf->host);
	peer->database = copy_label(conf->dbname);
	peer->force_user = copy_label(conf->user);
	peer->pool_mode = pool_mode_name(conf->pool_mode);
	peer->port = conf->port;
	peer->pool_size = tenant_pool_size(t, c, NULL);
	if (peer->pool_size == POOL_SIZE_AUTO)
		peer->pool_size = 0; /* as what has no limit of its own */
	peer->reserve_pool = tenant_reserve_pool_size(t, c, NULL);
	peer->max_connections = tenant_max_connections(t, c);
	return peer;
}

void
metrics_peer_free(struct metrics_peer **pp)
{
	struct metrics_peer *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	for (size_t i = 0; i < p->npools; i++)
		free(p->pools[i].user);
	free(p->host);
	free(p->database);
	free(p->force_user);
	free(p);
}

/* --- the names --- */

struct peer_metric {
	struct metrics_family family;
	size_t offset;
};

#define STATS(name, unit, field, help)                                              \
	{ { "pgbouncer_stats_totals_" name, METRIC_COUNTER, unit, help }, offsetof(struct traffic, field) }
#define POOLS(name, unit, field, help)                                              \
	{ { "pgbouncer_pools_" name, METRIC_GAUGE, unit, help }, offsetof(struct metrics_peer_pool, field) }
#define DATABASES(name, field, help)                                                \
	{ { "pgbouncer_databases_" name, METRIC_GAUGE, UNIT_NONE, help }, offsetof(struct metrics_peer, field) }
#define VIEW(field) offsetof(struct metrics_view, field)

static const struct peer_metric stats[] = {
	STATS("queries_pooled", UNIT_NONE, query_count, "query_count of SHOW STATS_TOTALS"),
	STATS("queries_duration_seconds", UNIT_SECONDS, query_time,
		"query_time of SHOW STATS_TOTALS"),
	STATS("received_bytes", UNIT_BYTES, received, "bytes_received of SHOW STATS_TOTALS"),
	STATS("sent_bytes", UNIT_BYTES, sent, "bytes_sent of SHOW STATS_TOTALS"),
	STATS("client_wait_seconds", UNIT_SECONDS, wait_time, "wait_time of SHOW STATS_TOTALS"),
	STATS("sql_transactions_pooled", UNIT_NONE, xact_count, "xact_count of SHOW STATS_TOTALS"),
	STATS("server_in_transaction_seconds", UNIT_SECONDS, xact_time,
		"xact_time of SHOW STATS_TOTALS"),
	STATS("client_parses", UNIT_NONE, client_parse_count,
		"client_parse_count of SHOW STATS_TOTALS"),
	STATS("server_parses", UNIT_NONE, server_parse_count,
		"server_parse_count of SHOW STATS_TOTALS"),
	STATS("binds", UNIT_NONE, bind_count, "bind_count of SHOW STATS_TOTALS"),
};

static const struct peer_metric pools[] = {
	POOLS("client_active_connections", UNIT_NONE, cl_active, "cl_active of SHOW POOLS"),
	POOLS("client_active_cancel_connections", UNIT_NONE, cl_active_cancel,
		"cl_active_cancel_req of SHOW POOLS"),
	POOLS("client_waiting_connections", UNIT_NONE, cl_waiting, "cl_waiting of SHOW POOLS"),
	POOLS("client_waiting_cancel_connections", UNIT_NONE, cl_waiting_cancel,
		"cl_waiting_cancel_req of SHOW POOLS"),
	POOLS("server_active_connections", UNIT_NONE, sv_active, "sv_active of SHOW POOLS"),
	POOLS("server_active_cancel_connections", UNIT_NONE, sv_active_cancel,
		"sv_active_cancel of SHOW POOLS"),
	POOLS("server_being_canceled_connections", UNIT_NONE, sv_being_canceled,
		"sv_being_canceled of SHOW POOLS"),
	POOLS("server_idle_connections", UNIT_NONE, sv_idle, "sv_idle of SHOW POOLS"),
	POOLS("server_used_connections", UNIT_NONE, sv_used,
		"sv_used of SHOW POOLS (of database other: in sv_idle)"),
	POOLS("server_testing_connections", UNIT_NONE, sv_tested, "sv_tested of SHOW POOLS"),
	POOLS("server_login_connections", UNIT_NONE, sv_login, "sv_login of SHOW POOLS"),
	POOLS("client_maxwait_seconds", UNIT_SECONDS, maxwait,
		"maxwait and maxwait_us of SHOW POOLS"),
};

static const struct peer_metric databases[] = {
	DATABASES("pool_size", pool_size, "pool_size of SHOW DATABASES"),
	DATABASES("reserve_pool", reserve_pool, "reserve_pool_size of SHOW DATABASES"),
	DATABASES("max_connections", max_connections, "max_connections of SHOW DATABASES"),
	DATABASES("current_connections", current_connections,
		"current_connections of SHOW DATABASES"),
	DATABASES("paused", paused, "paused of SHOW DATABASES"),
	DATABASES("disabled", disabled, "disabled of SHOW DATABASES"),
};

/* SHOW LISTS and SHOW CONFIG; without an offset: always 0 here. */
#define NOTHING SIZE_MAX

static const struct peer_metric values[] = {
	{ { "pgbouncer_databases", METRIC_GAUGE, UNIT_NONE, "databases of SHOW LISTS" },
	  VIEW(peer_lists.databases) },
	{ { "pgbouncer_users", METRIC_GAUGE, UNIT_NONE, "users of SHOW LISTS, of the configuration" },
	  VIEW(peer_lists.users) },
	{ { "pgbouncer_pools", METRIC_GAUGE, UNIT_NONE, "pools of SHOW LISTS" },
	  VIEW(peer_lists.pools) },
	{ { "pgbouncer_free_clients", METRIC_GAUGE, UNIT_NONE, "free_clients of SHOW LISTS" },
	  NOTHING },
	{ { "pgbouncer_used_clients", METRIC_GAUGE, UNIT_NONE, "used_clients of SHOW LISTS" },
	  VIEW(clients) },
	{ { "pgbouncer_login_clients", METRIC_GAUGE, UNIT_NONE, "login_clients of SHOW LISTS" },
	  VIEW(logins) },
	{ { "pgbouncer_free_servers", METRIC_GAUGE, UNIT_NONE, "free_servers of SHOW LISTS" },
	  NOTHING },
	{ { "pgbouncer_used_servers", METRIC_GAUGE, UNIT_NONE, "used_servers of SHOW LISTS" },
	  VIEW(peer_lists.servers) },
	{ { "pgbouncer_cached_dns_names", METRIC_GAUGE, UNIT_NONE, "dns_names of SHOW LISTS" },
	  NOTHING },
	{ { "pgbouncer_cached_dns_zones", METRIC_GAUGE, UNIT_NONE, "dns_zones of SHOW LISTS" },
	  NOTHING },
	{ { "pgbouncer_in_flight_dns_queries", METRIC_GAUGE, UNIT_NONE, "dns_queries of SHOW LISTS" },
	  NOTHING },
	{ { "pgbouncer_config_max_client_connections", METRIC_GAUGE, UNIT_NONE, "max_client_conn" },
	  VIEW(max_clients) },
	{ { "pgbouncer_config_max_user_connections", METRIC_GAUGE, UNIT_NONE, "max_user_connections" },
	  VIEW(peer_lists.max_user_connections) },
	{ { "pgbouncer_up", METRIC_GAUGE, UNIT_NONE, "1: the console could be asked" },
	  VIEW(peer_lists.up) },
};

/* --- writing --- */

static int64_t
field(const void *base, size_t offset)
{
	return offset == NOTHING ? 0 : *(const int64_t *)((const char *)base + offset);
}

static const char *
shown(const char *value)
{
	return value != NULL ? value : "";
}

static void
write_stats(struct metrics_text *t, const struct metrics_told *told, const struct peer_metric *m)
{
	for (size_t i = 0; i < told->nrows; i++) {
		const struct metrics_row *row = &told->rows[i];

		metrics_text_sample(t, &(struct metrics_label){ "database", row->name }, 1,
				    field(&row->counts.traffic, m->offset), NULL);
	}
}

static void
write_pool(struct metrics_text *t, const char *database, const struct metrics_peer_pool *p,
	   const struct peer_metric *m)
{
	const struct metrics_label labels[] = {
		{ "database", database },
		{ "user", p->user != NULL ? p->user : METRICS_OTHER },
	};

	metrics_text_sample(t, labels, lengthof(labels), field(p, m->offset), NULL);
}

static struct metrics_peer_pool
pool_of_others(const struct metrics_level *l)
{
	int64_t busy = l->sessions - l->waiting;

	return (struct metrics_peer_pool){
		.cl_active = busy > 0 ? busy : 0,
		.cl_waiting = l->waiting,
		.cl_active_cancel = l->cancels_active,
		.cl_waiting_cancel = l->cancels_waiting,
		.sv_active = l->servers[PLACE_ACTIVE],
		.sv_active_cancel = l->cancels_active,
		.sv_being_canceled = l->servers[PLACE_HELD],
		.sv_idle = l->servers[PLACE_IDLE],
		.sv_tested = l->servers[PLACE_TESTED],
		.sv_login = l->servers[PLACE_LOGIN],
		.maxwait = l->max_wait,
	};
}

static void
write_pools(struct metrics_text *t, const struct metrics_told *told, const struct peer_metric *m)
{
	const struct metrics_peer_pool others = pool_of_others(&told->rows[told->nnamed].level);

	for (size_t i = 0; i < told->nnamed; i++) {
		const struct metrics_row *row = &told->rows[i];

		for (size_t j = 0; row->peer != NULL && j < row->peer->npools; j++)
			write_pool(t, row->name, &row->peer->pools[j], m);
		if (row->peer != NULL && row->peer->overflowed)
			write_pool(t, row->name, &row->peer->pools[PEER_USERS], m);
	}
	write_pool(t, METRICS_OTHER, &others, m);
}

static void
write_database(struct metrics_text *t, const char *name, const struct metrics_peer *p, const struct peer_metric *m)
{
	char port[24];
	const struct metrics_label labels[] = {
		{ "name", name },
		{ "host", shown(p->host) },
		{ "port", port },
		{ "database", shown(p->database) },
		{ "force_user", shown(p->force_user) },
		{ "pool_mode", shown(p->pool_mode) },
	};

	snprintf(port, sizeof(port), "%lld", (long long)p->port);
	metrics_text_sample(t, labels, lengthof(labels), field(p, m->offset), NULL);
}

static void
write_databases(struct metrics_text *t, const struct metrics_told *told, const struct peer_metric *m)
{
	for (size_t i = 0; i < told->nnamed; i++) {
		if (told->rows[i].peer != NULL)
			write_database(t, told->rows[i].name, told->rows[i].peer, m);
	}
}

static void
write_each(struct metrics_text *t, const struct metrics_told *told, const struct peer_metric *list, size_t n,
	   void (*write)(struct metrics_text *t, const struct metrics_told *told, const struct peer_metric *m))
{
	for (size_t i = 0; i < n; i++) {
		metrics_text_family(t, &list[i].family);
		write(t, told, &list[i]);
	}
}

void
metrics_write_peer(struct metrics_text *t, const struct metrics_view *v)
{
	static const struct metrics_family version_family = {
		"pgbouncer_version", METRIC_INFO, UNIT_NONE, "Which version runs",
	};
	const struct metrics_label version = { "version", PACKAGE_VERSION };

	metrics_text_family(t, &version_family);
	metrics_text_sample(t, &version, 1, 1, NULL);
	for (size_t i = 0; i < lengthof(values); i++) {
		metrics_text_family(t, &values[i].family);
		metrics_text_sample(t, NULL, 0, field(v, values[i].offset), NULL);
	}
	write_each(t, v->told, stats, lengthof(stats), write_stats);
	write_each(t, v->told, pools, lengthof(pools), write_pools);
	write_each(t, v->told, databases, lengthof(databases), write_databases);
}
