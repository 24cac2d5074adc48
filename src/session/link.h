/*
 * link: what a session needs to know of a server while it uses it, and what
 * outlives the lease: which statements the server has prepared.
 *
 * Made at the server's first lease (server->lease), freed with the server.
 */
#ifndef SESSION_LINK_H
#define SESSION_LINK_H

#include "server/server.h"
#include "session/pipeline.h"
#include "session/prepared.h"
#include "session/retry.h"
#include "session/session.h"
#include "session/timing.h"

struct link {
	struct server *server;
	struct session *session;	/* NULL: not lent */
	struct pipeline pipeline;
	struct prepared prepared;
	struct retry retry;
	struct timing_meter meter;
	struct buffer unnamed;		/* body of the Parse that made the unnamed statement; empty: unknown, or bound since */
	bool unnamed_forgets;		/* it is DEALLOCATE or DISCARD */
	bool unnamed_known;		/* the server's unnamed statement is this session's */
	size_t reply_left;		/* bytes of the present reply still to come */
	enum reply_action reply_action;	/* of them */
	unsigned commands, sets;	/* completed since the last ReadyForQuery, and how many of them were SET */
	unsigned parameters_reported;	/* carried ones, since then */
	bool fatal_told;		/* the client has had the server's last words */
	uint8_t excess;			/* enum excess (reply.c): the present reply is too large; 0: no */
};

/* What is undone if a request does not happen after all. */
struct effect {
	struct statement *statement;	/* a reference; NULL: it is guarded.c's, the name is the server's */
	struct guarded *was;		/* what that knew of the name; owned, or NULL */
	struct name *closed;		/* a name that the client closed, or NULL */
	bool evicted;			/* the statement was closed to make room */
	char name[];			/* that the client gave the statement; "" if none */
};

/* The entry of the SET commands that bring the client's parameters to a server. */
extern char link_parameters_mark[];

/* The entry of a Parse of the unnamed statement: if it fails, there is none. */
extern char link_unnamed_mark[];

struct link *link_of(struct server *server);		/* made if need be */

/* For those who look on: NULL if no session has been lent it. */
const struct link *link_if_any(const struct server *server);

/* DISCARD ALL or DEALLOCATE ALL, the head of the pipeline, is done: forget all statements and names but those that
 * requests behind it bring. */
void link_forget_statements(struct link *k);

/* Both may be NULL; takes neither reference. */
struct effect *effect_new(struct statement *st, const char *name);

#endif
