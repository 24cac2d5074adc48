#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void *
succeed(void *p, size_t n)
{
	if (p == NULL) {
		log_fatal("out of memory: %zu bytes were not to be had", n);
		abort();
	}
	return p;
}

void *
memory_alloc(size_t n)
{
	return succeed(malloc(n > 0 ? n : 1), n);
}

void *
memory_alloc_aligned(size_t alignment, size_t n)
{
	return succeed(aligned_alloc(alignment, n), n);
}

void *
memory_zalloc(size_t n)
{
	return succeed(calloc(1, n > 0 ? n : 1), n);
}

void *
memory_realloc(void *p, size_t n)
{
	return succeed(realloc(p, n > 0 ? n : 1), n);
}

char *
memory_strdup(const char *s)
{
	return memory_strndup(s, strlen(s));
}

char *
memory_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = memory_alloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void
memory_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

void
memory_free_secret(char *s)
{
	if (s == NULL)
		return;
	memory_wipe(s, strlen(s));
	free(s);
}
