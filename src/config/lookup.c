#include "config/lookup.h"

#include <string.h>

#include "base/memory.h"

#define uthash_malloc(size) memory_alloc(size)
#include <uthash.h>

struct lookup_entry {
	UT_hash_handle hh;
	void *thing;
};

void
lookup_add(struct lookup *n, struct config_arena *arena, const char *name, void *thing)
{
	struct lookup_entry *entry = arena_alloc(arena, sizeof(*entry));

	entry->thing = thing;
	HASH_ADD_KEYPTR(hh, n->first, name, strlen(name), entry);
}

void *
lookup_find(const struct lookup *n, const char *name)
{
	struct lookup_entry *entry;

	HASH_FIND(hh, n->first, name, strlen(name), entry);
	return entry == NULL ? NULL : entry->thing;
}

size_t
lookup_count(const struct lookup *n)
{
	return HASH_COUNT(n->first);
}

void *
lookup_next(const struct lookup *n, const struct lookup_entry **position)
{
	*position = *position == NULL ? n->first : (*position)->hh.next;
	return *position == NULL ? NULL : (*position)->thing;
}

void
lookup_release(struct lookup *n)
{
	HASH_CLEAR(hh, n->first);
}
