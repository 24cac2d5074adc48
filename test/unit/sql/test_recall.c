/*
 * What is recalled is what would be read.
 */
#include "sql/recall.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
expect_as_read(struct sql_recall *r, const char *text, size_t n)
{
	struct sql_digest read, recalled;

	sql_digest(text, n, &read);
	sql_recall_digest(r, text, n, &recalled);
	cr_assert_eq(recalled.hash, read.hash, "%.*s", (int)n, text);
	cr_assert_eq(recalled.verb, read.verb, "%.*s", (int)n, text);
	cr_assert_eq(recalled.effects, read.effects, "%.*s", (int)n, text);
	cr_assert_eq(recalled.comment, read.comment, "%.*s", (int)n, text);
	cr_assert_eq(recalled.comment_size, read.comment_size, "%.*s", (int)n, text);
}

/* More texts than are kept, in any order, of any length. */
Test(recall, any_text)
{
	struct sql_recall r;
	char text[2000];

	sql_recall_init(&r);
	srand(4711);
	for (int i = 0; i < 20000; i++) {
		int which = rand() % (2 * RECALL_TEXTS);
		int n = snprintf(text, sizeof(text), "select %s a_%d from t where b = %d%*s",
				 which % 3 == 0 ? "set_config('a', 'b', false)," : "", which, which, which * 2, "");

		expect_as_read(&r, text, (size_t)n);
	}
}

Test(recall, a_comment_is_read_each_time)
{
	static const char text[] = "select 1 /* application='shop' */";
	struct sql_recall r;

	sql_recall_init(&r);
	for (int i = 0; i < 3; i++)
		expect_as_read(&r, text, sizeof(text) - 1);
}

Test(recall, the_length_counts)
{
	static const char text[] = "select a from b where c";
	struct sql_recall r;

	sql_recall_init(&r);
	for (int round = 0; round < 2; round++) {
		for (size_t n = 0; n < sizeof(text); n++)
			expect_as_read(&r, text, n);
	}
}
