/*
 * connstr: the settings of one line of [databases], [users] or [peers].
 *
 *	list  = blank* ( pair ( blank+ pair )* )? blank*
 *	pair  = key blank* "=" blank* value
 *	value = bytes without blank  |  "'" ... "'"   (a doubled quote stands for one)
 *
 * Like libpq's connection strings, but a backslash is nothing special and an
 * empty value is an error, as in PgBouncer.
 */
#ifndef CONFIG_CONNSTR_H
#define CONFIG_CONNSTR_H

#include "base/error.h"

enum connstr_step {
	CONNSTR_PAIR,	/* *key and *value are set */
	CONNSTR_END,
	CONNSTR_BROKEN,	/* e (F0000) says what, and quotes nothing: there may be a password */
};

/* Take the next pair.  *cursor starts at the line, which is cut in place; *key and *value point
 * into it. */
enum connstr_step connstr_next(char **cursor, char **key, char **value, struct error *e);

#endif
