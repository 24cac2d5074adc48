/*
 * memory: what clients have us keep, within client_memory and tenant_memory.
 *
 *	held		messages that are put together because they are needed whole (the Parse
 *			of a named statement; or any, whose text may be over query_length, up to the text's
 *			end): counted with their whole size from their first byte
 *	names		of prepared statements, with the texts that they stand for
 *	guarded		what the guard knows of statements whose names are the server's (session/guarded.h)
 *	backlog		replies that the client has not taken yet; one read of its server's at most
 *
 * All else passes in pieces, but for the first 16 KB of a Query (session/change.c).  A client's budget
 * is for held, names and guarded; a tenant's for held, guarded, its texts and names (once, however many
 * clients share a text), and backlogs as of the last tick.  What would go beyond is refused before it is
 * kept (54000: it could never be kept, or 53400), and its bytes are thrown away as they come; the session
 * lives on.  When a tenant's clients together do not take their replies, those who take nothing are closed.
 */
#ifndef SESSION_MEMORY_H
#define SESSION_MEMORY_H

#include "session/request.h"

/* May this Parse be kept?  Once it was begun to be kept, it may.  false: e says what it would
 * exceed. */
bool memory_admits(const struct session *s, const struct request *rq, struct error *e);

/* Is there room for the statements that s, which has just come, has brought from another tenant?  back: it was here a
 * moment ago, so what others hold now is not its fault: there is room for twice prepared_text_budget then. */
bool memory_admits_arrival(const struct session *s, bool back);

/* Would size bytes more be within both budgets? */
bool memory_has_room(const struct session *s, size_t size);

/* It is waited for. */
void memory_hold(struct session *s, const struct request *rq);

/* It is dealt with, or the session ends. */
static inline void
memory_let_go(struct session *s)
{
	s->pool->tenant->held -= s->held;
	s->held = 0;
}

/* At each tick, for each session; may close its client. */
void memory_upkeep(struct session *s, usec_t now);

#endif
