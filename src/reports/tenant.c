/*
 * SHOW TENANT x: one row, all that is known of it, in use or not.  No password is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "monitor/monitor.h"
#include "reports/inside.h"
#include "session/statement.h"
#include "tenant/spread.h"
#include "threat/threat.h"

struct tenant_row {
	const char *tenant, *state, *source;
	const char *host;
	int64_t port;
	const char *database, *force_user, *pool_mode;
	int64_t pool_size, min_pool_size, reserve_pool_size, max_connections, max_client_connections;
	int64_t weight, tenant_workers, workers;
	const char *clients_by_worker;	/* of one that is spread: from its home on */
	int64_t clients, servers, pools, waiting, max_wait;
	const char *limits, *allow, *deny, *threat_mode;
	int64_t threats;
	int64_t logins, transactions, queries, received, sent, statements, statement_bytes;
};

#define ROW(field) offsetof(struct tenant_row, field)

static const struct column columns[] = {
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "state", COLUMN_TEXT, ROW(state) },
	{ "source", COLUMN_TEXT, ROW(source) },
	{ "host", COLUMN_TEXT, ROW(host) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "force_user", COLUMN_TEXT, ROW(force_user) },
	{ "pool_mode", COLUMN_TEXT, ROW(pool_mode) },
	{ "pool_size", COLUMN_INT4, ROW(pool_size) },
	{ "min_pool_size", COLUMN_INT4, ROW(min_pool_size) },
	{ "reserve_pool_size", COLUMN_INT4, ROW(reserve_pool_size) },
	{ "max_connections", COLUMN_INT4, ROW(max_connections) },
	{ "max_client_connections", COLUMN_INT4, ROW(max_client_connections) },
	{ "weight", COLUMN_INT4, ROW(weight) },
	{ "tenant_workers", COLUMN_INT4, ROW(tenant_workers) },
	{ "workers", COLUMN_INT4, ROW(workers) },
	{ "clients", COLUMN_INT8, ROW(clients) },
	{ "clients_by_worker", COLUMN_TEXT, ROW(clients_by_worker) },
	{ "servers", COLUMN_INT8, ROW(servers) },
	{ "pools", COLUMN_INT8, ROW(pools) },
	{ "waiting", COLUMN_INT8, ROW(waiting) },
	{ "max_wait_ms", COLUMN_MSEC, ROW(max_wait) },
	{ "limits", COLUMN_TEXT, ROW(limits) },
	{ "allow", COLUMN_TEXT, ROW(allow) },
	{ "deny", COLUMN_TEXT, ROW(deny) },
	{ "threat_mode", COLUMN_TEXT, ROW(threat_mode) },
	{ "threats", COLUMN_INT8, ROW(threats) },
	{ "logins", COLUMN_INT8, ROW(logins) },
	{ "transactions", COLUMN_INT8, ROW(transactions) },
	{ "queries", COLUMN_INT8, ROW(queries) },
	{ "received", COLUMN_INT8, ROW(received) },
	{ "sent", COLUMN_INT8, ROW(sent) },
	{ "statements", COLUMN_INT8, ROW(statements) },
	{ "statement_bytes", COLUMN_INT8, ROW(statement_bytes) },
};

static void
tell_settings(struct tenant_row *row, const struct tenant *t, const struct config *c)
{
	const struct config_database *conf = t->conf;
	int mode = conf->threat_mode != THREAT_INHERIT ? conf->threat_mode : c->threat_mode;

	row->host = conf->host;
	row->port = conf->port;
	row->database = conf->dbname;
	row->force_user = conf->user;
	row->pool_mode = pool_mode_name(tenant_pool_mode(t, c, NULL));
	row->pool_size = tenant_pool_size(t, c, NULL);
	row->min_pool_size = tenant_min_pool_size(t, c);
	row->reserve_pool_size = tenant_reserve_pool_size(t, c, NULL);
	row->max_connections = tenant_max_connections(t, c);
	row->max_client_connections = tenant_max_client_connections(t, c);
	row->weight = conf->weight;
	row->tenant_workers = conf->tenant_workers != CONFIG_UNSET ? conf->tenant_workers : c->tenant_workers;
	row->limits = conf->limits;
	row->allow = conf->allow;
	row->deny = conf->deny;
	row->threat_mode = threat_mode_name((enum threat_mode)mode);
}

static void
tell_pools(struct tenant_row *row, const struct tenant *t, usec_t now)
{
	const struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		usec_t wait = pool_max_wait(p, now);

		row->pools++;
		row->waiting += p->nwaiters;
		if (wait > row->max_wait)
			row->max_wait = wait;
	}
}

static void
tell_traffic(struct tenant_row *row, const struct tenant *t)
{
	row->logins = t->traffic.client_login_count;
	row->transactions = t->traffic.xact_count;
	row->queries = t->traffic.query_count;
	row->received = t->traffic.received;
	row->sent = t->traffic.sent;
	if (t->statements != NULL) {
		row->statements = HASH_COUNT(t->statements->by_body);
		row->statement_bytes = (int64_t)t->statements->bytes;
	}
}

/* "3,4,3": its home's first, then those of the other workers. */
static void
list_clients(const struct spread *s, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < s->nworkers && n < size; i++) {
		int clients = spread_clients_of(s, spread_worker(s, i));

		if (i < spread_k(s) || clients > 0)
			n += (size_t)snprintf(out + n, size - n, "%s%d", i > 0 ? "," : "", clients);
	}
}

/* One that is not in use is told as one that is empty. */
static void
add_tenant(struct stock *rows, const struct config *c, bool paused, const char *name, const struct tenant *t, bool in_use)
{
	struct tenant_row row = {
		.tenant = name,
		.state = report_tenant_state(t, paused),
		.source = tenant_source_name((enum tenant_source)t->source),
		.workers = in_use,
		.clients = t->nclients,
		.servers = t->nservers,
		.weight = REPORT_NULL,
	};
	char by_worker[BUDGET_WORKERS * 12];

	if (t->spread != NULL) {
		list_clients(t->spread, by_worker, sizeof(by_worker));
		row.clients_by_worker = by_worker;
	}
	if (t->conf != NULL)
		tell_settings(&row, t, c);
	tell_pools(&row, t, clock_now());
	tell_traffic(&row, t);
	stock_add(rows, &row);
}

/* Known to the files, but nobody has used it. */
static void
add_line(struct stock *rows, struct shard *s, const char *name)
{
	struct config_database *made;
	struct error e;
	struct tenant unused = { .conf = tenants_line(s->tenants, name, &made, &e) };

	LIST_INIT(&unused.pools);
	if (unused.conf != NULL && !tenants_must_ask(s->tenants, name)) {
		unused.source = (uint8_t)report_line_source(shard_config(s), unused.conf);
		add_tenant(rows, shard_config(s), s->paused, name, &unused, false);
	}
	config_free_line(made);
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	const char *name = o->wish.tenant;
	struct tenant *t;

	if (name == NULL)
		return;
	t = tenants_find(s->tenants, name);
	if (t != NULL)
		add_tenant(&part->rows, shard_config(s), s->paused, name, t,
			   t->spread == NULL || spread_has(t->spread, s->index));
	else if (tenant_worker(name, s->nworkers) == s->index)
		add_line(&part->rows, s, name);
}

/* In the catalogue, and nobody has used it. */
static void
seek(const struct report_order *o, const char *line, struct stock *rows)
{
	const struct config *c = reports_config(o->work.reports);
	struct error e;
	struct config_database *made = config_make_line(c, o->wish.tenant, line, &e);
	struct tenant unused = { .conf = made, .source = TENANT_FROM_CATALOGUE };

	LIST_INIT(&unused.pools);
	if (made != NULL)
		add_tenant(rows, c, false, o->wish.tenant, &unused, false);
	config_free_line(made);
}

/* Of several workers, or one that is not in use on its own. */
static void
merge(void *row, const void *other)
{
	struct tenant_row *to = row;
	const struct tenant_row *r = other;

	if (strcmp(r->state, "idle") != 0)
		to->state = r->state;
	to->workers += r->workers;
	to->clients += r->clients;
	to->servers += r->servers;
	to->pools += r->pools;
	to->waiting += r->waiting;
	if (r->max_wait > to->max_wait)
		to->max_wait = r->max_wait;
	to->logins += r->logins;
	to->transactions += r->transactions;
	to->queries += r->queries;
	to->received += r->received;
	to->sent += r->sent;
	to->statements += r->statements;
	to->statement_bytes += r->statement_bytes;
}

/* The monitor counts for the whole process: once in the sum of the rows. */
static void
finish_row(const struct report_order *o, void *row)
{
	struct tenant_row *r = row;
	const struct threat_counts *n = monitor_tenant_threats(o->work.reports->monitor, r->tenant);

	r->threats = n != NULL ? (int64_t)(n->told + n->refused) : 0;
}

const struct report_kind report_tenant = {
	.name = "TENANT",
	.help = "one tenant, and all that is known of it",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.needs_tenant = true,
	.maker = &(const struct report_maker){ .look = look, .nsorted = 1, .merge = merge, .finish_row = finish_row,
		.seek = seek },
};
