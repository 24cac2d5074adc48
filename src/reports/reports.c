#include "reports/reports.h"

#include <stdlib.h>
#include <string.h>

#include "base/sqlstate.h"
#include "base/strings.h"
#include "reports/inside.h"
#include "tenant/catalogue.h"

static const struct report_kind *const kinds[] = {
	&report_config,
	&report_databases,
	&report_pools,
	&report_clients,
	&report_servers,
	&report_users,
	&report_version,
	&report_peers,
	&report_peer_pools,
	&report_fds,
	&report_sockets,
	&report_active_sockets,
	&report_lists,
	&report_mem,
	&report_state,
	&report_dns_hosts,
	&report_dns_zones,
	&report_stats,
	&report_stats_totals,
	&report_stats_averages,
	&report_totals,
	&report_queries,
	&report_tenants,
	&report_tenant,
	&report_hosts,
	&report_limits,
	&report_bans,
	&report_threats,
	&report_catalogue,
	&report_slow_queries,
	&report_alerts,
	&report_latency,
};

const struct report_kind *
report_find(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++) {
		if (string_equal_nocase(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

const struct report_kind *
report_next(const struct report_kind *after)
{
	size_t i = 0;

	while (after != NULL && kinds[i++] != after)
		;
	return i < lengthof(kinds) ? kinds[i] : NULL;
}

/* --- what is asked for --- */

static unsigned
count_top(const struct report_filter *f)
{
	if (f->top == 0)
		return REPORT_TOP;
	return f->top < REPORT_TOP_MAX ? f->top : REPORT_TOP_MAX;
}

void
wish_make(struct report_wish *w, const struct report_filter *f)
{
	w->tenant = f->tenant != NULL ? memory_strdup(f->tenant) : NULL;
	w->by = f->order;
	w->top = count_top(f);
	w->window = f->window;
}

bool
report_is_wanted(const struct report_order *o, const char *tenant)
{
	return o->wish.tenant == NULL || (tenant != NULL && strcmp(tenant, o->wish.tenant) == 0);
}

/* --- what several say of a tenant --- */

const char *
report_tenant_state(const struct tenant *t, bool all_paused)
{
	if (t->disabled || (t->conf != NULL && t->conf->disabled > 0))
		return "disabled";
	if (t->paused || all_paused)
		return "paused";
	return t->nclients > 0 ? "active" : "idle";
}

enum tenant_source
report_line_source(const struct config *c, const struct config_database *conf)
{
	if (!conf->autodb)
		return TENANT_FROM_LINE;
	if (c->tenant_catalogue[0] != '\0')
		return TENANT_FROM_CATALOGUE;
	return c->template != NULL ? TENANT_FROM_TEMPLATE : TENANT_FROM_STAR;
}

int64_t
report_waiting(const struct tenant *t)
{
	const struct pool *p;
	int64_t n = 0;

	LIST_FOREACH(p, &t->pools, link)
		n += p->nwaiters;
	return n;
}

/* --- inquiries --- */

void
work_start(struct report_work *w, struct reports *r, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q), void (*release)(struct report_work *w))
{
	w->inquiry.visit = visit;
	w->inquiry.finish = finish;
	w->release = release;
	w->reports = r;
	LIST_INSERT_HEAD(&r->works, w, link);
}

void
work_ask(struct report_work *w)
{
	inquirer_ask(w->reports->inquirer, &w->inquiry);
}

void
work_end(struct report_work *w)
{
	LIST_REMOVE(w, link);
	w->release(w);
}

void
reports_release(struct reports *r)
{
	struct report_work *w, *next;

	LIST_FOREACH_SAFE(w, &r->works, link, next)
		work_end(w);
}

/* --- making one --- */

static struct report_order *
order_of(struct inquiry *q)
{
	return container_of(work_of(q), struct report_order, work);
}

static void
release_part(struct part *p)
{
	walk_release(&p->walk);
	stock_release(&p->rows);
	gather_release(&p->performance);
}

static void
release(struct report_work *w)
{
	struct report_order *o = container_of(w, struct report_order, work);

	for (int i = 0; i < o->nparts; i++)
		release_part(&o->parts[i]);
	free(o->wish.tenant);
	free(o);
}

/* As far as time lets it; from the start again, if it has lost its way. */
static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	for (;;) {
		walk_begin(&part->walk, o->work.reports->slice != 0 ? o->work.reports->slice : WALK_SLICE);
		o->kind->maker->look(o, s, part);
		if (!part->walk.lost)
			return;
		walk_again(&part->walk);
		stock_release(&part->rows);
		part->tally = (struct tally){ .clients = 0 };
	}
}

/* What nothing is gathered for, it is only told whether there is such a tenant. */
static void
visit(struct shard *s, struct inquiry *q)
{
	struct report_order *o = order_of(q);
	struct part *part = &o->parts[s->index];

	if (!o->again && (o->wish.what != 0 || o->wish.tenant != NULL))
		gather_look(&part->performance, &o->wish, s);
	if (o->kind->maker->look != NULL && (!o->again || part->walk.more))
		look(o, s, part);
}

static bool
has_more(const struct report_order *o)
{
	for (int i = 0; i < o->nparts; i++) {
		if (o->parts[i].walk.more)
			return true;
	}
	return false;
}

/* Add a worker's part to that of all; it is empty after. */
static void
add_part(struct part *all, struct part *p)
{
	stock_take(&all->rows, &p->rows);
	tally_add(&all->tally, &p->tally);
	gather_add(&all->performance, &p->performance);
}

/* 3D000: nobody uses the tenant, and nothing is left of it. */
static void
refuse(struct report_order *o)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_INVALID_CATALOG_NAME, "no such tenant is in use: \"%.64s\"",
		o->wish.tenant);
	error_hint(&e, "SHOW TENANTS and SHOW POOLS list those that are.");
	o->done(o->arg, NULL, &e);
}

static void
finish_row(void *arg, void *row)
{
	const struct report_order *o = arg;

	o->kind->maker->finish_row(o, row);
}

static void
write_rows(struct report_order *o, const struct stock *stock)
{
	const struct report_maker *maker = o->kind->maker;
	const struct stock_merge merge = {
		.merge = maker->merge,
		.finish = maker->finish_row != NULL ? finish_row : NULL,
		.arg = o,
	};
	struct report rows;

	report_init(&rows, o->kind->columns, o->kind->ncolumns);
	stock_write_merged(stock, maker->nsorted, &merge, &rows);
	o->done(o->arg, &rows, NULL);
	report_release(&rows);
}

/* false: there is nothing to tell of the tenant. */
static bool
answer(struct report_order *o, struct part *all)
{
	if (o->kind->maker->add != NULL)
		o->kind->maker->add(o, all, &all->rows);
	if (o->wish.tenant != NULL && !all->performance.found && all->rows.nrows == 0)
		return false;
	write_rows(o, &all->rows);
	return true;
}

/* --- of tenants that only the catalogue knows --- */

static void
on_found(void *arg, const char *line, const struct error *e)
{
	struct report_order *o = arg;
	struct stock rows;

	stock_init(&rows, o->kind->columns, o->kind->ncolumns);
	if (line != NULL)
		o->kind->maker->seek(o, line, &rows);
	if (o->done == NULL)
		;	/* nobody waits for it any more */
	else if (rows.nrows > 0)
		write_rows(o, &rows);
	else if (line == NULL && strcmp(e->sqlstate, SQLSTATE_INVALID_CATALOG_NAME) != 0)
		o->done(o->arg, NULL, e);
	else
		refuse(o);
	stock_release(&rows);
	work_end(&o->work);
}

static bool
may_seek(const struct report_order *o)
{
	const struct config *c = reports_config(o->work.reports);

	return o->kind->maker->seek != NULL && o->work.reports->catalogue != NULL && c->tenant_catalogue[0] != '\0' &&
		config_is_tenant_name(o->wish.tenant) && config_find_database(c, o->wish.tenant) == NULL;
}

static void
finish(struct inquiry *q)
{
	struct report_order *o = order_of(q);
	struct part all = { .tally.clients = 0 };
	bool told;

	if (o->done != NULL && has_more(o)) {
		o->again = true;
		work_ask(&o->work);
		return;
	}
	stock_init(&all.rows, o->kind->columns, o->kind->ncolumns);
	for (int i = 0; i < o->nparts; i++)
		add_part(&all, &o->parts[i]);
	gather_settle(&all.performance, &o->wish);
	told = o->done == NULL || answer(o, &all);
	release_part(&all);
	if (!told && may_seek(o)) {
		catalogue_find(o->work.reports->catalogue, o->wish.tenant, on_found, o);
		return;
	}
	if (!told)
		refuse(o);
	work_end(&o->work);
}

struct report_order *
report_ask(struct reports *r, const struct report_kind *kind, const struct report_filter *f, report_done_fn *done,
	void *arg)
{
	int n = r->inquirer->nworkers;
	struct report_order *o = memory_zalloc(sizeof(*o) + (size_t)n * sizeof(o->parts[0]));
	struct report_filter wanted = { .order = QUERY_BY_TOTAL };

	o->kind = kind;
	if (f != NULL)
		wanted = *f;
	if (!kind->takes_tenant)
		wanted.tenant = NULL;
	if (kind->maker->many && wanted.top == 0)
		wanted.top = REPORT_TOP_MAX;
	wish_make(&o->wish, &wanted);
	o->wish.what = kind->maker->gathers;
	o->done = done;
	o->arg = arg;
	o->nparts = n;
	for (int i = 0; i < n; i++)
		stock_init(&o->parts[i].rows, kind->columns, kind->ncolumns);
	work_start(&o->work, r, visit, finish, release);
	work_ask(&o->work);
	return o;
}

void
report_abandon(struct report_order **o)
{
	if (*o != NULL)
		(*o)->done = NULL;
	*o = NULL;
}
