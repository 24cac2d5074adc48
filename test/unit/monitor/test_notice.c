#include "monitor/notice.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stage.h"

static char message[NOTICE_SIZE];
static struct alert_case what;

Test(notice, a_slow_query)
{
	struct slow_query *q = stage_slow("acme", 2310 * USEC_PER_MSEC);

	notice_of_query(&what, q, USEC_PER_SEC);
	notice_say_query(message, q, USEC_PER_SEC);
	cr_expect_eq(what.kind, ALERT_SLOW_QUERY);
	cr_expect_str_eq(what.tenant, "acme");
	cr_expect_eq(what.hash, q->hash);
	cr_expect_str_eq(what.text, "select pg_sleep($1)");
	cr_expect_float_eq(what.value, 2310, 0.001);
	cr_expect_float_eq(what.limit, 1000, 0.001);
	cr_expect_str_eq(message, "tenant acme: SELECT of user app (from 127.0.0.1:50312, application shop) took 2.31 s, "
				  "alert_query_time is 1.00 s; see SHOW SLOW_QUERIES");
	q->application_name[0] = '\0';
	notice_say_query(message, q, USEC_PER_SEC);
	cr_expect_not_null(strstr(message, "(from 127.0.0.1:50312) took"), "%s", message);
	strcpy(q->trace.application, "erp");
	notice_say_query(message, q, USEC_PER_SEC);
	cr_expect_not_null(strstr(message, "(from 127.0.0.1:50312, application erp) took"), "%s", message);
	slow_query_free(&q);
}

Test(notice, a_slow_query_of_nobody)
{
	struct slow_query *q = memory_zalloc(sizeof(*q));

	notice_of_query(&what, q, 1);
	notice_say_query(message, q, 500);
	cr_expect_str_eq(what.tenant, "?");
	cr_expect_null(what.text);
	cr_expect_not_null(strstr(message, "alert_query_time is 0.5 ms"), "%s", message);
	slow_query_free(&q);
}

Test(notice, long_names_leave_room_for_what_matters)
{
	struct slow_query *q = memory_zalloc(sizeof(*q));

	q->tenant = memory_alloc(10001);
	memset(q->tenant, 'x', 10000);
	q->tenant[10000] = '\0';
	memcpy(q->tenant + 62, "\xc3\xa4", 2);
	q->application_name = memory_strdup(q->tenant);
	q->user = memory_strdup(q->tenant);
	notice_say_query(message, q, 1);
	cr_expect_not_null(strstr(message, "see SHOW SLOW_QUERIES"), "%s", message);
	cr_expect_null(strchr(message, '\xc3'), "cut at a whole character");
	slow_query_free(&q);
}

Test(notice, a_share)
{
	struct query_alarm a = { .kind = QUERY_ALARM_SLOW_SHARE, .tenant = message, .value = 0.425, .limit = 0.05,
				 .value_hour = 0.17, .calls = 240 };
	char tenant[] = "acme";

	a.tenant = tenant;
	notice_of_alarm(&what, &a);
	notice_say_alarm(message, &a);
	cr_expect_eq(what.kind, ALERT_SLOW_SHARE);
	cr_expect_eq(what.hash, 0);
	cr_expect_float_eq(what.value, 42.5, 0.001);
	cr_expect_float_eq(what.limit, 5, 0.001);
	cr_expect_str_eq(message, "tenant acme: 42.5 % of its 240 queries of the last 5 minutes were slow (17.0 % over the "
				  "last hour), alert_slow_percent is 5; see SHOW SLOW_QUERIES");
}

Test(notice, a_regression)
{
	char tenant[] = "acme", text[] = "select 1";
	struct query_alarm a = { .kind = QUERY_ALARM_REGRESSION, .tenant = tenant, .hash = 0xabc, .text = text,
				 .value = 120000, .limit = 60000, .baseline = 30000, .calls = 57 };

	notice_of_alarm(&what, &a);
	notice_say_alarm(message, &a);
	cr_expect_eq(what.kind, ALERT_REGRESSION);
	cr_expect_eq(what.hash, 0xabc);
	cr_expect_str_eq(what.text, "select 1");
	cr_expect_float_eq(what.value, 120, 0.001);
	cr_expect_float_eq(what.limit, 60, 0.001);
	cr_expect_str_eq(message, "tenant acme: statement 0000000000000abc takes 120.0 ms (mean of 57 calls), it used to take "
				  "30.0 ms, the limit is 60.0 ms (alert_regression_percent); see SHOW QUERIES, and whether "
				  "its plan has changed");
}

static const char *
written(const struct alert *a)
{
	static struct buffer out;

	buffer_clear(&out);
	notice_write(&out, a, "pgusher", "db1");
	buffer_append(&out, "", 1);
	return (const char *)buffer_head(&out);
}

Test(notice, for_programs)
{
	char tenant[] = "a\"\xff", text[] = "select 1", said[] = "it was slow";
	struct alert a = { .id = 7, .kind = ALERT_SLOW_SHARE, .at = 1764110113123999, .tenant = tenant, .message = said,
			   .value = 12.5, .limit = 5 };

	cr_expect_str_eq(written(&a),
		"{\"event\":\"slow_share\",\"id\":7,\"at\":\"2025-11-25T22:35:13.123Z\",\"tenant\":\"a\\\"\xef\xbf\xbd\","
		"\"digest\":null,\"value\":12.500,\"limit\":5.000,\"unit\":\"percent\",\"message\":\"it was slow\","
		"\"text\":null,\"job_name\":\"pgusher\",\"host\":\"db1\"}");
	a.kind = ALERT_REGRESSION;
	a.hash = 0xabc;
	a.text = text;
	cr_expect_not_null(strstr(written(&a), "\"digest\":\"0000000000000abc\""));
	cr_expect_not_null(strstr(written(&a), "\"unit\":\"ms\""));
	cr_expect_not_null(strstr(written(&a), "\"text\":\"select 1\""));
}
