/*
 * Rows of reports as JSON, read back by jansson.
 */
#include "http/json.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"

struct row {
	const char *text;
	int64_t small, large, msec, percent;
};

static const struct column columns[] = {
	{ "text", COLUMN_TEXT, offsetof(struct row, text) },
	{ "small", COLUMN_INT4, offsetof(struct row, small) },
	{ "large", COLUMN_INT8, offsetof(struct row, large) },
	{ "msec", COLUMN_MSEC, offsetof(struct row, msec) },
	{ "percent", COLUMN_PERCENT, offsetof(struct row, percent) },
};

static json_t *
write_and_read(const struct report *r)
{
	struct buffer out = BUFFER_INIT;
	struct json j = { .out = &out };
	json_error_t e;
	json_t *read;

	json_open(&j, NULL, '{');
	json_put_rows(&j, "rows", r);
	json_close(&j, '}');
	read = json_loadb((const char *)buffer_head(&out), buffer_left(&out), JSON_REJECT_DUPLICATES, &e);
	cr_assert_not_null(read, "%s", e.text);
	buffer_release(&out);
	return read;
}

Test(json, rows)
{
	struct report r;
	json_t *all, *rows, *first;

	report_init(&r, columns, lengthof(columns));
	report_add(&r, &(struct row){ "a \"b\"\n\xff\xe2\x82\xac", -3, INT64_MAX, 1234567, 1250 });
	report_add(&r, &(struct row){ NULL, REPORT_NULL, REPORT_NULL, REPORT_NULL, REPORT_NULL });
	all = write_and_read(&r);
	rows = json_object_get(all, "rows");
	cr_assert_eq(json_array_size(rows), 2);
	first = json_array_get(rows, 0);
	cr_expect_str_eq(json_string_value(json_object_get(first, "text")), "a \"b\"\n\xef\xbf\xbd\xe2\x82\xac");
	cr_expect_eq(json_integer_value(json_object_get(first, "small")), -3);
	cr_expect_eq(json_integer_value(json_object_get(first, "large")), INT64_MAX);
	cr_expect_eq(json_real_value(json_object_get(first, "msec")), 1234.567);
	cr_expect_eq(json_real_value(json_object_get(first, "percent")), 12.5);
	for (size_t i = 0; i < lengthof(columns); i++)
		cr_expect(json_is_null(json_object_get(json_array_get(rows, 1), columns[i].name)));
	json_decref(all);
	report_release(&r);
}

/* Its cells as large as they are, so that a look behind the last one is seen. */
static void
tighten(struct report *r)
{
	size_t n = buffer_left(&r->cells);
	struct buffer tight = { .data = memory_alloc(n), .len = n, .cap = n };

	memcpy(tight.data, buffer_head(&r->cells), n);
	buffer_release(&r->cells);
	r->cells = tight;
}

Test(json, the_last_cell_is_not_read_beyond)
{
	struct report r;
	json_t *all;

	report_init(&r, columns, lengthof(columns));
	report_add(&r, &(struct row){ "a", 1, 2, 3, 100 });
	tighten(&r);
	all = write_and_read(&r);
	json_decref(all);
	report_release(&r);
}

Test(json, no_rows)
{
	struct report r;
	json_t *all;

	report_init(&r, columns, lengthof(columns));
	all = write_and_read(&r);
	cr_expect_eq(json_array_size(json_object_get(all, "rows")), 0);
	json_decref(all);
	report_release(&r);
}
