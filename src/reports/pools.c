/*
 * SHOW POOLS: a row for each pair of database and server user in use.
 */
#include "base/memory.h"
#include "reports/inside.h"

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
report_is_used(const struct server *s, usec_t now)
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
		n += report_is_used(s, now);
	return n;
}

/* Searches for passwords (session/lookup.h) wait, too, but nobody's session does. */
static void
count(struct pool_row *row, const struct pool *p, usec_t now)
{
	int waiting = p->nwaiters + count_newcomers(p), used = count_used(p, now);

	row->cl_active += p->nclients > waiting ? p->nclients - waiting : 0;
	row->cl_waiting += waiting;
	row->cl_active_cancel_req += p->cancels_active;
	row->cl_waiting_cancel_req += p->cancels_waiting;
	row->sv_active += p->count[PLACE_ACTIVE];
	row->sv_active_cancel += p->cancels_active;
	row->sv_being_canceled += p->count[PLACE_HELD];
	row->sv_idle += p->count[PLACE_IDLE] - used;
	row->sv_used += used;
	row->sv_tested += p->count[PLACE_TESTED];
	row->sv_login += p->count[PLACE_LOGIN];
}

/* From `first` on: what people call a pool are all of a user, those for passwords and for replication included. */
static void
add_pools(struct stock *rows, const struct pool *first, usec_t now)
{
	const struct config_database *conf = first->tenant->conf;
	struct pool_row row = {
		.database = first->tenant->name,
		.user = first->user->name,
		.pool_mode = pool_mode_name(pool_mode(first)),
		.load_balance_hosts = conf != NULL ? report_load_balance(conf) : NULL,
	};
	usec_t longest = 0;

	for (const struct pool *p = first; p != NULL; p = LIST_NEXT(p, link)) {
		usec_t wait = longest_wait(p, now);

		if (p->user != first->user)
			continue;
		count(&row, p, now);
		if (wait > longest)
			longest = wait;
	}
	row.maxwait = longest / USEC_PER_SEC;
	row.maxwait_us = longest % USEC_PER_SEC;
	stock_add(rows, &row);
}

static bool
is_first_of_user(const struct pool *p)
{
	const struct pool *other;

	LIST_FOREACH(other, &p->tenant->pools, link) {
		if (other->user == p->user)
			break;
	}
	return other == p;
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	struct tenant *t = NULL;
	const struct pool *p;
	usec_t now = clock_now();

	while ((t = walk_tenant(&part->walk, s, t)) != NULL) {
		if (!report_is_wanted(o, t->name))
			continue;
		LIST_FOREACH(p, &t->pools, link) {
			if (is_first_of_user(p))
				add_pools(&part->rows, p, now);
		}
	}
}

/* Of a tenant that several workers serve. */
static void
merge(void *row, const void *other)
{
	struct pool_row *to = row;
	const struct pool_row *r = other;

	to->cl_active += r->cl_active;
	to->cl_waiting += r->cl_waiting;
	to->cl_active_cancel_req += r->cl_active_cancel_req;
	to->cl_waiting_cancel_req += r->cl_waiting_cancel_req;
	to->sv_active += r->sv_active;
	to->sv_active_cancel += r->sv_active_cancel;
	to->sv_being_canceled += r->sv_being_canceled;
	to->sv_idle += r->sv_idle;
	to->sv_used += r->sv_used;
	to->sv_tested += r->sv_tested;
	to->sv_login += r->sv_login;
	if (r->maxwait > to->maxwait || (r->maxwait == to->maxwait && r->maxwait_us > to->maxwait_us)) {
		to->maxwait = r->maxwait;
		to->maxwait_us = r->maxwait_us;
	}
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)all;
	if (o->wish.tenant != NULL)
		return;
	stock_add(rows,
		&(struct pool_row){
			.database = CONSOLE_DATABASE,
			.user = CONSOLE_DATABASE,
			.cl_active = o->work.reports->console->ndialogues,
			.pool_mode = pool_mode_name(POOL_STATEMENT),
		});
}

const struct report_kind report_pools = {
	.name = "POOLS",
	.help = "a row a database and user in use",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .look = look, .add = add, .nsorted = 2, .merge = merge },
};
