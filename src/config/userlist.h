/*
 * userlist: the auth_file.
 *
 *	file = line*
 *	line = blank* [ quoted blank* quoted rest ] EOL  |  blank* ( ";" | "#" ) anything EOL
 *
 * Both fields stand in double quotes, and a doubled one stands for itself: the
 * user's name, and its password or verifier (auth/secret.h tells them apart).
 * What follows on the line is ignored, as PostgreSQL once wrote more there.
 * A field ends on its line.  A byte order mark of UTF-8 may stand before all.
 */
#ifndef CONFIG_USERLIST_H
#define CONFIG_USERLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/ini.h"

#define USERLIST_NAME_MAX 127	/* bytes; PostgreSQL cuts names at 63 */

/* Both are valid until the call returns. */
typedef void userlist_fn(void *arg, const char *user, const char *password);

typedef void userlist_refused_fn(void *arg, const struct ini_place *at, const struct error *e);

/* Call fn for each line of size bytes of text, which is cut in place; text[size] must be writable.
 * name stands in messages.  Each line that is wrong is told (F0000) to refused, without its place and without quoting
 * anything: there are passwords in the file. */
void userlist_parse(const char *name, char *text, size_t size, userlist_fn *fn, userlist_refused_fn *refused, void *arg);

#endif
