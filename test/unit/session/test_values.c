/*
 * Parameters of Bind messages, whole, cut and odd.
 */
#include "session/values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "pg/writer.h"

struct value {
	const char *bytes;	/* NULL: SQL NULL */
	size_t size;
};

static void
write_values(struct buffer *b, const uint16_t *formats, uint16_t nformats, const struct value *values, uint16_t n)
{
	writer_u16(b, nformats);
	for (uint16_t i = 0; i < nformats; i++)
		writer_u16(b, formats[i]);
	writer_u16(b, n);
	for (uint16_t i = 0; i < n; i++) {
		writer_u32(b, values[i].bytes != NULL ? (uint32_t)values[i].size : UINT32_MAX);
		if (values[i].bytes != NULL)
			writer_bytes(b, values[i].bytes, values[i].size);
	}
}

static void
expect(const struct buffer *b, size_t n, const char *wanted)
{
	char *got = values_of_bind(buffer_head(b), n);

	if (wanted == NULL)
		cr_assert_null(got);
	else
		cr_assert_str_eq(got, wanted);
	free(got);
}

Test(values, text_null_binary_and_what_is_no_utf8)
{
	static const struct value values[] = { { "a\"b", 3 }, { NULL, 0 }, { "", 0 }, { "\xff", 1 }, { "\0\1", 2 } };
	static const uint16_t formats[] = { 0, 0, 0, 0, 1 };
	struct buffer b = BUFFER_INIT;

	write_values(&b, formats, 5, values, 5);
	expect(&b, buffer_left(&b), "[\"a\\\"b\",null,\"\",\"\\\\xff\",\"\\\\x0001\"]");
	buffer_release(&b);
}

Test(values, one_format_for_all)
{
	static const struct value values[] = { { "a", 1 }, { "b", 1 } };
	static const uint16_t binary = 1;
	struct buffer b = BUFFER_INIT;

	write_values(&b, &binary, 1, values, 2);
	expect(&b, buffer_left(&b), "[\"\\\\x61\",\"\\\\x62\"]");
	buffer_release(&b);
}

Test(values, cut_anywhere)
{
	static const struct value values[] = { { "first", 5 }, { "second", 6 } };
	struct buffer b = BUFFER_INIT;

	write_values(&b, NULL, 0, values, 2);
	for (size_t n = 0; n < buffer_left(&b); n++) {
		uint8_t *part = malloc(n + 1);
		char *got;

		memcpy(part, buffer_head(&b), n);
		got = values_of_bind(part, n);
		if (n < 4)
			cr_assert_null(got);
		else if (n < 4 + 4 + 5)
			cr_assert_str_eq(got, "[\"...\"]");
		else
			cr_assert_str_eq(got, "[\"first\",\"...\"]");
		free(got);
		free(part);
	}
	expect(&b, buffer_left(&b), "[\"first\",\"second\"]");
	buffer_release(&b);
}

Test(values, no_more_formats_than_values)
{
	static const struct value one = { "a", 1 };
	static const uint16_t formats[] = { 0, 0, 0 };
	struct buffer b = BUFFER_INIT;

	write_values(&b, formats, 3, &one, 1);
	expect(&b, buffer_left(&b), NULL);
	buffer_release(&b);
}

Test(values, long_and_many)
{
	static char long_text[1000];
	struct value values[VALUES_MAX + 5];
	struct buffer b = BUFFER_INIT;
	char *got;

	memset(long_text, 'x', sizeof(long_text));
	for (size_t i = 0; i < VALUES_MAX + 5; i++)
		values[i] = (struct value){ long_text, sizeof(long_text) };
	write_values(&b, NULL, 0, values, VALUES_MAX + 5);
	got = values_of_bind(buffer_head(&b), buffer_left(&b));
	cr_assert_lt(strlen(got), (size_t)VALUES_MAX * (VALUE_SIZE + 3) + 10);
	cr_assert_not_null(strstr(got, ",\"...\"]"));
	free(got);
	buffer_release(&b);
}
