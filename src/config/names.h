/*
 * names: from a name to the thing of that name, in the order of their adding.
 */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

#include <stddef.h>

#include "config/arena.h"

struct name;

struct names {
	struct name *first;
};

/* name is borrowed and must not be there yet; the entry is taken from the arena. */
void names_add(struct names *n, struct config_arena *arena, const char *name, void *thing);

/* NULL: no such name.  Lookups change nothing and may run on any thread. */
void *names_find(const struct names *n, const char *name);

size_t names_count(const struct names *n);

/* Walk in order: position starts as NULL; returns NULL at the end. */
void *names_next(const struct names *n, const struct name **position);

/* Give back what the arena does not own. */
void names_release(struct names *n);

#endif
