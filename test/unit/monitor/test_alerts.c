#include "monitor/alerts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stage.h"

#define SECOND USEC_PER_SEC
#define COOLDOWN (300 * SECOND)

static struct alerts *alerts;
static usec_t now;

static void
setup(void)
{
	stage_begin();
	alerts = alerts_new();
	now = 1000 * SECOND;
}

static void
teardown(void)
{
	alerts_free(&alerts);
	stage_end();
}

TestSuite(alerts, .init = setup, .fini = teardown, .timeout = 60);

static const struct alert *
raise_alert(enum alert_kind kind, const char *tenant, uint64_t hash)
{
	struct alert_case what = { .kind = kind, .tenant = tenant, .hash = hash, .text = "select 1", .value = 2000,
				   .limit = 1000, .message = "it was slow" };

	return alerts_raise(alerts, &what, COOLDOWN, now);
}

static size_t
count_alerts(void)
{
	const struct alert *a = NULL;
	size_t n = 0;

	while ((a = alerts_next(alerts, a)) != NULL)
		n++;
	return n;
}

Test(alerts, is_told_and_kept)
{
	const struct alert *a = raise_alert(ALERT_SLOW_QUERY, "acme", 7);

	cr_assert_not_null(a);
	cr_expect_eq(a->id, 1);
	cr_expect_eq(a->times, 1);
	cr_expect_eq(a->at, a->last_at);
	cr_expect_str_eq(a->tenant, "acme");
	cr_expect_str_eq(a->text, "select 1");
	cr_expect_str_eq(a->message, "it was slow");
	cr_expect_eq(a->delivery, DELIVERY_NONE);
	cr_expect_eq(alerts_next(alerts, NULL), a);
	cr_expect_null(alerts_next(alerts, a));
	cr_expect_eq(stage_logged("WARNING alert 1 (slow_query): it was slow\n"), 1);
}

Test(alerts, the_same_is_counted_while_it_cools_down)
{
	const struct alert *a = raise_alert(ALERT_SLOW_QUERY, "acme", 7);

	now += COOLDOWN - 1;
	cr_expect_null(raise_alert(ALERT_SLOW_QUERY, "acme", 7));
	cr_expect_eq(a->times, 2);
	cr_expect_geq(a->last_at, a->at);
	now += 1;
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "acme", 7));
	cr_expect_eq(count_alerts(), 2);
	cr_expect_eq(stage_logged("WARNING alert"), 2);
}

Test(alerts, kind_tenant_and_digest_make_a_case)
{
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "acme", 7));
	cr_expect_not_null(raise_alert(ALERT_REGRESSION, "acme", 7));
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "acme", 8));
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "acme2", 7));
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "", 7));
	cr_expect_eq(count_alerts(), 5);
}

Test(alerts, without_a_cool_down_each_is_told)
{
	struct alert_case what = { .kind = ALERT_SLOW_QUERY, .tenant = "acme", .message = "m" };

	for (int i = 0; i < 3; i++)
		cr_expect_not_null(alerts_raise(alerts, &what, 0, now));
	cr_expect_eq(count_alerts(), 3);
	cr_expect_null(alerts_next(alerts, NULL)->text);
}

/* SET alert_cooldown counts for what cools down already. */
Test(alerts, a_shorter_cool_down_counts_at_once)
{
	struct alert_case what = { .kind = ALERT_SLOW_QUERY, .tenant = "acme", .message = "m" };

	cr_expect_not_null(alerts_raise(alerts, &what, COOLDOWN, now));
	now += 10 * SECOND;
	cr_expect_null(alerts_raise(alerts, &what, COOLDOWN, now));
	cr_expect_not_null(alerts_raise(alerts, &what, 5 * SECOND, now));
}

Test(alerts, the_latest_come_first)
{
	const struct alert *a = NULL;

	for (uint64_t i = 1; i <= 5; i++)
		raise_alert(ALERT_SLOW_QUERY, "acme", i);
	for (uint64_t i = 5; i >= 1; i--) {
		a = alerts_next(alerts, a);
		cr_expect_eq(a->hash, i);
	}
}

Test(alerts, so_many_are_kept)
{
	const struct alert *a = NULL;

	for (uint64_t i = 1; i <= ALERTS_KEPT + 5; i++)
		raise_alert(ALERT_SLOW_QUERY, "acme", i);
	cr_expect_eq(count_alerts(), ALERTS_KEPT);
	cr_expect_eq(alerts_next(alerts, NULL)->id, ALERTS_KEPT + 5);
	while (alerts_next(alerts, a) != NULL)
		a = alerts_next(alerts, a);
	cr_expect_eq(a->id, 6);
	/* One that was dropped still cools down, and has nothing to be counted in. */
	cr_expect_null(raise_alert(ALERT_SLOW_QUERY, "acme", 1));
	cr_expect_eq(count_alerts(), ALERTS_KEPT);
}

Test(alerts, a_flood_of_one_kind_becomes_a_number)
{
	for (uint64_t i = 1; i <= COOLING_MAX; i++)
		cr_assert_not_null(raise_alert(ALERT_SLOW_QUERY, "acme", i));
	for (uint64_t i = 1; i <= 10; i++)
		cr_expect_null(raise_alert(ALERT_SLOW_QUERY, "other", i));
	cr_expect_not_null(raise_alert(ALERT_SLOW_SHARE, "other", 0), "other kinds are told yet");
	alerts_tick(alerts, COOLDOWN, now);
	alerts_tick(alerts, COOLDOWN, now);
	cr_expect_eq(stage_logged("10 more alerts were not told"), 1);
	raise_alert(ALERT_SLOW_QUERY, "other", 1);
	alerts_tick(alerts, COOLDOWN, now + 59 * SECOND);
	cr_expect_eq(stage_logged("more alerts were not told"), 1);
	alerts_tick(alerts, COOLDOWN, now + 60 * SECOND);
	cr_expect_eq(stage_logged("1 more alerts were not told"), 1);
	now += COOLDOWN;
	cr_expect_not_null(raise_alert(ALERT_SLOW_QUERY, "other", 1));
}

Test(alerts, delivery)
{
	const struct alert *first = raise_alert(ALERT_SLOW_QUERY, "acme", 1);
	const struct alert *second = raise_alert(ALERT_SLOW_QUERY, "acme", 2);

	alerts_deliver(alerts, 2, DELIVERY_PENDING);
	cr_expect_eq(first->delivery, DELIVERY_NONE);
	cr_expect_eq(second->delivery, DELIVERY_PENDING);
	alerts_deliver(alerts, 2, DELIVERY_SENT);
	cr_expect_eq(second->delivery, DELIVERY_SENT);
	alerts_deliver(alerts, 99, DELIVERY_SENT);
}

Test(alerts, reset_forgets_all_but_the_numbers)
{
	raise_alert(ALERT_SLOW_QUERY, "acme", 1);
	raise_alert(ALERT_SLOW_QUERY, "acme", 2);
	alerts_reset(alerts);
	cr_expect_null(alerts_next(alerts, NULL));
	cr_expect_eq(raise_alert(ALERT_SLOW_QUERY, "acme", 1)->id, 3);
}

Test(alerts, a_long_text_is_cut_at_a_whole_character)
{
	char *text = memory_zalloc(2 * ALERT_TEXT_MAX);
	struct alert_case what = { .kind = ALERT_REGRESSION, .tenant = "acme", .text = text, .message = "m" };

	memset(text, 'x', 2 * ALERT_TEXT_MAX - 1);
	memcpy(text + ALERT_TEXT_MAX - 1, "\xc3\xa4", 2);
	cr_expect_eq(strlen(alerts_raise(alerts, &what, COOLDOWN, now)->text), ALERT_TEXT_MAX - 1);
	free(text);
}

/* The message is not made for what is only counted. */
Test(alerts, can_be_counted_without_words)
{
	struct alert_case what = { .kind = ALERT_SLOW_QUERY, .tenant = "acme", .hash = 7 };

	cr_expect_not(alerts_count(alerts, &what, COOLDOWN, now));
	raise_alert(ALERT_SLOW_QUERY, "acme", 7);
	cr_expect(alerts_count(alerts, &what, COOLDOWN, now));
	cr_expect_eq(alerts_next(alerts, NULL)->times, 2);
}
