/*
 * buffer: bytes that grow.
 *
 * Invariants: len <= cap; data is NULL exactly when cap is 0; the unread bytes
 * are data[off..len).  A buffer that held secrets is freed with buffer_wipe.
 * Out of memory ends the process (base/memory.h).
 *
 * Not locked: one thread at a time.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data;
	size_t off;		/* consumed so far */
	size_t len;		/* filled so far; off <= len */
	size_t cap;
};

#define BUFFER_INIT { NULL, 0, 0, 0 }

/* Make it empty without memory; for memory of unknown content. */
void buffer_init(struct buffer *b);

/* Give the memory back; the buffer is empty and usable after. buffer_wipe zeroes it first. */
void buffer_release(struct buffer *b);
void buffer_wipe(struct buffer *b);

/* Forget the content, keep the memory. */
void buffer_clear(struct buffer *b);

/* Room for n more bytes at the end: returns where they go; buffer_added says how many were put there.
 * May move the data (consumed bytes are dropped first). */
uint8_t *buffer_reserve(struct buffer *b, size_t n);
void buffer_added(struct buffer *b, size_t n);

void buffer_append(struct buffer *b, const void *bytes, size_t n);

/* The unread bytes. */
__attribute__((no_sanitize("pointer-overflow"))) /* NULL + 0 of an empty buffer is meant */
static inline const uint8_t *
buffer_head(const struct buffer *b)
{
	return b->data + b->off;
}

static inline size_t
buffer_left(const struct buffer *b)
{
	return b->len - b->off;
}

/* n <= buffer_left(b) bytes were read. */
void buffer_consume(struct buffer *b, size_t n);

#endif
