#include "session/statement.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/timing.h"

/* Of the process, so that a server that moves to another worker finds no other meaning of a name there. */
static atomic_uint last_id;

static size_t
cost(size_t size)
{
	return sizeof(struct statement) + size;
}

static void
read_text(struct statement *st)
{
	struct sql_digest d;
	size_t n = strnlen((const char *)st->body, st->size), read = n < TIMING_TEXT ? n : TIMING_TEXT;

	st->text_size = (uint32_t)n;
	st->has_backslash = memchr(st->body, '\\', read) != NULL;
	sql_digest((const char *)st->body, read, &d);
	st->hash = d.hash;
	st->verb = d.verb;
	st->effects = n < TIMING_TEXT ? d.effects : SQL_EFFECTS;
	st->trace = d.comment != NULL ? trace_note_new(d.comment, d.comment_size) : NULL;
}

static struct statement *
add(struct statements *t, const uint8_t *body, size_t size)
{
	struct statement *st = memory_alloc(cost(size));

	st->table = t;
	st->refs = 0;
	snprintf(st->name, sizeof(st->name), STATEMENT_PREFIX "%u", atomic_fetch_add(&last_id, 1) + 1);
	st->size = (uint32_t)size;
	memcpy(st->body, body, size);
	read_text(st);
	HASH_ADD(hh, t->by_body, body, size, st);
	t->bytes += cost(size);
	return st;
}

struct statement *
statement_intern(struct tenant *tenant, const uint8_t *body, size_t size, int64_t budget)
{
	struct statements *t = tenant->statements;
	struct statement *st = NULL;

	if (t != NULL)
		HASH_FIND(hh, t->by_body, body, size, st);
	if (st == NULL) {
		if (budget > 0 && (t != NULL ? t->bytes : 0) + cost(size) > (size_t)budget)
			return NULL;
		if (t == NULL)
			t = tenant->statements = memory_zalloc(sizeof(*t));
		st = add(t, body, size);
	}
	return statement_ref(st);
}

struct statement *
statement_ref(struct statement *st)
{
	st->refs++;
	return st;
}

void
statement_unref(struct statement **stp)
{
	struct statement *st = *stp;

	if (st == NULL)
		return;
	*stp = NULL;
	if (--st->refs > 0)
		return;
	HASH_DEL(st->table->by_body, st);
	st->table->bytes -= cost(st->size);
	trace_note_unref(&st->trace);
	free(st);
}

void
statement_write_parse(const struct statement *st, struct buffer *b)
{
	size_t mark = writer_begin(b, FE_PARSE);

	writer_string(b, st->name);
	writer_bytes(b, st->body, st->size);
	writer_end(b, mark);
}
