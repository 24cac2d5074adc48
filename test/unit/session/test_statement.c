#include "session/statement.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pg/frame.h"
#include "pg/message.h"

/* A tenant only lends its pointer to the table. */
static struct tenant *tenant;

static void
make_tenant(void)
{
	tenant = memory_zalloc(sizeof(*tenant) + 1);
}

static void
free_tenant(void)
{
	if (tenant->statements != NULL)
		cr_assert_eq(tenant->statements->bytes, 0);
	free(tenant->statements);
	free(tenant);
}

TestSuite(statement, .init = make_tenant, .fini = free_tenant);

/* The body of a Parse message without parameter types. */
static struct statement *
intern(const char *sql, int64_t budget)
{
	uint8_t body[200];
	size_t n = strlen(sql) + 1;

	memcpy(body, sql, n);
	body[n] = body[n + 1] = 0;
	return statement_intern(tenant, body, n + 2, budget);
}

Test(statement, a_text_is_kept_once)
{
	struct statement *a = intern("select 1", 0), *b = intern("select 1", 0), *c = intern("select 2", 0);

	cr_assert_eq(a, b);
	cr_assert_neq(a, c);
	cr_assert_str_neq(a->name, c->name);
	cr_assert_eq(strncmp(a->name, STATEMENT_PREFIX, strlen(STATEMENT_PREFIX)), 0);
	statement_unref(&a);
	cr_assert_null(a);
	cr_assert_gt(tenant->statements->bytes, 2 * sizeof(struct statement));
	statement_unref(&b);
	statement_unref(&c);
	statement_unref(&c);
}

/* A server may have it prepared still under the old name. */
Test(statement, a_text_that_was_forgotten_gets_another_name)
{
	struct statement *st = intern("select 1", 0);
	char name[STATEMENT_NAME_MAX];

	strcpy(name, st->name);
	statement_unref(&st);
	st = intern("select 1", 0);
	cr_assert_str_neq(st->name, name);
	statement_unref(&st);
}

Test(statement, parameter_types_are_part_of_it)
{
	static const uint8_t with_int4[] = { 's', 0, 0, 1, 0, 0, 0, 23 }, with_int8[] = { 's', 0, 0, 1, 0, 0, 0, 20 };
	struct statement *a = statement_intern(tenant, with_int4, sizeof(with_int4), 0);
	struct statement *b = statement_intern(tenant, with_int8, sizeof(with_int8), 0);

	cr_assert_neq(a, b);
	statement_unref(&a);
	statement_unref(&b);
}

Test(statement, budget_bounds_what_is_new)
{
	struct statement *a = intern("select 1", 100000), *b, *c;
	int64_t exactly = 2 * (int64_t)tenant->statements->bytes;

	cr_assert_null(intern("select 2", exactly - 1));
	b = intern("select 2", exactly);
	cr_assert_not_null(b);
	cr_assert_null(intern("select 3", exactly));
	/* What is there already costs nothing. */
	c = intern("select 1", exactly);
	cr_assert_eq(c, a);
	statement_unref(&b);
	b = intern("select 3", exactly);
	cr_assert_not_null(b);
	statement_unref(&a);
	statement_unref(&b);
	statement_unref(&c);
}

Test(statement, a_first_text_over_the_budget_leaves_nothing)
{
	cr_assert_null(intern("select 1", 10));
	cr_assert_null(tenant->statements);
}

Test(statement, writes_a_parse_message)
{
	struct statement *st = intern("select 1", 0);
	struct buffer b = BUFFER_INIT;
	struct frame f;
	const char *body;

	statement_write_parse(st, &b);
	cr_assert_eq(frame_peek(buffer_head(&b), buffer_left(&b), &f), FRAME_OK);
	cr_assert_eq(f.type, FE_PARSE);
	cr_assert_eq(f.size, buffer_left(&b));
	body = (const char *)buffer_head(&b) + FRAME_HEADER;
	cr_assert_str_eq(body, st->name);
	cr_assert_eq(memcmp(body + strlen(st->name) + 1, "select 1\0\0", 11), 0);
	buffer_release(&b);
	statement_unref(&st);
}
