/*
 * syntax: the console's small language, as text only; which words there are
 * is command.c's business.
 *
 *	script    = statement *( ";" statement )
 *	statement = [ word [ name [ name ] ] ]  |  "SET" name ( "=" | "TO" ) value
 *	name      = word | '"' ... '"'            (a doubled quote stands for one)
 *	word      = letters, digits, bytes from 0x80, and any of _ . $ -
 *	value     = '"' ... '"'  |  "'" ... "'"  |  all that follows
 *
 * Blanks and comments (both of SQL's kinds) may stand between all of these.
 *
 * Pure functions, any thread.
 */
#ifndef CONSOLE_SYNTAX_H
#define CONSOLE_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

/* What one statement says.  All text is unquoted, and lies in `memory`. */
struct sentence {
	const char *verb;     /* as it was typed; "" for an empty statement */
	const char *argument; /* of SET the key; NULL: none */
	const char *subject;  /* the second name: of what SHOW shows; NULL: none */
	const char *value;    /* of SET; NULL: it is no SET */
	char *memory;
};

/* Cut the next statement off a script: *text moves behind it and its ";".  *statement is borrowed.
 * Statements that say nothing are passed over.  false: there is none left. */
bool syntax_next(const char **text, const char **statement, size_t *len);

/* Parse one statement.  false: it is not of the grammar, and nothing is to be released. */
bool sentence_parse(struct sentence *s, const char *statement, size_t len);

void sentence_release(struct sentence *s);

#endif
