/*
 * reader: a cursor over the bytes of one message, with a sticky error.
 *
 * Read everything, then ask once: after a read past the end (or a string
 * without its NUL) every further read gives 0 or "", and reader_ok is false.
 * It borrows the bytes and allocates nothing.  Integers are in network order.
 */
#ifndef PG_READER_H
#define PG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *pos;
	const uint8_t *end;
	bool failed;
};

void reader_init(struct reader *r, const void *bytes, size_t n);

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);

/* A NUL-terminated string inside the message; "" on failure. */
const char *reader_string(struct reader *r);

/* n bytes inside the message; NULL on failure (and a valid pointer for n == 0). */
const uint8_t *reader_bytes(struct reader *r, size_t n);

static inline size_t
reader_left(const struct reader *r)
{
	return r->failed ? 0 : (size_t)(r->end - r->pos);
}

static inline bool
reader_ok(const struct reader *r)
{
	return !r->failed;
}

/* Nothing failed and nothing is left over. */
static inline bool
reader_done(const struct reader *r)
{
	return !r->failed && r->pos == r->end;
}

#endif
