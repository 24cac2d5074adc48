/*
 * SHOW POOLS: a row for each pair of database and server user in use.
 */
#include "base/memory.h"
#include "console/show.h"

struct pool_row {
	const char *database, *user;
	int64_t cl_active, cl_waiting, cl_active_cancel_req, cl_waiting_cancel_req;
	int64_t sv_active, sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested,
		sv_login;
	int64_t maxwait, maxwait_us;
	const char *pool_mode, *load_balance_hosts;
};

#define ROW(field) offsetof(struct pool_row, field)

static const struct column columns[] = {
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "user", COLUMN_TEXT, ROW(user) },
	{ "cl_active", COLUMN_INT4, ROW(cl_active) },
	{ "cl_waiting", COLUMN_INT4, ROW(cl_waiting) },
	{ "cl_active_cancel_req", COLUMN_INT4, ROW(cl_active_cancel_req) },
	{ "cl_waiting_cancel_req", COLUMN_INT4, ROW(cl_waiting_cancel_req) },
	{ "sv_active", COLUMN_INT4, ROW(sv_active) },
	{ "sv_active_cancel", COLUMN_INT4, ROW(sv_active_cancel) },
	{ "sv_being_canceled", COLUMN_INT4, ROW(sv_being_canceled) },
	{ "sv_idle", COLUMN_INT4, ROW(sv_idle) },
	{ "sv_used", COLUMN_INT4, ROW(sv_used) },
	{ "sv_tested", COLUMN_INT4, ROW(sv_tested) },
	{ "sv_login", COLUMN_INT4, ROW(sv_login) },
	{ "maxwait", COLUMN_INT4, ROW(maxwait) },
	{ "maxwait_us", COLUMN_INT4, ROW(maxwait_us) },
	{ "pool_mode", COLUMN_TEXT, ROW(pool_mode) },
	{ "load_balance_hosts", COLUMN_TEXT, ROW(load_balance_hosts) },
};

static int
count_newcomers(const struct pool *p)
{
	const struct lease_request *r;
	int n = 0;

	TAILQ_FOREACH(r, &p->newcomers, link)
		n++;
	return n;
}

/* Of those who wait for a server, and of those who wait to be told what it is like. */
static usec_t
longest_wait(const struct pool *p, usec_t now)
{
	const struct lease_request *newcomer = TAILQ_FIRST(&p->newcomers);
	usec_t wait = pool_max_wait(p, now), other = newcomer != NULL ? now - newcomer->since : 0;

	return wait > other ? wait : other;
}

bool
show_is_used(const struct server *s, usec_t now)
{
	const struct pool *p = s->pool;

	return s->place == PLACE_IDLE &&
		now - s->checked_at >= tenants_config(p->pools->tenants)->server_check_delay;
}

static int
count_used(const struct pool *p, usec_t now)
{
	const struct server *s;
	int n = 0;

	TAILQ_FOREACH(s, &p->servers[PLACE_IDLE], link)
		n += show_is_used(s, now);
	return n;
}

static void
add_pool(struct report *rows, const struct pool *p, usec_t now)
{
	const struct config_database *conf = p->tenant->conf;
	int waiting = p->nwaiters + count_newcomers(p), used = count_used(p, now);
	usec_t wait = longest_wait(p, now);

	report_add(rows,
		&(struct pool_row){
			.database = p->tenant->name,
			.user = p->user->name,
			.cl_active = p->nclients - waiting,
			.cl_waiting = waiting,
			.cl_active_cancel_req = p->cancels_active,
			.cl_waiting_cancel_req = p->cancels_waiting,
			.sv_active = p->count[PLACE_ACTIVE],
			.sv_active_cancel = p->cancels_active,
			.sv_being_canceled = p->count[PLACE_HELD],
			.sv_idle = p->count[PLACE_IDLE] - used,
			.sv_used = used,
			.sv_tested = p->count[PLACE_TESTED],
			.sv_login = p->count[PLACE_LOGIN],
			.maxwait = wait / USEC_PER_SEC,
			.maxwait_us = wait % USEC_PER_SEC,
			.pool_mode = pool_mode_name(pool_mode(p)),
			.load_balance_hosts = conf != NULL ? show_load_balance(conf) : NULL,
		});
}

static void
look(const struct report_kind *kind, struct shard *s, struct part *part)
{
	struct tenant *t = NULL;
	const struct pool *p;

	(void)kind;
	while ((t = tenants_next(s->tenants, t)) != NULL) {
		LIST_FOREACH(p, &t->pools, link)
			add_pool(&part->rows, p, clock_now());
	}
}

static void
add(const struct report_kind *kind, struct console *k, const struct tally *sum, struct report *rows)
{
	(void)kind;
	(void)sum;
	report_add(rows,
		&(struct pool_row){
			.database = CONSOLE_DATABASE,
			.user = CONSOLE_DATABASE,
			.cl_active = k->ndialogues,
			.pool_mode = pool_mode_name(POOL_STATEMENT),
		});
}

const struct report_kind show_pools = {
	.name = "POOLS",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.look = look,
	.add = add,
	.nsorted = 2,
};
