#include "session/prepared.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"

#define N 5

static struct tenant *tenant;
static struct prepared prepared;
static struct statement *st[N];

static void
make_statements(void)
{
	tenant = memory_zalloc(sizeof(*tenant) + 1);
	for (uint8_t i = 0; i < N; i++)
		st[i] = statement_intern(tenant, (const uint8_t[]){ 'a' + i, 0, 0, 0 }, 4, 0);
	prepared_init(&prepared);
}

/* Only our own references are left when the server has gone. */
static void
free_statements(void)
{
	prepared_clear(&prepared);
	cr_assert_eq(prepared_count(&prepared), 0);
	for (int i = 0; i < N; i++) {
		cr_assert_eq(st[i]->refs, 1);
		statement_unref(&st[i]);
	}
	free(tenant->statements);
	free(tenant);
}

TestSuite(prepared, .init = make_statements, .fini = free_statements);

static void
add_all(void)
{
	for (int i = 0; i < N; i++)
		prepared_add(&prepared, st[i]);
}

static void
expect_evicted(int i)
{
	struct statement *evicted = prepared_evict(&prepared);

	cr_assert_eq(evicted, st[i], "wanted %d", i);
	statement_unref(&evicted);
}

Test(prepared, knows_what_was_added)
{
	cr_assert_not(prepared_use(&prepared, st[0]));
	prepared_add(&prepared, st[0]);
	cr_assert(prepared_use(&prepared, st[0]));
	cr_assert_not(prepared_use(&prepared, st[1]));
	cr_assert_eq(st[0]->refs, 2);
	prepared_add(&prepared, st[0]);
	cr_assert_eq(prepared_count(&prepared), 1);
	cr_assert_eq(st[0]->refs, 2);
}

Test(prepared, evicts_the_longest_unused)
{
	add_all();
	prepared_use(&prepared, st[0]);
	prepared_use(&prepared, st[2]);
	prepared_add(&prepared, st[1]);
	prepared_use(&prepared, st[1]);
	cr_assert_eq(prepared_count(&prepared), N);
	expect_evicted(3);
	expect_evicted(4);
	expect_evicted(0);
	expect_evicted(2);
	expect_evicted(1);
	cr_assert_null(prepared_evict(&prepared));
}

Test(prepared, an_evicted_one_is_not_there)
{
	add_all();
	expect_evicted(0);
	cr_assert_not(prepared_use(&prepared, st[0]));
	prepared_add(&prepared, st[0]);
	expect_evicted(1);
}

Test(prepared, removes_what_is_there)
{
	prepared_remove(&prepared, st[0]);
	add_all();
	prepared_remove(&prepared, st[0]);
	prepared_remove(&prepared, st[3]);
	prepared_remove(&prepared, st[3]);
	cr_assert_eq(prepared_count(&prepared), N - 2);
	expect_evicted(1);
	expect_evicted(2);
	expect_evicted(4);
}
