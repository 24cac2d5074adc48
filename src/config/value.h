/*
 * value: one setting between its text and its field, by the type in its row.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/arena.h"
#include "config/keys.h"

#define VALUE_TEXT 32 /* enough for every value that is not text */

/* Set k's field of the struct at base.  Text is copied to the arena.
 * false: e (F0000) names the key and what would be right; the field is as before. */
bool value_parse(const struct key *k, void *base, const char *text, struct config_arena *arena,
	struct error *e);

/* Set the field to the row's default. */
void value_reset(const struct key *k, void *base, struct config_arena *arena);

/* The value as the file would say it.  Borrowed from the struct, a table, or buf (VALUE_TEXT
 * bytes). NULL: nothing is set (a text key without default that is empty, or CONFIG_UNSET). */
const char *value_print(const struct key *k, const void *base, char *buf);

/* Set the field of dst to that of src, both structs of the key's section. */
void value_copy(const struct key *k, void *dst, const void *src, struct config_arena *arena);

/* Is it text?  If not, its number: CONFIG_UNSET if nothing is set. */
bool value_is_text(const struct key *k);
int64_t value_number(const struct key *k, const void *base);
void value_set_number(const struct key *k, void *base, int64_t n);

/* Where a text's pointer is. */
const char **value_text(const struct key *k, void *base);

/* Do both structs hold the same? */
bool value_equal(const struct key *k, const void *a, const void *b);
bool value_is_default(const struct key *k, const void *base);

/* "a whole number from 1 to 65535", "one of session, transaction, statement": for messages and the
 * manual. Returns buf. */
const char *value_describe(const struct key *k, char *buf, size_t size);

#endif
