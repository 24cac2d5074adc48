/*
 * words: what some words of SQL mean to a digest.
 *
 * Private to the folder.  A word is looked up by the hash that the lexer gave it.
 */
#ifndef SQL_WORDS_H
#define SQL_WORDS_H

#include <stdint.h>

#include "sql/digest.h"

/* Those that are asked for by name. */
enum word_id {
	WORD_PLAIN,
	WORD_ARRAY,
	WORD_ATOMIC,
	WORD_BEGIN,
	WORD_CASE,
	WORD_CREATE,
	WORD_DECLARE,
	WORD_END,
	WORD_FUNCTION,		/* and procedure */
	WORD_IN,
	WORD_INSERT,
	WORD_INTO,
	WORD_MERGE,
	WORD_PG_SETTINGS,
	WORD_PG_TEMP,
	WORD_PROGRAM,
	WORD_RECURSIVE,
	WORD_SET_CONFIG,
	WORD_TEMP,
	WORD_UPDATE,
	WORD_VALUES,
	WORD_WITH,
};

#define WORD_OPERAND (1 << 0)	/* an operand comes behind it: there - is a sign, and NULL a value */
#define WORD_CONSTANT (1 << 1)	/* TRUE, FALSE, NULL */
#define WORD_QUERY (1 << 2)	/* a query may begin with it */
#define WORD_MAIN (1 << 3)	/* a statement that may follow CTEs begins with it */
#define WORD_TEMP_WAY (1 << 4)	/* may stand between CREATE or INTO and TEMP */
#define WORD_HANDLES (1 << 5)	/* a statement that begins with it has no names but those of cursors, savepoints ... */
#define WORD_KEPT (1 << 6)	/* ... and these words */

struct word {
	const char *text;	/* in lower case */
	enum word_id id;
	uint8_t flags;
	uint8_t verb;		/* enum sql_verb, of a statement that begins with it; SQL_OTHER: none */
	uint8_t effects;	/* enum sql_effect, of a call of it */
};

/* Before the first words_find; any thread, as often as one likes. */
void words_init(void);

/* Never NULL: what is unknown is a plain word without flags. */
const struct word *words_find(uint64_t hash);

extern const struct word words_plain;	/* that one */

#endif
