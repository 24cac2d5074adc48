/*
 * guarded: the statements of a session whose names are the server's own, as guard.c has judged them.
 *
 * Where names are not ours (session pooling, max_prepared_statements = 0), texts are not kept: of each
 * statement that was prepared while a guard looked, its digest stays, so that it can be judged again when the
 * mode has changed.  What is not known here was prepared while nobody looked.
 *
 *	Parse     what is known of its name is put aside, until the Parse has succeeded or not (guarded_undo)
 *	Close     forgotten; likewise by a Parse while no guard is on (guarded_leave)
 *	PREPARE   as SQL, while not all that is refused would have been: all are forgotten
 *
 * Of a name NAMEDATALEN - 1 bytes count, as for PostgreSQL: what is longer is the same statement there.
 * GUARDED_MAX of a session are known, and within client_memory and tenant_memory (session/memory.h);
 * beyond that, for each that comes the one that was not used for longest goes.
 */
#ifndef SESSION_GUARDED_H
#define SESSION_GUARDED_H

#include <uthash.h>

#include "session/session.h"

#define GUARDED_MAX 10000
#define GUARDED_NAME 64		/* with NUL: PostgreSQL's NAMEDATALEN */

struct effect;

/* What it is decides again when the mode has changed. */
struct guarded {
	UT_hash_handle hh;
	uint64_t hash;		/* 0: it can't be judged */
	uint8_t verb, effects;
	unsigned judged;	/* the tenant's threat_epoch */
	char name[GUARDED_NAME];
};

/* NULL: not known.  Found, it is the last to go. */
struct guarded *guarded_find(struct session *s, const char *name);

/* A Parse is on its way to the server: *g (hh and name aside) is what it prepares.  The effect is for its entry in the
 * pipeline. */
struct effect *guarded_parse(struct session *s, const char *name, const struct guarded *g);

/* It failed, or was skipped: the name is what it was. */
void guarded_undo(struct session *s, struct effect *e);

/* Is an effect one of these, and about this name? */
bool guarded_is_about(const struct effect *e, const char *name);

/* Nobody knows what this name is, now or soon. */
void guarded_leave(struct session *s, const char *name);

void guarded_forget_all(struct session *s);

/* Bytes that they take. */
size_t guarded_size(const struct session *s);

#endif
