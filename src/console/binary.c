#include "console/binary.h"

#include <string.h>

#include "base/strings.h"
#include "pg/writer.h"

#define NUMERIC_BASE 10000
#define NUMERIC_DIGITS 5 /* of an int64 in that base */
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

/* numeric_send: number of digits, weight of the first, sign, digits behind the point, then the
 * digits, where zeros at the end are left out. */
static void
write_numeric(struct buffer *b, const char *text, size_t len)
{
	int64_t v = read_number(text, len);
	uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;
	uint16_t digits[NUMERIC_DIGITS]; /* the last first */
	int n = 0, last = 0;

	for (; rest > 0; rest /= NUMERIC_BASE)
		digits[n++] = (uint16_t)(rest % NUMERIC_BASE);
	while (last < n && digits[last] == 0)
		last++;
	writer_u16(b, (uint16_t)(n - last));
	writer_u16(b, (uint16_t)(n > 0 ? n - 1 : 0));
	writer_u16(b, v < 0 ? NUMERIC_NEGATIVE : 0);
	writer_u16(b, 0);
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
	[COLUMN_BYTEA] = write_bytea,
};

void
binary_write(struct buffer *b, enum column_type type, const char *text, size_t len)
{
	writers[type](b, text, len);
}
