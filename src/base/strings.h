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

/* ASCII letters in lower case; other bytes as they are. */
char string_lower(char c);
void string_fold(char *s);	/* in place */

/* Either may be NULL: then it is equal to NULL only. */
bool string_equal(const char *a, const char *b);

/* Case-insensitive (ASCII). */
bool string_equal_nocase(const char *a, const char *b);

/* Is name one of the names in a list like "a, b,c"?  "" is in no list. */
bool string_in_list(const char *list, const char *name);
bool string_in_list_nocase(const char *list, const char *name);

/* The n-th, from 0, of a list without blanks like "a,b,c", cut to size.  false: there is none, and buf
 * is "".  list may be NULL. */
bool string_nth(const char *list, int n, char *buf, size_t size);

/* How many of the first n bytes of s are left when a UTF-8 character that was cut at their end is
 * dropped: n, or up to three less.  Other encodings lose nothing but bytes that look like one. */
size_t string_whole_chars(const char *s, size_t n);

/* Copy with cut (never through a UTF-8 character); always NUL-terminated; returns dst.  size > 0. */
char *string_copy(char *dst, const char *src, size_t size);

/* FNV-1a of the bytes before the NUL: the same in each process and release, since data lies where it says. */
uint32_t string_hash(const char *s);

#endif
