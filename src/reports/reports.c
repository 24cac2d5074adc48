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

/* --- sorting --- */

/* A row of a report in its cells. */
struct span {
	const uint8_t *at;
	size_t size;
	unsigned nsorted;
};

static int
compare_spans(const void *va, const void *vb)
{
	const struct span *a = va, *b = vb;
	const uint8_t *pa = a->at, *pb = b->at;

	for (unsigned i = 0; i < a->nsorted; i++) {
		int32_t la, lb;
		int r;

		memcpy(&la, pa, sizeof(la));
		memcpy(&lb, pb, sizeof(lb));
		pa += sizeof(la);
		pb += sizeof(lb);
		if (la < 0 || lb < 0)
			return la - lb;
		r = memcmp(pa, pb, (size_t)(la < lb ? la : lb));
		if (r != 0 || la != lb)
			return r != 0 ? r : la - lb;
		pa += la;
		pb += lb;
	}
	return 0;
}

static void
find_spans(const struct report *r, struct span *spans, unsigned nsorted)
{
	const char *text;
	size_t pos = 0;
	int32_t len;

	for (size_t row = 0; row < r->nrows; row++) {
		size_t start = pos;

		for (size_t i = 0; i < r->ncolumns; i++)
			report_next_cell(r, &pos, &text, &len);
		spans[row] = (struct span){ buffer_head(&r->cells) + start, pos - start, nsorted };
	}
}

static void
sort(struct report *r, unsigned nsorted)
{
	struct span *spans;
	struct buffer sorted = BUFFER_INIT;

	if (nsorted == 0 || r->nrows < 2)
		return;
	spans = memory_alloc(r->nrows * sizeof(*spans));
	find_spans(r, spans, nsorted);
	qsort(spans, r->nrows, sizeof(*spans), compare_spans);
	for (size_t row = 0; row < r->nrows; row++)
		buffer_append(&sorted, spans[row].at, spans[row].size);
	free(spans);
	buffer_release(&r->cells);
	r->cells = sorted;
}

/* --- what is asked for --- */

unsigned
report_top(const struct report_filter *f)
{
	if (f == NULL || f->top == 0)
		return REPORT_TOP;
	return f->top < REPORT_TOP_MAX ? f->top : REPORT_TOP_MAX;
}

void
report_no_tenant(struct error *e, const char *name)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_INVALID_CATALOG_NAME, "no such tenant is in use: %.64s", name);
	error_hint(e, "SHOW TENANTS and SHOW POOLS list those that are.");
}

/* --- making one --- */

static struct report_order *
order_of(struct inquiry *q)
{
	return container_of(q, struct report_order, inquiry);
}

static void
release_part(struct part *p)
{
	report_release(&p->rows);
}

static void
free_order(struct report_order *o)
{
	LIST_REMOVE(o, link);
	for (int i = 0; i < o->nparts; i++)
		release_part(&o->parts[i]);
	free(o->tenant);
	free(o);
}

static void
visit(struct shard *s, struct inquiry *q)
{
	struct report_order *o = order_of(q);

	if (o->kind->maker->look != NULL)
		o->kind->maker->look(o, s, &o->parts[s->index]);
}

/* Add a worker's part to that of all; it is empty after. */
static void
add_part(struct part *all, struct part *p)
{
	report_take(&all->rows, &p->rows);
	tally_add(&all->tally, &p->tally);
	all->found |= p->found;
}

static void
answer(struct report_order *o, struct part *all)
{
	struct error e;

	if (o->kind->maker->add != NULL)
		o->kind->maker->add(o, all, &all->rows);
	if (o->tenant != NULL && !all->found && all->rows.nrows == 0) {
		report_no_tenant(&e, o->tenant);
		o->done(o->arg, NULL, &e);
		return;
	}
	sort(&all->rows, o->kind->maker->nsorted);
	o->done(o->arg, &all->rows, NULL);
}

static void
finish(struct inquiry *q)
{
	struct report_order *o = order_of(q);
	struct part all = { .found = false };

	report_init(&all.rows, o->kind->columns, o->kind->ncolumns);
	for (int i = 0; i < o->nparts; i++)
		add_part(&all, &o->parts[i]);
	if (o->done != NULL)
		answer(o, &all);
	release_part(&all);
	free_order(o);
}

struct report_order *
report_ask(struct reports *r, const struct report_kind *kind, const struct report_filter *f,
	report_done_fn *done, void *arg)
{
	int n = r->inquirer->nworkers;
	struct report_order *o = memory_zalloc(sizeof(*o) + (size_t)n * sizeof(o->parts[0]));

	o->reports = r;
	o->kind = kind;
	o->tenant = f != NULL && f->tenant != NULL && kind->takes_tenant ? memory_strdup(f->tenant) : NULL;
	o->by = f != NULL ? f->order : QUERY_BY_TOTAL;
	o->top = report_top(f);
	o->done = done;
	o->arg = arg;
	o->nparts = n;
	for (int i = 0; i < n; i++)
		report_init(&o->parts[i].rows, kind->columns, kind->ncolumns);
	LIST_INSERT_HEAD(&r->orders, o, link);
	o->inquiry.visit = visit;
	o->inquiry.finish = finish;
	inquirer_ask(r->inquirer, &o->inquiry);
	return o;
}

void
report_abandon(struct report_order **o)
{
	if (*o != NULL)
		(*o)->done = NULL;
	*o = NULL;
}

void
reports_release(struct reports *r)
{
	struct report_order *o, *next;

	LIST_FOREACH_SAFE(o, &r->orders, link, next)
		free_order(o);
}
