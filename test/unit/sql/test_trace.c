#include "sql/trace.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

/* Of a copy of the exact size. */
static bool
parse(struct sql_trace *t, const char *comment, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);

	cr_assert_not_null(copy);
	if (n > 0)
		memcpy(copy, comment, n);
	memset(t, 0xff, sizeof(*t));
	bool said = sql_trace_parse(t, copy, n);
	free(copy);
	return said;
}

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Test(trace, reads_all_that_it_knows)
{
	struct sql_trace t;
	static const char comment[] =
		"action='%2Fparam*d',application='shop',controller='index',db_driver='psycopg',framework='django%3A5',"
		"route='%2Forders%2F%3Cint%3Aid%3E',traceparent='" PARENT "',tracestate='congo%3Dt61rcWkgMzE'";

	cr_assert(parse(&t, comment, sizeof(comment) - 1));
	cr_assert_str_eq(t.action, "/param*d");
	cr_assert_str_eq(t.application, "shop");
	cr_assert_str_eq(t.controller, "index");
	cr_assert_str_eq(t.db_driver, "psycopg");
	cr_assert_str_eq(t.framework, "django:5");
	cr_assert_str_eq(t.route, "/orders/<int:id>");
	cr_assert_str_eq(t.traceparent, PARENT);
}

static const struct {
	const char *comment, *application;	/* "": nothing is said */
} applications[] = {
	{ "application='a'", "a" },
	{ " application='a' ", "a" },
	{ " application = 'a' , route = 'b' ", "a" },
	{ "route='b',application='a'", "a" },
	{ "unknown='x',application='a'", "a" },
	{ "unknown='x'\n,\n\tapplication='a'", "a" },
	{ "application='a',application='b'", "a" },
	{ "application='',application='b'", "b" },
	{ "application='it\\'s'", "it's" },
	{ "application='a\\\\b'", "a\\b" },
	{ "application='a%27b'", "a'b" },
	{ "application='a,b=c'", "a,b=c" },
	{ "application='%C3%A4'", "\xc3\xa4" },
	{ "application='\xc3\xa4'", "\xc3\xa4" },
	{ "application='100%'", "100%" },
	{ "application='%zz%4'", "%zz%4" },
	{ "application='a+b'", "a+b" },
	{ "application='a%0Ab%00c'", "a?b" },
	{ "application='a\nb\x7f'", "a?b?" },
	{ "application='%C2%85'", "?" },
	{ "application='%ff%C3'", "??" },
	{ "application='%ED%A0%80'", "???" },
	{ "", "" },
	{ " ", "" },
	{ "application", "" },
	{ "application=", "" },
	{ "application=a", "" },
	{ "application='a", "" },
	{ "application='a\\'", "" },
	{ "application=\"a\"", "" },
	{ "application:a", "" },
	{ "applications='a'", "" },
	{ "Application='a'", "" },
	{ "application=''", "" },
	{ "hello application='a'", "" },
	{ "='x',application='a'", "a" },
	{ ",application='a'", "" },
	{ "plain words, a = b", "" },
};

Test(trace, values)
{
	struct sql_trace t;

	for (size_t i = 0; i < lengthof(applications); i++) {
		bool said = parse(&t, applications[i].comment, strlen(applications[i].comment));
		cr_expect_str_eq(t.application, applications[i].application, "<%s>", applications[i].comment);
		cr_expect_eq(said, applications[i].application[0] != '\0', "<%s>", applications[i].comment);
	}
}

static const struct {
	const char *value;
	bool good;
} parents[] = {
	{ PARENT, true },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true },
	{ "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true },
	{ "00-00000000000000000000000000000001-0000000000000001-00", true },
	{ "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
	{ "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false },
	{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false },
	{ "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001", false },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-012", false },
	{ "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false },
	{ "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false },
	{ "", false },
	{ "-", false },
};

Test(trace, a_traceparent_is_well_formed_or_none)
{
	struct sql_trace t;
	char comment[128];

	for (size_t i = 0; i < lengthof(parents); i++) {
		snprintf(comment, sizeof(comment), "traceparent='%s'", parents[i].value);
		cr_expect_eq(parse(&t, comment, strlen(comment)), parents[i].good, "%s", parents[i].value);
		cr_expect_str_eq(t.traceparent, parents[i].good ? parents[i].value : "");
	}
}

/* A wrong one does not keep a right one out. */
Test(trace, a_second_traceparent_counts_if_the_first_is_wrong)
{
	struct sql_trace t;
	static const char comment[] = "traceparent='x',traceparent='" PARENT "'";

	cr_assert(parse(&t, comment, sizeof(comment) - 1));
	cr_assert_str_eq(t.traceparent, PARENT);
}

Test(trace, long_values_are_cut_at_a_character)
{
	char comment[2048] = "route='";
	struct sql_trace t;

	for (int i = 0; i < 400; i++)
		strcat(comment, i == 0 ? "x" : "\xe2\x82\xac");
	strcat(comment, "',application='a'");
	cr_assert(parse(&t, comment, strlen(comment)));
	cr_assert_eq(strlen(t.route), 127);
	cr_assert_eq(string_whole_chars(t.route, 127), 127);
	cr_assert_str_eq(t.application, "a");
}

Test(trace, every_prefix_is_read_within_its_bounds)
{
	static const char comment[] = "action='%2F\\'d', application = '\xc3\xa4',traceparent='" PARENT "'";
	struct sql_trace t;

	for (size_t n = 0; n < sizeof(comment); n++)
		parse(&t, comment, n);
}
