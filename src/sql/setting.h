/*
 * setting: is a text a command about one setting, and nothing else?
 *
 *	SET [SESSION] pgusher.tenant { = | TO } { 'acme' | acme | "acme" | DEFAULT }
 *	RESET pgusher.tenant
 *	SHOW pgusher.tenant
 *
 * or one about all of them?
 *
 *	RESET ALL
 *	DISCARD ALL
 *
 * Pure function, any thread; no allocation.
 */
#ifndef SQL_SETTING_H
#define SQL_SETTING_H

#include <stdbool.h>
#include <stddef.h>

enum setting_verb {
	SETTING_NONE,	/* it is about something else */
	SETTING_SET,
	SETTING_RESET,	/* SET ... = DEFAULT, too */
	SETTING_SHOW,
	SETTING_WRONG,	/* it is, but in no form that is understood: SET LOCAL, a list, among other statements */
	SETTING_RESET_ALL,
	SETTING_DISCARD_ALL,
	SETTING_ALL_AMONG,	/* one of these two, among other statements */
};

/* Can a text that begins so be one, or have one among its statements?  whole: it ends there, too.  A few compares, and a
 * look for semicolons. */
bool setting_may_begin(const char *text, size_t n, bool whole);

/* name: of two parts, "pgusher.tenant", in lower case.  value: of SETTING_SET, without its quotes; size holds it with a
 * NUL, or it is SETTING_WRONG. */
enum setting_verb setting_read(const char *text, size_t n, const char *name, char *value, size_t size);

#endif
