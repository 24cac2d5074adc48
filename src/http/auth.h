/*
 * auth: who asks, and what it may.
 *
 * Without a token: on loopback and Unix sockets everybody may read, unless http_auth = token.
 * With one: what its line in [http_tokens] says, and a wrong one is refused wherever it
 * comes from.  A token is never logged.
 *
 * Pure functions.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include <stdbool.h>

#include "config/config.h"
#include "http/refusal.h"

struct grant {
	int scopes;		/* enum http_scope, or-ed */
	const char *tenant;	/* the only one that is seen; NULL: all.  Borrowed from the snapshot */
	const char *token;	/* its name; NULL: none was shown.  Likewise */
};

/* What the value of Authorization is worth (NULL: there is none); local: it comes from this machine.  false: 401. */
bool auth_admit(const struct config *c, bool local, const char *authorization, struct grant *g, struct refusal *r);

/* Is that enough for scope?  false: 401 without a token, 403 with one. */
bool auth_allows(const struct grant *g, int scope, struct refusal *r);

/* "read", "operate"; of one bit. */
const char *auth_scope_name(int scope);

#endif
