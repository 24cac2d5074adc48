/*
 * parts: what a shard does for tenants that it serves together with others.
 *
 *	login ── parts_route ──> a part of the tenant, by turns
 *
 *	upkeep:	a part that has more clients than the others, or is a part no more,
 *		sends sessions that do nothing to where there are fewest
 *	pool:	a server beyond the part's share goes to the part that lacks one
 *		(pool/share.c, parts_hand_over)
 *
 * So a tenant is spread, and drawn together again, without any client noticing.
 * Which tenants have how many parts is daemon/spreader.h's business.
 */
#ifndef SESSION_PARTS_H
#define SESSION_PARTS_H

#include "session/shard.h"

/* What a new part has to know of a tenant, from its home. */
struct part_state {
	bool known;		/* it is in use there */
	bool paused, moving, disabled;
	unsigned generation, kills;
	int most;		/* parts that its limits are enough for */
	char *line;		/* what the catalogue says of it, or NULL; owned */
};

void part_state_release(struct part_state *st);
bool part_state_equals(const struct part_state *a, const struct part_state *b);

/* --- for the daemon's visits --- */

/* At home: st is what is so now.  From here on the tenant is counted as one that is spread, if it is listed. */
void parts_read(struct shard *s, const char *name, struct part_state *st);

/* Elsewhere: make the part, as st says.  false: it can't be. */
bool parts_make(struct shard *s, const char *name, const struct part_state *st);

/* How many parts could this tenant have at most, by its limits on connections? */
int parts_most(const struct shard *s, const struct tenant *t);

/* --- on the shard --- */

/* Which worker is to serve a client that asks for this tenant.  routed: it was sent here. */
int parts_route(const struct shard *s, const char *name, bool routed);

/* t is in use here: is it spread? */
void parts_find(struct shard *s, struct tenant *t);

/* It is not in use any more. */
void parts_forget(struct tenant *t);

/* A client of the tenant more, or less, here and in the sum of its parts.  limit: max_db_client_connections, 0: none,
 * or it was let in before. */
bool parts_take_client(const struct shard *s, struct tenant *t, int limit);
void parts_give_client(const struct shard *s, struct tenant *t);

/* Several times a second. */
void parts_upkeep(struct shard *s);

/* pools_ops.hand_over */
void parts_hand_over(struct pools *ps);

#endif
