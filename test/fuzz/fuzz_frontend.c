/*
 * What a client sends after its login: frames, and the messages in them as the protocol spells them,
 * read with the one cursor that the program reads them with.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* string string int16 { int32 } */
static void
read_parse(struct reader *r)
{
	reader_string(r);
	reader_string(r);
	for (unsigned types = reader_u16(r); types > 0 && reader_ok(r); types--)
		reader_u32(r);
}

/* string string int16 { int16 } int16 { int32 bytes } int16 { int16 } */
static void
read_bind(struct reader *r)
{
	reader_string(r);
	reader_string(r);
	for (unsigned formats = reader_u16(r); formats > 0 && reader_ok(r); formats--)
		reader_u16(r);
	for (unsigned values = reader_u16(r); values > 0 && reader_ok(r); values--) {
		uint32_t length = reader_u32(r);
		size_t left = reader_left(r);
		if (length != UINT32_MAX)
			check((reader_bytes(r, length) != NULL) ==
				(reader_ok(r) && length <= left));
	}
	for (unsigned formats = reader_u16(r); formats > 0 && reader_ok(r); formats--)
		reader_u16(r);
}

static void
read_message(uint8_t type, struct reader *r)
{
	switch (type) {
	case FE_PARSE:
		read_parse(r);
		break;
	case FE_BIND:
		read_bind(r);
		break;
	case FE_DESCRIBE:
	case FE_CLOSE:
		reader_u8(r);
		reader_string(r);
		break;
	case FE_EXECUTE:
		reader_string(r);
		reader_u32(r);
		break;
	case FE_QUERY:
	case FE_COPY_FAIL:
		reader_string(r);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;

	while (frame_peek(data, size, &f) == FRAME_OK && f.size <= size) {
		const uint8_t *end = data + f.size;
		struct reader r;
		reader_init(&r, data + FRAME_HEADER, f.size - FRAME_HEADER);
		read_message(f.type, &r);
		check(r.pos <= r.end && r.end == (f.size > FRAME_HEADER ? end : r.end));
		check(reader_left(&r) == (reader_ok(&r) ? (size_t)(r.end - r.pos) : 0));
		data = end;
		size -= f.size;
	}
	return 0;
}
