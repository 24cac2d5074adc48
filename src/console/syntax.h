/*
 * syntax: the console's small language, as text only; which words there are
 * is command.c's business.
 *
 *	script    = statement *( ";" statement )
 *	statement = [ word [ name [ name ] ] ]
 *	          | "SET" name ( "=" | "TO" ) value
 *	          | ( "CREATE" | "ALTER" | "DROP" | "MOVE" ) "TENANT" name [ "TO" ] [ string ]
 *	          | ( "BAN" | "UNBAN" ) network [ "AT" name ] [ "FOR" word ] [ string ]
 *	name      = word | '"' ... '"'            (a doubled quote stands for one, as in SQL)
 *	word      = letters, digits, bytes from 0x80, and any of _ . $ -
 *	string    = "'" ... "'"                   (likewise)
 *	value     = '"' ... '"'  |  string  |  all that follows
 *	network   = string | '"' ... '"' | "UNIX" | hexadecimal digits and any of . : /
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
	const char *argument; /* of SET the key, of BAN the network; NULL: none */
	const char *subject;  /* the second name: of what SHOW shows, of TENANT, behind AT; NULL: none */
	const char *value;    /* of SET; the string that ends others; NULL: none */
	const char *period;   /* behind FOR; NULL: none */
	bool to;	      /* TO was said, but of SET */
	char *memory;
	size_t size;
};

/* Cut the next statement off a script: *text moves behind it and its ";".  *statement is borrowed.
 * Statements that say nothing are passed over.  false: there is none left. */
bool syntax_next(const char **text, const char **statement, size_t *len);

/* Parse one statement.  false: it is not of the grammar, and nothing is to be released. */
bool sentence_parse(struct sentence *s, const char *statement, size_t len);

/* What was said may have been secret: it is wiped. */
void sentence_release(struct sentence *s);

/* Does a statement begin with this word (any case)? */
bool syntax_begins_with(const char *statement, const char *word);

#endif
