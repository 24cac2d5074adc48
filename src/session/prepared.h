/*
 * prepared: which statements a server connection has prepared, longest unused
 * first (max_prepared_statements bounds them).
 */
#ifndef SESSION_PREPARED_H
#define SESSION_PREPARED_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <uthash.h>

#include "session/statement.h"

struct prepared_statement {
	TAILQ_ENTRY(prepared_statement) lru;
	UT_hash_handle hh;
	struct statement *statement;	/* a reference; the key */
};

struct prepared {
	struct prepared_statement *by_statement;
	TAILQ_HEAD(prepared_list, prepared_statement) lru;	/* first: longest unused */
};

void prepared_init(struct prepared *p);

/* Forget all: the server has (DISCARD ALL, DEALLOCATE ALL) or goes. */
void prepared_clear(struct prepared *p);

unsigned prepared_count(const struct prepared *p);

/* Is it prepared?  Then it is the last to be evicted now. */
bool prepared_use(struct prepared *p, struct statement *st);

/* It is prepared now; takes a reference of its own. */
void prepared_add(struct prepared *p, struct statement *st);

/* It is not, after all. */
void prepared_remove(struct prepared *p, struct statement *st);

/* Take out the longest unused: a reference that is the caller's. NULL: there is none. */
struct statement *prepared_evict(struct prepared *p);

#endif
