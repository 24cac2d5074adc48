/*
 * userlist: the auth_file.
 *
 *	file = line*
 *	line = blank* [ quoted blank* quoted rest ] EOL  |  blank* ( ";" | "#" ) anything EOL
 *
 * Both fields stand in double quotes, and a doubled one stands for itself: the
 * user's name, and its password or verifier (auth/secret.h tells them apart).
 * What follows on the line is ignored, as PostgreSQL once wrote more there.
 * A field ends on its line.
 */
#ifndef CONFIG_USERLIST_H
#define CONFIG_USERLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define USERLIST_NAME_MAX 127	/* bytes; PostgreSQL cuts names at 63 */

/* Both are valid until the call returns. */
typedef void userlist_fn(void *arg, const char *user, const char *password);

/* Call fn for each line of size bytes of text, which is cut in place; text[size] must be writable.
 * name stands in messages. false: e (F0000) names the place and what is wrong, but quotes nothing:
 * there are passwords in the file. */
bool userlist_parse(const char *name, char *text, size_t size, userlist_fn *fn, void *arg,
	struct error *e);

#endif
