/*
 * SHOW DATABASES: every line of [databases] and [tenants], and those in use that "*" or the
 * catalogue has made.  Each worker tells of those that it owns, in use or not, and of others
 * that it serves, too.
 */
#include <string.h>

#include "base/memory.h"
#include "reports/inside.h"

struct database_row {
	const char *name, *host;
	int64_t port;
	const char *database, *force_user;
	int64_t pool_size, min_pool_size, reserve_pool_size;
	int64_t server_lifetime;
	const char *pool_mode, *load_balance_hosts;
	int64_t max_connections, current_connections;
	int64_t max_client_connections, current_client_connections;
	int64_t paused, disabled;
};

#define ROW(field) offsetof(struct database_row, field)

static const struct column columns[] = {
	{ "name", COLUMN_TEXT, ROW(name) },
	{ "host", COLUMN_TEXT, ROW(host) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "force_user", COLUMN_TEXT, ROW(force_user) },
	{ "pool_size", COLUMN_INT4, ROW(pool_size) },
	{ "min_pool_size", COLUMN_INT4, ROW(min_pool_size) },
	{ "reserve_pool_size", COLUMN_INT4, ROW(reserve_pool_size) },
	{ "server_lifetime", COLUMN_INT4, ROW(server_lifetime) },
	{ "pool_mode", COLUMN_TEXT, ROW(pool_mode) },
	{ "load_balance_hosts", COLUMN_TEXT, ROW(load_balance_hosts) },
	{ "max_connections", COLUMN_INT4, ROW(max_connections) },
	{ "current_connections", COLUMN_INT4, ROW(current_connections) },
	{ "max_client_connections", COLUMN_INT4, ROW(max_client_connections) },
	{ "current_client_connections", COLUMN_INT4, ROW(current_client_connections) },
	{ "paused", COLUMN_INT4, ROW(paused) },
	{ "disabled", COLUMN_INT4, ROW(disabled) },
};

const char *
report_load_balance(const struct config_database *db)
{
	bool is_list = db->host != NULL && strchr(db->host, ',') != NULL;

	return is_list ? load_balance_hosts_name(db->load_balance_hosts) : NULL;
}

/* With auto there is none that could be told: SHOW HOSTS has what the host can use. */
static int64_t
tell_pool_size(const struct tenant *t, const struct config *c)
{
	int size = tenant_pool_size(t, c, NULL);

	return size == POOL_SIZE_AUTO ? REPORT_NULL : size;
}

static void
add_database(struct stock *rows, const struct tenant *t, const struct config *c, bool all_paused)
{
	const struct config_database *conf = t->conf;

	stock_add(rows,
		&(struct database_row){
			.name = conf->name,
			.host = conf->host,
			.port = conf->port,
			.database = conf->dbname,
			.force_user = conf->user,
			.pool_size = tell_pool_size(t, c),
			.min_pool_size = tenant_min_pool_size(t, c),
			.reserve_pool_size = tenant_reserve_pool_size(t, c, NULL),
			.server_lifetime = tenant_server_lifetime(t, c) / USEC_PER_SEC,
			.pool_mode = pool_mode_name(conf->pool_mode),
			.load_balance_hosts = report_load_balance(conf),
			.max_connections = tenant_max_connections(t, c),
			.current_connections = t->nservers,
			.max_client_connections = tenant_max_client_connections(t, c),
			.current_client_connections = t->nclients,
			.paused = t->paused || all_paused,
			.disabled = t->disabled || conf->disabled > 0,
		});
}

/* If it is this worker's, or it serves it. */
static void
add_line(struct stock *rows, struct shard *s, const struct config_database *db)
{
	const struct tenant unused = { .conf = db }, *t = tenants_find(s->tenants, db->name);

	if (t == NULL && tenant_worker(db->name, s->nworkers) != s->index)
		return;
	if (config_find_database(shard_config(s), db->name) != db)
		return;	/* a line of [tenants] behind one of [databases] */
	add_database(rows, t != NULL && t->conf != NULL ? t : &unused, shard_config(s), s->paused);
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	const struct config *c = shard_config(s);
	struct tenant *t = NULL;

	(void)o;
	for (size_t i = 0; walk_line(&part->walk, c, &i); i++)
		add_line(&part->rows, s, walk_line_at(c, i));
	while ((t = walk_tenant(&part->walk, s, t)) != NULL) {
		if (t->autodb != NULL)
			add_database(&part->rows, t, c, s->paused);
	}
}

static void
merge(void *row, const void *other)
{
	struct database_row *to = row;
	const struct database_row *r = other;

	to->current_connections += r->current_connections;
	to->current_client_connections += r->current_client_connections;
	to->paused |= r->paused;
	to->disabled |= r->disabled;
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct config *c = reports_config(o->work.reports);

	(void)all;
	stock_add(rows,
		&(struct database_row){
			.name = CONSOLE_DATABASE,
			.port = c->listen_port,
			.database = CONSOLE_DATABASE,
			.force_user = CONSOLE_DATABASE,
			.pool_mode = pool_mode_name(POOL_STATEMENT),
			.max_client_connections = c->max_db_client_connections,
			.current_client_connections = o->work.reports->console->ndialogues,
		});
}

const struct report_kind report_databases = {
	.name = "DATABASES",
	.help = "a row a line of [databases] and [tenants], and what \"*\" and the catalogue have made",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.maker = &(const struct report_maker){ .look = look, .add = add, .nsorted = 1, .merge = merge },
};
