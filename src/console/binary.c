#include "console/binary.h"

#include <string.h>

#include "base/strings.h"
#include "pg/writer.h"

#define NUMERIC_BASE 10000
#define NUMERIC_DIGITS 5 /* of an int64 in that base */
#define DECIMALS_MAX 4	 /* what one digit of it holds */
#define NUMERIC_NEGATIVE 0x4000

static int64_t
read_number(const char *text, size_t len)
{
	char copy[24];
	size_t n = len < sizeof(copy) ? len : sizeof(copy) - 1;
	int64_t v = 0;

	memcpy(copy, text, n);
	copy[n] = '\0';
	string_to_int64(copy, &v);
	return v;
}

static void
write_int4(struct buffer *b, const char *text, size_t len)
{
	writer_u32(b, (uint32_t)read_number(text, len));
}

static void
write_int8(struct buffer *b, const char *text, size_t len)
{
	uint64_t v = (uint64_t)read_number(text, len);

	writer_u32(b, (uint32_t)(v >> 32));
	writer_u32(b, (uint32_t)v);
}

/* The digits behind the point, as the one digit of that base which they are. */
static uint16_t
read_fraction(const char *text, size_t len)
{
	uint16_t v = 0;

	for (size_t i = 0; i < DECIMALS_MAX; i++)
		v = (uint16_t)(v * 10 + (i < len ? text[i] - '0' : 0));
	return v;
}

/* numeric_send: number of digits, weight of the first, sign, decimals, then the digits, where zeros
 * at both ends are left out. */
static void
write_numeric(struct buffer *b, const char *text, size_t len)
{
	const char *point = memchr(text, '.', len);
	size_t whole = point != NULL ? (size_t)(point - text) : len;
	size_t decimals = point != NULL ? len - whole - 1 : 0;
	int64_t v = read_number(text, whole);
	uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
	uint16_t digits[1 + NUMERIC_DIGITS] = { read_fraction(text + len - decimals, decimals) };
	int n = 1, last = 0; /* the last digit comes first */

	for (; rest > 0; rest /= NUMERIC_BASE)
		digits[n++] = (uint16_t)(rest % NUMERIC_BASE);
	while (n > 0 && digits[n - 1] == 0)
		n--;
	while (last < n && digits[last] == 0)
		last++;
	writer_u16(b, (uint16_t)(n - last));
	writer_u16(b, (uint16_t)(n > 0 ? n - 2 : 0));
	writer_u16(b, n > 0 && text[0] == '-' ? NUMERIC_NEGATIVE : 0);
	writer_u16(b, (uint16_t)decimals);
	for (int i = n - 1; i >= last; i--)
		writer_u16(b, digits[i]);
}

static void
write_text(struct buffer *b, const char *text, size_t len)
{
	writer_bytes(b, text, len);
}

static uint8_t
hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : string_lower(c) - 'a' + 10);
}

static void
write_bytea(struct buffer *b, const char *text, size_t len)
{
	for (size_t i = 2; i + 1 < len; i += 2)
		writer_u8(b, (uint8_t)(hex_digit(text[i]) << 4 | hex_digit(text[i + 1])));
}

static void (*const writers[])(struct buffer *b, const char *text, size_t len) = {
	[COLUMN_TEXT] = write_text,
	[COLUMN_INT4] = write_int4,
	[COLUMN_INT8] = write_int8,
	[COLUMN_NUMERIC] = write_numeric,
	[COLUMN_MSEC] = write_numeric,
	[COLUMN_PERCENT] = write_numeric,
	[COLUMN_BYTEA] = write_bytea,
};

void
binary_write(struct buffer *b, enum column_type type, const char *text, size_t len)
{
	writers[type](b, text, len);
}
