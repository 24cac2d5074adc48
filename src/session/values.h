/*
 * values: the parameters of a Bind message as people read them (slow_query_log_values).
 */
#ifndef SESSION_VALUES_H
#define SESSION_VALUES_H

#include <stddef.h>
#include <stdint.h>

#define VALUES_MAX 64		/* of a Bind; then "..." */
#define VALUE_SIZE 256		/* bytes of one that are told */

/* A JSON array (malloc'd): strings, null; what is binary or no UTF-8 as "\\x6162".  p: behind the names, n bytes;
 * NULL: they are not understood. */
char *values_of_bind(const uint8_t *p, size_t n);

#endif
