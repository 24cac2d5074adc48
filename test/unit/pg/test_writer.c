#include "pg/writer.h"

#include <criterion/criterion.h>
#include <string.h>

#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"

static void
expect_bytes(struct buffer *b, const char *want, size_t n)
{
	cr_assert_eq(buffer_left(b), n, "%zu bytes instead of %zu", buffer_left(b), n);
	cr_assert_arr_eq(buffer_head(b), want, n);
	buffer_release(b);
}

#define EXPECT(b, literal) expect_bytes(b, literal, sizeof(literal) - 1)

Test(writer, numbers_are_in_network_order)
{
	struct buffer b = BUFFER_INIT;

	writer_u8(&b, 0x01);
	writer_u16(&b, 0x0203);
	writer_u32(&b, 0xf4050607);
	writer_string(&b, "");
	writer_string(&b, "xy");
	writer_bytes(&b, NULL, 0);
	writer_bytes(&b, "z", 1);
	EXPECT(&b, "\x01\x02\x03\xf4\x05\x06\x07\0xy\0z");
}

Test(writer, length_counts_itself_but_not_the_letter)
{
	struct buffer b = BUFFER_INIT;

	writer_end(&b, writer_begin(&b, FE_SYNC));
	size_t m = writer_begin(&b, FE_CLOSE);
	writer_string(&b, "Sabc");
	writer_end(&b, m);
	EXPECT(&b,
		"S\0\0\0\x04"
		"C\0\0\0\x09Sabc\0");
}

Test(writer, a_message_without_a_letter)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, 0);

	writer_u32(&b, 80877103);
	writer_end(&b, m);
	EXPECT(&b, "\0\0\0\x08\x04\xd2\x16\x2f");
}

/* The buffer grows and drops consumed bytes while the message is written. */
Test(writer, a_mark_survives_a_buffer_that_moves)
{
	for (size_t consumed = 0; consumed <= 200; consumed += 50) {
		struct buffer b = BUFFER_INIT;
		char filler[256];
		struct frame f;

		memset(filler, 'f', sizeof(filler));
		writer_bytes(&b, filler, 210);
		buffer_consume(&b, consumed);
		size_t m = writer_begin(&b, BE_COPY_DATA);
		for (int i = 0; i < 1000; i++)
			writer_bytes(&b, filler, 17);
		writer_end(&b, m);
		buffer_consume(&b, 210 - consumed);
		cr_assert_eq(frame_peek(buffer_head(&b), buffer_left(&b), &f), FRAME_OK);
		cr_assert_eq(f.type, BE_COPY_DATA);
		cr_assert_eq(f.size, 17005);
		cr_assert_eq(f.size, buffer_left(&b));
		buffer_release(&b);
	}
}

Test(writer, whole_messages)
{
	struct buffer b = BUFFER_INIT;

	writer_ready_for_query(&b, TRANSACTION_OPEN);
	writer_command_complete(&b, "SHOW");
	writer_parameter_status(&b, "TimeZone", "UTC");
	writer_query(&b, "DISCARD ALL");
	EXPECT(&b,
		"Z\0\0\0\x05T"
		"C\0\0\0\x09SHOW\0"
		"S\0\0\0\x11TimeZone\0UTC\0"
		"Q\0\0\0\x10"
		"DISCARD ALL\0");
}

Test(writer, error_has_all_fields)
{
	struct buffer b = BUFFER_INIT;
	struct error e;

	error_set(&e, SEVERITY_FATAL, "3D000", "no");
	writer_error(&b, &e);
	EXPECT(&b, "E\0\0\0\x1eSFATAL\0VFATAL\0C3D000\0Mno\0\0");
	error_detail(&e, "Dd");
	error_hint(&e, "Hh");
	writer_error(&b, &e);
	EXPECT(&b, "E\0\0\0\x26SFATAL\0VFATAL\0C3D000\0Mno\0DDd\0HHh\0\0");
}

Test(writer, severity_decides_the_letter)
{
	static const uint8_t letters[] = {
		[SEVERITY_WARNING] = BE_NOTICE_RESPONSE,
		[SEVERITY_NOTICE] = BE_NOTICE_RESPONSE,
		[SEVERITY_ERROR] = BE_ERROR_RESPONSE,
		[SEVERITY_FATAL] = BE_ERROR_RESPONSE,
	};

	for (size_t i = 0; i < sizeof(letters); i++) {
		struct buffer b = BUFFER_INIT;
		struct error e;
		error_set(&e, (enum severity)i, "00000", "text");
		writer_error(&b, &e);
		cr_assert_eq(buffer_head(&b)[0], letters[i]);
		buffer_release(&b);
	}
}

Test(writer, row_description)
{
	static const char *const names[] = { "name", "n", "q", "num", "raw" };
	static const uint32_t oids[] = { 25, 23, 20, 1700, 17 };
	static const int16_t lengths[] = { -1, 4, 8, -1, -1 };
	static const uint16_t formats[] = { 0, 1, 0, 1, 1 };
	struct buffer b = BUFFER_INIT;
	struct reader r;

	writer_row_description(&b, 5, names, oids, formats);
	reader_init(&r, buffer_head(&b), buffer_left(&b));
	cr_assert_eq(reader_u8(&r), BE_ROW_DESCRIPTION);
	cr_assert_eq(reader_u32(&r), buffer_left(&b) - 1);
	cr_assert_eq(reader_u16(&r), 5);
	for (size_t i = 0; i < 5; i++) {
		cr_assert_str_eq(reader_string(&r), names[i]);
		cr_assert_eq(reader_u32(&r), 0);
		cr_assert_eq(reader_u16(&r), 0);
		cr_assert_eq(reader_u32(&r), oids[i]);
		cr_assert_eq((int16_t)reader_u16(&r), lengths[i]);
		cr_assert_eq(reader_u32(&r), UINT32_MAX);
		cr_assert_eq(reader_u16(&r), formats[i]);
	}
	cr_assert(reader_done(&r));
	buffer_release(&b);
	writer_row_description(&b, 1, names, oids, NULL);
	cr_assert_eq(buffer_head(&b)[buffer_left(&b) - 1], 0, "text if nothing is said");
	buffer_release(&b);
	writer_row_description(&b, 0, NULL, NULL, NULL);
	EXPECT(&b, "T\0\0\0\x06\0\0");
}
