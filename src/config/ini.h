/*
 * ini: the form of pgbouncer.ini.
 *
 *	file    = line*
 *	line    = blank* section* [ comment | pair | "%include" blank+ path ] blank* EOL
 *	comment = ( ";" | "#" ) anything
 *	section = "[" name "]" blank*
 *	pair    = key blank* "=" blank* value
 *	key     = bytes without blank and "="  |  "'" ... "'"  |  '"' ... '"'
 *	          (a doubled quote stands for one)
 *	value   = the rest of the line, without blanks at its ends; may be empty
 *
 * Lines end with LF or CR LF.  ";" and "#" inside a value belong to the value.
 * A relative %include path is taken from the working directory, not from the
 * including file: PgBouncer does so, and its files must mean the same here.
 *
 * Bounds: INI_DEPTH_MAX includes inside each other, INI_FILES_MAX files and
 * INI_BYTES_MAX bytes in all, INI_LINE_MAX bytes a line.
 *
 * One call, one thread; calls do not share anything.
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define INI_DEPTH_MAX 10
#define INI_FILES_MAX 10000
#define INI_BYTES_MAX (256 * 1024 * 1024)
#define INI_LINE_MAX (1024 * 1024)

struct ini_place {
	const char *file;	/* as the command line or the %include names it */
	int line;		/* from 1 */
};

/* What is done with what was found.  false: e is set, without the place. */
struct ini_ops {
	/* "[name]" was read: what follows belongs to it. */
	bool (*section)(void *arg, const char *name, const struct ini_place *at, struct error *e);

	/* "key = value" was read.  Both are valid until the call returns and may be changed. */
	bool (*pair)(void *arg, char *key, char *value, const struct ini_place *at,
		struct error *e);

	bool follow_includes;	/* false: %include is an error */

	/* A line is wrong, and the reading goes on with the next one.  NULL: the first error ends the reading. */
	void (*refused)(void *arg, const struct ini_place *at, const struct error *e);
};

/* Read path and what it includes.  false: e (F0000) says "file:line: what is wrong"; with ops->refused only that
 * path can't be read, and everything else is told there. */
bool ini_read(const char *path, const struct ini_ops *ops, void *arg, struct error *e);

/* The same for size bytes of text in memory, which is cut in place; text[size] must be writable.
 * name stands in messages. */
bool ini_parse(const char *name, char *text, size_t size, const struct ini_ops *ops, void *arg,
	struct error *e);

/* Put "file:line: " before the message of e. */
void ini_error_place(struct error *e, const struct ini_place *at);

#endif
