#include "config/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define CHUNK_MIN 2048
#define CHUNK_MAX (64 * 1024)
#define ALIGNMENT 8

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	char bytes[];
};

struct config_arena {
	struct chunk *chunks; /* the newest, which has room, first */
	size_t size;
};

static struct chunk *
add_chunk(struct config_arena *a, size_t wanted)
{
	size_t size = a->chunks == NULL ? CHUNK_MIN : a->chunks->size * 2;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < wanted)
		size = wanted;
	struct chunk *c = memory_zalloc(sizeof(*c) + size);
	c->size = size;
	c->next = a->chunks;
	a->chunks = c;
	a->size += sizeof(*c) + size;
	return c;
}

static char *
take_bytes(struct config_arena *a, size_t size, size_t alignment)
{
	struct chunk *c = a->chunks;

	if (c != NULL)
		c->used = (c->used + alignment - 1) & ~(alignment - 1);
	if (c == NULL || c->used > c->size || c->size - c->used < size)
		c = add_chunk(a, size);
	char *p = c->bytes + c->used;
	c->used += size;
	return p;
}

struct config_arena *
arena_new(void)
{
	return memory_zalloc(sizeof(struct config_arena));
}

void
arena_free(struct config_arena **a)
{
	if (*a == NULL)
		return;
	for (struct chunk *c = (*a)->chunks, *next; c != NULL; c = next) {
		next = c->next;
		memory_wipe(c->bytes, c->size);
		free(c);
	}
	free(*a);
	*a = NULL;
}

void *
arena_alloc(struct config_arena *a, size_t size)
{
	return take_bytes(a, size, ALIGNMENT);
}

const char *
arena_strdup(struct config_arena *a, const char *s)
{
	if (s == NULL || s[0] == '\0')
		return s == NULL ? NULL : "";
	size_t size = strlen(s) + 1;
	return memcpy(take_bytes(a, size, 1), s, size);
}

size_t
arena_size(const struct config_arena *a)
{
	return a->size;
}
