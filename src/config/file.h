/*
 * file: a whole configuration file in memory.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stddef.h>

#include "base/error.h"

#define FILE_SIZE_MAX (64 * 1024 * 1024)

/* Read path, at most FILE_SIZE_MAX bytes, and put a NUL behind.  The caller gives the text back
 * with file_free, as it may hold passwords.  NULL: e (F0000) says why, and errno is what the
 * system said.  A FIFO that nobody writes reads as empty. */
char *file_read(const char *path, size_t *size, struct error *e);

/* Wipe and free; NULL is fine. */
void file_free(char *text, size_t size);

#endif
