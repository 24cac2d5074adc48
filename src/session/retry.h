/*
 * retry: "cached plan must not change result type", once, invisibly.
 *
 * After DDL a prepared statement may be refused when it is bound (0A000).  The
 * client did nothing wrong, and nothing was executed: outside a transaction,
 * when the Bind is the first request of its cycle, nothing has been told to
 * the client either.  Then the statement is prepared anew and the cycle (Bind
 * ... Sync) is sent once more; see "After a byte of a request has gone to a
 * server, a failure is reported, not retried": here the server has said that
 * it did not do it.
 *
 * For that the bytes of a cycle are kept until it is answered, if it came whole
 * in one read and is small; anything else is told to the client as it is.
 *
 *	retry_begin   a cycle begins with a Bind to a named statement
 *	retry_keep    the batch is about to be sent: keep the cycle if it is whole
 *	retry_catch   the Bind failed: true if the cycle is going to be repeated
 *	retry_send    ReadyForQuery of the failed cycle: send it again
 */
#ifndef SESSION_RETRY_H
#define SESSION_RETRY_H

#include <stdbool.h>

#include "base/buffer.h"
#include "net/gather.h"
#include "session/pipeline.h"
#include "session/statement.h"

#define RETRY_ENTRIES 8
#define RETRY_BYTES 4096

struct link;

enum retry_state {
	RETRY_OFF,
	RETRY_BEGUN,		/* the cycle is being put together */
	RETRY_KEPT,		/* it is under way, and its bytes are kept */
	RETRY_CAUGHT,		/* it failed; its ReadyForQuery is awaited */
};

struct retry {
	uint8_t state;			/* enum retry_state */
	uint8_t nkinds;
	uint8_t kinds[RETRY_ENTRIES];	/* of the cycle's entries */
	struct timing *timings[RETRY_ENTRIES];	/* likewise, while it is caught */
	size_t from;			/* where the cycle begins in the gather */
	struct statement *statement;	/* a reference, from BEGUN on */
	struct buffer bytes;
};

/* The entry that awaits the failed cycle's ReadyForQuery. */
extern char retry_mark[];

void retry_begin(struct link *k, const struct gather *g, struct statement *st);
void retry_keep(struct link *k, const struct gather *g);
bool retry_catch(struct link *k, const char *sqlstate);
void retry_send(struct link *k);

/* Nothing is to be repeated any more. */
void retry_forget(struct link *k);
void retry_release(struct link *k);

#endif
