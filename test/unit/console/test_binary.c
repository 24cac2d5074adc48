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

/* Likewise, as COLUMN_MSEC and COLUMN_PERCENT write them. */
Test(binary, decimals)
{
	EXPECT(COLUMN_MSEC, "0.000",
		"\x00\x00"
		"\x00\x00"
		"\x00\x00"
		"\x00\x03");
	EXPECT(COLUMN_MSEC, "0.001",
		"\x00\x01"
		"\xff\xff"
		"\x00\x00"
		"\x00\x03"
		"\x00\x0a");
	EXPECT(COLUMN_MSEC, "-0.500",
		"\x00\x01"
		"\xff\xff"
		"\x40\x00"
		"\x00\x03"
		"\x13\x88");
	EXPECT(COLUMN_MSEC, "1.234",
		"\x00\x02"
		"\x00\x00"
		"\x00\x00"
		"\x00\x03"
		"\x00\x01"
		"\x09\x24");
	EXPECT(COLUMN_MSEC, "12345.670",
		"\x00\x03"
		"\x00\x01"
		"\x00\x00"
		"\x00\x03"
		"\x00\x01"
		"\x09\x29"
		"\x1a\x2c");
	EXPECT(COLUMN_PERCENT, "10000.00",
		"\x00\x01"
		"\x00\x01"
		"\x00\x00"
		"\x00\x02"
		"\x00\x01");
	EXPECT(COLUMN_PERCENT, "99.99",
		"\x00\x02"
		"\x00\x00"
		"\x00\x00"
		"\x00\x02"
		"\x00\x63"
		"\x26\xac");
	EXPECT(COLUMN_MSEC, "-0.010",
		"\x00\x01"
		"\xff\xff"
		"\x40\x00"
		"\x00\x03"
		"\x00\x64");
}

Test(binary, text_and_bytes)
{
	EXPECT(COLUMN_TEXT, "", "");
	EXPECT(COLUMN_TEXT, "abc", "abc");
	EXPECT(COLUMN_BYTEA, "\\x", "");
	EXPECT(COLUMN_BYTEA, "\\x00ffA0", "\0\xff\xa0");
}
