/*
 * statement: the texts of prepared statements, once per tenant.
 *
 * Clients name the same text in many ways, and servers see many clients: a
 * text (query and parameter types) is kept once, and on every server it has
 * the same name, pgusher_<id>.  It lives as long as a client has a name for it
 * or a server has it prepared.
 *
 * A table belongs to its tenant's worker.
 */
#ifndef SESSION_STATEMENT_H
#define SESSION_STATEMENT_H

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/buffer.h"
#include "tenant/tenant.h"

#define STATEMENT_NAME_MAX 24
#define STATEMENT_PREFIX "pgusher_"

struct trace_note;

struct statement {
	UT_hash_handle hh;
	struct statements *table;
	int refs;
	uint64_t hash;		/* of the digest of its text (sql/digest.h) */
	uint8_t verb, effects;	/* likewise */
	bool has_backslash;	/* within the first TIMING_TEXT bytes of the text */
	struct trace_note *trace;	/* what a comment in it says; NULL: nothing */
	char name[STATEMENT_NAME_MAX];	/* on servers */
	uint32_t size;		/* of body */
	uint32_t text_size;	/* of the text in it, without NUL */
	uint8_t body[];		/* of a Parse message behind the name: query NUL, int16 n, n times int32 */
};

struct statements {
	struct statement *by_body;
	size_t bytes;		/* of all bodies, of clients' names for them (session/names.h), and their upkeep */
};

/* A reference to the statement of this body, made if need be; NULL: it would exceed budget bytes. */
struct statement *statement_intern(struct tenant *t, const uint8_t *body, size_t size, int64_t budget);

struct statement *statement_ref(struct statement *st);
void statement_unref(struct statement **st);		/* NULL is fine */

/* Append the Parse message that prepares it. */
void statement_write_parse(const struct statement *st, struct buffer *b);

#endif
