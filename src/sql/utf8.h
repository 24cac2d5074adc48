/*
 * utf8: is it?
 *
 * Private to the folder.
 */
#ifndef SQL_UTF8_H
#define SQL_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD"		/* what stands for bytes that are no character */

/* How many of the n > 0 bytes at p are the first character, by RFC 3629; 0: they begin none. */
size_t utf8_size(const char *p, size_t n);

#endif
