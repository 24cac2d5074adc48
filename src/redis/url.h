/*
 * url: where a Redis is: redis://[[user]:password@]host[:port][/database].
 *
 * User and password may be percent-encoded, an IPv6 address stands in brackets.  Pure; any thread.
 */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include <stdbool.h>

#include "base/error.h"

struct redis_address {
	char *host;
	int port;
	char *user;		/* NULL: none is told */
	char *password;		/* secret; NULL: none is told */
	int database;
};

/* false: e (22023) says what is wrong, without a word of the password.  What a was before is not looked at. */
bool redis_parse_url(const char *url, struct redis_address *a, struct error *e);

/* Wipes. */
void redis_address_release(struct redis_address *a);

#endif
