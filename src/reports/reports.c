#include "reports/reports.h"

#include <stdlib.h>
#include <string.h>

#include "base/sqlstate.h"
#include "base/strings.h"
#include "reports/inside.h"

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
wish_make(struct wish *w, const struct report_filter *f)
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
		walk_begin(&part->walk, o->work.reports->slice != 0 ? o->work.reports->slice : REPORT_SLICE);
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
answer(struct report_order *o, struct part *all)
{
	struct report rows;

	if (o->kind->maker->add != NULL)
		o->kind->maker->add(o, all, &all->rows);
	if (o->wish.tenant != NULL && !all->performance.found && all->rows.nrows == 0) {
		refuse(o);
		return;
	}
	report_init(&rows, o->kind->columns, o->kind->ncolumns);
	stock_write(&all->rows, o->kind->maker->nsorted, &rows);
	o->done(o->arg, &rows, NULL);
	report_release(&rows);
}

static void
finish(struct inquiry *q)
{
	struct report_order *o = order_of(q);
	struct part all = { .tally.clients = 0 };

	if (o->done != NULL && has_more(o)) {
		o->again = true;
		work_ask(&o->work);
		return;
	}
	stock_init(&all.rows, o->kind->columns, o->kind->ncolumns);
	for (int i = 0; i < o->nparts; i++)
		add_part(&all, &o->parts[i]);
	gather_settle(&all.performance, &o->wish);
	if (o->done != NULL)
		answer(o, &all);
	release_part(&all);
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
