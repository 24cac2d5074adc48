/*
 * What a scrape takes from a worker, and what that costs when there is much.
 */
#include "http/metrics_collect.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "http/metrics_table.h"
#include "../session/harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE 30
#else
#define PATIENCE 1
#endif

static const struct query_sample sample = {
	.total = 7 * USEC_PER_MSEC, .wait = 2, .first_byte = 3, .blocked = 4, .rows = 5, .bytes_in = 6, .bytes_out = 7,
};

static void
ask(struct tenant *t, int digest, const struct query_sample *q)
{
	char text[100];
	struct sql_digest d;
	bool fresh;
	int n = snprintf(text, sizeof(text), "SELECT column_%c%c FROM t", 'a' + digest / 26, 'a' + digest % 26);

	sql_digest(text, (size_t)n, &d);
	query_count(query_open(t->queries, &d, text, (size_t)n, clock_now(), &fresh), q, clock_now());
	t->traffic.query_count++;
	t->traffic.query_time += q->total;
}

static struct tenant *
make_tenant(struct shard *s, const char *name)
{
	struct error e;
	struct tenant *t = shard_open_tenant(s, name, &e);

	cr_assert_not_null(t);
	if (t->queries == NULL)
		t->queries = query_tenant_new(&s->queries, name);
	return t;
}

/* --- a few --- */

static void
fill_few(struct shard *s, void *arg)
{
	struct query_sample slow = sample, failed = sample;
	struct tenant *a = make_tenant(s, "a"), *b = make_tenant(s, "b");

	(void)arg;
	slow.total = 2 * USEC_PER_SEC;
	slow.slow = true;
	failed.failed = true;
	ask(a, 1, &sample);
	ask(a, 2, &slow);
	ask(b, 1, &failed);
	make_tenant(s, "c");
	pool_open(&s->pools, a, "u");
	application_count(applications_find(&s->applications, "erp"), &slow);
}

static void
visit(struct shard *s, void *arg)
{
	metrics_visit(s, &((struct metrics_scrape *)arg)->inquiry);
}

static const struct metrics_tenant *
find(const struct metrics_part *p, const char *name)
{
	for (size_t i = 0; i < p->ntenants; i++) {
		if (strcmp(p->tenants[i].name, name) == 0)
			return &p->tenants[i];
	}
	cr_assert_fail("no tenant %s", name);
	return &p->tenants[0];
}

Test(metrics_collect, what_there_is)
{
	struct metrics_scrape *s = metrics_scrape_new(1);
	const struct metrics_part *p = &s->parts[0];
	const struct metrics_tenant *a;

	house_open(1, "* = PG user=pooler", "");
	house_call(0, fill_few, NULL);
	s->top = 2;
	s->applications = true;
	house_call(0, visit, s);

	cr_assert_eq(p->in_use, 3);
	cr_assert_eq(p->autodbs, 3);
	cr_assert_eq(p->counts.queries.calls, 3);
	cr_assert_eq(p->counts.queries.errors, 1);
	cr_assert_eq(p->counts.queries.slow, 1);
	cr_assert_eq(p->counts.queries.rows, 15);
	cr_assert_eq(p->counts.queries.max, 0, "a longest one can't be added up");
	cr_assert_eq(p->counts.traffic.query_count, 3);
	cr_assert_eq(p->counts.up_to[0], 0);
	cr_assert_eq(p->counts.up_to[1], 2);
	cr_assert_eq(p->counts.up_to[4], 2);
	cr_assert_eq(p->counts.up_to[5], 3);
	cr_assert_eq(p->level.pools, 1);
	cr_assert_eq(p->digests, 2);
	cr_assert_eq(p->entries, 3);
	cr_assert_gt(p->memory, 0);
	cr_assert_eq(p->latency.total, 3);
	cr_assert_eq(p->napplications, 1);
	cr_assert_str_eq(p->applications[0].name, "erp");
	cr_assert_eq(p->applications[0].n.slow, 1);

	cr_assert_eq(p->ntenants, 2, "the two that were busy");
	a = find(p, "a");
	cr_assert_eq(a->counts.queries.calls, 2);
	cr_assert_eq(a->counts.queries.total, 2007 * USEC_PER_MSEC);
	cr_assert_eq(a->load, 2007 * USEC_PER_MSEC + 2);
	cr_assert_eq(a->level.pools, 1);
	cr_assert_eq(find(p, "b")->counts.queries.errors, 1);
	metrics_scrape_free(&s);
	house_close();
}

/* Those that are shown come, busy or not, beside the busiest of the others. */
Test(metrics_collect, those_that_are_shown)
{
	struct metrics_scrape *s = metrics_scrape_new(1);
	const struct metrics_part *p = &s->parts[0];

	house_open(1, "* = PG user=pooler", "");
	house_call(0, fill_few, NULL);
	s->top = 1;
	s->shown = memory_alloc(2 * sizeof(*s->shown));
	s->shown[s->nshown++] = memory_strdup("c");
	s->shown[s->nshown++] = memory_strdup("gone");
	house_call(0, visit, s);
	cr_assert_eq(p->ntenants, 2);
	cr_assert_eq(find(p, "c")->counts.queries.calls, 0);
	cr_assert_eq(find(p, "a")->counts.queries.calls, 2);
	cr_assert_eq(p->napplications, 0, "nobody asked");
	metrics_scrape_free(&s);
	house_close();
}

/* --- ten thousand --- */

#define TENANTS 10000
#define DIGESTS 50

static void
fill_many(struct shard *s, void *arg)
{
	(void)arg;
	for (int i = 0; i < TENANTS; i++) {
		char name[32];
		struct tenant *t;
		struct query_sample q = sample;

		snprintf(name, sizeof(name), "customer-%d", i);
		t = make_tenant(s, name);
		for (int j = 0; j < DIGESTS; j++) {
			q.total = (i * 31 + j * 977) % 100000;
			ask(t, j, &q);
		}
		pool_open(&s->pools, t, "app");
		t->nclients = 1;
	}
}

static usec_t
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

struct visits {
	struct metrics_scrape *scrape;
	usec_t cpu;
};

static void
visit_timed(struct shard *s, void *arg)
{
	struct visits *v = arg;
	usec_t begin = cpu_now();

	metrics_visit(s, &v->scrape->inquiry);
	v->cpu = cpu_now() - begin;
}

static void
write_all(struct metrics_text *text, const struct metrics_told *told, const struct metrics_part *p)
{
	static const struct monitor_counts counts;
	static const struct threat_counts threats;
	static const struct metrics_guards guards;
	struct metrics_traces *traces = memory_zalloc(told->nrows * sizeof(*traces));
	struct metrics_view v = {
		.told = told, .monitor = &counts, .threats = &threats, .guards = &guards, .latency = p->latency, .tenant_traces = traces, .peer = true,
	};

	metrics_text_init(text, true);
	metrics_write(text, &v);
	free(traces);
}

Test(metrics_collect, ten_thousand_tenants, .timeout = 300)
{
	struct metrics_tenants tenants = { .list = NULL };
	usec_t best_visit = INT64_MAX, best_rest = INT64_MAX;
	size_t size = 0;

	house_open(1, "* = PG user=pooler", "");
	house_call(0, fill_many, NULL);
	for (int i = 0; i < 5; i++) {
		struct visits v = { .scrape = metrics_scrape_new(1) };
		struct metrics_told told;
		struct metrics_text text;
		usec_t begin;

		v.scrape->top = 50;
		v.scrape->peer = true;
		v.scrape->shown = metrics_tenants_names(&tenants);
		v.scrape->nshown = tenants.n;
		house_call(0, visit_timed, &v);
		begin = cpu_now();
		metrics_tenants_settle(&tenants, v.scrape, 50, clock_now(), &told);
		write_all(&text, &told, &v.scrape->parts[0]);
		if (cpu_now() - begin < best_rest)
			best_rest = cpu_now() - begin;
		if (v.cpu < best_visit)
			best_visit = v.cpu;
		cr_assert_eq(told.nnamed, 50);
		cr_assert_eq(told.counts.queries.calls, TENANTS * DIGESTS);
		size = buffer_left(&text.out);
		metrics_text_release(&text);
		metrics_told_release(&told);
		metrics_scrape_free(&v.scrape);
	}
	cr_log_info("visit %lld us, then %lld us for %zu bytes", (long long)best_visit, (long long)best_rest, size);
	cr_assert_lt(size, 2000000);
	cr_assert_lt(best_visit, PATIENCE * 5 * USEC_PER_MSEC, "%lld us", (long long)best_visit);
	cr_assert_lt(best_rest, PATIENCE * 100 * USEC_PER_MSEC, "%lld us", (long long)best_rest);
	metrics_tenants_release(&tenants);
	house_close();
}
