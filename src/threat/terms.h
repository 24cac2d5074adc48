/*
 * terms: what some words of SQL mean to the rules.
 *
 * Private to the folder.
 */
#ifndef THREAT_TERMS_H
#define THREAT_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "sql/lexer.h"

enum term {
	TERM_NONE,
	TERM_ALL,		/* ALL, DISTINCT */
	TERM_AND,
	TERM_BETWEEN,
	TERM_CATALOGUE,		/* pg_shadow ... */
	TERM_CHANGE,		/* UPDATE, DELETE */
	TERM_CHR,		/* chr() */
	TERM_COPY,
	TERM_DDL,		/* CREATE, ALTER, DROP, TRUNCATE, GRANT ... */
	TERM_EXISTS,
	TERM_EXTENSION,
	TERM_FILE,		/* pg_read_file(), dblink() ... */
	TERM_FRAME,		/* statements around others: BEGIN, COMMIT, SET ... */
	TERM_FROM,
	TERM_HAVING,
	TERM_IN,
	TERM_INSERT,
	TERM_IS,
	TERM_LIKE,		/* LIKE, ILIKE, SIMILAR */
	TERM_LOAD,
	TERM_NOT,
	TERM_OR,
	TERM_OTHER,
	TERM_PROGRAM,
	TERM_RUNS,		/* query_to_xml() ...: its literal is code */
	TERM_SCHEMA,		/* information_schema */
	TERM_SELECT,
	TERM_SERIES,		/* generate_series() */
	TERM_SLEEP,
	TERM_TELLS,		/* version(), current_user ...: of the server and who asks */
	TERM_TO,
	TERM_UNION,		/* UNION, EXCEPT, INTERSECT */
	TERM_VALUE,		/* TRUE, FALSE, NULL */
	TERM_WHEN,
	TERM_WHERE,
	TERM_WITH,
};

/* Before the others; any thread, as often as one likes. */
void terms_init(void);

/* Of a name or keyword, in quotes or not. */
enum term terms_of(const struct token *t);

/* What kind of statement begins with this token: TERM_OTHER, if it is none of those that have a term. */
enum term terms_verb(const struct token *t);

/* May a statement go on with this word behind a condition: AND, ORDER, LIMIT ...? */
bool terms_goes_on(uint64_t hash);

#endif
