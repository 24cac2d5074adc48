#include "config/names.h"

#include <string.h>

#include "base/memory.h"

#define uthash_malloc(size) memory_alloc(size)
#include <uthash.h>

struct name {
	UT_hash_handle hh;
	void *thing;
};

void
names_add(struct names *n, struct config_arena *arena, const char *name, void *thing)
{
	struct name *entry = arena_alloc(arena, sizeof(*entry));

	entry->thing = thing;
	HASH_ADD_KEYPTR(hh, n->first, name, strlen(name), entry);
}

void *
names_find(const struct names *n, const char *name)
{
	struct name *entry;

	HASH_FIND(hh, n->first, name, strlen(name), entry);
	return entry == NULL ? NULL : entry->thing;
}

size_t
names_count(const struct names *n)
{
	return HASH_COUNT(n->first);
}

void *
names_next(const struct names *n, const struct name **position)
{
	*position = *position == NULL ? n->first : (*position)->hh.next;
	return *position == NULL ? NULL : (*position)->thing;
}

void
names_release(struct names *n)
{
	HASH_CLEAR(hh, n->first);
}
