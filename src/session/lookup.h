/*
 * lookup: what a database says of a user's password (auth_query).
 *
 *	asker (a shard, or the console) ── mail ──> the shard that owns the database:
 *	     its private pool of (database, auth_user) ──> auth_query, the name bound to $1
 *	asker <── mail ── found, unknown, or failed
 *
 * The connections of a private pool are lent to no session, so what a client
 * set is never seen by the query.  It runs for each login that needs it, and
 * so a new password counts at once; those who ask for the same name meanwhile
 * share the answer, and that a name is unknown is believed for a second.
 */
#ifndef SESSION_LOOKUP_H
#define SESSION_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/secret.h"
#include "config/config.h"
#include "net/mailbox.h"
#include "session/shard.h"

enum lookup_result {
	LOOKUP_FOUND,
	LOOKUP_UNKNOWN,		/* no row */
	LOOKUP_FAILED,		/* error is what the client may know of it; more is in the log */
};

struct lookup {
	struct mail mail;			/* the daemon's */
	LIST_ENTRY(lookup) link;		/* while it is served */
	struct mailbox *reply;			/* the asker's */
	void (*found)(struct lookup *k);	/* asker's thread; takes k */
	void *arg;
	const void *context;
	uint32_t client;			/* whom it is for; 0: a pool */
	char *tenant;				/* of the pool that it is for, or NULL */
	char *database;				/* where it is looked up */
	char *auth_user;
	char *query;
	char *user;
	enum lookup_result result;
	struct secret secret;			/* FOUND; SECRET_NONE: a user without a password */
	struct error error;			/* FAILED */
};

/* A question about a user; db: of the database that is asked for, NULL: the console's.  NULL: there is no auth_user, so
 * nobody can be asked. The caller fills in reply, found, its arg and context, and whom it is for. */
struct lookup *lookup_new(const struct config *c, const struct config_database *db, const char *user);
void lookup_free(struct lookup **k);

/* Serve a lookup whose database is this shard's.  Takes k; it goes back by shard_ops->found. */
void lookup_serve(struct shard *s, struct lookup *k);

/* Several times a second: give up what takes too long, forget who was unknown. */
void lookups_keep(struct shard *s, usec_t now);

/* Forget all, when the pools are closed already; nobody is told any more. */
void lookups_release(struct shard *s);

/* The pool knows nothing of its user's password: ask, then tenant_learn.  For pools_ops. */
void lookup_for_pool(struct pools *ps, struct pool *p);

#endif
