/*
 * SHOW LISTS and MEM: how many there are of each thing, and what they take.
 */
#include "base/memory.h"
#include "reports/inside.h"
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
count_users(const struct reports *r)
{
	const struct config *c = reports_config(r);
	struct user_count n = { .config = c, .all = (int64_t)c->nusers };

	users_each(r->commons->users, count_user, &n);
	return n;
}

static void
add_lists(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct config *c = reports_config(o->work.reports);
	const struct list_row lists[] = {
		{ "databases", (int64_t)(c->ndatabases + c->ntenants) + all->tally.autodbs + 1 },
		{ "users", count_users(o->work.reports).all },
		{ "peers", (int64_t)c->npeers },
		{ "pools", all->tally.pools + 1 },
		{ "peer_pools", (int64_t)c->npeers },
		{ "free_clients", 0 },
		{ "used_clients", all->tally.clients + (int64_t)o->work.reports->console->nclients },
		{ "login_clients", all->tally.logins + o->work.reports->console->env->nlogins },
		{ "free_servers", 0 },
		{ "used_servers", all->tally.servers },
		{ "dns_names", 0 },
		{ "dns_zones", 0 },
		{ "dns_queries", 0 },
		{ "dns_pending", 0 },
	};

	for (size_t i = 0; i < lengthof(lists); i++)
		stock_add(rows, &lists[i]);
}

const struct report_kind report_lists = {
	.name = "LISTS",
	.help = "how many there are of each thing",
	.columns = list_columns,
	.ncolumns = lengthof(list_columns),
	.maker = &(const struct report_maker){ .look = tally_look, .add = add_lists },
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
add_mem(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct {
		const char *name;
		int64_t size, used;
	} things[] = {
		{ "client", sizeof(struct client), all->tally.clients + (int64_t)o->work.reports->console->nclients },
		{ "login", sizeof(struct login), all->tally.logins + o->work.reports->console->env->nlogins },
		{ "session", sizeof(struct session), all->tally.sessions },
		{ "dialogue", (int64_t)o->work.reports->console->dialogue_size, o->work.reports->console->ndialogues },
		{ "server", sizeof(struct server), all->tally.servers },
		{ "link", sizeof(struct link), all->tally.links },
		{ "pool", sizeof(struct pool), all->tally.pools },
		{ "tenant", sizeof(struct tenant), all->tally.tenants },
		{ "user", sizeof(struct user), count_users(o->work.reports).in_use },
	};

	for (size_t i = 0; i < lengthof(things); i++)
		stock_add(rows,
			&(struct mem_row){ things[i].name, things[i].size, things[i].used, 0,
				things[i].size * things[i].used });
	/* These differ in size: the mean, and what they take together. */
	stock_add(rows,
		&(struct mem_row){ "statement",
			all->tally.statements > 0 ? all->tally.statement_bytes / all->tally.statements : 0,
			all->tally.statements, 0, all->tally.statement_bytes });
}

const struct report_kind report_mem = {
	.name = "MEM",
	.help = "what each kind of thing takes",
	.columns = mem_columns,
	.ncolumns = lengthof(mem_columns),
	.maker = &(const struct report_maker){ .look = tally_look, .add = add_mem },
};
