/*
 * arena: memory that a snapshot takes in small pieces and gives back at once.
 *
 * Everything is zeroed when it is taken and wiped when the arena is freed, as
 * passwords lie between the names.  Out of memory ends the process.
 *
 * Filled by one thread; after that it may be read by any.
 */
#ifndef CONFIG_ARENA_H
#define CONFIG_ARENA_H

#include <stddef.h>

struct config_arena;

struct config_arena *arena_new(void);

/* Wipe and free all pieces; sets *a to NULL; NULL is fine. */
void arena_free(struct config_arena **a);

/* size zero bytes, aligned for any type of config.h. */
void *arena_alloc(struct config_arena *a, size_t size);

/* A copy. "" costs nothing; NULL stays NULL. */
const char *arena_strdup(struct config_arena *a, const char *s);

/* Bytes taken from the heap, for tests and SHOW MEM. */
size_t arena_size(const struct config_arena *a);

#endif
