#include "reports/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "reports/inside.h"

#define MORE 4			/* times as many digests are copied as are shown, if there are several workers */
#define DIGESTS_MAX 1000	/* that are copied; each costs 3 us */

/* --- on a worker --- */

/* Of all tenants, what is second on each worker may be first of all. */
static size_t
count_digests(const struct report_wish *w, const struct shard *s)
{
	size_t n = w->tenant != NULL || s->nworkers == 1 ? w->top : w->top * MORE;

	return n < DIGESTS_MAX ? n : DIGESTS_MAX;
}

static void
look_at_times(struct performance *p, const struct report_wish *w, const struct query_store *s, usec_t now)
{
	usec_t offset = clock_wall() - now;

	p->from = s->since + offset;
	p->to = now + offset;
	p->window = w->window;
	p->window_from = p->from;
}

/* Minutes are counted whole, the present one included, so a window may begin a little later than was asked for. */
static void
look_at_window(struct performance *p, const struct query_minutes *m, usec_t now)
{
	usec_t begin;

	p->recent = query_minutes_sum(m, now, p->window);
	begin = p->recent.minute * QUERY_MINUTE + p->to - now;
	if (begin > p->from)
		p->window_from = begin;
}

/* minutes: of whom sum is. */
static void
look_at_sum(struct performance *p, const struct query_sum *sum, const struct query_minutes *minutes, usec_t now)
{
	query_sum_add(&p->sum, sum);
	if (p->window > 0)
		look_at_window(p, minutes, now);
}

/* t: the only tenant that is wanted, or NULL. */
static void
look_at_sums(struct performance *p, const struct query_store *s, const struct tenant *t, usec_t now)
{
	static const struct query_sum nothing = { .latency = HISTOGRAM_INIT };
	static const struct query_minutes never;

	if (t == NULL)
		look_at_sum(p, &s->sum, &s->minutes, now);
	else if (t->queries != NULL)
		look_at_sum(p, &t->queries->sum, &t->queries->minutes, now);
	else
		look_at_sum(p, &nothing, &never, now);
}

static struct query_row *
add_row(struct query_rows *rows, const char *tenant)
{
	struct query_row *row = query_rows_add(rows);

	row->tenant = memory_strdup(tenant);
	row->tenants = 1;
	return row;
}

static struct tenant_load
load_of(const struct tenant *t, bool all_paused)
{
	const struct config_database *conf = t->conf;

	return (struct tenant_load){
		.tenant = memory_strdup(t->name),
		.clients = t->nclients,
		.servers = t->nservers,
		.waiting = report_waiting(t),
		.state = report_tenant_state(t, all_paused),
		.source = tenant_source_name((enum tenant_source)t->source),
		.host = conf != NULL && conf->host != NULL ? memory_strdup(conf->host) : NULL,
		.port = conf != NULL ? conf->port : REPORT_NULL,
		.weight = conf != NULL ? conf->weight : REPORT_NULL,
	};
}

/* The rows are there, and of each the tenant (but of the rest) is here. */
static void
look_at_loads(struct performance *p, const struct shard *s)
{
	p->loads = memory_zalloc((p->tenants.n + 1) * sizeof(p->loads[0]));
	for (size_t i = 0; i < p->tenants.n; i++) {
		const struct tenant *t = tenants_find(s->tenants, p->tenants.list[i].tenant);

		if (t != NULL)
			p->loads[p->nloads++] = load_of(t, s->paused);
	}
}

/* Those who have asked nothing yet come behind those who have, if there is room. */
static void
look_at_tenants(struct performance *p, const struct report_wish *w, struct shard *s)
{
	struct tenant *t = NULL;
	size_t guests = 0;	/* that are another worker's, who counts them */

	query_collect_tenants(&s->queries, w->by, w->top, &p->tenants);
	while ((t = tenants_next(s->tenants, t)) != NULL) {
		p->all.clients += t->nclients;
		p->all.servers += t->nservers;
		guests += s->nworkers > 1 && tenant_worker(t->name, s->nworkers) != s->index;
		if (t->queries == NULL && p->tenants.n < w->top)
			add_row(&p->tenants, t->name);
	}
	p->ntenants -= guests;
	look_at_loads(p, s);
}

static void
look_at_tenant(struct performance *p, const struct shard *s, const struct tenant *t)
{
	struct query_row *row = add_row(&p->tenants, t->name);

	if (t->queries != NULL)
		query_sum_add(&row->sum, &t->queries->sum);
	p->all = (struct tenant_load){ .clients = t->nclients, .servers = t->nservers, .waiting = report_waiting(t) };
	look_at_loads(p, s);
}

static void
look_at_bounds(struct performance *p, const struct query_store *s)
{
	p->evicted_digests = s->evicted_digests;
	p->evicted_entries = s->evicted_entries;
	p->truncated = s->truncated;
	p->memory = query_store_memory(s);
}

void
gather_look(struct performance *p, const struct report_wish *w, struct shard *s)
{
	struct tenant *t = w->tenant != NULL ? tenants_find(s->tenants, w->tenant) : NULL;
	struct query_tenant *queries = t != NULL ? t->queries : NULL;
	bool has_asked = w->tenant == NULL || queries != NULL;
	usec_t now = clock_now();

	if (w->tenant != NULL && t == NULL)
		return;
	if (!p->found)		/* else a visit before this one has told them, and where the window begins */
		look_at_times(p, w, &s->queries, now);
	p->found = true;
	p->ntenants = t != NULL ? 1 : tenants_count(s->tenants);
	if (w->what & GATHER_SUM)
		look_at_sums(p, &s->queries, t, now);
	if (w->what & GATHER_DIGESTS && has_asked)
		query_collect(&s->queries, queries, w->by, count_digests(w, s), &p->digests);
	if (w->what & GATHER_TENANTS && t == NULL)
		look_at_tenants(p, w, s);
	if (w->what & GATHER_TENANTS && t != NULL)
		look_at_tenant(p, s, t);
	if (w->what & GATHER_BOUNDS)
		look_at_bounds(p, &s->queries);
}

/* --- putting together --- */

/* What covers more: sums of all workers begin where the first of them does. */
static void
add_times(struct performance *to, const struct performance *p)
{
	if (!to->found) {
		to->from = p->from;
		to->window_from = p->window_from;
	}
	to->from = p->from < to->from ? p->from : to->from;
	to->to = p->to > to->to ? p->to : to->to;
	to->window = p->window;
	to->window_from = p->window_from < to->window_from ? p->window_from : to->window_from;
}

static void
add_recent(struct query_minute *to, const struct query_minute *m)
{
	to->minute = to->minute == 0 || m->minute < to->minute ? m->minute : to->minute;
	to->calls += m->calls;
	to->errors += m->errors;
	to->slow += m->slow;
	to->total += m->total;
}

static void
add_loads(struct performance *to, struct performance *p)
{
	if (p->nloads == 0)
		return;
	to->loads = memory_realloc(to->loads, (to->nloads + p->nloads) * sizeof(to->loads[0]));
	memcpy(&to->loads[to->nloads], p->loads, p->nloads * sizeof(p->loads[0]));
	to->nloads += p->nloads;
	p->nloads = 0;
}

void
gather_add(struct performance *to, struct performance *p)
{
	if (p->found) {
		add_times(to, p);
		add_recent(&to->recent, &p->recent);
		query_sum_add(&to->sum, &p->sum);
		query_rows_merge(&to->digests, &p->digests);
		query_rows_merge(&to->tenants, &p->tenants);
		add_loads(to, p);
		to->found = true;
		to->all.clients += p->all.clients;
		to->all.servers += p->all.servers;
		to->evicted_digests += p->evicted_digests;
		to->evicted_entries += p->evicted_entries;
		to->truncated += p->truncated;
		to->ntenants += p->ntenants;
		to->memory += p->memory;
	}
	gather_release(p);
}

/* --- sorting --- */

/* The first `top`, and a row of all others, if only for what they have open. */
static void
settle_tenants(struct performance *p, const struct report_wish *w)
{
	struct query_rows *rows = &p->tenants;

	query_rows_sort(rows, w->by, w->top);
	if (rows->n < p->ntenants && (rows->n == 0 || !rows->list[rows->n - 1].other))
		add_row(rows, "")->other = true;
}

static int
compare_loads(const void *a, const void *b)
{
	const struct tenant_load *la = a, *lb = b;

	return strcmp(la->tenant, lb->tenant);
}

static void
release_load(struct tenant_load *l)
{
	free(l->tenant);
	free(l->host);
}

/* Those of a tenant that several workers serve are one.  They are sorted. */
static void
merge_loads(struct performance *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nloads; i++) {
		struct tenant_load *l = &p->loads[i], *to = n > 0 ? &p->loads[n - 1] : NULL;

		if (to == NULL || strcmp(to->tenant, l->tenant) != 0) {
			p->loads[n++] = *l;
			continue;
		}
		to->clients += l->clients;
		to->servers += l->servers;
		to->waiting += l->waiting;
		if (strcmp(to->state, "idle") == 0)
			to->state = l->state;
		release_load(l);
	}
	p->nloads = n;
}

/* Bring the loads in the order of the tenants; what the rest has is what is left of all. */
static void
settle_loads(struct performance *p)
{
	struct tenant_load *loads = memory_zalloc((p->tenants.n + 1) * sizeof(loads[0])), rest = p->all;

	rest.waiting = rest.port = rest.weight = REPORT_NULL;
	if (p->nloads > 0)
		qsort(p->loads, p->nloads, sizeof(p->loads[0]), compare_loads);
	merge_loads(p);
	for (size_t i = 0; i < p->tenants.n; i++) {
		const struct tenant_load key = { .tenant = p->tenants.list[i].tenant }, *found = NULL;

		if (p->nloads > 0)
			found = bsearch(&key, p->loads, p->nloads, sizeof(key), compare_loads);
		if (found != NULL) {
			loads[i] = *found;
			loads[i].host = found->host != NULL ? memory_strdup(found->host) : NULL;
			rest.clients -= found->clients;
			rest.servers -= found->servers;
		} else if (p->tenants.list[i].other) {
			loads[i] = rest;
		} else {
			loads[i].port = loads[i].weight = REPORT_NULL;
		}
		loads[i].tenant = memory_strdup(key.tenant);
	}
	for (size_t i = 0; i < p->nloads; i++)
		release_load(&p->loads[i]);
	free(p->loads);
	p->loads = loads;
	p->nloads = p->tenants.n;
}

void
gather_settle(struct performance *p, const struct report_wish *w)
{
	query_rows_sort(&p->digests, w->by, w->top);
	if (w->what & GATHER_TENANTS) {
		settle_tenants(p, w);
		settle_loads(p);
	}
}

void
gather_release(struct performance *p)
{
	query_sum_release(&p->sum);
	query_rows_release(&p->digests);
	query_rows_release(&p->tenants);
	for (size_t i = 0; i < p->nloads; i++)
		release_load(&p->loads[i]);
	free(p->loads);
	*p = (struct performance){ .found = false };
}
