/*
 * names: what one client calls its prepared statements.
 *
 * A name appears when its Parse is passed on and goes with Close; if the
 * server then fails or skips the request, it is taken back (names_restore,
 * names_remove), so that the client sees what PostgreSQL would show it.
 */
#ifndef SESSION_NAMES_H
#define SESSION_NAMES_H

#include <bsd/sys/tree.h>

#include "session/statement.h"

struct name {
	RB_ENTRY(name) by_name;
	struct statement *statement;	/* a reference */
	unsigned judged;		/* when a guard has looked at it: the tenant's threat_epoch; 0: never */
	char text[];
};

RB_HEAD(name_tree, name);

struct names {
	struct name_tree tree;
	unsigned count;
	size_t bytes;			/* of them, and of the texts that they stand for */
};

struct names *names_new(void);
void names_free(struct names **n);		/* NULL is fine */

struct name *names_find(struct names *n, const char *text);	/* n may be NULL */

/* Would a name of st keep the texts and names of its tenant within budget bytes (0: no bound)? */
bool names_have_room(const struct statement *st, const char *text, int64_t budget);

/* Takes the reference to st; the name is not in use yet. */
struct name *names_add(struct names *n, const char *text, struct statement *st);

/* In the order of names: NULL starts, NULL ends. */
struct name *names_next(struct names *n, struct name *after);

/* Take a name out; it stays the caller's, to restore or to free. */
void names_take(struct names *n, struct name *name);

/* Put it back. If the client has given the name to another statement meanwhile, it is freed instead. */
void names_restore(struct names *n, struct name **name);

void name_free(struct name **name);

/* Forget all: DISCARD ALL, DEALLOCATE ALL. */
void names_clear(struct names *n);

#endif
