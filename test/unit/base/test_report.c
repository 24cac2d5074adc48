#include "base/report.h"

#include <criterion/criterion.h>
#include <string.h>

struct row {
	int64_t wait;
	const char *database;
	const char *key;
	int64_t total;
	int64_t average;
};

static const struct column columns[] = {
	{ "database", COLUMN_TEXT, offsetof(struct row, database) },
	{ "wait", COLUMN_INT4, offsetof(struct row, wait) },
	{ "total", COLUMN_INT8, offsetof(struct row, total) },
	{ "average", COLUMN_NUMERIC, offsetof(struct row, average) },
	{ "key", COLUMN_BYTEA, offsetof(struct row, key) },
};

#define NCOLUMNS (sizeof(columns) / sizeof(columns[0]))

/* want: cells in order, NULL for SQL NULL. */
static void
expect_cells(const struct report *r, const char *const *want, size_t n)
{
	const char *text;
	size_t pos = 0;
	int32_t len;

	for (size_t i = 0; i < n; i++) {
		cr_assert(report_next_cell(r, &pos, &text, &len), "cell %zu is missing", i);
		if (want[i] == NULL) {
			cr_assert_eq(len, -1);
			continue;
		}
		cr_assert_eq((size_t)len, strlen(want[i]), "cell %zu", i);
		cr_assert_arr_eq(text, want[i], (size_t)len);
	}
	cr_assert_not(report_next_cell(r, &pos, &text, &len));
	cr_assert_not(report_next_cell(r, &pos, &text, &len));
}

Test(report, is_empty_at_first)
{
	struct report r;

	report_init(&r, columns, NCOLUMNS);
	cr_assert_eq(r.nrows, 0);
	expect_cells(&r, NULL, 0);
	report_release(&r);
}

Test(report, cells_stand_in_column_order)
{
	static const char *const want[] = {
		"shop", "7", "9223372036854775807", "-9223372036854775807", "\\x00",
		"", NULL, "0", "-1", NULL,
		NULL, "1", "2", "3", "",
	};
	const struct row rows[] = {
		{ 7, "shop", "\\x00", INT64_MAX, INT64_MIN + 1 },
		{ REPORT_NULL, "", NULL, 0, -1 },
		{ 1, NULL, "", 2, 3 },
	};
	struct report r;

	report_init(&r, columns, NCOLUMNS);
	for (size_t i = 0; i < 3; i++)
		report_add(&r, &rows[i]);
	cr_assert_eq(r.nrows, 3);
	expect_cells(&r, want, 3 * NCOLUMNS);
	report_release(&r);
}

Test(report, scaled_numbers_have_their_decimals)
{
	static const struct column scaled[] = {
		{ "ms", COLUMN_MSEC, offsetof(struct row, wait) },
		{ "percent", COLUMN_PERCENT, offsetof(struct row, total) },
	};
	static const char *const want[] = {
		"0.000", "0.00", "0.001", "0.01", "-0.001", "-0.01", "1.000", "1.00", "-1.000", "-1.00",
		"1234.567", "100.00", NULL, NULL,
		"9223372036854775.807", "92233720368547758.07", "-9223372036854775.807", "-92233720368547758.07",
	};
	const struct row rows[] = {
		{ .wait = 0, .total = 0 },
		{ .wait = 1, .total = 1 },
		{ .wait = -1, .total = -1 },
		{ .wait = 1000, .total = 100 },
		{ .wait = -1000, .total = -100 },
		{ .wait = 1234567, .total = 10000 },
		{ .wait = REPORT_NULL, .total = REPORT_NULL },
		{ .wait = INT64_MAX, .total = INT64_MAX },
		{ .wait = -INT64_MAX, .total = -INT64_MAX },
	};
	struct report r;

	report_init(&r, scaled, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		report_add(&r, &rows[i]);
	expect_cells(&r, want, sizeof(want) / sizeof(want[0]));
	report_release(&r);
}

Test(report, copies_the_text)
{
	static const char *const want[] = { "before" };
	char name[] = "before";
	struct row row = { .database = name };
	struct report r;

	report_init(&r, columns, 1);
	report_add(&r, &row);
	memcpy(name, "behind", sizeof(name));
	expect_cells(&r, want, 1);
	report_release(&r);
}

Test(report, take_moves_the_rows_behind)
{
	static const char *const want[] = { "a", "b", "c" };
	const struct row a = { .database = "a" }, b = { .database = "b" }, c = { .database = "c" };
	struct report dst, src, none;

	report_init(&dst, columns, 1);
	report_init(&src, columns, 1);
	report_init(&none, columns, 1);
	report_add(&src, &a);
	report_take(&dst, &src);
	report_take(&dst, &none);
	report_add(&src, &b);
	report_add(&src, &c);
	report_take(&dst, &src);
	cr_assert_eq(dst.nrows, 3);
	cr_assert_eq(src.nrows, 0);
	expect_cells(&dst, want, 3);
	expect_cells(&src, NULL, 0);
	report_release(&dst);
	report_release(&src);
}
