/*
 * guard: looks at what a client asks before it is sent, where a threat_mode is on.
 *
 *	take_request ── guard_is_on ── guard_is_readable      a text is judged whole: up to TIMING_TEXT is waited for
 *	                            ├─ guard_refuses          PROTECT, and no server is lent: our error, no server needed
 *	                            └─ guard_admits           learn, tell; PROTECT: the server fails in its place
 *
 * What is looked at: Query, Parse, FunctionCall, and Bind of a statement that was prepared
 * before the mode came into force.  So nothing slips by: pieces are waited for (names: naming.c),
 * each message of a pipeline is looked at in its place, SQL's PREPARE and EXECUTE are texts as
 * others, and what comes as CopyData is no text.  A Parse counts if it succeeds: a name that it
 * did not get is what it was.  A cycle that is sent once more (session/retry.h) was judged the
 * first time.  Replication connections are not looked at.
 *
 * What was begun before PROTECT: a message whose beginning has been sent on, and a statement that
 * runs, go on.  In a transaction that was, portals (but the unnamed one, once it is bound anew) and
 * cursors are not executed any more; EXECUTE of SQL is refused where something was prepared by SQL.
 * Likewise a text that may hold FETCH, MOVE or EXECUTE beside or within another statement.
 *
 * Where names are the server's, what is known of statements is in session/guarded.h.
 *
 * A text that is longer than TIMING_TEXT, or that the server reads otherwise than we do
 * (backslashes with standard_conforming_strings off; encodings in which a letter may have an
 * ASCII byte), is `unread`: told, and in PROTECT refused.
 *
 * A refusal is 42501 by PostgreSQL's rules: the transaction fails, the extended protocol is
 * skipped to Sync, the session lives on.
 *
 * Where no mode is on it costs one look at the tenant.
 */
#ifndef SESSION_GUARD_H
#define SESSION_GUARD_H

#include "session/request.h"

static inline bool
guard_is_on(const struct session *s)
{
	return s->pool->tenant->threat_mode != THREAT_OFF;
}

/* Has enough of a message come?  If not, it is waited for (want), with what the rest of the session does meanwhile. */
bool guard_is_readable(const struct session *s, const struct request *rq);

/* There is no server yet: is it refused?  Then the client has the error, and the message is to be thrown away. */
bool guard_refuses(struct batch *b, struct request *rq);

/* There is one: may the message be handled?  If not, it has been dealt with. */
bool guard_admits(struct batch *b, struct request *rq);

void guard_change_servers(struct session *s);

/* It has got s->link. */
static inline void
guard_meet(struct session *s)
{
	if (s->judged_on != 0 && s->judged_on != s->link->server->id)
		guard_change_servers(s);
}

void guard_leave_server(struct session *s);

/* It has given its server back. */
static inline void
guard_part(struct session *s)
{
	if (s->judged_on != 0)
		guard_leave_server(s);
}

/* PREPARE, as SQL, is done: a name may mean what nobody has judged. */
void guard_saw_prepare(struct session *s);

#endif
