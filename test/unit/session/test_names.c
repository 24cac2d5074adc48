#include "session/names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

static struct tenant *tenant;
static struct statement *one, *two;

static void
make_statements(void)
{
	tenant = memory_zalloc(sizeof(*tenant) + 1);
	one = statement_intern(tenant, (const uint8_t *)"1\0\0", 4, 0);
	two = statement_intern(tenant, (const uint8_t *)"2\0\0", 4, 0);
}

static void
free_statements(void)
{
	cr_assert_eq(one->refs, 1);
	cr_assert_eq(two->refs, 1);
	statement_unref(&one);
	statement_unref(&two);
	free(tenant->statements);
	free(tenant);
}

TestSuite(names, .init = make_statements, .fini = free_statements);

Test(names, finds_what_was_added)
{
	struct names *n = names_new();
	char text[20];

	cr_assert_null(names_find(NULL, "a"));
	cr_assert_null(names_find(n, ""));
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "s%d", i * 37 % 100);
		names_add(n, text, statement_ref(i % 2 ? one : two));
	}
	cr_assert_eq(n->count, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "s%d", i);
		cr_assert_str_eq(names_find(n, text)->text, text);
	}
	cr_assert_null(names_find(n, "s100"));
	names_free(&n);
	cr_assert_null(n);
	names_free(&n);
}

Test(names, come_in_order)
{
	struct names *n = names_new();
	const struct name *last = NULL;
	int count = 0;

	for (const char *text = "qwertyuiop"; *text != '\0'; text++)
		names_add(n, (char[]){ *text, '\0' }, statement_ref(one));
	for (struct name *name = names_next(n, NULL); name != NULL; name = names_next(n, name)) {
		cr_assert(last == NULL || last->text[0] < name->text[0]);
		last = name;
		count++;
	}
	cr_assert_eq(count, 10);
	names_free(&n);
}

Test(names, a_taken_one_can_be_put_back)
{
	struct names *n = names_new();
	struct name *a = names_add(n, "a", statement_ref(one));

	names_add(n, "b", statement_ref(two));
	names_take(n, a);
	cr_assert_null(names_find(n, "a"));
	cr_assert_eq(n->count, 1);
	names_restore(n, &a);
	cr_assert_null(a);
	cr_assert_eq(names_find(n, "a")->statement, one);
	cr_assert_eq(n->count, 2);
	names_free(&n);
}

Test(names, a_name_given_anew_stays)
{
	struct names *n = names_new();
	struct name *a = names_add(n, "a", statement_ref(one));

	names_take(n, a);
	names_add(n, "a", statement_ref(two));
	names_restore(n, &a);
	cr_assert_null(a);
	cr_assert_eq(names_find(n, "a")->statement, two);
	cr_assert_eq(n->count, 1);
	names_free(&n);
}

Test(names, clear_forgets_all)
{
	struct names *n = names_new();

	names_add(n, "a", statement_ref(one));
	names_add(n, "b", statement_ref(one));
	names_clear(n);
	cr_assert_eq(n->count, 0);
	cr_assert_null(names_find(n, "a"));
	cr_assert_null(names_next(n, NULL));
	names_add(n, "a", statement_ref(two));
	cr_assert_eq(names_find(n, "a")->statement, two);
	names_free(&n);
}
