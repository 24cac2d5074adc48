/*
 * walk: going through all that a shard has, a slice at a time.
 *
 * Ten thousand tenants take longer to look at than a query should have to wait.  So a visit
 * (session/inquiry.h) that has lasted as long as a slice stops, and goes on in the next one where it was:
 *
 *	while ((t = walk_tenant(w, s, t)) != NULL)
 *		stock_add(...);			w->more: NULL came because time was up
 *
 * Reports look at things so; a reload and orders to all tenants change them.
 *
 * Of a shard that is small, all is seen in one visit, so at one time.  What comes or goes
 * between two visits may be seen or not; nothing is seen twice.  If that is gone at which it
 * stopped (or the list of databases is another one), the walk is lost, and all of it is
 * begun again, the third time without a pause.
 *
 * On a worker.
 */
#ifndef SESSION_WALK_H
#define SESSION_WALK_H

#include "session/shard.h"

#define WALK_SLICE (2 * USEC_PER_MSEC)	/* what a visit takes, when there is much */

/* Zero-filled to start with. */
struct walk {
	usec_t until;			/* of this visit */
	bool more;			/* time was up: another visit is needed */
	bool lost;
	bool clients_seen, lines_seen, tenants_seen;
	uint32_t client;		/* to go on with: its id; 0: from the start */
	size_t line;
	const struct config *lines_of;	/* whose; only compared */
	char *tenant;			/* its name; NULL: from the start */
	int losses;
};

/* A visit begins. */
void walk_begin(struct walk *w, usec_t slice);

/* It is lost: from the start again. */
void walk_again(struct walk *w);

void walk_release(struct walk *w);

/* Each is NULL (false) when all have been seen, or time is up.  after NULL: the first one of this visit.  A client may
 * be closed before the next one is asked for, a tenant must not be dropped. */
struct client *walk_client(struct walk *w, struct shard *s, struct client *after);
struct tenant *walk_tenant(struct walk *w, struct shard *s, struct tenant *after);

/* Lines of [databases] and [tenants]: `for (size_t i = 0; walk_line(w, c, &i); i++)` looks at walk_line_at(c, i). */
bool walk_line(struct walk *w, const struct config *c, size_t *i);
const struct config_database *walk_line_at(const struct config *c, size_t i);

#endif
