/*
 * lookup: from a name to the thing of that name, in the order of their adding.
 */
#ifndef CONFIG_LOOKUP_H
#define CONFIG_LOOKUP_H

#include <stddef.h>

#include "config/arena.h"

struct lookup_entry;

struct lookup {
	struct lookup_entry *first;
};

/* name is borrowed and must not be there yet; the entry is taken from the arena. */
void lookup_add(struct lookup *n, struct config_arena *arena, const char *name, void *thing);

/* NULL: no such name.  Lookups change nothing and may run on any thread. */
void *lookup_find(const struct lookup *n, const char *name);

size_t lookup_count(const struct lookup *n);

/* Walk in order: position starts as NULL; returns NULL at the end. */
void *lookup_next(const struct lookup *n, const struct lookup_entry **position);

/* Give back what the arena does not own. */
void lookup_release(struct lookup *n);

#endif
