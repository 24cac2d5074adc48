/*
 * demands: what a server may ask for at login, in the form of libpq's require_auth.
 *
 *	list   = word ( "," word )*  |  "!" word ( "," "!" word )*
 *	word   = "none" | "password" | "md5" | "scram-sha-256" | "scram-sha-256-plus"
 *	       | "gss" | "sspi" | "oauth"
 *
 * The first form says what it may, the second what it may not; blanks around a
 * word do not count.  The last three are libpq's and never spoken here: they
 * may stand beside others.  "" is anything.
 */
#ifndef CONFIG_DEMANDS_H
#define CONFIG_DEMANDS_H

#include <stdbool.h>

#define DEMANDS_WORDS "none, password, md5, scram-sha-256, scram-sha-256-plus"

/* *demands: enum auth_demand, or-ed.  false: a word is unknown or there twice, the forms are mixed,
 * nothing is left that may be asked for, or "!scram-sha-256-plus", which would forbid the better
 * half of what scram-sha-256 allows. */
bool demands_parse(const char *text, unsigned *demands);

#endif
