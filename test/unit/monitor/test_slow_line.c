#include "monitor/slow_line.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stage.h"

static struct slow_query *q;
static struct buffer out;

static void
setup(void)
{
	q = stage_slow("acme", 1234567);
	buffer_init(&out);
}

static void
teardown(void)
{
	slow_query_free(&q);
	buffer_release(&out);
}

TestSuite(slow_line, .init = setup, .fini = teardown);

static void
set(char **field, const char *value)
{
	free(*field);
	*field = value == NULL ? NULL : memory_strdup(value);
}

static const char *
write_text(size_t size)
{
	buffer_clear(&out);
	cr_assert(slow_line_write(&out, q, size));
	buffer_append(&out, "", 1);
	cr_assert_null(strchr((const char *)buffer_head(&out), '\n'));
	return (const char *)buffer_head(&out);
}

static json_t *
write_and_read(size_t size)
{
	const char *text = write_text(size);
	json_error_t e;
	json_t *v = json_loads(text, JSON_ALLOW_NUL, &e);

	cr_assert_not_null(v, "%s: %s", e.text, text);
	return v;
}

static const char *
text_of(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s == NULL ? "(none)" : s;
}

Test(slow_line, says_everything)
{
	memcpy(q->sqlstate, "57014", 6);
	strcpy(q->trace.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	strcpy(q->trace.route, "/orders");
	q->nparams = 3;
	q->ntypes = 2;
	q->types[0] = 23;
	q->types[1] = 4294967295;
	q->values = memory_strdup("[\"1\", null, \"x\"]");
	q->plan = memory_strdup("[\n  {\n    \"Plan\": { \"Node Type\": \"Result\", \"Total Cost\": 0.01 }\n  }\n]");
	cr_expect_str_eq(write_text(0),
		"{\"at\":\"2025-11-25T22:35:13.123Z\",\"tenant\":\"acme\",\"user\":\"app\",\"database\":\"acme_live\","
		"\"client\":\"127.0.0.1:50312\",\"application_name\":\"shop\",\"digest\":\"0123456789abcdef\","
		"\"kind\":\"SELECT\",\"text\":\"select pg_sleep($1)\",\"threshold_ms\":1000.000,\"wait_ms\":1.500,"
		"\"first_byte_ms\":0.020,\"total_ms\":1234.567,\"blocked_ms\":0.007,\"rows\":3,\"bytes_in\":40,"
		"\"bytes_out\":90,\"sqlstate\":\"57014\",\"trace\":{\"traceparent\":"
		"\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\"route\":\"/orders\"},"
		"\"parameter_count\":3,\"parameter_types\":[23,4294967295],\"parameters\":[\"1\",null,\"x\"],"
		"\"plan\":[{\"Plan\":{\"Node Type\":\"Result\",\"Total Cost\":0.01}}]}");
}

Test(slow_line, has_the_same_keys_when_nothing_is_known)
{
	json_t *v;

	set(&q->tenant, NULL);
	set(&q->user, NULL);
	set(&q->database, NULL);
	set(&q->client, NULL);
	set(&q->application_name, NULL);
	set(&q->text, NULL);
	q->hash = 0;
	q->plan_note = memory_strdup("no server of this pool was idle");
	v = write_and_read(0);
	cr_expect(json_is_null(json_object_get(v, "tenant")));
	cr_expect(json_is_null(json_object_get(v, "digest")));
	cr_expect(json_is_null(json_object_get(v, "text")));
	cr_expect(json_is_null(json_object_get(v, "sqlstate")));
	cr_expect(json_is_object(json_object_get(v, "trace")));
	cr_expect(json_is_array(json_object_get(v, "parameter_types")));
	cr_expect_null(json_object_get(v, "parameters"));
	cr_expect_null(json_object_get(v, "plan"));
	cr_expect_str_eq(text_of(v, "plan_note"), "no server of this pool was idle");
	json_decref(v);
}

/* A server and a client may say what they like. */
Test(slow_line, what_is_no_json_is_not_put_in)
{
	static const char *const wrong[] = { "", "[", "{}}", "[\"a]", "[1,]", "hello", "[{\"a\":1}], \"tenant\": \"other\"",
					     "]", "[\"\\ud800\"]", "[1e999999]" };

	for (size_t i = 0; i < lengthof(wrong); i++) {
		json_t *v;

		set(&q->plan, wrong[i]);
		set(&q->values, wrong[i]);
		v = write_and_read(0);
		cr_expect_null(json_object_get(v, "plan"), "case %zu", i);
		cr_expect_null(json_object_get(v, "parameters"), "case %zu", i);
		cr_expect_str_eq(text_of(v, "plan_note"), "the server's answer is not JSON", "case %zu", i);
		cr_expect_str_eq(text_of(v, "tenant"), "acme");
		json_decref(v);
	}
}

Test(slow_line, any_byte_may_come_from_a_peer)
{
	for (int c = 1; c < 256; c++) {
		const char text[] = { 'a', (char)c, 'b', '\0' };
		char raw[] = { '[', '"', (char)c, 'x', '"', ']', '\0' };
		json_t *v;

		set(&q->tenant, text);
		set(&q->user, text);
		set(&q->application_name, text);
		set(&q->text, text);
		set(&q->values, raw);
		set(&q->plan, raw);
		v = write_and_read(0);
		cr_expect_eq(strlen(text_of(v, "application_name")), c < 0x80 ? 3 : 5, "byte %d", c);
		json_decref(v);
	}
}

static char *
make_text(size_t n, char c)
{
	char *text = memory_alloc(n + 1);

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

Test(slow_line, what_is_too_long_loses_its_plan_first)
{
	char *plan = make_text(5000, ' ');
	json_t *v;

	memcpy(plan, "[\"", 2);
	memset(plan + 2, 'x', 4996);
	memcpy(plan + 4998, "\"]", 2);
	set(&q->plan, plan);
	set(&q->values, "[\"1\"]");
	v = write_and_read(0);
	cr_expect_not_null(json_object_get(v, "plan"));
	json_decref(v);
	v = write_and_read(3900);
	cr_expect_null(json_object_get(v, "plan"));
	cr_expect_not_null(strstr(text_of(v, "plan_note"), "slow_query_log"));
	cr_expect_not_null(json_object_get(v, "parameters"));
	json_decref(v);
	free(plan);
}

Test(slow_line, then_its_parameters)
{
	char *values = make_text(5000, ' ');
	json_t *v;

	memcpy(values, "[\"", 2);
	memset(values + 2, 'x', 4996);
	memcpy(values + 4998, "\"]", 2);
	set(&q->values, values);
	v = write_and_read(3900);
	cr_expect_null(json_object_get(v, "parameters"));
	cr_expect_str_eq(text_of(v, "text"), "select pg_sleep($1)");
	json_decref(v);
	free(values);
}

Test(slow_line, then_the_end_of_its_text)
{
	char *text = make_text(6000, 'x');
	json_t *v;

	memcpy(text + 1499, "\xc3\xa4", 2);
	set(&q->text, text);
	v = write_and_read(3900);
	cr_expect_eq(strlen(text_of(v, "text")), 1499, "cut at a whole character");
	json_decref(v);
	free(text);
}

/* Each of these bytes takes six. */
Test(slow_line, the_worst_that_a_client_can_do_fits_still)
{
	char *text = make_text(60000, 1);
	json_t *v;

	set(&q->tenant, text);
	set(&q->user, text);
	set(&q->database, text);
	set(&q->application_name, text);
	set(&q->text, text);
	v = write_and_read(3900);
	cr_expect_eq(strlen(text_of(v, "text")), 200);
	cr_expect_eq(strlen(text_of(v, "application_name")), 64);
	json_decref(v);
	free(text);
}

Test(slow_line, what_does_not_fit_is_not_begun)
{
	buffer_append(&out, "x", 1);
	cr_expect_not(slow_line_write(&out, q, 100));
	cr_expect_eq(out.len, 1);
}

Test(slow_line, a_gap)
{
	slow_line_write_gap(&out, 1764110113123999, 12);
	buffer_append(&out, "", 1);
	cr_expect_str_eq((const char *)buffer_head(&out),
			 "{\"at\":\"2025-11-25T22:35:13.123Z\",\"left_out\":12,\"reason\":\"slow_query_log_rate\"}");
}
