/*
 * session: joins a client and a server.  The only folder that knows both.
 *
 * The way of a query (transaction pooling), in the names of the functions:
 *
 *   client socket                                               server socket
 *       │ stream_read                                                ^
 *       v                                                            │
 *   client_on_readable                                               │
 *       │ ops->input                                                 │
 *       v                                                            │
 *   session_on_input ── no link yet ── pool_acquire ── none idle ── session waits (lease_request)
 *       │                                  │                              │ granted
 *       │ for each message                 v                              │
 *       │ request_rules[type]        session_link <───────────────────────┘
 *       │    (pipeline_push; named statements are renamed, see naming.c)
 *       │ gather_ref / gather_write
 *       └── gather_flush ──── one send ───────────────────────────── ┘
 *
 *       ^ one send ── gather_flush                              stream_read
 *       │                                                            │
 *       │ gather_ref (PASS), nothing (SWALLOW), our words (ANSWER)   v
 *       └────────── session_on_reply <── lessee->input ── server_on_readable
 *                        │ for each message: pipeline_take_reply
 *                        │ ReadyForQuery, idle, nothing outstanding:
 *                        └── session_unlink ── pool_release ──> next in the queue
 *
 * In the steady state this is four socket calls and no allocation.  A side
 * whose sink is full is not read until the sink has drained.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "client/client.h"
#include "pool/pool.h"
#include "session/names.h"
#include "session/shard.h"

struct change;
struct effect;
struct guarded;
struct habit;
struct link;

/* A logged-in client. */
struct session {
	struct shard *shard;
	struct client *client;
	struct pool *pool;
	struct user *user;		/* who logged in; a reference */
	struct link *link;		/* NULL: no server is lent */
	struct names *names;		/* of its prepared statements; NULL until the first */
	struct statement *unnamed;	/* its unnamed statement, prepared but not bound when its server was given back */
	const struct params *params;	/* its session parameters, as far as they are carried along */
	const struct params *startup;	/* those of them that its startup packet asked for */
	struct change *change;		/* SET pgusher.tenant is under way (session/change.h); else NULL */
	char *login_tenant;		/* where it logged in; NULL: it never went elsewhere */
	struct throttle *throttle;	/* session/throttle.h; NULL: no limits */
	struct lease_request wait;
	usec_t waited;			/* for the server that it was granted; of the next query */
	usec_t query_since;		/* 0: no query is under way */
	usec_t transaction_since;	/* 0: none */
	usec_t quiet_since;		/* when the last query was done */
	size_t request_left;		/* bytes of the present request still to come */
	size_t held;			/* size of a message that is put together (session/memory.h); 0: none is */
	bool request_dropped;		/* they are thrown away */
	bool refusing;			/* the next request was refused already */
	bool skipping;			/* ... and the rest up to Sync */
	bool leaving;			/* it sent Terminate; close when nothing is outstanding */
	bool unread_told;		/* guard.c: of a statement that can't be read any more */
	unsigned judged;		/* the last Parse, by guard.c, at this threat_epoch of its tenant; 0: never */
	unsigned unnamed_judged;	/* likewise, its unnamed statement */
	unsigned portal_judged;		/* likewise, what is bound to its unnamed portal */
	uint32_t judged_on;		/* the server (its id) that has what was judged, where names are the server's */
	bool prepared_unseen;		/* it has done PREPARE, as SQL, which guard.c would not have refused */
	struct habit *habit;		/* what is usual for it; NULL: nobody has asked */
	struct guarded *guarded;	/* session/guarded.h; NULL: none */
	struct effect *guarding;	/* of a Parse, from guard_admits to its handler; NULL between requests */
	bool counted;			/* in the budgets and the tenant's count */
	bool tunnel;			/* a replication connection (tunnel.c) */
	bool changes_prepared;		/* one of its statements sets or shows pgusher.tenant */
};

extern const struct client_ops session_client_ops;	/* from the first byte on */
extern const struct client_ops session_tunnel_ops;	/* of a tunnel, once it is logged in */
extern const struct server_lessee session_lessee;

/* --- login.c --- */

/* Decide what to do with c->login->startup (CLIENT_HELD). */
void login_route(struct client *c);
void login_authenticated(struct client *c);

/* Its parameters: what its startup packet asked for, on top of what the pool's server has (pool->welcome). */
void login_parameters(struct session *s);

/* Tell the client what it needs to know; it is logged in then. */
void login_welcome(struct session *s);

/* --- session.c --- */

/* A session for a client that has proved its password; takes the reference to user. */
struct session *session_new(struct client *c, struct pool *p, struct user *user);

void session_link(struct session *s, struct server *server);

/* Give the server back; nothing is outstanding. */
void session_unlink(struct session *s, bool over);

/* Part from the server without giving it back: it is lost, or about to be closed. */
struct server *session_cut(struct session *s);

/* Nothing that the client asked for is under way. */
bool session_is_quiet(const struct session *s);

/* A message that nobody asked for (a notification, session pooling) has come to the client in part: it has to wait for the
 * rest, as our own words may not stand in it. */
bool session_is_interrupted(const struct session *s);

/* Answer the request that waits for a server with an error; the session lives on. */
void session_refuse(struct session *s, const struct error *e);

/* The client asked (on another connection, `by`) to cancel what this session does. */
void session_cancel(struct session *s, struct client *by);

/* Statement pooling: the session opened a transaction; end it and the session. */
void session_refuse_transaction(struct session *s);

/* Does it have to wait before it can look at what its client sent? */
bool session_has_to_wait(const struct session *s);

/* Deadlines; may close the session. */
void session_upkeep(struct session *s, usec_t now);

/* --- tunnel.c: replication connections, whose bytes pass as they come --- */

/* The client has been welcomed: get the server that was opened for it. */
void tunnel_begin(struct session *s);

/* The pool lent it. */
void tunnel_link(struct session *s, struct server *server);

/* The client is gone. */
void tunnel_end(struct session *s);

size_t tunnel_on_input(struct client *c, const uint8_t *p, size_t n);
void tunnel_on_drained(struct client *c);

/* --- request.c, reply.c --- */

size_t session_on_input(struct client *c, const uint8_t *p, size_t n);
size_t session_on_reply(struct server *server, const uint8_t *p, size_t n);

/* Send our own answers whose turn it is (the client asked with Flush). */
void session_answer(struct session *s);

/* Read the client again, if it was paused and nothing is in its way any more: its replies are out, its server has
 * taken what it asked, and few requests are outstanding. */
void session_read_on(struct session *s);

#endif
