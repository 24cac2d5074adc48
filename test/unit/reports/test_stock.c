#include "reports/stock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct row {
	const char *name;
	char between[40]; /* what no column speaks of */
	int64_t number;
	const char *other;
	int64_t time;
};

static const struct column columns[] = {
	{ "name", COLUMN_TEXT, offsetof(struct row, name) },
	{ "other", COLUMN_TEXT, offsetof(struct row, other) },
	{ "number", COLUMN_INT8, offsetof(struct row, number) },
	{ "time", COLUMN_MSEC, offsetof(struct row, time) },
};

static void
add(struct stock *s, const char *name, const char *other, int64_t number)
{
	char *a = name != NULL ? strdup(name) : NULL, *b = other != NULL ? strdup(other) : NULL;
	struct row *row = malloc(sizeof(*row));

	*row = (struct row){ .name = a, .other = b, .number = number, .time = -number };
	stock_add(s, row);
	free(row);
	free(a);
	free(b);
}

/* The report that comes of it, row by row the same as if report_add had been called at once. */
static void
expect(const struct stock *s, unsigned nsorted, const struct row *rows, size_t n)
{
	struct report got, wanted;

	report_init(&got, columns, lengthof(columns));
	report_init(&wanted, columns, lengthof(columns));
	stock_write(s, nsorted, &got);
	for (size_t i = 0; i < n; i++)
		report_add(&wanted, &rows[i]);
	cr_assert_eq(got.nrows, wanted.nrows);
	cr_assert_eq(buffer_left(&got.cells), buffer_left(&wanted.cells));
	cr_assert(n == 0 ||
		memcmp(buffer_head(&got.cells), buffer_head(&wanted.cells), buffer_left(&got.cells)) == 0);
	report_release(&got);
	report_release(&wanted);
}

#define ROW(n, o, v) { .name = n, .other = o, .number = v, .time = -(v) }

Test(stock, comes_out_as_it_went_in)
{
	const struct row rows[] = {
		ROW("b", "x", 1),
		ROW(NULL, "", 0),
		ROW("", NULL, INT64_MAX),
		{ .name = "a", .other = "y", .number = REPORT_NULL, .time = REPORT_NULL },
	};
	struct stock s;

	stock_init(&s, columns, lengthof(columns));
	expect(&s, 0, NULL, 0);
	for (size_t i = 0; i < lengthof(rows); i++)
		stock_add(&s, &rows[i]);
	expect(&s, 0, rows, lengthof(rows));
	stock_release(&s);
	expect(&s, 0, NULL, 0);
}

Test(stock, sorts_by_first_columns)
{
	const struct row by_both[] = {
		ROW(NULL, "z", 4),
		ROW("", "z", 5),
		ROW("a", NULL, 3),
		ROW("a", "b", 2),
		ROW("a", "bb", 1),
		ROW("ab", "a", 0),
	};
	struct stock s;

	stock_init(&s, columns, lengthof(columns));
	for (size_t i = lengthof(by_both); i-- > 0;)
		stock_add(&s, &by_both[i]);
	expect(&s, 2, by_both, lengthof(by_both));
	stock_release(&s);
}

/* More than one chunk, and rows that are larger than any. */
Test(stock, holds_much)
{
	static struct row rows[3000];
	char *large = memory_alloc(200000);
	struct stock s, other;

	memset(large, 'x', 199999);
	large[199999] = '\0';
	stock_init(&s, columns, lengthof(columns));
	stock_init(&other, columns, lengthof(columns));
	for (size_t i = 0; i < lengthof(rows); i++) {
		rows[i] = (struct row)ROW(i % 1000 == 7 ? large : "a name of some length", NULL, (int64_t)i);
		stock_add(i < 1500 ? &s : &other, &rows[i]);
	}
	stock_take(&s, &other);
	expect(&other, 0, NULL, 0);
	expect(&s, 0, rows, lengthof(rows));
	add(&other, "again", "and again", 1);
	stock_take(&s, &other);
	cr_assert_eq(s.nrows, lengthof(rows) + 1);
	stock_release(&s);
	stock_release(&other);
	free(large);
}

Test(stock, takes_nothing_from_nothing)
{
	struct stock s, other;

	stock_init(&s, columns, lengthof(columns));
	stock_init(&other, columns, lengthof(columns));
	stock_take(&s, &other);
	add(&s, "a", "b", 1);
	stock_take(&other, &s);
	expect(&s, 1, NULL, 0);
	expect(&other, 1, &(struct row)ROW("a", "b", 1), 1);
	stock_release(&s);
	stock_release(&other);
}

static void
add_up(void *row, const void *other)
{
	((struct row *)row)->number += ((const struct row *)other)->number;
}

/* Rows of several workers that are about the same thing become one. */
Test(stock, merges_equal_rows)
{
	const struct stock_merge merge = { .merge = add_up };
	struct report r;
	struct stock s;

	stock_init(&s, columns, lengthof(columns));
	add(&s, "b", "x", 1);
	add(&s, "a", "x", 2);
	add(&s, "b", "x", 4);
	add(&s, "b", "y", 8);
	add(&s, NULL, "x", 16);
	add(&s, "b", "x", 32);
	report_init(&r, columns, lengthof(columns));
	stock_write_merged(&s, 2, &merge, &r);
	cr_assert_eq(r.nrows, 4);
	report_release(&r);
	report_init(&r, columns, lengthof(columns));
	stock_write_merged(&s, 0, &merge, &r);
	cr_assert_eq(r.nrows, 6, "unsorted, nothing is merged");
	report_release(&r);
	stock_release(&s);
}
