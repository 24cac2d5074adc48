/*
 * move: an idle session, or an idle server, goes to another shard.
 *
 * Leaving and joining are two calls on two threads; in between everything is
 * in one parcel that refers to neither shard: texts instead of interned sets,
 * names instead of pointers.  The socket is never closed and nothing is lost:
 * bytes that the client has sent meanwhile are read after joining.
 *
 * A session keeps its parameters and prepared statements, unless it goes to
 * another tenant (session/change.h); a server keeps its
 * parameters and forgets its prepared statements.
 */
#ifndef SESSION_MOVE_H
#define SESSION_MOVE_H

#include "session/session.h"

struct session_parcel;
struct server_parcel;

/* May it move?  Logged in, no server lent, nothing asked for. */
bool session_is_movable(const struct session *s);

/* Likewise, but it waits for a server: it would wait anew. */
bool session_may_wait_elsewhere(const struct session *s);

/* Take a movable session out of its shard. Not from within one of its callbacks. */
struct session_parcel *session_pack(struct session *s);

/* Likewise, to another part of its tenant (tenant/spread.h), on that worker. */
struct session_parcel *session_pack_for(struct session *s, int worker);

/* Join: it is a session of this shard from here on.  If its database is gone meanwhile it is closed with that error. */
void session_unpack(struct shard *shard, struct session_parcel **p);

/* The end of one that joins no shard: the process ends, and with it all that it is counted in.  Any thread. */
void session_discard(struct session_parcel **p);

/* Take an idle server out of its pool; NULL: p has none that is idle. */
struct server_parcel *server_pack(struct pool *p);

/* Likewise, to another part of its tenant, on that worker. */
struct server_parcel *server_pack_for(struct pool *p, int worker);

/* The end of one that joins no shard, like session_discard. */
void server_discard(struct server_parcel **p);

/* Join the pool of the same tenant and user in this shard; it is idle there. */
void server_unpack(struct shard *shard, struct server_parcel **p);

#endif
