/*
 * SHOW USERS: those that a file names, and those that are in use.  The counts
 * are budgets of the process; the workers are visited all the same, so that
 * they have seen who left.
 */
#include <stdio.h>

#include "base/memory.h"
#include "reports/inside.h"

struct user_row {
	const char *name, *pool_size, *reserve_pool_size, *pool_mode;
	int64_t max_user_connections, current_connections;
	int64_t max_user_client_connections, current_client_connections;
};

#define ROW(field) offsetof(struct user_row, field)

static const struct column columns[] = {
	{ "name", COLUMN_TEXT, ROW(name) },
	{ "pool_size", COLUMN_TEXT, ROW(pool_size) },
	{ "reserve_pool_size", COLUMN_TEXT, ROW(reserve_pool_size) },
	{ "pool_mode", COLUMN_TEXT, ROW(pool_mode) },
	{ "max_user_connections", COLUMN_INT4, ROW(max_user_connections) },
	{ "current_connections", COLUMN_INT4, ROW(current_connections) },
	{ "max_user_client_connections", COLUMN_INT4, ROW(max_user_client_connections) },
	{ "current_client_connections", COLUMN_INT4, ROW(current_client_connections) },
};

/* Text because PgBouncer has it so: padded, and empty when it is not set. */
static const char *
print_size(char buf[16], int size)
{
	buf[0] = '\0';
	if (size >= 0)
		snprintf(buf, 16, "%9d", size);
	else if (size == POOL_SIZE_AUTO)
		snprintf(buf, 16, "%9s", "auto");
	return buf;
}

/* u may be NULL: no file names him. */
static void
add_user(struct stock *rows, const struct config *c, const struct config_user *u, const char *name,
	int clients, int servers)
{
	char size[16], reserve[16];

	stock_add(rows,
		&(struct user_row){
			.name = name,
			.pool_size = print_size(size, u != NULL ? u->pool_size : CONFIG_UNSET),
			.reserve_pool_size = print_size(reserve,
				u != NULL ? u->reserve_pool_size : CONFIG_UNSET),
			.pool_mode = u != NULL ? pool_mode_name(u->pool_mode) : NULL,
			.max_user_connections = user_max_connections(c, u),
			.current_connections = servers,
			.max_user_client_connections = user_max_client_connections(c, u),
			.current_client_connections = clients,
		});
}

struct others {
	const struct config *config;
	struct stock *rows;
};

static void
add_other(void *arg, struct user *user)
{
	const struct others *o = arg;

	if (config_find_user(o->config, user->name) == NULL)
		add_user(o->rows, o->config, NULL, user->name, budget_used(&user->clients),
			budget_used(&user->servers));
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	(void)o;
	(void)s;
	(void)part;
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct config *c = reports_config(o->work.reports);
	struct others others = { c, rows };

	(void)all;
	for (size_t i = 0; i < c->nusers; i++) {
		int clients, servers;

		users_counts(o->work.reports->commons->users, c->users[i]->name, &clients, &servers);
		add_user(rows, c, c->users[i], c->users[i]->name, clients, servers);
	}
	users_each(o->work.reports->commons->users, add_other, &others);
}

const struct report_kind report_users = {
	.name = "USERS",
	.help = "a row a user who is in a file or connected",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.maker = &(const struct report_maker){ .look = look, .add = add, .nsorted = 1 },
};
