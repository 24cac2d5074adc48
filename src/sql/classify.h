/*
 * classify: what PostgreSQL's own parser (libpg_query) says of a statement.
 *
 * It costs tens of microseconds and allocates: for the first sight of a digest, on a
 * helper thread.  Literals are looked at and not kept.
 */
#ifndef SQL_CLASSIFY_H
#define SQL_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/digest.h"

#define SQL_TABLES_MAX 16

struct sql_class {
	bool parsed;		/* false: the parser refused the text; the rest is the lexer's opinion */
	enum sql_verb verb;	/* of the only statement, or SQL_MULTI */
	bool reads_only;	/* SELECT without FOR UPDATE/SHARE, INTO and data-modifying CTEs; SHOW; EXPLAIN without ANALYZE */
	int ntables;
	char *tables[SQL_TABLES_MAX];	/* "schema.name" or "name", as written (folded); each once, sorted; CTEs are none */
	bool more_tables;	/* than that */
};

/* text is NUL-terminated: a statement, or what sql_normalize made of it.  Of what is longer than the parser gets (8 KB),
 * it gets the normalized text, without literals and lists. */
void sql_classify(struct sql_class *c, const char *text);
void sql_class_release(struct sql_class *c);

/* Is it a statement that EXPLAIN takes and that has no effect when planned: SELECT, INSERT, UPDATE, DELETE, MERGE?
 * normalized is of sql_normalize: if so, a text (malloc'd) that can be prepared again.  Folded lists have one element,
 * parameters are numbered anew from 1 on, and for date '2026-01-01' it says $1::date, since a parameter can't stand
 * there.  NULL: it can't be, or was cut.  The parser accepts a little more than a server does, so that has the last
 * word. */
char *sql_preparable(const char *normalized);

/* sql_preparable numbers parameters anew, in the order in which they come first: which numbers had they before?  Writes
 * the first max of them, and returns how many. */
size_t sql_parameter_order(const char *normalized, uint16_t *numbers, size_t max);

#endif
