/*
 * api_performance: GET /api/system/query-performance.
 *
 *	performance ──> slow queries ──> alerts ──> the answer
 *
 * asked for one after the other; each part is written when it is there, in the order in which
 * they stand in the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/api.h"
#include "http/json.h"
#include "reports/performance.h"

/* With fewer queries than this, a percentile says little. */
#define SAMPLES_MIN 20

enum window {
	WINDOW_ALL,
	WINDOW_5M,
	WINDOW_1H,
};

static const struct {
	const char *name;
	usec_t length;
} windows[] = {
	[WINDOW_ALL] = { "all", 0 },
	[WINDOW_5M] = { "5m", 300 * USEC_PER_SEC },
	[WINDOW_1H] = { "1h", 3600 * USEC_PER_SEC },
};

struct performance_query {
	const char *tenant;
	int64_t window, top, sort;
};

static int
find_window(const char *word)
{
	for (size_t i = 0; i < lengthof(windows); i++) {
		if (strcmp(windows[i].name, word) == 0)
			return (int)i;
	}
	return -1;
}

static const struct parameter list[] = {
	{ .name = "tenant", .kind = PARAMETER_TENANT, .offset = offsetof(struct performance_query, tenant) },
	{
		.name = "window",
		.kind = PARAMETER_WORD,
		.offset = offsetof(struct performance_query, window),
		.find = find_window,
		.words = "5m, 1h, all",
		.otherwise = WINDOW_ALL,
	},
	{
		.name = "top",
		.kind = PARAMETER_NUMBER,
		.offset = offsetof(struct performance_query, top),
		.low = 1,
		.high = 100,
		.otherwise = 20,
	},
	{
		.name = "sort",
		.kind = PARAMETER_WORD,
		.offset = offsetof(struct performance_query, sort),
		.find = query_order_find,
		.words = SORT_WORDS,
		.otherwise = QUERY_BY_TOTAL,
	},
};

const struct parameters performance_parameters = { list, lengthof(list), sizeof(struct performance_query) };

/* --- making it --- */

struct bounds {
	uint64_t evicted_digests, evicted_entries, truncated;
	size_t memory;
};

/* What statistics are of: all that was counted, or a window. */
struct scope {
	usec_t from;		/* wall clock */
	bool whole;		/* sum holds all there is to tell; else there is only `recent` */
	struct query_sum sum;	/* owned */
	struct query_minute recent;
};

struct making {
	struct exchange *exchange;
	const struct performance_query *query;
	struct report_filter filter;
	struct performance_order *performance;
	struct report_order *report;
	struct bounds bounds;
	struct buffer body;
	struct json json;
};

static void
free_making(struct making *m)
{
	performance_abandon(&m->performance);
	report_abandon(&m->report);
	buffer_release(&m->body);
	free(m);
}

static void
making_gone(void *arg)
{
	free_making(arg);
}

/* --- numbers --- */

static double
ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* A sum of microseconds, shared by n. */
static void
put_mean(struct json *j, const char *key, usec_t sum, uint64_t n)
{
	if (n == 0)
		json_put_null(j, key);
	else
		json_put_number(j, key, (double)sum / (double)n / USEC_PER_MSEC, 3);
}

/* The middle of a bucket may lie above all that is in it: never more than the longest, as in SHOW QUERIES. */
static void
put_quantile(struct json *j, const char *key, const struct query_sum *s, double q)
{
	int64_t value = histogram_quantile(&s->latency, q);

	if (value < 0)
		json_put_null(j, key);
	else
		json_put_msec(j, key, value < s->n.max ? value : s->n.max);
}

/* What is known for a window and for all time. */
static void
put_counts(struct json *j, uint64_t calls, uint64_t errors, uint64_t slow)
{
	json_put_int(j, "calls", (int64_t)calls);
	json_put_int(j, "errors", (int64_t)errors);
	json_put_int(j, "slow", (int64_t)slow);
	json_put_number(j, "slow_percent", ratio(100.0 * (double)slow, (double)calls), 2);
}

static void
put_rate(struct json *j, uint64_t calls, usec_t length)
{
	json_put_number(j, "queries_per_second", ratio((double)calls, (double)length / USEC_PER_SEC), 3);
}

static void
put_whole(struct json *j, const struct scope *s, usec_t to)
{
	const struct query_counters *n = &s->sum.n;

	put_counts(j, n->calls, n->errors, n->slow);
	json_put_int(j, "rows", (int64_t)n->rows);
	json_put_int(j, "bytes_in", (int64_t)n->bytes_in);
	json_put_int(j, "bytes_out", (int64_t)n->bytes_out);
	put_rate(j, n->calls, to - s->from);
	put_mean(j, "mean_ms", n->total, n->calls);
	put_quantile(j, "p50_ms", &s->sum, 0.50);
	put_quantile(j, "p90_ms", &s->sum, 0.90);
	put_quantile(j, "p95_ms", &s->sum, 0.95);
	put_quantile(j, "p99_ms", &s->sum, 0.99);
	json_put_msec(j, "max_ms", n->max);
	put_mean(j, "wait_mean_ms", n->wait, n->calls);
	put_mean(j, "first_byte_mean_ms", n->first_byte, n->calls);
	put_mean(j, "blocked_mean_ms", n->blocked, n->calls);
}

/* Of the window of one tenant. */
static void
put_recent(struct json *j, const struct scope *s, usec_t to)
{
	static const char *const unknown_counts[] = { "rows", "bytes_in", "bytes_out" };
	static const char *const unknown_times[] = {
		"p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "wait_mean_ms", "first_byte_mean_ms", "blocked_mean_ms",
	};

	put_counts(j, s->recent.calls, s->recent.errors, s->recent.slow);
	for (size_t i = 0; i < lengthof(unknown_counts); i++)
		json_put_null(j, unknown_counts[i]);
	put_rate(j, s->recent.calls, to - s->from);
	put_mean(j, "mean_ms", (usec_t)s->recent.total, s->recent.calls);
	for (size_t i = 0; i < lengthof(unknown_times); i++)
		json_put_null(j, unknown_times[i]);
}

/* --- the parts --- */

static void
put_heading(struct json *j, const struct making *m, const struct performance *p, const struct scope *s)
{
	json_put_time(j, "generated_at", clock_wall());
	json_put_string(j, "tenant", m->query->tenant);
	json_open(j, "window", '{');
	json_put_string(j, "name", windows[m->query->window].name);
	json_put_number(j, "seconds", (double)(p->to - s->from) / USEC_PER_SEC, 3);
	json_put_time(j, "from", s->from);
	json_put_time(j, "to", p->to);
	json_close(j, '}');
}

static void
put_cover(struct json *j, const struct making *m, const struct performance *p, const struct scope *s)
{
	const char *who = m->query->tenant != NULL ? "of this tenant" : "of all tenants";
	const char *off = exchange_config(m->exchange)->query_stats ? "" : " Nothing is counted now: query_stats is 0.";
	char text[400];

	if (p->window == 0)
		snprintf(text, sizeof(text),
			 "All queries %s since the counting began, which is the start or the last reset.%s", who, off);
	else
		snprintf(text, sizeof(text),
			 "statistics: queries %s in the window, by whole minutes%s. top_queries and top_tenants: since the "
			 "counting began.%s", who,
			 s->whole ? "" : "; of one tenant a window has no percentiles, rows, bytes and waits", off);
	json_put_string(j, "covers", text);
}

static void
put_statistics(struct json *j, const struct making *m, const struct performance *p, const struct scope *s)
{
	uint64_t samples = s->whole ? s->sum.n.calls : s->recent.calls;

	json_put_int(j, "samples", (int64_t)samples);
	json_put_int(j, "minimum_samples", SAMPLES_MIN);
	json_put_bool(j, "enough_samples", samples >= SAMPLES_MIN);
	put_cover(j, m, p, s);
	if (samples < SAMPLES_MIN) {
		json_put_null(j, "statistics");
		return;
	}
	json_open(j, "statistics", '{');
	if (s->whole)
		put_whole(j, s, p->to);
	else
		put_recent(j, s, p->to);
	json_close(j, '}');
}

static void
put_point(struct json *j, const struct history_point *h)
{
	const struct {
		const char *key;
		int64_t value;
	} quantiles[] = { { "p50_ms", h->p50 }, { "p95_ms", h->p95 }, { "p99_ms", h->p99 } };

	json_open(j, NULL, '{');
	json_put_time(j, "at", h->at);
	json_put_number(j, "seconds", (double)h->length / USEC_PER_SEC, 3);
	json_put_int(j, "calls", (int64_t)h->n.calls);
	json_put_int(j, "errors", (int64_t)h->n.errors);
	json_put_int(j, "slow", (int64_t)h->n.slow);
	put_mean(j, "mean_ms", h->n.total, h->n.calls);
	for (size_t i = 0; i < lengthof(quantiles); i++) {
		if (quantiles[i].value < 0)
			json_put_null(j, quantiles[i].key);
		else
			json_put_msec(j, quantiles[i].key, quantiles[i].value);
	}
	json_close(j, '}');
}

/* Of all tenants; there is none of one. */
static void
put_history(struct json *j, const struct making *m)
{
	const struct history_point *points;
	size_t n = m->query->tenant != NULL ? 0 : monitor_history(exchange_reports(m->exchange)->monitor, &points);

	json_open(j, "history", '[');
	for (size_t i = 0; i < n; i++)
		put_point(j, &points[i]);
	json_close(j, ']');
}

static void
put_tops(struct json *j, const struct making *m, const struct performance *p)
{
	struct report rows;

	performance_queries(p, &rows);
	json_put_rows(j, "top_queries", &rows);
	report_release(&rows);
	if (m->query->tenant != NULL) {
		json_open(j, "top_tenants", '[');
		json_close(j, ']');
		return;
	}
	performance_tenants(p, &rows);
	json_put_rows(j, "top_tenants", &rows);
	report_release(&rows);
}

/* How full the statistics are says something of the other tenants. */
static void
put_bounds(struct json *j, const struct making *m)
{
	if (exchange_tenant(m->exchange) != NULL) {
		json_put_null(j, "bounds");
		return;
	}
	json_open(j, "bounds", '{');
	json_put_int(j, "evicted_digests", (int64_t)m->bounds.evicted_digests);
	json_put_int(j, "evicted_entries", (int64_t)m->bounds.evicted_entries);
	json_put_int(j, "truncated", (int64_t)m->bounds.truncated);
	json_put_int(j, "memory_bytes", (int64_t)m->bounds.memory);
	json_close(j, '}');
}

/* --- one after the other --- */

/* A tenant that is not in use any more has no rows, which is no error here. */
static void
put_report(struct making *m, const char *key, const struct report *rows)
{
	m->report = NULL;
	if (rows != NULL) {
		json_put_rows(&m->json, key, rows);
		return;
	}
	json_open(&m->json, key, '[');
	json_close(&m->json, ']');
}

static void
alerts_done(void *arg, struct report *rows, const struct error *e)
{
	struct making *m = arg;

	(void)e;
	put_report(m, "alerts", rows);
	put_bounds(&m->json, m);
	json_close(&m->json, '}');
	buffer_append(&m->body, "\n", 1);
	exchange_reply_json(m->exchange, 200, &m->body);
	free_making(m);
}

static void
slow_queries_done(void *arg, struct report *rows, const struct error *e)
{
	struct making *m = arg;

	(void)e;
	put_report(m, "slow_queries", rows);
	m->report = report_ask(exchange_reports(m->exchange), report_find("ALERTS"), &m->filter, alerts_done, m);
}

static void
find_scope(const struct making *m, const struct performance *p, struct scope *s)
{
	*s = (struct scope){ .from = p->from, .whole = p->window == 0 || m->query->tenant == NULL };
	if (p->window == 0) {
		query_sum_add(&s->sum, &p->sum);
	} else if (s->whole) {
		monitor_window(exchange_reports(m->exchange)->monitor, &p->sum, p->window, &s->sum, &s->from);
	} else {
		s->from = p->window_from;
		s->recent = p->recent;
	}
}

static void
performance_done(void *arg, const struct performance *p)
{
	struct making *m = arg;
	struct json *j = &m->json;
	struct scope scope;

	m->performance = NULL;
	if (!p->found && m->query->tenant != NULL) {
		exchange_problem(m->exchange, 404, "No such tenant is in use: \"%s\".", m->query->tenant);
		free_making(m);
		return;
	}
	json_open(j, NULL, '{');
	find_scope(m, p, &scope);
	put_heading(j, m, p, &scope);
	put_statistics(j, m, p, &scope);
	query_sum_release(&scope.sum);
	put_history(j, m);
	put_tops(j, m, p);
	m->bounds = (struct bounds){ p->evicted_digests, p->evicted_entries, p->truncated, p->memory };
	m->report = report_ask(exchange_reports(m->exchange), report_find("SLOW_QUERIES"), &m->filter,
			       slow_queries_done, m);
}

void
performance_serve(struct exchange *x)
{
	struct making *m = memory_zalloc(sizeof(*m));

	m->exchange = x;
	m->query = exchange_parameters(x);
	m->json.out = &m->body;
	m->filter = (struct report_filter){
		.tenant = m->query->tenant,
		.order = (enum query_order)m->query->sort,
		.top = (unsigned)m->query->top,
		.window = windows[m->query->window].length,
	};
	m->performance = performance_ask(exchange_reports(x), &m->filter, performance_done, m);
	exchange_wait(x, making_gone, m);
}
