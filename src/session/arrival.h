/*
 * arrival: who waits until the catalogue has told about a tenant.
 *
 *	login_route ── tenants_must_ask ── arrival_wait ── struct tenant_question ──> control: catalogue_find
 *	login goes on <── arrivals_take <──────────────────── its line, or why there is none ──┘
 *
 * One question a name and shard is under way; all who ask meanwhile share its answer.
 */
#ifndef SESSION_ARRIVAL_H
#define SESSION_ARRIVAL_H

#include <uthash.h>

#include "net/mailbox.h"
#include "session/shard.h"

/* Goes to the control thread by shard_ops->find_tenant, and comes back with line or error. */
struct tenant_question {
	struct mail mail;		/* the daemon's */
	struct mailbox *reply;
	char *line;			/* what the catalogue says; NULL: error says why nothing */
	struct error error;
	char name[];
};

void tenant_question_free(struct tenant_question **q);

/* c's turn again: line is what the catalogue says, or NULL with e. */
typedef void arrival_fn(struct client *c, const char *line, const struct error *e);

/* Have the catalogue asked; known is called once unless c has gone by then, never from within this call. */
void arrival_wait(struct shard *s, const char *name, struct client *c, arrival_fn *known);

/* Likewise, for a session that has come here on its way (session/move.h), and is nobody's client meanwhile. */
typedef void arrival_held_fn(struct shard *s, struct session_parcel *p, const char *line, const struct error *e);
void arrival_hold(struct shard *s, const char *name, struct session_parcel *p, arrival_held_fn *known);

/* An answer has come; takes it. */
void arrivals_take(struct shard *s, struct tenant_question *q);

/* Nobody is told any more. */
void arrivals_release(struct shard *s);

/* What the catalogue says of a tenant is something else now, or (NULL) nothing: if it is in use here, it gets its new
 * line, or its clients are closed. */
void shard_set_line(struct shard *s, const char *name, const char *line);

#endif
