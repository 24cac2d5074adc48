/*
 * console_facts: what the console, a database of its own, tells about itself, so that
 * it stands in the reports beside the others.
 *
 * Kept by the console, which is on the same thread; the reports only look.
 */
#ifndef REPORTS_CONSOLE_FACTS_H
#define REPORTS_CONSOLE_FACTS_H

#include "client/client.h"
#include "stats/traffic.h"

#define CONSOLE_DATABASE "pgbouncer"	/* as reports call it, whatever name its clients used */

struct console_facts {
	struct client_set *clients;	/* all, by id; looking at it turns it about */
	size_t nclients;
	int ndialogues;			/* of these, logged in */
	const struct client_env *env;	/* of these clients: counts who is in login */
	struct traffic traffic;
	struct traffic_history history;
	size_t dialogue_size;		/* bytes that one takes */
	bool (*is_busy)(const struct client *c);	/* one that is logged in: is a command of his under way? */
};

#endif
