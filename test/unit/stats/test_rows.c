#include "stats/rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "stage.h"

#define NOW (1000 * PERIOD)

static void
begin(struct query_store *s, unsigned entries, unsigned per_tenant)
{
	struct query_limits l = stage_limits(entries, per_tenant);

	query_store_init(s, &l, NOW);
}

static uint64_t
calls_of(const struct query_rows *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		n += r->list[i].sum.n.calls;
		cr_assert_eq(r->list[i].sum.latency.total, r->list[i].sum.n.calls);
	}
	return n;
}

Test(orders, have_names)
{
	for (int o = 0; o < QUERY_ORDERS; o++)
		cr_assert_eq(query_order_find(query_order_name((enum query_order)o)), o);
	cr_assert_eq(query_order_find("total"), QUERY_BY_TOTAL);
	cr_assert_eq(query_order_find("P95"), QUERY_BY_P95);
	cr_assert_eq(query_order_find("wait"), QUERY_BY_WAIT);
	cr_assert_eq(query_order_find(""), -1);
	cr_assert_eq(query_order_find("tota"), -1);
}

/* Each order has another first and second. */
Test(rows, are_in_the_order_that_was_asked_for)
{
	static const struct query_sample often = { .total = 10 }, longest = { .total = 90000 },
					 failed = { .total = 50, .failed = true }, slow = { .total = 40, .slow = true },
					 many = { .total = 30, .rows = 500 }, waited = { .total = 20, .wait = 80000 };
	static const struct {
		enum query_order order;
		unsigned first;
	} cases[] = {
		{ QUERY_BY_TOTAL, 1 }, { QUERY_BY_CALLS, 0 }, { QUERY_BY_MEAN, 1 }, { QUERY_BY_P95, 1 }, { QUERY_BY_MAX, 1 },
		{ QUERY_BY_ERRORS, 2 }, { QUERY_BY_SLOW, 3 }, { QUERY_BY_ROWS, 4 }, { QUERY_BY_WAIT, 5 },
	};
	const struct query_sample *samples[] = { &often, &longest, &failed, &slow, &many, &waited };
	struct query_rows r;
	struct query_store s;
	struct query_tenant *t;

	begin(&s, 100, 100);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned n = 0; n < (i == 0 ? 100 : 2); n++)
			query_count(stage_begin(t, i, NOW), samples[i], NOW);
	}
	query_abandon(stage_begin(t, 50, NOW));	/* has counted nothing: is not told */
	for (size_t i = 0; i < lengthof(cases); i++) {
		query_collect(&s, i % 2 == 0 ? t : NULL, cases[i].order, 100, &r);
		cr_assert_eq(r.n, 6);
		cr_assert_eq(r.list[0].hash, stage_hash(cases[i].first), "%s", query_order_name(cases[i].order));
		query_rows_sort(&r, cases[(i + 1) % lengthof(cases)].order, 3);
		cr_assert_eq(r.n, 3);
		cr_assert_eq(r.list[0].hash, stage_hash(cases[(i + 1) % lengthof(cases)].first));
		query_rows_release(&r);
	}
	query_store_release(&s);
}

Test(rows, tell_what_a_digest_is)
{
	struct sql_class c = { .parsed = true, .verb = SQL_MULTI, .reads_only = true, .ntables = 2, .more_tables = true };
	struct query_rows r;
	struct query_store s;
	struct query_tenant *a, *b;

	begin(&s, 100, 100);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	stage_ask(a, 1, 100, NOW);
	stage_ask(b, 1, 200, NOW);
	stage_ask(b, 2, 1, NOW);
	c.tables[0] = memory_strdup("a");
	c.tables[1] = memory_strdup("b.c");
	query_classified(&s, stage_hash(1), &c);

	query_collect(&s, NULL, QUERY_BY_TOTAL, 100, &r);
	cr_assert_eq(r.n, 2);
	cr_assert_str_eq(r.list[0].text, "select c1 from t");
	cr_assert_str_eq(r.list[0].tables, "a, b.c, ...");
	cr_assert_eq(r.list[0].verb, SQL_MULTI);
	cr_assert(r.list[0].parsed && r.list[0].reads_only && !r.list[0].other);
	cr_assert_eq(r.list[0].tenants, 2);
	cr_assert_eq(r.list[0].tenant, NULL);
	cr_assert_eq(r.list[0].sum.n.total, 300);
	cr_assert_eq(r.list[0].trend.now.calls, 2);
	cr_assert_eq(r.list[1].tables, NULL);
	cr_assert_eq(r.list[1].verb, SQL_SELECT);
	cr_assert_not(r.list[1].parsed);
	query_rows_release(&r);

	query_collect(&s, b, QUERY_BY_TOTAL, 1, &r);
	cr_assert_eq(r.n, 1);
	cr_assert_str_eq(r.list[0].tenant, "b");
	cr_assert_eq(r.list[0].sum.n.total, 200);
	cr_assert_eq(r.list[0].tenants, 1);
	cr_assert_eq(r.list[0].trend.now.calls, 1);
	query_rows_release(&r);
	query_store_release(&s);
}

/* A copy: what happens after it is not in it. */
Test(rows, outlive_the_store)
{
	struct query_rows r;
	struct query_store s;

	begin(&s, 100, 100);
	stage_ask(query_tenant_new(&s, "a"), 1, 100, NOW);
	query_collect(&s, NULL, QUERY_BY_TOTAL, 100, &r);
	query_store_release(&s);
	cr_assert_str_eq(r.list[0].text, "select c1 from t");
	cr_assert_eq(histogram_up_to(&r.list[0].sum.latency, 1000), 1);
	query_rows_release(&r);
}

Test(rows, end_with_what_was_given_up)
{
	struct query_rows r;
	struct query_store s;
	struct query_tenant *t;

	begin(&s, 20, 16);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 100; i++)
		stage_ask(t, i, 100 + i, NOW);
	query_collect(&s, t, QUERY_BY_TOTAL, 100, &r);
	cr_assert_eq(r.n, 17);
	cr_assert(r.list[16].other && r.list[16].hash == 0 && r.list[16].text == NULL);
	cr_assert_str_eq(r.list[16].tenant, "t");
	cr_assert_eq(calls_of(&r), 100);
	query_rows_sort(&r, QUERY_BY_CALLS, 3);
	cr_assert_eq(r.n, 4, "other is not counted");
	cr_assert(r.list[3].other);
	query_rows_release(&r);

	query_collect(&s, NULL, QUERY_BY_TOTAL, 100, &r);
	cr_assert_eq(r.n, 21);
	cr_assert(r.list[20].other && r.list[20].tenant == NULL);
	cr_assert_eq(calls_of(&r), 100);
	query_rows_release(&r);
	query_collect(&s, NULL, QUERY_BY_TOTAL, 0, &r);
	cr_assert_eq(r.n, 1);
	query_rows_release(&r);
	query_store_release(&s);
}

/* 5,000 of them, against all of them sorted by what was counted. */
Test(rows, by_p95_are_the_true_ones)
{
	struct query_rows r, all;
	struct query_store s;
	struct query_tenant *t;

	begin(&s, 5000, 5000);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 5000; i++) {
		usec_t mean = 10 << stage_random(16);

		for (unsigned n = 0; n < 30; n++)
			stage_ask(t, i, mean / 2 + stage_random((unsigned)mean * 2), NOW);
	}
	query_collect(&s, NULL, QUERY_BY_P95, 50, &r);
	query_collect(&s, NULL, QUERY_BY_CALLS, 5000, &all);
	query_rows_sort(&all, QUERY_BY_P95, 5000);
	cr_assert_eq(r.n, 50);
	for (size_t i = 0; i < 50; i++)
		cr_assert_eq(histogram_quantile(&r.list[i].sum.latency, 0.95),
			     histogram_quantile(&all.list[i].sum.latency, 0.95), "place %zu", i);
	query_rows_release(&r);
	query_rows_release(&all);
	query_store_release(&s);
}

/* --- tenants --- */

static void
ask_of_tenants(struct query_store *s, unsigned n, unsigned first)
{
	char name[16];

	for (unsigned i = first; i < first + n; i++) {
		struct query_tenant *t;

		snprintf(name, sizeof(name), "t%03u", i);
		t = query_tenant_new(s, name);
		for (unsigned k = 0; k <= i; k++)
			stage_ask(t, k, 100 * i, NOW);
	}
}

Test(tenants, rest_is_what_the_first_leave)
{
	struct query_rows r;
	struct query_store s;

	begin(&s, 1000, 1000);
	ask_of_tenants(&s, 30, 1);
	query_collect_tenants(&s, QUERY_BY_TOTAL, 5, &r);
	cr_assert_eq(r.n, 6);
	for (unsigned i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%03u", 30 - i);
		cr_assert_str_eq(r.list[i].tenant, name);
		cr_assert_eq(r.list[i].sum.n.calls, 31 - i);
		cr_assert_eq(r.list[i].hash, 0);
		cr_assert_not(r.list[i].other);
	}
	cr_assert(r.list[5].other);
	cr_assert_str_eq(r.list[5].tenant, "");
	cr_assert_eq(r.list[5].sum.n.max, 2500);
	cr_assert_eq(calls_of(&r), s.sum.n.calls);
	query_rows_release(&r);

	query_collect_tenants(&s, QUERY_BY_P95, 30, &r);
	cr_assert_eq(r.n, 30, "there is no more");
	cr_assert_str_eq(r.list[0].tenant, "t030");
	query_rows_release(&r);

	/* Who has left is told in the rest. */
	query_tenant_free(&(struct query_tenant *){ s.tenants[29] });
	query_collect_tenants(&s, QUERY_BY_TOTAL, 29, &r);
	cr_assert_eq(r.n, 30);
	cr_assert_eq(r.list[29].sum.n.calls, 31);
	cr_assert_eq(r.list[29].sum.n.max, 3000);
	cr_assert_eq(r.list[29].sum.latency.total, 31);
	cr_assert_eq(calls_of(&r), s.sum.n.calls);
	query_rows_release(&r);
	query_store_release(&s);
}

Test(tenants, who_asked_nothing_comes_last)
{
	struct query_rows r;
	struct query_store s;

	begin(&s, 1000, 1000);
	query_tenant_new(&s, "silent");
	ask_of_tenants(&s, 1, 1);
	for (int o = 0; o < QUERY_ORDERS; o++) {
		query_collect_tenants(&s, (enum query_order)o, 5, &r);
		cr_assert_eq(r.n, 2);
		cr_assert_eq(r.list[0].sum.n.calls + r.list[1].sum.n.calls, 2);
		query_rows_release(&r);
	}
	query_collect_tenants(&s, QUERY_BY_TOTAL, 1, &r);
	cr_assert_eq(r.n, 1, "nothing is left out that has asked anything");
	cr_assert_str_eq(r.list[0].tenant, "t001");
	query_rows_release(&r);
	query_store_release(&s);
}

/* --- several workers --- */

Test(merge, digests_of_two_workers_become_one)
{
	struct sql_class c = { .parsed = true, .verb = SQL_SELECT, .ntables = 1 };
	struct query_rows r[2];
	struct query_store s[2];

	for (unsigned w = 0; w < 2; w++) {
		struct query_tenant *t;

		begin(&s[w], 16, 16);
		t = query_tenant_new(&s[w], w == 0 ? "a" : "b");
		for (unsigned i = 0; i < 12; i++)
			stage_ask(t, w * 6 + i, 1000 + i, NOW);
		for (unsigned i = 0; i < 20; i++)
			stage_ask(t, 100 * (w + 1) + i, 1, NOW);
	}
	c.tables[0] = memory_strdup("t");
	query_classified(&s[1], stage_hash(8), &c);
	for (unsigned w = 0; w < 2; w++)
		query_collect(&s[w], NULL, QUERY_BY_TOTAL, 100, &r[w]);
	query_rows_merge(&r[0], &r[1]);
	cr_assert_eq(r[1].n, 0);
	cr_assert_eq(r[1].list, NULL);
	query_rows_sort(&r[0], QUERY_BY_TOTAL, 1000);
	cr_assert_eq(calls_of(&r[0]), 64);
	for (size_t i = 0; i + 1 < r[0].n; i++) {
		cr_assert_not(r[0].list[i].other);
		for (size_t k = i + 1; k < r[0].n; k++)
			cr_assert_neq(r[0].list[i].hash, r[0].list[k].hash);
	}
	cr_assert(r[0].list[r[0].n - 1].other);
	for (size_t i = 0; i < r[0].n; i++) {
		if (r[0].list[i].hash == stage_hash(8)) {
			cr_assert_eq(r[0].list[i].tenants, 2);
			cr_assert_str_eq(r[0].list[i].tables, "t");
		}
	}
	query_rows_merge(&r[0], &r[1]);	/* nothing */
	query_rows_merge(&r[1], &r[0]);	/* into nothing */
	cr_assert_eq(calls_of(&r[1]), 64);
	query_rows_release(&r[0]);
	query_rows_release(&r[1]);
	for (unsigned w = 0; w < 2; w++)
		query_store_release(&s[w]);
}

/* What is cut off of tenants' rows is told in the rest. */
Test(merge, tenants_of_two_workers)
{
	struct query_rows r[2];
	struct query_store s[2];

	for (unsigned w = 0; w < 2; w++) {
		begin(&s[w], 1000, 1000);
		ask_of_tenants(&s[w], 10, 1 + 10 * w);
		query_collect_tenants(&s[w], QUERY_BY_CALLS, w == 0 ? 10 : 5, &r[w]);
	}
	query_rows_merge(&r[0], &r[1]);
	query_rows_sort(&r[0], QUERY_BY_CALLS, 7);
	cr_assert_eq(r[0].n, 8);
	cr_assert_str_eq(r[0].list[0].tenant, "t020");
	cr_assert_str_eq(r[0].list[4].tenant, "t016");
	cr_assert_str_eq(r[0].list[5].tenant, "t010", "t011 to t015 are in the rest of their worker");
	cr_assert(r[0].list[7].other);
	cr_assert_eq(calls_of(&r[0]), s[0].sum.n.calls + s[1].sum.n.calls);

	/* And where there was no rest. */
	query_rows_release(&r[0]);
	query_collect_tenants(&s[0], QUERY_BY_CALLS, 10, &r[0]);
	query_rows_sort(&r[0], QUERY_BY_CALLS, 9);
	cr_assert_eq(r[0].n, 10);
	cr_assert_str_eq(r[0].list[9].tenant, "");
	cr_assert_eq(r[0].list[9].sum.n.calls, 2);
	query_rows_release(&r[0]);
	for (unsigned w = 0; w < 2; w++)
		query_store_release(&s[w]);
}
