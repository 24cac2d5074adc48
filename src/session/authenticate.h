/*
 * authenticate: how a client has to prove who it is.
 *
 *	authenticate ── auth_type, or the first hba rule that fits
 *	      ├ reject
 *	      ├ pam, ldap: the client's password is for somebody else to judge
 *	      └ a user that we know: auth_file, else auth_query (session/lookup.h); then
 *	        trust, cert, peer are decided here, others by its password
 *	 ──> client_authenticate, or client_reject
 *
 * Used by the shards and by the console.
 */
#ifndef SESSION_AUTHENTICATE_H
#define SESSION_AUTHENTICATE_H

#include "client/client.h"
#include "config/config.h"
#include "session/lookup.h"

/* Who lets clients in. */
struct doorkeeper {
	const struct config *(*config)(void *arg);
	/* The client of this id, if it is still there; NULL: it has gone. */
	struct client *(*find)(void *arg, uint32_t id);
	/* The line of the database that it asks for; NULL: there is none, or it is the console's. */
	const struct config_database *(*database)(void *arg, const struct client *c);
	/* Take k to the shard that owns its database; it comes back to k->found. */
	void (*look_up)(void *arg, struct lookup *k);
	bool console;
};

/* c is CLIENT_HELD with its startup packet. d lives as long as the process. */
void authenticate(const struct doorkeeper *d, void *arg, struct client *c);

/* May a session that has logged in at the database `home` go on at `to`, as far as hba rules say?  They have to let it in
 * there by what it has shown already: by the same method (its options and map, too), or by trust. */
bool authenticate_lets_over(const struct config *config, struct client *c, const char *user, const char *home,
			    const char *to);

/* How a connection is encrypted, for people: "TLSv1.3/TLS_AES_256_GCM_SHA384", or plain. Returns buf or plain. */
#define TLS_TEXT 64
const char *authenticate_tls_text(const struct stream *s, const char *plain, char buf[TLS_TEXT]);

#endif
