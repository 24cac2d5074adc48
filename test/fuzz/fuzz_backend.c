/* What a server sends: frames, and the error and notice responses in them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* What was understood can be told on, and is understood again. */
static void
take_response(const uint8_t *body, size_t n)
{
	struct buffer b = BUFFER_INIT;
	struct error e, again;
	char state[6];

	response_sqlstate(body, n, state);
	check(strlen(state) == 0 || strlen(state) == 5);
	response_parse(body, n, &e);
	check(strcmp(e.sqlstate, state) == 0 || state[0] == '\0');
	writer_error(&b, &e);
	check(response_parse(buffer_head(&b) + FRAME_HEADER, buffer_left(&b) - FRAME_HEADER,
		&again));
	check(again.severity == e.severity && strcmp(again.message, e.message) == 0);
	buffer_release(&b);
}

static void
take_parameter_status(const uint8_t *body, size_t n)
{
	struct reader r;

	reader_init(&r, body, n);
	size_t name = strlen(reader_string(&r)), value = strlen(reader_string(&r));
	if (reader_done(&r))
		check(name + value + 2 == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;

	while (frame_peek(data, size, &f) == FRAME_OK && f.size <= size) {
		const uint8_t *body = data + FRAME_HEADER;
		size_t n = f.size - FRAME_HEADER;
		if (f.type == BE_ERROR_RESPONSE || f.type == BE_NOTICE_RESPONSE)
			take_response(body, n);
		else if (f.type == BE_PARAMETER_STATUS)
			take_parameter_status(body, n);
		data += f.size;
		size -= f.size;
	}
	return 0;
}
