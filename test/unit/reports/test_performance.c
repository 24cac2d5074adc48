#include "reports/performance.h"

#include <criterion/criterion.h>

#include "stage.h"

#define MINUTE (60 * USEC_PER_SEC)

static int answers;

/* What is borrowed is looked at here. */
static void (*look)(const struct performance *p);

static void
on_done(void *arg, const struct performance *p)
{
	(void)arg;
	answers++;
	look(p);
}

static void
ask(const struct report_filter *f, void (*fn)(const struct performance *p))
{
	answers = 0;
	look = fn;
	performance_ask(&stage_reports, f, on_done, NULL);
	cr_assert_eq(answers, 0);
	while (stage_answer())
		cr_assert_leq(answers, 1);
	cr_assert_eq(answers, 1);
}

static void
open_two(void)
{
	stage_open(2, "acme gamma", "");
	cr_assert_neq(tenant_worker("acme", 2), tenant_worker("gamma", 2));
	for (int i = 0; i < 3; i++)
		stage_ran("acme", "select 1", 1000);
	stage_ran_as("gamma", "select 2", &(struct query_sample){ .total = 8000, .failed = true, .slow = true });
	stage_tenant("acme")->nclients = 3;
}

static void
is_of_all(const struct performance *p)
{
	cr_assert(p->found);
	cr_assert_eq(p->ntenants, 2);
	cr_assert_eq(p->sum.n.calls, 4);
	cr_assert_eq(p->sum.n.errors, 1);
	cr_assert_eq(p->sum.n.total, 11000);
	cr_assert_eq(p->sum.n.max, 8000);
	cr_assert_eq(p->sum.latency.total, 4);
	cr_assert_eq(p->digests.n, 1);
	cr_assert_eq(p->digests.list[0].tenants, 2);
	cr_assert_eq(p->tenants.n, 2);
	cr_assert_str_eq(p->tenants.list[0].tenant, "gamma");
	cr_assert_eq(p->nloads, 2);
	cr_assert_str_eq(p->loads[1].tenant, "acme");
	cr_assert_eq(p->loads[1].clients, 3);
	cr_assert_eq(p->all.clients, 3);
	cr_assert_gt(p->memory, 1000);
	cr_assert_eq(p->window, 0);
	cr_assert_eq(p->recent.calls, 0);
	cr_assert_eq(p->window_from, p->from);
	cr_assert_leq(p->from, p->to);
	cr_assert_lt(p->to - p->from, MINUTE);
	cr_assert_leq(p->to, clock_wall());
}

Test(performance, of_all)
{
	open_two();
	ask(NULL, is_of_all);
	stage_close();
}

static void
is_of_acme(const struct performance *p)
{
	cr_assert(p->found);
	cr_assert_eq(p->ntenants, 1);
	cr_assert_eq(p->sum.n.calls, 3);
	cr_assert_eq(p->digests.n, 1);
	cr_assert_eq(p->digests.list[0].sum.n.calls, 3);
	cr_assert_eq(p->tenants.n, 0);
	cr_assert_eq(p->nloads, 0);
}

static void
is_of_nobody(const struct performance *p)
{
	cr_assert_not(p->found);
	cr_assert_eq(p->sum.n.calls, 0);
	cr_assert_eq(p->digests.n, 0);
	cr_assert_eq(p->tenants.n, 0);
}

Test(performance, of_one)
{
	open_two();
	ask(&(struct report_filter){ .tenant = "acme" }, is_of_acme);
	ask(&(struct report_filter){ .tenant = "acm" }, is_of_nobody);
	stage_close();
}

/* Whole minutes, the present one included, but nothing from before the counting began. */
static void
is_of_five_minutes(const struct performance *p)
{
	cr_assert_eq(p->window, 5 * MINUTE);
	cr_assert_eq(p->recent.calls, 4);
	cr_assert_eq(p->recent.slow, 1);
	cr_assert_eq(p->recent.total, 11000);
	cr_assert_eq(p->window_from, p->from);
}

Test(performance, window)
{
	open_two();
	ask(&(struct report_filter){ .window = 5 * MINUTE }, is_of_five_minutes);
	stage_close();
}

/* The visit for the digests, which comes second, has no word in it. */
static void
begins_in_five_minutes(const struct performance *p)
{
	cr_assert_leq(p->to - p->window_from, 5 * MINUTE);
	cr_assert_gt(p->to - p->window_from, 4 * MINUTE - USEC_PER_SEC);
	cr_assert_geq(p->to - p->from, 60 * MINUTE);
}

Test(performance, window_of_a_long_count)
{
	open_two();
	stage_tenant("acme")->queries->store->since -= 60 * MINUTE;
	stage_tenant("gamma")->queries->store->since -= 60 * MINUTE;
	stage_make("silent");
	ask(&(struct report_filter){ .window = 5 * MINUTE, .tenant = "silent" }, begins_in_five_minutes);
	ask(&(struct report_filter){ .window = 5 * MINUTE }, begins_in_five_minutes);
	ask(&(struct report_filter){ .window = 5 * MINUTE, .tenant = "acme" }, begins_in_five_minutes);
	stage_close();
}

static void
is_cut(const struct performance *p)
{
	struct report r;

	cr_assert_eq(p->tenants.n, 2);
	cr_assert(p->tenants.list[1].other);
	cr_assert_eq(p->tenants.list[1].sum.n.calls, 3);
	cr_assert_eq(p->loads[1].clients, 3);
	performance_tenants(p, &r);
	cr_assert_eq(r.nrows, 2);
	cr_assert_eq(r.columns, report_find("TENANTS")->columns);
	report_release(&r);
	performance_queries(p, &r);
	cr_assert_eq(r.nrows, 1);
	cr_assert_eq(r.columns, report_find("QUERIES")->columns);
	report_release(&r);
}

Test(performance, cut)
{
	open_two();
	ask(&(struct report_filter){ .top = 1 }, is_cut);
	stage_close();
}

static void
is_never_called(const struct performance *p)
{
	(void)p;
	cr_assert_fail();
}

Test(performance, abandoned)
{
	struct performance_order *o;

	open_two();
	look = is_never_called;
	o = performance_ask(&stage_reports, NULL, on_done, NULL);
	performance_abandon(&o);
	cr_assert_null(o);
	performance_abandon(&o);
	cr_assert(stage_answer());
	cr_assert_not(stage_answer());
	o = performance_ask(&stage_reports, NULL, on_done, NULL);
	cr_assert(stage_answer());
	performance_abandon(&o);
	cr_assert(stage_answer());
	performance_ask(&stage_reports, NULL, on_done, NULL);
	stage_close();
}
