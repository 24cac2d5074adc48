/*
 * frame: where one message ends and the next begins.
 *
 * A regular message is a letter, an int32 length that counts itself, and the
 * body.  Startup packets have no letter.  Nothing is copied.
 */
#ifndef PG_FRAME_H
#define PG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER 5			/* letter and length */

enum frame_result {
	FRAME_OK,		/* type and size are known; the body may still be under way */
	FRAME_SHORT,		/* fewer than FRAME_HEADER bytes: read more */
	FRAME_INVALID,		/* a length below 4 */
};

struct frame {
	uint8_t type;
	size_t size;		/* of the whole message, header included; up to 4 GiB, so check it */
};

/* Look at the header at p. */
static inline enum frame_result
frame_peek(const uint8_t *p, size_t n, struct frame *f)
{
	if (n < FRAME_HEADER)
		return FRAME_SHORT;
	uint32_t length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	if (length < 4)
		return FRAME_INVALID;
	f->type = p[0];
	f->size = (size_t)length + 1;
	return FRAME_OK;
}

#endif
