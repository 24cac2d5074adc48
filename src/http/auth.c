#include "http/auth.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "config/http.h"

#define SCHEME "Bearer"

/* RFC 6750, section 2.1: "Bearer" 1*SP token.  NULL: it is something else. */
static const char *
find_token(const char *authorization, size_t *n)
{
	const char *token = authorization + strlen(SCHEME);

	if (strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0 || *token != ' ')
		return NULL;
	token += strspn(token, " ");
	*n = strcspn(token, " \t,");
	return *n > 0 && token[*n] == '\0' ? token : NULL;
}

/* All of them are looked at, so that the time tells nothing about which one is nearly right. */
static const struct http_token *
find_line(const struct config *c, const uint8_t hash[32])
{
	const struct http_token *found = NULL;

	for (size_t i = 0; i < c->nhttp_tokens; i++) {
		if (CRYPTO_memcmp(c->http_tokens[i].hash, hash, 32) == 0)
			found = &c->http_tokens[i];
	}
	return found;
}

bool
auth_admit(const struct config *c, bool local, const char *authorization, struct grant *g, struct refusal *r)
{
	const struct http_token *line;
	const char *token;
	uint8_t hash[32];
	size_t n = 0;

	memset(g, 0, sizeof(*g));
	if (authorization == NULL) {
		if (local && c->http_auth == HTTP_AUTH_AUTO)
			g->scopes = HTTP_READ;
		return true;
	}
	token = find_token(authorization, &n);
	if (token == NULL)
		return refuse(r, 401, "Authorization must be: Bearer, a blank, and a token.");
	http_token_hash(token, n, hash);
	line = find_line(c, hash);
	memory_wipe(hash, sizeof(hash));
	if (line == NULL)
		return refuse(r, 401, "This token is not known here.");
	*g = (struct grant){ .scopes = line->scopes, .tenant = line->tenant, .token = line->name };
	return true;
}

bool
auth_allows(const struct grant *g, int scope, struct refusal *r)
{
	if ((g->scopes & scope) == scope)
		return true;
	if (g->token == NULL)
		return refuse(r, 401, "This needs a token with the scope \"%s\".", auth_scope_name(scope));
	return refuse(r, 403, "This token does not have the scope \"%s\".", auth_scope_name(scope));
}

const char *
auth_scope_name(int scope)
{
	switch ((enum http_scope)scope) {
	case HTTP_READ:
		return "read";
	case HTTP_BENCHMARK:
		return "benchmark";
	case HTTP_OPERATE:
		return "operate";
	}
	return "?";
}
