#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

#define SMALLEST 128

void
buffer_init(struct buffer *b)
{
	*b = (struct buffer)BUFFER_INIT;
}

void
buffer_release(struct buffer *b)
{
	free(b->data);
	buffer_init(b);
}

void
buffer_wipe(struct buffer *b)
{
	if (b->data != NULL)
		memory_wipe(b->data, b->cap);
	buffer_release(b);
}

void
buffer_clear(struct buffer *b)
{
	b->off = 0;
	b->len = 0;
}

static void
drop_consumed(struct buffer *b)
{
	size_t left = buffer_left(b);

	if (b->off == 0)
		return;
	memmove(b->data, b->data + b->off, left);
	b->off = 0;
	b->len = left;
}

static size_t
choose_capacity(const struct buffer *b, size_t needed)
{
	size_t cap = b->cap < SMALLEST / 2 ? SMALLEST : b->cap * 2;

	return cap < needed ? needed : cap;
}

/* Not with realloc: the old block may hold a secret, and is wiped before it goes. */
static void
grow(struct buffer *b, size_t needed)
{
	size_t left = buffer_left(b);
	size_t cap = choose_capacity(b, needed);
	uint8_t *data = memory_alloc(cap);

	if (left > 0)
		memcpy(data, b->data + b->off, left);
	buffer_wipe(b);
	*b = (struct buffer){ .data = data, .len = left, .cap = cap };
}

uint8_t *
buffer_reserve(struct buffer *b, size_t n)
{
	if (b->cap - b->len >= n && b->data != NULL)
		return b->data + b->len;
	/* Above this, doubling a capacity could overflow; no caller comes near. */
	if (n > SIZE_MAX / 4 - buffer_left(b)) {
		log_fatal("a buffer can't grow by %zu bytes", n);
		abort();
	}
	/* Moving less than half keeps the cost of a byte constant over many appends. */
	if (b->data != NULL && b->cap - buffer_left(b) >= n && buffer_left(b) <= b->cap / 2)
		drop_consumed(b);
	else
		grow(b, buffer_left(b) + n);
	return b->data + b->len;
}

void
buffer_added(struct buffer *b, size_t n)
{
	assert(n <= b->cap - b->len);
	b->len += n;
}

void
buffer_append(struct buffer *b, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buffer_reserve(b, n), bytes, n);
	b->len += n;
}

void
buffer_consume(struct buffer *b, size_t n)
{
	assert(n <= buffer_left(b));
	b->off += n;
	if (b->off == b->len)
		buffer_clear(b);
}
