/*
 * directory: which LDAP directory is asked, and what.
 *
 * Options are read in the form of pg_hba.conf: pairs of name=value, separated
 * by blanks or commas; double quotes keep both, as in name="value" and
 * "name"=value, and "" in quotes is one quote.
 *
 * A user is found in one of two ways, as PostgreSQL has it:
 *
 *	simple bind	prefix + user + suffix is who binds
 *	search + bind	one entry under `base` must fit the filter; it binds
 *
 * What a user calls itself is quoted for where it stands (RFC 4514, RFC 4515):
 * no name changes the shape of a DN or of a filter.
 *
 * Pure functions, any thread.  Private to identity/.
 */
#ifndef IDENTITY_DIRECTORY_H
#define IDENTITY_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The scopes of a search, numbered as in RFC 4511. */
enum directory_scope {
	DIRECTORY_BASE,
	DIRECTORY_ONE_LEVEL,
	DIRECTORY_SUBTREE,
};

/* NULL: was not given. */
struct directory {
	const char *servers;		/* names or addresses, separated by blanks; NULL: DNS knows who serves `base` */
	int port;			/* 0: what the scheme has */
	bool ldaps;			/* TLS from the first byte */
	bool start_tls;
	const char *prefix, *suffix;	/* simple bind */
	const char *base;		/* search + bind; NULL: simple bind */
	const char *bind_dn;		/* who searches; NULL: nobody in particular */
	const char *bind_password;
	const char *attribute;		/* that holds the user's name */
	const char *filter;		/* with $username in it; NULL: (attribute=user) */
	enum directory_scope scope;
	char *text;			/* most of the above points into it, */
	size_t size;
	void *url;			/* the rest into this */
};

/* false: e (F0000) says what is wrong, without any value that could be a secret; nothing is to be released then. */
bool directory_parse(struct directory *d, const char *options, struct error *e);

/* Wipes it. */
void directory_release(struct directory *d);

/* "ldap://a:389" for the first of these servers, which is taken off; NULL: none is left.  Owned by the caller.
 * servers: directory.servers, or what DNS said ("name:port").  (TLS is not the URI's business here.) */
char *directory_next_uri(const struct directory *d, const char **servers);

/* Who binds (simple bind), and what is searched (search + bind); owned by the caller. */
char *directory_user_dn(const struct directory *d, const char *user);
char *directory_user_filter(const struct directory *d, const char *user);

#endif
