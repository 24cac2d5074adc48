#include "pg/params.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct params_table *table;

static void
make_table(void)
{
	table = params_table_new();
}

/* Aborts when a test left a set behind. */
static void
free_table(void)
{
	params_table_free(&table);
	cr_assert_null(table);
	params_table_free(&table);
}

TestSuite(params, .init = make_table, .fini = free_table);

/* Takes the reference to *p and puts the changed set there. */
static void
change(const struct params **p, const char *name, const char *value)
{
	const struct params *changed = params_with(table, *p, name, value);

	params_unref(table, p);
	*p = changed;
}

/* The set as "name=value name=value ". */
static const char *
as_text(const struct params *p)
{
	static char text[1000];

	text[0] = '\0';
	for (size_t i = 0; i < params_count(p); i++) {
		strcat(text, params_name(p, i));
		strcat(text, "=");
		strcat(text, params_value(p, i));
		strcat(text, " ");
	}
	return text;
}

Test(params, the_empty_set)
{
	const struct params *a = params_empty(table), *b = params_empty(table);

	cr_assert_eq(a, b);
	cr_assert_eq(params_count(a), 0);
	cr_assert_null(params_get(a, "x"));
	params_unref(table, &a);
	cr_assert_null(a);
	params_unref(table, &a);
	params_unref(table, &b);
}

Test(params, sorted_without_case)
{
	const struct params *p = params_empty(table);

	change(&p, "TimeZone", "UTC");
	change(&p, "client_encoding", "UTF8");
	change(&p, "DateStyle", "ISO");
	change(&p, "zeta", "");
	change(&p, "application_name", "a b");
	cr_assert_str_eq(as_text(p),
		"application_name=a b client_encoding=UTF8 DateStyle=ISO TimeZone=UTC zeta= ");
	cr_assert_str_eq(params_get(p, "datestyle"), "ISO");
	cr_assert_str_eq(params_get(p, "TIMEZONE"), "UTC");
	cr_assert_str_eq(params_get(p, "zeta"), "");
	cr_assert_null(params_get(p, "zet"));
	params_unref(table, &p);
}

/* Each value of each place replaced by a longer, a shorter, an equal one, and removed. */
Test(params, change_at_every_place)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	const struct params *base = params_empty(table);

	for (size_t i = 0; i < 4; i++)
		change(&base, names[i], "12");
	for (size_t i = 0; i < 4; i++) {
		static const char *const values[] = { "", "3", "34", "345", "345678901234567890" };
		for (size_t v = 0; v < 5; v++) {
			const struct params *p = params_with(table, base, names[i], values[v]);
			cr_assert_eq(params_count(p), 4);
			for (size_t j = 0; j < 4; j++)
				cr_assert_str_eq(params_get(p, names[j]),
					j == i ? values[v] : "12");
			params_unref(table, &p);
		}
		const struct params *p = params_with(table, base, names[i], NULL);
		cr_assert_eq(params_count(p), 3);
		for (size_t j = 0; j < 4; j++) {
			if (j == i)
				cr_assert_null(params_get(p, names[j]));
			else
				cr_assert_str_eq(params_get(p, names[j]), "12");
		}
		params_unref(table, &p);
	}
	cr_assert_str_eq(as_text(base), "a=12 b=12 c=12 d=12 ");
	params_unref(table, &base);
}

Test(params, equal_sets_are_one_pointer)
{
	const struct params *a = params_empty(table), *b = params_empty(table);

	change(&a, "x", "1");
	change(&a, "Y", "2");
	change(&b, "y", "2");
	cr_assert_neq(a, b);
	change(&b, "X", "1");
	cr_assert_eq(a, b);
	change(&b, "x", "one");
	cr_assert_neq(a, b);
	change(&b, "x", "1");
	cr_assert_eq(a, b);
	change(&b, "Y", NULL);
	change(&b, "x", NULL);
	const struct params *empty = params_empty(table);
	cr_assert_eq(b, empty);
	params_unref(table, &a);
	params_unref(table, &b);
	params_unref(table, &empty);
}

/* x="1\0" y="" must not pass for x="" y="1". */
Test(params, values_do_not_run_together)
{
	const struct params *a = params_empty(table), *b = params_empty(table);

	change(&a, "x", "1");
	change(&a, "y", "");
	change(&b, "x", "");
	change(&b, "y", "1");
	cr_assert_neq(a, b);
	params_unref(table, &a);
	params_unref(table, &b);
}

Test(params, no_change_is_the_same_set)
{
	const struct params *base = params_empty(table);

	change(&base, "x", "1");
	const struct params *same = params_with(table, base, "X", "1");
	const struct params *without = params_with(table, base, "unknown", NULL);
	cr_assert_eq(same, base);
	cr_assert_eq(without, base);
	params_unref(table, &same);
	params_unref(table, &without);
	cr_assert_str_eq(as_text(base), "x=1 ");
	params_unref(table, &base);
}

Test(params, spelling_is_that_of_the_first_use)
{
	const struct params *a = params_empty(table), *b = params_empty(table);

	change(&a, "DateStyle", "ISO");
	change(&b, "datestyle", "German");
	cr_assert_str_eq(params_name(b, 0), "DateStyle");
	params_unref(table, &a);
	cr_assert_str_eq(params_name(b, 0), "DateStyle");
	params_unref(table, &b);
	/* Nobody used it any more, so it was forgotten. */
	b = params_empty(table);
	change(&b, "datestyle", "ISO");
	cr_assert_str_eq(params_name(b, 0), "datestyle");
	params_unref(table, &b);
}

Test(params, a_set_lives_as_long_as_its_references)
{
	const struct params *p = params_empty(table);

	change(&p, "x", "1");
	const struct params *q = params_ref(p);
	params_unref(table, &p);
	cr_assert_str_eq(params_get(q, "x"), "1");
	params_unref(table, &q);
}

Test(params, text_is_copied)
{
	const struct params *p = params_empty(table);
	char name[] = "name", value[] = "value";

	change(&p, name, value);
	memset(name, 'x', 4);
	memset(value, 'x', 5);
	cr_assert_str_eq(as_text(p), "name=value ");
	params_unref(table, &p);
}

Test(params, ten_thousand_sets)
{
	static const struct params *sets[10000];
	const struct params *base = params_empty(table);
	char value[32];

	change(&base, "client_encoding", "UTF8");
	for (int i = 0; i < 10000; i++) {
		snprintf(value, sizeof(value), "app %d", i / 2);
		sets[i] = params_with(table, base, "application_name", value);
		cr_assert_eq(i % 2 == 1, i > 0 && sets[i] == sets[i - 1]);
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(value, sizeof(value), "app %d", i / 2);
		cr_assert_str_eq(params_get(sets[i], "application_name"), value);
		params_unref(table, &sets[i]);
	}
	params_unref(table, &base);
}
