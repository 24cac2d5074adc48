#include "http/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "http/metrics_table.h"

/* One that is being answered. */
struct request {
	LIST_ENTRY(request) link;
	struct exchange *exchange;	/* NULL: who asked is gone */
	bool openmetrics;
	struct metrics_scrape *scrape;
};

/* Names that have come, and have a series for good: workers never forget them, either. */
struct application_names {
	char *list[APPLICATIONS_MAX];
	size_t n;
};

static struct {
	LIST_HEAD(, request) under_way;
	struct metrics_tenants tenants;
	struct application_names applications;
	struct metrics_guards guards;
	usec_t configured_at;		/* wall clock; 0: not told */
	usec_t since, since_wall;	/* of the counting of queries; the same from scrape to scrape */
} state;

/* --- exemplars --- */

/* version-traceid-spanid-flags */
static void
make_exemplar(struct metrics_exemplar *x, const struct slow_query *q)
{
	const char *id = strchr(q->trace.traceparent, '-');

	if (x->trace_id[0] != '\0' || id == NULL)
		return;
	string_copy(x->trace_id, id + 1, sizeof(x->trace_id));
	x->value = q->sample.total;
	x->at = q->at;
}

static void
trace(struct metrics_traces *traces, const struct slow_query *q, const usec_t *bounds, size_t nbounds)
{
	size_t bucket = 0;

	while (bucket < nbounds && q->sample.total > bounds[bucket])
		bucket++;
	make_exemplar(&traces->latest, q);
	make_exemplar(&traces->buckets[bucket], q);
}

static int
compare_to_row(const void *name, const void *row)
{
	return strcmp(name, ((const struct metrics_row *)row)->name);
}

static struct metrics_traces *
traces_of(struct metrics_view *v, const char *tenant)
{
	const struct metrics_told *told = v->told;
	const struct metrics_row *row = bsearch(tenant, told->rows, told->nnamed, sizeof(*row), compare_to_row);

	return &v->tenant_traces[row != NULL ? (size_t)(row - told->rows) : told->nnamed];
}

/* The latest come first, and stay. */
static void
find_traces(struct metrics_view *v, const struct monitor *m)
{
	for (const struct slow_query *q = monitor_next_slow(m, NULL); q != NULL; q = monitor_next_slow(m, q)) {
		if (q->trace.traceparent[0] == '\0' || q->tenant == NULL)
			continue;
		trace(&v->traces, q, metrics_bounds, METRICS_BOUNDS);
		trace(traces_of(v, q->tenant), q, metrics_tenant_bounds, METRICS_TENANT_BOUNDS);
	}
}

/* --- applications --- */

static void
add_application(struct application_counts *to, const struct application_counts *what)
{
	to->calls += what->calls;
	to->errors += what->errors;
	to->slow += what->slow;
	to->total += what->total;
}

/* Its place among the names; that of "other" (the one behind them all) if there is none for it. */
static size_t
place_of(struct application_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->list[i], name) == 0)
			return i;
	}
	if (names->n == APPLICATIONS_MAX)
		return APPLICATIONS_MAX;
	names->list[names->n] = memory_strdup(name);
	return names->n++;
}

/* Each worker has a bounded table; together they have one as large. */
static void
tell_applications(struct metrics_view *v, const struct metrics_scrape *s)
{
	struct application_names *names = &state.applications;
	struct application_counts none = { .calls = 0 }, counts[APPLICATIONS_MAX + 1] = { { .calls = 0 } };

	for (int i = 0; i < s->nparts; i++) {
		const struct metrics_part *part = &s->parts[i];

		add_application(&none, &part->none);
		add_application(&counts[APPLICATIONS_MAX], &part->other);
		for (size_t j = 0; j < part->napplications; j++)
			add_application(&counts[place_of(names, part->applications[j].name)],
					&part->applications[j].n);
	}
	v->applications = memory_alloc((names->n + 2) * sizeof(*v->applications));
	for (size_t i = 0; i < names->n; i++)
		v->applications[v->napplications++] = (struct metrics_application){ names->list[i], counts[i] };
	v->applications[v->napplications++] = (struct metrics_application){ "none", none };
	v->applications[v->napplications++] = (struct metrics_application){ "other", counts[APPLICATIONS_MAX] };
}

/* --- the answer --- */

static void
tell_part(struct metrics_view *v, const struct metrics_part *p)
{
	histogram_merge(&v->latency, &p->latency);
	v->clients += p->clients;
	v->logins += p->logins;
	v->handshakes += p->handshakes;
	v->failed_handshakes += p->failed_handshakes;
	v->tenants += p->in_use;
	v->autodbs += p->autodbs;
	v->paused |= p->paused;
	v->digests += p->digests;
	v->entries += p->entries;
	v->evicted_digests += p->evicted_digests;
	v->evicted_entries += p->evicted_entries;
	v->truncated += p->truncated;
	v->memory += p->memory;
	if (p->since > v->since)
		v->since = p->since;
	if (p->took > v->longest_visit)
		v->longest_visit = p->took;
}

/* Clocks drift apart; worked out each time, it would be another each time. */
static usec_t
since_to_wall(usec_t since, usec_t now)
{
	if (since != state.since || state.since_wall == 0) {
		state.since = since;
		state.since_wall = clock_wall() - (now - since);
	}
	return state.since_wall;
}

static void
tell_process(struct metrics_view *v, struct commons *commons, int nworkers)
{
	metrics_process_read(&v->process);
	v->workers = nworkers;
	v->configured_at = state.configured_at != 0 ? state.configured_at : v->process.started_at;
	v->max_clients = v->config->max_client_conn;
	v->tenants_configured = (int64_t)v->config->ndatabases;
	v->longest_visit_ever = atomic_load(&commons->longest_visit);
	v->failed_logins = (int64_t)attempts_failed_ever(commons->attempts);
}

static void
tell_peer_lists(struct metrics_view *v)
{
	v->peer_lists = (struct metrics_peer_lists){
		.databases = v->tenants_configured + v->autodbs + 1,
		.users = (int64_t)v->config->nusers,
		.pools = v->told->level.pools + 1,
		.servers = v->told->level.nservers,
		.max_user_connections = v->config->max_user_connections,
		.up = 1,
	};
}

static void
answer(struct request *r)
{
	struct reports *reports = exchange_reports(r->exchange);
	struct metrics_scrape *s = r->scrape;
	struct metrics_told told;
	struct metrics_view v = { .config = exchange_config(r->exchange), .told = &told, .peer = s->peer };
	struct metrics_text text;
	usec_t now = clock_now();

	metrics_tenants_settle(&state.tenants, s, s->top, now, &told);
	for (int i = 0; i < s->nparts; i++)
		tell_part(&v, &s->parts[i]);
	v.since = since_to_wall(v.since, now);
	v.monitor = monitor_counts(reports->monitor);
	v.threats = monitor_threat_counts(reports->monitor);
	metrics_guards_read(&state.guards, reports);
	v.guards = &state.guards;
	v.slow_lost = (int64_t)(v.monitor->slow_lost + atomic_load(&reports->commons->slow_lost));
	v.unnamed = told.other_tenants;
	v.clients_idle = told.level.sessions - told.level.active - told.level.waiting;
	if (v.clients_idle < 0)
		v.clients_idle = 0;
	tell_process(&v, reports->commons, s->nparts);
	tell_peer_lists(&v);
	v.tenant_traces = memory_zalloc(told.nrows * sizeof(*v.tenant_traces));
	if (r->openmetrics)
		find_traces(&v, reports->monitor);
	if (s->applications)
		tell_applications(&v, s);

	metrics_text_init(&text, r->openmetrics);
	metrics_write(&text, &v);
	exchange_reply_bytes(r->exchange, metrics_text_content_type(r->openmetrics), &text.out);

	metrics_text_release(&text);
	metrics_told_release(&told);
	histogram_release(&v.latency);
	free(v.tenant_traces);
	free(v.applications);
}

/* --- life --- */

static void
free_request(struct request *r)
{
	LIST_REMOVE(r, link);
	metrics_scrape_free(&r->scrape);
	free(r);
}

static void
finish(struct inquiry *q)
{
	struct metrics_scrape *s = container_of(q, struct metrics_scrape, inquiry);
	struct request *r = s->asker;

	if (r->exchange != NULL)
		answer(r);
	free_request(r);
}

static void
on_gone(void *arg)
{
	struct request *r = arg;

	r->exchange = NULL;
}

void
metrics_serve(struct exchange *x)
{
	const struct config *c = exchange_config(x);
	const struct inquirer *inquirer = exchange_reports(x)->inquirer;
	struct request *r = memory_zalloc(sizeof(*r));
	struct metrics_scrape *s = metrics_scrape_new(inquirer->nworkers);

	r->exchange = x;
	r->openmetrics = metrics_text_accepts(exchange_header(x, "Accept"));
	r->scrape = s;
	LIST_INSERT_HEAD(&state.under_way, r, link);
	s->asker = r;
	s->inquiry.finish = finish;
	s->top = (unsigned)c->metrics_top_tenants;
	s->applications = c->metrics_application_label != 0;
	s->peer = c->metrics_pgbouncer_names != 0;
	s->shown = metrics_tenants_names(&state.tenants);
	s->nshown = state.tenants.n;
	exchange_wait(x, on_gone, r);
	inquirer_ask(inquirer, &s->inquiry);
}

void
metrics_note_settings(void)
{
	state.configured_at = clock_wall();
}

void
metrics_release(void)
{
	while (!LIST_EMPTY(&state.under_way))
		free_request(LIST_FIRST(&state.under_way));
	metrics_tenants_release(&state.tenants);
	while (state.applications.n > 0)
		free(state.applications.list[--state.applications.n]);
	state.guards = (struct metrics_guards){ .nhosts = 0 };
	state.configured_at = state.since = state.since_wall = 0;
}
