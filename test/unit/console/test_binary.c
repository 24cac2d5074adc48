#include "console/binary.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void
expect(enum column_type type, const char *text, const char *bytes, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t len = strlen(text);
	char *cell = memcpy(malloc(len + 1), text, len); /* no NUL follows, as in a report */

	cell[len] = '7';
	binary_write(&b, type, cell, len);
	free(cell);
	cr_assert_eq(buffer_left(&b), n, "%s: %zu bytes", text, buffer_left(&b));
	cr_assert(n == 0 || memcmp(buffer_head(&b), bytes, n) == 0, "%s", text);
	buffer_release(&b);
}

#define EXPECT(type, text, bytes) expect(type, text, bytes, sizeof(bytes) - 1)

Test(binary, integers)
{
	EXPECT(COLUMN_INT4, "0", "\0\0\0\0");
	EXPECT(COLUMN_INT4, "258", "\0\0\1\2");
	EXPECT(COLUMN_INT4, "-1", "\xff\xff\xff\xff");
	EXPECT(COLUMN_INT8, "258", "\0\0\0\0\0\0\1\2");
	EXPECT(COLUMN_INT8, "9223372036854775807", "\x7f\xff\xff\xff\xff\xff\xff\xff");
	EXPECT(COLUMN_INT8, "-9223372036854775808", "\x80\0\0\0\0\0\0\0");
}

/* What PostgreSQL 15's numeric_send gives for the same values. */
Test(binary, numeric)
{
	EXPECT(COLUMN_NUMERIC, "0",
		"\0\0"
		"\0\0"
		"\0\0"
		"\0\0");
	EXPECT(COLUMN_NUMERIC, "1",
		"\0\1"
		"\0\0"
		"\0\0"
		"\0\0"
		"\0\1");
	EXPECT(COLUMN_NUMERIC, "-1",
		"\0\1"
		"\0\0"
		"\x40\0"
		"\0\0"
		"\0\1");
	EXPECT(COLUMN_NUMERIC, "9999",
		"\0\1"
		"\0\0"
		"\0\0"
		"\0\0"
		"\x27\x0f");
	EXPECT(COLUMN_NUMERIC, "10000",
		"\0\1"
		"\0\1"
		"\0\0"
		"\0\0"
		"\0\1");
	EXPECT(COLUMN_NUMERIC, "10001",
		"\0\2"
		"\0\1"
		"\0\0"
		"\0\0"
		"\0\1"
		"\0\1");
	EXPECT(COLUMN_NUMERIC, "200000000",
		"\0\1"
		"\0\2"
		"\0\0"
		"\0\0"
		"\0\2");
	EXPECT(COLUMN_NUMERIC, "-9223372036854775808",
		"\0\5"
		"\0\4"
		"\x40\0"
		"\0\0"
		"\x03\x9a"
		"\x0d\x2c"
		"\x01\x70"
		"\x15\x65"
		"\x16\xb0");
}

Test(binary, text_and_bytes)
{
	EXPECT(COLUMN_TEXT, "", "");
	EXPECT(COLUMN_TEXT, "abc", "abc");
	EXPECT(COLUMN_BYTEA, "\\x", "");
	EXPECT(COLUMN_BYTEA, "\\x00ffA0", "\0\xff\xa0");
}
