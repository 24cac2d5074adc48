/*
 * params: sets of session parameters (client_encoding, DateStyle, ...), shared.
 *
 * A set is immutable and interned: within one table, two equal sets are the
 * same pointer.  So a client that fits a server is seen with one compare, and
 * ten thousand clients with the same settings cost one set.
 *
 * A set is a sorted list of (name, value); names compare without case and keep
 * the spelling of their first use in the table (while a set there has them).
 *
 * A table belongs to one worker and is not locked.  A set that moves to another
 * worker is carried as text (params_pack) and interned there.
 */
#ifndef PG_PARAMS_H
#define PG_PARAMS_H

#include <stddef.h>

#include "base/buffer.h"

struct params_table;
struct params;

struct params_table *params_table_new(void);
void params_table_free(struct params_table **t);	/* all sets must be unreferenced, except the empty one */

/* The set without entries; a reference that the caller gives back with params_unref. */
const struct params *params_empty(struct params_table *t);

/* A reference to the set that has name = value and else equals base; value NULL removes the name.
 * Does not take the reference to base. */
const struct params *params_with(struct params_table *t, const struct params *base, const char *name, const char *value);

const struct params *params_ref(const struct params *p);
void params_unref(struct params_table *t, const struct params **p);	/* sets *p to NULL; NULL is fine */

size_t params_count(const struct params *p);
const char *params_name(const struct params *p, size_t i);
const char *params_value(const struct params *p, size_t i);
const char *params_get(const struct params *p, const char *name);	/* NULL: not there */

/* A set as text, appended: name NUL value NUL ... */
void params_pack(const struct params *p, struct buffer *out);

/* The set of such a text, a reference; `in` is used up and released. */
const struct params *params_unpack(struct params_table *t, struct buffer *in);

#endif
