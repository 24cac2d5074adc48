/*
 * The part of a URL behind the question mark.
 */
#include "http/parameters.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

struct values {
	const char *name, *tenant;
	int64_t top, order;
};

static int
find_order(const char *word)
{
	return strcmp(word, "up") == 0 ? 7 : strcmp(word, "down") == 0 ? 0 : -1;
}

static const struct parameter list[] = {
	{ .name = "name", .kind = PARAMETER_TEXT, .offset = offsetof(struct values, name) },
	{ .name = "tenant", .kind = PARAMETER_TENANT, .offset = offsetof(struct values, tenant) },
	{ .name = "top", .kind = PARAMETER_NUMBER, .offset = offsetof(struct values, top), .low = -5, .high = 20, .otherwise = 3 },
	{ .name = "order", .kind = PARAMETER_WORD, .offset = offsetof(struct values, order), .find = find_order,
	  .words = "up, down", .otherwise = 9 },
};

static const struct parameters all = { list, lengthof(list), sizeof(struct values) };

static struct values *
read_good(const char *query)
{
	struct refusal r = { 0 };
	struct values *v = parameters_read(&all, query, &r);

	cr_assert_not_null(v, "%s: %s", query, r.detail);
	return v;
}

Test(parameters, nothing_given)
{
	static const char *const queries[] = { NULL, "", "&", "&&&" };

	for (size_t i = 0; i < lengthof(queries); i++) {
		struct values *v = read_good(queries[i]);

		cr_expect_null(v->name);
		cr_expect_null(v->tenant);
		cr_expect_eq(v->top, 3);
		cr_expect_eq(v->order, 9);
		parameters_free(&all, v);
	}
}

Test(parameters, values_are_unescaped)
{
	struct values *v = read_good("&name=a+b%2Bc%26%3d%E2%82%ac=&t%6Fp=-5&&order=up&tenant=%2e%2E%2f");

	cr_expect_str_eq(v->name, "a b+c&=\xe2\x82\xac=");
	cr_expect_str_eq(v->tenant, "../");
	cr_expect_eq(v->top, -5);
	cr_expect_eq(v->order, 7);
	parameters_free(&all, v);
}

Test(parameters, what_is_wrong_is_told)
{
	static const struct {
		const char *query, *words;
	} cases[] = {
		{ "nam=x", "no parameter \"nam\"" }, { "name=x&name=y", "\"name\" is there twice" }, { "name", "no value" },
		{ "name=", "no value" }, { "name=%", "no text" }, { "name=%1", "no text" }, { "name=%g0", "no text" },
		{ "name=%00", "no text" }, { "name=%1f", "no text" }, { "name=%7F", "no text" }, { "name=%80", "no text" },
		{ "name=%c0%80", "no text" }, { "name=%c3", "no text" }, { "name=%ed%a0%80", "no text" },
		{ "name=%e0%80%80", "no text" }, { "name=%f5%80%80%80", "no text" }, { "name=%f4%90%80%80", "no text" },
		{ "top=21", "from -5 to 20" }, { "top=-6", "from -5 to 20" }, { "top=x", "from -5 to 20" }, { "top", "from -5" },
		{ "top=1+", "from -5" }, { "top=1&top=1", "twice" }, { "order=", "one of: up, down" }, { "order=UP", "one of" },
		{ "=x", "no parameter \"\"" }, { "%=x", "name of a parameter" }, { "a%00=x", "name of a parameter" },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct refusal r = { 0 };

		cr_expect_null(parameters_read(&all, cases[i].query, &r), "%s", cases[i].query);
		cr_expect_eq(r.status, 400);
		cr_expect_not_null(strstr(r.detail, cases[i].words), "%s: %s", cases[i].query, r.detail);
	}
}

Test(parameters, lengths_are_limited)
{
	char query[PARAMETER_TEXT_MAX + 16];
	struct refusal r = { 0 };
	struct values *v;

	snprintf(query, sizeof(query), "name=%0*d", PARAMETER_TEXT_MAX, 1);
	v = read_good(query);
	cr_expect_eq(strlen(v->name), PARAMETER_TEXT_MAX);
	parameters_free(&all, v);
	snprintf(query, sizeof(query), "name=%0*d", PARAMETER_TEXT_MAX + 1, 1);
	cr_expect_null(parameters_read(&all, query, &r));
	snprintf(query, sizeof(query), "%0*d=1", 64, 1);
	cr_expect_null(parameters_read(&all, query, &r));
}
