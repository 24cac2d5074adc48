/*
 * SHOW LISTS and MEM: how many there are of each thing, and what they take.
 */
#include "base/memory.h"
#include "console/dialogue.h"
#include "console/show.h"
#include "session/link.h"

/* --- SHOW LISTS --- */

struct list_row {
	const char *list;
	int64_t items;
};

static const struct column list_columns[] = {
	{ "list", COLUMN_TEXT, offsetof(struct list_row, list) },
	{ "items", COLUMN_INT4, offsetof(struct list_row, items) },
};

struct user_count {
	const struct config *config;
	int64_t all, in_use; /* in_use: those with an object of their own */
};

static void
count_user(void *arg, struct user *user)
{
	struct user_count *n = arg;

	n->in_use++;
	n->all += config_find_user(n->config, user->name) == NULL;
}

static struct user_count
count_users(struct console *k)
{
	const struct config *c = console_config(k);
	struct user_count n = { .config = c, .all = (int64_t)c->nusers };

	users_each(k->commons->users, count_user, &n);
	return n;
}

static void
add_lists(const struct report_kind *kind, struct console *k, const struct tally *sum,
	struct report *rows)
{
	const struct config *c = console_config(k);
	const struct list_row lists[] = {
		{ "databases", (int64_t)c->ndatabases + sum->autodbs + 1 },
		{ "users", count_users(k).all },
		{ "peers", (int64_t)c->npeers },
		{ "pools", sum->pools + 1 },
		{ "peer_pools", (int64_t)c->npeers },
		{ "free_clients", 0 },
		{ "used_clients", sum->clients + (int64_t)k->nclients },
		{ "login_clients", sum->logins + k->env.nlogins },
		{ "free_servers", 0 },
		{ "used_servers", sum->servers },
		{ "dns_names", 0 },
		{ "dns_zones", 0 },
		{ "dns_queries", 0 },
		{ "dns_pending", 0 },
	};

	(void)kind;
	for (size_t i = 0; i < lengthof(lists); i++)
		report_add(rows, &lists[i]);
}

const struct report_kind show_lists = {
	.name = "LISTS",
	.columns = list_columns,
	.ncolumns = lengthof(list_columns),
	.look = show_count,
	.add = add_lists,
};

/* --- SHOW MEM --- */

struct mem_row {
	const char *name;
	int64_t size, used, free, memtotal;
};

static const struct column mem_columns[] = {
	{ "name", COLUMN_TEXT, offsetof(struct mem_row, name) },
	{ "size", COLUMN_INT4, offsetof(struct mem_row, size) },
	{ "used", COLUMN_INT4, offsetof(struct mem_row, used) },
	{ "free", COLUMN_INT4, offsetof(struct mem_row, free) },
	{ "memtotal", COLUMN_INT4, offsetof(struct mem_row, memtotal) },
};

/* Nothing is kept in stock: what is not used is free for the whole process. */
static void
add_mem(const struct report_kind *kind, struct console *k, const struct tally *sum,
	struct report *rows)
{
	const struct {
		const char *name;
		int64_t size, used;
	} things[] = {
		{ "client", sizeof(struct client), sum->clients + (int64_t)k->nclients },
		{ "login", sizeof(struct login), sum->logins + k->env.nlogins },
		{ "session", sizeof(struct session), sum->sessions },
		{ "dialogue", sizeof(struct dialogue), k->ndialogues },
		{ "server", sizeof(struct server), sum->servers },
		{ "link", sizeof(struct link), sum->links },
		{ "pool", sizeof(struct pool), sum->pools },
		{ "tenant", sizeof(struct tenant), sum->tenants },
		{ "user", sizeof(struct user), count_users(k).in_use },
	};

	(void)kind;
	for (size_t i = 0; i < lengthof(things); i++)
		report_add(rows,
			&(struct mem_row){ things[i].name, things[i].size, things[i].used, 0,
				things[i].size * things[i].used });
	/* These differ in size: the mean, and what they take together. */
	report_add(rows,
		&(struct mem_row){ "statement",
			sum->statements > 0 ? sum->statement_bytes / sum->statements : 0,
			sum->statements, 0, sum->statement_bytes });
}

const struct report_kind show_mem = {
	.name = "MEM",
	.columns = mem_columns,
	.ncolumns = lengthof(mem_columns),
	.look = show_count,
	.add = add_mem,
};
