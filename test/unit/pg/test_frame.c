#include "pg/frame.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/buffer.h"
#include "pg/message.h"
#include "pg/writer.h"

Test(frame, lengths)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum frame_result result;
		size_t size;
	} cases[] = {
		{ "", 0, FRAME_SHORT, 0 },
		{ "Q", 1, FRAME_SHORT, 0 },
		{ "Q\0\0\0", 4, FRAME_SHORT, 0 },
		{ "Q\0\0\0\0", 5, FRAME_INVALID, 0 },
		{ "Q\0\0\0\x03", 5, FRAME_INVALID, 0 },
		{ "Q\0\0\0\x04", 5, FRAME_OK, 5 },
		{ "Q\0\0\0\x05", 5, FRAME_OK, 6 },
		{ "Q\x01\x02\x03\x04", 5, FRAME_OK, 0x01020305 },
		{ "Q\x7f\xff\xff\xff", 5, FRAME_OK, 0x80000000 },
		{ "Q\xff\xff\xff\xff", 5, FRAME_OK, 0x100000000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = { 0, 0 };
		enum frame_result result =
			frame_peek((const uint8_t *)cases[i].bytes, cases[i].n, &f);
		cr_assert_eq(result, cases[i].result, "case %zu", i);
		cr_assert_eq(f.size, cases[i].size, "case %zu", i);
		cr_assert_eq(f.type, result == FRAME_OK ? 'Q' : 0);
	}
}

/* Take the frames that are complete; their letters are appended to seen. */
static void
take_frames(struct buffer *b, char *seen)
{
	struct frame f;

	while (frame_peek(buffer_head(b), buffer_left(b), &f) == FRAME_OK &&
		f.size <= buffer_left(b)) {
		strncat(seen, (const char *)&f.type, 1);
		buffer_consume(b, f.size);
	}
}

/* A stream of messages, cut in two at every byte, gives the same frames. */
Test(frame, split_at_every_byte)
{
	struct buffer all = BUFFER_INIT;

	writer_query(&all, "SELECT 1");
	writer_end(&all, writer_begin(&all, FE_SYNC));
	writer_parameter_status(&all, "DateStyle", "ISO, MDY");
	writer_end(&all, writer_begin(&all, FE_FLUSH));
	for (size_t cut = 0; cut <= buffer_left(&all); cut++) {
		struct buffer b = BUFFER_INIT;
		char seen[8] = "";
		buffer_append(&b, buffer_head(&all), cut);
		take_frames(&b, seen);
		buffer_append(&b, buffer_head(&all) + cut, buffer_left(&all) - cut);
		take_frames(&b, seen);
		cr_assert_str_eq(seen, "QSSH", "cut at %zu", cut);
		cr_assert_eq(buffer_left(&b), 0);
		buffer_release(&b);
	}
	buffer_release(&all);
}
