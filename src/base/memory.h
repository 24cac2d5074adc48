/*
 * memory: allocation that succeeds or ends the process, and wiping.
 *
 * A pooler that cannot get a few bytes cannot serve; it says so and aborts,
 * and the service manager starts it again.  Sizes that a peer chooses are
 * bounded before they come here.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *memory_alloc_aligned(size_t alignment, size_t n) __attribute__((returns_nonnull));	/* n: a multiple of alignment */
void *memory_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *memory_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *memory_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *memory_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));

/* Zero n bytes in a way that the compiler keeps. */
void memory_wipe(void *p, size_t n);

/* Wipe a string up to its NUL, free it; NULL is fine. */
void memory_free_secret(char *s);

/* The object that holds this member. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#endif
