/*
 * strings: parsing and quoting of small text, without locale.
 */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole-string parses: false leaves *out alone. */
bool string_to_int64(const char *s, int64_t *out);

/* Case-insensitive (ASCII). */
bool string_equal_nocase(const char *a, const char *b);

/* Is name one of the names in a list like "a, b,c"?  "" is in no list. */
bool string_in_list(const char *list, const char *name);

/* Copy with cut; always NUL-terminated; returns dst. */
char *string_copy(char *dst, const char *src, size_t size);

#endif
