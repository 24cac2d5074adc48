#include "monitor/monitor.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "build.h"
#include "receiver.h"
#include "session/shard.h"
#include "stage.h"

#define SECOND USEC_PER_SEC

static struct monitor *monitor;

static void
setup(void)
{
	stage_begin();
	setenv("no_proxy", "*", 1);
}

static void
teardown(void)
{
	monitor_close(monitor);
	helpers_free(&stage.askers, NULL);
	mailbox_free(&stage.mailbox, NULL);
	monitor_free(&monitor);
	stage_end();
}

TestSuite(monitor, .init = setup, .fini = teardown, .timeout = 60);

static void
start(const char *lines)
{
	stage_configure(lines);
	monitor = monitor_new(stage.loop, stage.mailbox, 0, stage.askers, &stage.inquirer, stage.config);
}

static void
reload(const char *lines)
{
	stage_configure(lines);
	monitor_set_config(monitor, stage.config);
}

static void
report_slow(const char *tenant, usec_t total)
{
	monitor_slow_query(monitor, stage_slow(tenant, total));
}

static size_t
count_slow(void)
{
	const struct slow_query *q = NULL;
	size_t n = 0;

	while ((q = monitor_next_slow(monitor, q)) != NULL)
		n++;
	return n;
}

static size_t
count_alerts(void)
{
	const struct alert *a = NULL;
	size_t n = 0;

	while ((a = monitor_next_alert(monitor, a)) != NULL)
		n++;
	return n;
}

Test(monitor, a_slow_query_is_written_kept_and_judged)
{
	start("alert_query_time = 3000");
	report_slow("acme", 2 * SECOND);
	report_slow("mill", 3 * SECOND);
	cr_expect_eq(stage_logged("slow query: {"), 2);
	cr_assert_eq(count_slow(), 2);
	cr_expect_str_eq(monitor_next_slow(monitor, NULL)->tenant, "mill");
	cr_assert_eq(count_alerts(), 1);
	cr_expect_str_eq(monitor_next_alert(monitor, NULL)->tenant, "mill");
	cr_expect_eq(monitor_next_alert(monitor, NULL)->delivery, DELIVERY_NONE);
	cr_expect_eq(stage_logged("WARNING alert 1 (slow_query): tenant mill: SELECT of user app"), 1);
	cr_expect_eq(monitor_counts(monitor)->slow_queries, 2);
	cr_expect_eq(monitor_counts(monitor)->alerts[ALERT_SLOW_QUERY], 1);
}

Test(monitor, an_alert_cools_down)
{
	start("alert_query_time = 1000");
	for (int i = 0; i < 5; i++)
		report_slow("acme", 2 * SECOND);
	cr_assert_eq(count_alerts(), 1);
	cr_expect_eq(monitor_next_alert(monitor, NULL)->times, 5);
	cr_expect_eq(monitor_counts(monitor)->alerts[ALERT_SLOW_QUERY], 1);
	reload("alert_query_time = 1000\nalert_cooldown = 0");
	report_slow("acme", 2 * SECOND);
	cr_expect_eq(count_alerts(), 2);
}

Test(monitor, alerts_of_queries_can_be_off)
{
	start("alert_query_time = 0");
	report_slow("acme", 2000 * SECOND);
	cr_expect_eq(count_alerts(), 0);
}

Test(monitor, the_last_thousand_are_kept)
{
	start("alert_query_time = 0\nslow_query_log = off");
	for (int i = 0; i < SLOW_KEPT + 7; i++)
		report_slow("acme", 2 * SECOND + i);
	cr_expect_eq(count_slow(), SLOW_KEPT);
	cr_expect_eq(monitor_next_slow(monitor, NULL)->sample.total, 2 * SECOND + SLOW_KEPT + 6);
	cr_expect_eq(monitor_counts(monitor)->slow_queries, SLOW_KEPT + 7);
	cr_expect_eq(monitor_counts(monitor)->slow_lost, 0);
}

/* A plan of a megabyte each. */
Test(monitor, what_is_kept_has_a_bound_in_bytes)
{
	start("alert_query_time = 0\nslow_query_log = off");
	for (int i = 0; i < 40; i++) {
		struct slow_query *q = stage_slow("acme", 2 * SECOND);

		q->plan = memory_zalloc((1 << 20) + 1);
		memset(q->plan, ' ', 1 << 20);
		monitor_slow_query(monitor, q);
	}
	cr_expect_eq(count_slow(), 15);
}

Test(monitor, settings_change)
{
	char lines[256];

	start("alert_query_time = 0");
	report_slow("acme", 2 * SECOND);
	snprintf(lines, sizeof(lines), "slow_query_log = %s\nslow_query_log_rate = 2\nalert_query_time = 0",
		 stage_path("slow"));
	reload(lines);
	report_slow("acme", 2 * SECOND);
	report_slow("acme", 2 * SECOND);
	cr_expect_eq(stage_lines("slow"), 1);
	cr_expect_eq(monitor_counts(monitor)->slow_lost, 1);
	cr_expect_eq(stage_logged("slow query: {"), 1);
	cr_assert_eq(rename(stage_path("slow"), stage_path("slow.1")), 0);
	monitor_reopen(monitor);
	cr_expect_eq(access(stage_path("slow"), F_OK), 0);
}

Test(monitor, reset_forgets)
{
	start("alert_query_time = 1000");
	report_slow("acme", 2 * SECOND);
	monitor_reset(monitor);
	cr_expect_eq(count_slow(), 0);
	cr_expect_eq(count_alerts(), 0);
	cr_expect_eq(monitor_counts(monitor)->slow_queries, 1, "what is counted for metrics never goes back");
	report_slow("acme", 2 * SECOND);
	cr_expect_eq(count_alerts(), 1, "nothing cools down any more");
}

/* ---- what the workers tell ---- */

static struct query_tenant *tenants[WORKERS];

static void
run_queries(int worker, const char *name, int n, bool slow)
{
	static const char text[] = "select pg_sleep(1)";
	struct query_sample q = { .total = slow ? 2 * SECOND : 1000, .slow = slow, .rows = 1 };
	struct sql_digest d;
	bool fresh;

	sql_digest(text, sizeof(text) - 1, &d);
	if (tenants[worker] == NULL)
		tenants[worker] = query_tenant_new(&stage.shards[worker].queries, name);
	while (n-- > 0) {
		struct query_entry *e = query_open(tenants[worker], &d, text, sizeof(text) - 1, clock_now(), &fresh);

		query_count(e, &q, clock_now());
	}
}

static bool
has_asked(void *arg)
{
	return stage.asked >= *(int *)arg && monitor_next_alert(monitor, NULL) != NULL;
}

static bool
has_history(void *arg)
{
	const struct history_point *points;
	size_t n = monitor_history(monitor, &points);

	return n > 0 && points[n - 1].n.calls == *(uint64_t *)arg;
}

Test(monitor, sums_of_all_workers_become_history)
{
	const struct history_point *points;
	uint64_t calls = 30;

	start("alert_baseline_period = 1\nalert_slow_percent = 0");
	cr_expect_eq(monitor_history(monitor, &points), 0);
	run_queries(0, "acme", 10, false);
	run_queries(1, "mill", 20, false);
	stage_until(has_history, &calls, "history");
	monitor_history(monitor, &points);
	cr_expect(points[0].p50 >= 930 && points[0].p50 <= 1070, "%lld", (long long)points[0].p50);
	cr_expect_eq(points[0].n.rows, 30);
	monitor_reset(monitor);
	cr_expect_eq(monitor_history(monitor, &points), 0);
}

Test(monitor, a_share_of_slow_queries_is_an_alert)
{
	const struct alert *a;
	int asked = 2;

	start("alert_baseline_period = 1\nalert_slow_percent = 5\nalert_min_queries = 20");
	run_queries(0, "acme", 90, false);
	run_queries(0, "acme", 10, true);
	run_queries(1, "mill", 100, false);
	stage_until(has_asked, &asked, "the alarm");
	cr_assert_eq(count_alerts(), 1);
	a = monitor_next_alert(monitor, NULL);
	cr_expect_eq(a->kind, ALERT_SLOW_SHARE);
	cr_expect_str_eq(a->tenant, "acme");
	cr_expect_float_eq(a->value, 10, 0.01);
	cr_expect_float_eq(a->limit, 5, 0.01);
	cr_expect_eq(a->times, (uint64_t)stage.asked, "%d", stage.asked);
	cr_expect_eq(monitor_counts(monitor)->alerts[ALERT_SLOW_SHARE], 1);
}

/* ---- the webhook ---- */

static bool
is_delivered(void *arg)
{
	const struct alert *a = monitor_next_alert(monitor, NULL);

	(void)arg;
	return a != NULL && a->delivery != DELIVERY_PENDING;
}

#ifdef HAVE_CURL
Test(monitor, an_alert_goes_to_the_webhook)
{
	static const struct receiver_line script[] = { { .status = 200 }, { .status = 404 } };
	struct receiver *receiver = receiver_open(script, 2);
	char lines[256];
	json_t *v;

	snprintf(lines, sizeof(lines), "alert_query_time = 1000\nalert_webhook_url = %s\nalert_webhook_secret = k",
		 receiver_url(receiver));
	start(lines);
	report_slow("acme", 2 * SECOND);
	cr_expect_eq(monitor_next_alert(monitor, NULL)->delivery, DELIVERY_PENDING);
	stage_until(is_delivered, NULL, "delivered");
	cr_expect_eq(monitor_next_alert(monitor, NULL)->delivery, DELIVERY_SENT);
	cr_expect_eq(monitor_counts(monitor)->webhook_sent, 1);
	v = json_loads(receiver_get(receiver, 0)->body, 0, NULL);
	cr_assert_not_null(v);
	cr_expect_str_eq(json_string_value(json_object_get(v, "tenant")), "acme");
	cr_expect_str_eq(json_string_value(json_object_get(v, "message")), monitor_next_alert(monitor, NULL)->message);
	json_decref(v);
	report_slow("mill", 2 * SECOND);
	stage_until(is_delivered, NULL, "delivered");
	cr_expect_eq(monitor_next_alert(monitor, NULL)->delivery, DELIVERY_FAILED);
	cr_expect_eq(monitor_counts(monitor)->webhook_failed, 1);
	receiver_close(&receiver);
}

#else
Test(monitor, without_libcurl_an_address_is_warned_of)
{
	start("alert_query_time = 1000\nalert_webhook_url = http://127.0.0.1:1/");
	cr_expect_eq(stage_logged("built without libcurl"), 1);
	report_slow("acme", 2 * SECOND);
	cr_expect(is_delivered(NULL));
	cr_expect_eq(monitor_next_alert(monitor, NULL)->delivery, DELIVERY_NONE);
}
#endif

static const char *const kinds[] = { "slow_query", "slow_share", "regression" };
static const char *const deliveries[] = { "none", "pending", "sent", "failed", "dropped" };

Test(monitor_names, all)
{
	for (int i = 0; i < (int)lengthof(kinds); i++)
		cr_expect_str_eq(alert_kind_name((enum alert_kind)i), kinds[i]);
	for (int i = 0; i < (int)lengthof(deliveries); i++)
		cr_expect_str_eq(alert_delivery_name((enum alert_delivery)i), deliveries[i]);
}
