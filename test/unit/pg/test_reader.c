#include "pg/reader.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint8_t message[] = {
	0x01,			/* u8 */
	0x02, 0x03,		/* u16 */
	0xfc, 0x05, 0x06, 0x07, /* u32 */
	'a', 'b', 0,		/* string */
	0,			/* empty string */
	9, 8, 7,		/* bytes */
};

/* What a reader of the first n bytes sees when it reads all fields: the sum of what each step is
 * allowed to give. */
static void
read_all(const uint8_t *bytes, size_t n)
{
	static const size_t ends[] = { 1, 3, 7, 10, 11, 14 };
	struct reader r;

	reader_init(&r, bytes, n);
	cr_assert_eq(reader_u8(&r), n >= ends[0] ? 0x01 : 0);
	cr_assert_eq(reader_u16(&r), n >= ends[1] ? 0x0203 : 0);
	cr_assert_eq(reader_u32(&r), n >= ends[2] ? 0xfc050607u : 0);
	cr_assert_str_eq(reader_string(&r), n >= ends[3] ? "ab" : "");
	cr_assert_str_eq(reader_string(&r), "");
	cr_assert_eq(reader_ok(&r), n >= ends[4]);
	const uint8_t *p = reader_bytes(&r, 3);
	cr_assert_eq(p != NULL, n >= ends[5]);
	if (p != NULL)
		cr_assert_arr_eq(p, "\x09\x08\x07", 3);
	cr_assert_eq(reader_ok(&r), n >= ends[5]);
	cr_assert_eq(reader_done(&r), n == ends[5]);
	cr_assert_eq(reader_left(&r), n > ends[5] ? n - ends[5] : 0);
}

/* On a heap block of the exact size, so that a sanitizer sees a step too far. */
Test(reader, every_cut_of_a_message)
{
	for (size_t n = 0; n <= sizeof(message); n++) {
		uint8_t *copy = malloc(n + (n == 0));
		memcpy(copy, message, n);
		read_all(copy, n);
		free(copy);
	}
}

Test(reader, more_than_was_read_is_not_done)
{
	uint8_t longer[sizeof(message) + 1] = { 0 };

	memcpy(longer, message, sizeof(message));
	read_all(longer, sizeof(longer));
}

Test(reader, failure_sticks)
{
	struct reader r;

	reader_init(&r, "\x01\x02\x03", 3);
	cr_assert_eq(reader_u32(&r), 0);
	cr_assert_not(reader_ok(&r));
	/* The bytes are there, but nobody gets them any more. */
	cr_assert_eq(reader_u8(&r), 0);
	cr_assert_eq(reader_u16(&r), 0);
	cr_assert_str_empty(reader_string(&r));
	cr_assert_null(reader_bytes(&r, 0));
	cr_assert_null(reader_bytes(&r, 1));
	cr_assert_eq(reader_left(&r), 0);
	cr_assert_not(reader_done(&r));
}

Test(reader, a_string_needs_its_nul_inside)
{
	static const char text[] = "abc"; /* the NUL stands behind the message */
	struct reader r;

	reader_init(&r, text, 3);
	cr_assert_str_empty(reader_string(&r));
	cr_assert_not(reader_ok(&r));
	reader_init(&r, text, 4);
	cr_assert_eq(reader_string(&r), text);
	cr_assert(reader_done(&r));
}

Test(reader, nothing_is_read_from_nothing)
{
	struct reader r;

	reader_init(&r, NULL, 0);
	cr_assert(reader_done(&r));
	cr_assert_not_null(reader_bytes(&r, 0));
	cr_assert(reader_ok(&r));
	cr_assert_str_empty(reader_string(&r));
	cr_assert_not(reader_ok(&r));
}

Test(reader, sizes_that_would_overflow)
{
	struct reader r;

	reader_init(&r, message, sizeof(message));
	cr_assert_null(reader_bytes(&r, SIZE_MAX));
	reader_init(&r, message, sizeof(message));
	cr_assert_null(reader_bytes(&r, sizeof(message) + 1));
	reader_init(&r, message, sizeof(message));
	cr_assert_eq(reader_bytes(&r, sizeof(message)), message);
	cr_assert(reader_done(&r));
}
