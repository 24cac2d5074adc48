/*
 * change: one connection, many tenants.
 *
 *	SET pgusher.tenant = 'acme'	the session goes to that tenant, outside a transaction
 *	RESET pgusher.tenant		... to the one that it logged in at
 *	SHOW pgusher.tenant
 *
 * As a Query, or in a cycle of its own (Parse, Bind, Describe, Execute, Sync; also of a
 * statement that was prepared before).  Not among other statements in one text or cycle
 * (0A000), and not in a transaction (25001).  Who may go where: `tenants` of the user's
 * line in [users]; not where its address is banned by hand.  A rate of queries counts it
 * as one, of the tenant where it is.
 *
 *	change_take      the cycle is answered here, no server is needed for it
 *	    │ Sync
 *	    v
 *	change_depart    may it, is there such a tenant
 *	    │ session_pack ── mail ──> the worker of that tenant: session_unpack (perhaps arrival_hold: the catalogue)
 *	    v
 *	change_arrive    is there room; pool_know_welcome
 *	    v
 *	change_welcomed  ParameterStatus of what differs, "SET", ReadyForQuery
 *
 * Nothing of the session's state goes with it: its parameters are those of its startup
 * packet again, on top of what the new server has.  Its prepared statements stay: they are
 * texts of the application's, not a tenant's, and are prepared anew where they are used.
 *
 * RESET ALL and DISCARD ALL, which applications' pools send when a connection is given back, bring it back to where it
 * logged in; but in a transaction they are PostgreSQL's.
 *
 * If the new tenant can't be had (no such one, not allowed, full, its server down), the
 * client gets an error, and the session is where it was, as it was.
 */
#ifndef SESSION_CHANGE_H
#define SESSION_CHANGE_H

#include "session/request.h"

#define CHANGE_MESSAGE_MAX 1024	/* a longer Query or Parse of this kind is refused: PostgreSQL would say that it is done */

struct change;

enum change_step {
	CHANGE_NONE,	/* rq is none of this: go on with it as ever */
	CHANGE_TAKEN,	/* it is dealt with; advance behind it */
	CHANGE_STOP,	/* stop here: more bytes are needed, or the client has to wait */
	CHANGE_FAIL,	/* it can't be here: change_fail is its handler */
	CHANGE_REFUSED,	/* a limit is exceeded; it is to be thrown away, the error is in b->own */
};

/* A look at each request; cheap for all but these. */
enum change_step change_take(struct batch *b, struct request *rq);

/* Handler: have the server fail in place of rq, and the client told why. */
void change_fail(struct batch *b, struct request *rq);

/* Is the session on its way?  Its client is not read. */
bool change_is_under_way(const struct session *s);

/* --- between session_pack and session_unpack (move.c) --- */

/* Where it goes, or comes back to. */
const char *change_target(const struct change *c);

/* That tenant, if it is there and has room: the session is counted as its client's then; NULL: e says why not. */
struct tenant *change_find_tenant(struct shard *s, struct change *c, struct error *e);

/* From now on its way is back; e is what the client will be told.  false: it is on its way back already. */
bool change_turn_back(struct change *c, const struct error *e);

/* It is a session of this shard now. */
void change_arrive(struct session *s);

/* --- what the new pool says --- */

void change_welcomed(struct session *s);
void change_refused(struct session *s, const struct error *e);

/* The client asked to cancel what is under way: who waits for the new tenant's server goes back. */
void change_cancel(struct session *s);

void change_free(struct change **c);	/* NULL is fine */

#endif
