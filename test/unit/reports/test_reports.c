#include "reports/reports.h"

#include <criterion/criterion.h>

#include "base/memory.h"
#include "stage.h"

#define OF(name) &(struct report_filter){ .tenant = name }
#define TOP(n) &(struct report_filter){ .top = n }
#define BY(order_, n) &(struct report_filter){ .order = order_, .top = n }

Test(reports, are_found_without_case)
{
	cr_assert_eq(report_find("queries"), report_find("QUERIES"));
	cr_assert_null(report_find("QUERY"));
	cr_assert_null(report_find(""));
}

Test(reports, are_walked_once)
{
	int n = 0;

	for (const struct report_kind *k = report_next(NULL); k != NULL; k = report_next(k)) {
		cr_assert_eq(report_find(k->name), k);
		cr_assert_not_null(k->help);
		cr_assert_gt(k->ncolumns, 0);
		cr_assert_lt(++n, 100);
	}
	cr_assert_gt(n, 20);
}

/* --- of one tenant --- */

Test(reports, of_an_unknown_tenant)
{
	static const char *const all[] = { "QUERIES", "TENANTS", "SLOW_QUERIES", "ALERTS", "LATENCY", "POOLS" };

	stage_open(2, "acme", "");
	for (size_t i = 0; i < lengthof(all); i++) {
		cr_assert(report_find(all[i])->takes_tenant);
		stage_expect(all[i], OF("acme2"), "", "3D000");
		cr_assert_str_neq(stage_show(all[i], OF("acme"), ""), "3D000");
	}
	stage_close();
}

/* CONFIG is of no tenant: the filter is not for it. */
Test(reports, that_take_no_tenant)
{
	stage_open(1, "acme", "");
	stage_expect("STATE", OF("nobody"), "key|value", "active|yes\npaused|no\nsuspended|no\n");
	stage_close();
}

/* --- QUERIES --- */

Test(queries, of_all_tenants_and_of_one)
{
	stage_open(2, "acme beta gamma delta", "");
	for (int i = 0; i < 3; i++)
		stage_ran("acme", "select 1", 1000);
	stage_ran("beta", "select 2", 5000);
	stage_ran("gamma", "select 3", 1000);
	stage_ran("gamma", "update t set a = 1", 2500);
	stage_expect("QUERIES", NULL, "kind|calls|total_ms|mean_ms|max_ms|tenants|text",
		"SELECT|5|9.000|1.800|5.000|3|select $1\n"
		"UPDATE|1|2.500|2.500|2.500|1|update t set a = $1\n");
	stage_expect("QUERIES", OF("gamma"), "kind|calls|total_ms|text",
		"UPDATE|1|2.500|update t set a = $1\n"
		"SELECT|1|1.000|select $1\n");
	stage_expect("QUERIES", OF("delta"), "text", "");
	stage_close();
}

Test(queries, every_column)
{
	const struct query_sample q = {
		.wait = 300,
		.first_byte = 1000,
		.total = 2001,
		.blocked = 10,
		.rows = 7,
		.bytes_in = 11,
		.bytes_out = 22,
		.failed = true,
		.slow = true,
	};

	stage_open(1, "acme", "");
	stage_ran_as("acme", "select 1", &q);
	stage_ran_as("acme", "select 1", &(struct query_sample){ .total = 1000, .rows = 1, .wait = 100 });
	/* Percentiles are the middle of their bucket, [992, 1023] and [1984, 2047], but no more than the longest. */
	stage_expect("QUERIES", NULL,
		"kind|calls|errors|slow|rows|total_ms|mean_ms|p50_ms|p95_ms|p99_ms|max_ms|wait_ms|cache_hits|tenants|tables|text",
		"SELECT|2|1|1|8|3.001|1.501|1.007|2.001|2.001|2.001|0.200|0|1|NULL|select $1\n");
	stage_close();
}

Test(queries, are_sorted_and_cut)
{
	stage_open(2, "acme gamma", "");
	for (int i = 0; i < 4; i++)
		stage_ran("acme", "select a", 1000);
	stage_ran("acme", "select b", 3000);
	stage_ran("gamma", "select c", 2000);
	stage_ran("gamma", "select b", 2000);
	stage_expect("QUERIES", TOP(2), "text", "select b\nselect a\n");
	stage_expect("QUERIES", BY(QUERY_BY_CALLS, 1), "text", "select a\n");
	stage_expect("QUERIES", BY(QUERY_BY_MAX, 3), "max_ms|text", "3.000|select b\n2.000|select c\n1.000|select a\n");
	stage_close();
}

/* What is second on each worker is first of all. */
Test(queries, top_over_workers)
{
	stage_open(2, "acme gamma", "");
	cr_assert_neq(tenant_worker("acme", 2), tenant_worker("gamma", 2));
	stage_ran("acme", "select only_acme", 5000);
	stage_ran("gamma", "select only_gamma", 5000);
	stage_ran("acme", "select both", 4000);
	stage_ran("gamma", "select both", 4000);
	stage_expect("QUERIES", TOP(1), "total_ms|tenants|text", "8.000|2|select both\n");
	stage_close();
}

/* --- TENANTS --- */

Test(tenants, in_use)
{
	stage_open(2, "acme beta gamma", "");
	stage_ran("acme", "select 1", 1000);
	stage_ran_as("beta", "select 1",
		&(struct query_sample){ .total = 3000, .slow = true, .rows = 2, .bytes_in = 10, .bytes_out = 30 });
	stage_ran("beta", "select 1", 1000);
	stage_tenant("beta")->nclients = 4;
	stage_tenant("beta")->nservers = 2;
	stage_tenant("gamma")->nclients = 1;
	stage_expect("TENANTS", NULL,
		"tenant|clients|servers|calls|errors|slow|slow_percent|rows|total_ms|mean_ms|max_ms|wait_ms|bytes_in|bytes_out",
		"beta|4|2|2|0|1|50.00|2|4.000|2.000|3.000|0.000|10|30\n"
		"acme|0|0|1|0|0|0.00|0|1.000|1.000|1.000|0.000|0|0\n"
		"gamma|1|0|0|0|0|NULL|0|0.000|NULL|NULL|NULL|0|0\n");
	stage_expect("TENANTS", OF("beta"), "tenant|clients|calls|p50_ms", "beta|4|2|1.007\n");
	stage_expect("TENANTS", OF("gamma"), "tenant|clients|calls|p50_ms", "gamma|1|0|NULL\n");
	stage_close();
}

Test(tenants, rest)
{
	stage_open(2, "t0 t1 t2 t3 t4 t5 idle", "");
	for (int i = 0; i < 6; i++) {
		char name[] = { 't', (char)('0' + i), '\0' };

		for (int n = 0; n <= i; n++)
			stage_ran(name, "select 1", 1000);
		stage_tenant(name)->nclients = 10 * i;
	}
	stage_tenant("idle")->nclients = 1;
	stage_expect("TENANTS", TOP(2), "tenant|clients|calls|total_ms|p50_ms",
		"t5|50|6|6.000|1.000\n"
		"t4|40|5|5.000|1.000\n"
		"other|61|10|10.000|1.000\n");
	stage_expect("TENANTS", TOP(6), "tenant|clients|calls",
		"t5|50|6\nt4|40|5\nt3|30|4\nt2|20|3\nt1|10|2\nt0|0|1\nother|1|0\n");
	stage_expect("TENANTS", TOP(7), "tenant|clients|calls",
		"t5|50|6\nt4|40|5\nt3|30|4\nt2|20|3\nt1|10|2\nt0|0|1\nidle|1|0\n");
	stage_close();
}

/* --- LATENCY --- */

Test(latency, octaves)
{
	static const usec_t took[] = { 0, 15, 16, 31, 1000, 1024, 1500, 2047, 2048, 1LL << 40 };

	stage_open(2, "acme beta", "");
	stage_expect("LATENCY", NULL, "from_ms", "");
	for (size_t i = 0; i < lengthof(took); i++)
		stage_ran(i % 2 ? "acme" : "beta", "select 1", took[i]);
	stage_expect("LATENCY", NULL, "from_ms|to_ms|count|percent|cumulative_percent",
		"0.000|0.016|2|20.00|20.00\n"
		"0.016|0.032|2|20.00|40.00\n"
		"0.512|1.024|1|10.00|50.00\n"
		"1.024|2.048|3|30.00|80.00\n"
		"2.048|4.096|1|10.00|90.00\n"
		"34359738.368|NULL|1|10.00|100.00\n");
	stage_expect("LATENCY", OF("acme"), "from_ms|count|cumulative_percent",
		"0.000|1|20.00\n0.016|1|40.00\n1.024|2|80.00\n34359738.368|1|100.00\n");
	stage_close();
}

/* --- what the monitor keeps --- */

Test(slow_queries, latest_first)
{
	struct slow_query *q;

	stage_open(2, "acme beta", "");
	monitor_slow_query(stage_reports.monitor, stage_slow_query("acme", "select first", 2000000));
	q = stage_slow_query("beta", "select second", 3000000);
	q->at = 1790000000123456;
	q->database = memory_strdup("beta_db");
	q->client = memory_strdup("127.0.0.1:5000");
	q->application_name = memory_strdup("erp");
	q->sample.wait = 1500;
	q->sample.first_byte = 2500;
	q->sample.blocked = 500;
	q->sample.rows = 3;
	q->sample.bytes_in = 4;
	q->sample.bytes_out = 5;
	strcpy(q->sqlstate, "57014");
	strcpy(q->trace.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	strcpy(q->trace.application, "shop");
	strcpy(q->trace.route, "/orders");
	q->plan = memory_strdup("[]");
	q->plan_note = memory_strdup("none");
	monitor_slow_query(stage_reports.monitor, q);
	stage_expect("SLOW_QUERIES", NULL, "tenant|total_ms|text",
		"beta|3000.000|select second\nacme|2000.000|select first\n");
	stage_expect("SLOW_QUERIES", OF("beta"),
		"at|tenant|user|database|client|application_name|kind|total_ms|wait_ms|first_byte_ms|blocked_ms|rows|bytes_in|bytes_out|sqlstate|traceparent|application|route|plan|plan_note|text",
		"2026-09-21T14:13:20.123Z|beta|alice|beta_db|127.0.0.1:5000|erp|SELECT|3000.000|1.500|2.500|0.500|3|4|5|57014|"
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01|shop|/orders|[]|none|select second\n");
	stage_expect("SLOW_QUERIES", OF("acme"), "database|sqlstate|traceparent|application|route|plan|plan_note",
		"NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
	stage_expect("SLOW_QUERIES", TOP(1), "tenant", "beta\n");
	stage_close();
}

/* Of a tenant that is gone, what it did is told still. */
Test(slow_queries, of_one_who_is_gone)
{
	stage_open(1, "acme", "");
	monitor_slow_query(stage_reports.monitor, stage_slow_query("gone", "select 1", 2000000));
	stage_expect("SLOW_QUERIES", OF("gone"), "tenant", "gone\n");
	stage_expect("SLOW_QUERIES", OF("acme"), "tenant", "");
	stage_close();
}

Test(alerts, of_a_slow_query)
{
	stage_open(1, "acme beta", "alert_query_time = 5000");
	monitor_slow_query(stage_reports.monitor, stage_slow_query("acme", "select 1", 4000000));
	monitor_slow_query(stage_reports.monitor, stage_slow_query("beta", "select 1", 6500000));
	monitor_slow_query(stage_reports.monitor, stage_slow_query("beta", "select 1", 7000000));
	stage_expect("ALERTS", NULL, "id|kind|tenant|value|limit|times|delivery|text",
		"1|slow_query|beta|6500.000|5000.000|2|none|select 1\n");
	stage_expect("ALERTS", OF("acme"), "id", "");
	stage_expect("ALERTS", OF("beta"), "id", "1\n");
	stage_close();
}

/* --- orders --- */

static void
count_answers(void *arg, struct report *rows, const struct error *e)
{
	(void)rows;
	(void)e;
	++*(int *)arg;
}

Test(reports, abandoned)
{
	struct report_order *o;
	int answers = 0;

	stage_open(2, "acme", "");
	o = report_ask(&stage_reports, report_find("QUERIES"), OF("acme"), count_answers, &answers);
	report_abandon(&o);
	cr_assert_null(o);
	report_abandon(&o);
	cr_assert(stage_answer());
	cr_assert_eq(answers, 0);
	stage_close();
}

/* The process ends before the workers were visited; nothing may leak. */
Test(reports, under_way_at_the_end)
{
	int answers = 0;

	stage_open(2, "acme", "");
	stage_ran("acme", "select 1", 1000);
	report_ask(&stage_reports, report_find("QUERIES"), OF("acme"), count_answers, &answers);
	stage_close();
	cr_assert_eq(answers, 0);
}

/* --- of tenants and hosts --- */

Test(tenants, state_and_source)
{
	stage_open(2, "acme beta gamma", "");
	stage_tenant("acme")->nclients = 1;
	stage_tenant("beta")->paused = true;
	stage_tenant("gamma")->disabled = true;
	stage_expect("TENANT", OF("acme"), "tenant|state|source|host|port|workers|clients",
		"acme|active|star|127.0.0.1|5432|1|1\n");
	stage_expect("TENANT", OF("beta"), "state", "paused\n");
	stage_expect("TENANT", OF("gamma"), "state", "disabled\n");
	stage_expect("TENANTS", OF("gamma"), "state|host|port|source|weight|waiting",
		"disabled|127.0.0.1|5432|star|1|0\n");
	stage_close();
}

/* "*" knows it. */
Test(tenants, not_in_use)
{
	stage_open(2, "acme", "");
	stage_expect("TENANT", OF("other"), "tenant|state|source|workers|clients", "other|idle|star|0|0\n");
	stage_close();
}

/* There is nothing of these here. */
Test(reports, without_hosts_limits_and_bans)
{
	stage_open(1, "acme", "");
	stage_expect("HOSTS", NULL, "host", "");
	stage_expect("LIMITS", NULL, "name", "");
	stage_expect("BANS", NULL, "network", "");
	stage_expect("THREATS", NULL, "at", "");
	stage_expect("CATALOGUE", NULL, "configured|connected|known|answered_at", "no|no|0|NULL\n");
	stage_close();
}
