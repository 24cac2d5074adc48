/*
 * contexts: what of a snapshot TLS is spoken with.
 *
 * c->client_tls, c->http_tls, and one context for each slot of databases (config/slots.h)
 * in c->servers.  They are made when the files are loaded, and again, with what
 * the certificate files hold by then, when SET changes a key that they are made
 * from.  In between snapshots share them.
 *
 * Private to this folder.  Messages begin with "TLS setup failed: ".
 */
#ifndef CONFIG_CONTEXTS_H
#define CONFIG_CONTEXTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"
#include "config/arena.h"
#include "config/config.h"
#include "config/faults.h"

struct server_context {
	struct tls_settings settings;	/* what it was made from: also what it promises */
	enum tls_negotiation negotiation;
	struct tls_context *context;	/* NULL: the mode is disable */
};

struct config_servers {
	atomic_int refs;
	struct config_arena *arena;	/* owns the text of all settings */
	size_t n;
	struct server_context contexts[];	/* by slot */
};

/* Make all from the keys of c.  With c->bare no file is read, and there are no contexts but their
 * settings.  What can't be made is told to f (F0000); c is good for being freed then. */
void contexts_make(struct config *c, struct faults *f);

/* After a key of clients was changed by SET: was is the mode before.  Keeps the old context with a
 * line in the log where config_with says so.  false: e says why. */
bool contexts_remake_client(struct config *c, enum tls_mode was, struct error *e);

/* Likewise for a key of HTTP; as long as only one of certificate and key is set, there is no context. */
bool contexts_remake_http(struct config *c, struct error *e);

/* Likewise for a key of servers. */
bool contexts_remake_servers(struct config *c, struct error *e);

/* For a copy of a snapshot, and for its end. */
void contexts_ref(const struct config *c);
void contexts_unref(const struct config *c);

#endif
