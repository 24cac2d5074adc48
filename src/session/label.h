/*
 * label: what a statement or portal is counted as, when it is executed.
 *
 *	Parse ──> label of the statement ── Bind ──> label of the portal ── Execute ──> timing
 *
 * A label holds its entry (stats/queries.h: running), so that it is not given up meanwhile.
 * It belongs to a link, and is cleared when the session parts from the server.
 */
#ifndef SESSION_LABEL_H
#define SESSION_LABEL_H

#include <stdint.h>

#include "sql/trace.h"
#include "stats/queries.h"

#define LABEL_TYPES 16

/* What a comment says; shared, as it is seldom there and long. */
struct trace_note {
	int refs;
	struct sql_trace trace;
};

/* NULL: the comment says nothing that is known. */
struct trace_note *trace_note_new(const char *comment, size_t n);
struct trace_note *trace_note_ref(struct trace_note *t);	/* NULL is fine, for these two */
void trace_note_unref(struct trace_note **t);

struct label {
	struct query_entry *entry;	/* NULL: not known, or nothing is counted */
	struct trace_note *trace;	/* a reference, or NULL */
	char *values;			/* of a portal: JSON of its parameters, if they may be logged; owned */
	uint16_t nparams;		/* with a type */
	uint8_t ntypes;			/* of these, that are in types */
	uint8_t effects;		/* enum sql_effect */
	unsigned bound;			/* of a portal: the number of its Bind, on this link; 0: not known */
	uint32_t types[LABEL_TYPES];
};

void label_clear(struct label *l);

/* to gets references of its own, what it had is cleared; values are not copied. */
void label_copy(struct label *to, const struct label *from);

/* Hold e, which may be NULL, in place of what l held; running was counted already. */
void label_take_entry(struct label *l, struct query_entry *e);

/* Labels by name, for what the client names: portals, and statements whose names are passed on.  At most
 * LABELS_MAX; what comes behind that has none. */
#define LABELS_MAX 1000

struct labels;

/* The label of this name, NULL if there is none; "*ls" may be NULL. */
struct label *labels_find(struct labels *ls, const char *name);

/* Likewise, made if need be.  NULL: there are too many. */
struct label *labels_open(struct labels **ls, const char *name);
void labels_remove(struct labels *ls, const char *name);	/* not there: fine */
void labels_free(struct labels **ls);

#endif
