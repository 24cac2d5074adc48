/*
 * pipeline: what a server still owes, in order.
 *
 * Each request that goes to a server leaves an entry that says which reply
 * ends it and what is to be done with its replies:
 *
 *	PASS     on to the client
 *	SWALLOW  ours; the client did not ask
 *	ANSWER   nothing was sent to the server: our own words, at this place
 *	REPLACE  sent in order to fail; the client gets our error instead
 *
 * After an error the server skips to Sync: so do the entries, and each that
 * is dropped is told to its owner (undone), the last first, since it will not
 * happen.
 *
 * COPY: while the server reads CopyData it ignores Sync.  So Sync entries that
 * lie in a copy are `tentative`, and go when the copy ends.  If an error ends
 * it, nobody can say how many of them the server had read (a cancel, a timeout
 * or a trigger may come in front of them): the pipeline is then `uncertain`,
 * and the server is not lent again.
 *
 * All that is sent up to a Sync runs in one transaction, even if every reply
 * has come and nothing is owed: until then the pipeline is `open`.
 *
 * Pure: no I/O.  Source: PostgreSQL docs, "Message Flow".
 */
#ifndef SESSION_PIPELINE_H
#define SESSION_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_kind {
	REQUEST_QUERY,		/* ends with ReadyForQuery */
	REQUEST_FUNCTION_CALL,	/* ends with ReadyForQuery */
	REQUEST_SYNC,		/* ends with ReadyForQuery */
	REQUEST_PARSE,		/* ParseComplete */
	REQUEST_BIND,		/* BindComplete */
	REQUEST_DESCRIBE,	/* RowDescription or NoData */
	REQUEST_EXECUTE,	/* CommandComplete, EmptyQueryResponse, PortalSuspended */
	REQUEST_CLOSE,		/* CloseComplete */
	REQUEST_COPY_END,	/* CopyDone or CopyFail: no reply of its own */
};

enum reply_action {
	REPLY_PASS,
	REPLY_SWALLOW,
	REPLY_ANSWER,
	REPLY_REPLACE,
};

struct timing;

struct pipeline_entry {
	uint8_t kind;		/* enum request_kind */
	uint8_t action;		/* enum reply_action */
	bool tentative;		/* a Sync inside a copy */
	bool local;		/* SET LOCAL: leaves nothing behind */
	bool forgets;		/* may be DEALLOCATE or DISCARD: what names mean behind it is open */
	uint8_t effects;	/* enum sql_effect: what its text leaves behind in the server's session */
	void *ref;		/* the owner's; NULL: none */
	struct timing *timing;	/* of a request that is run for the client; NULL: none */
};

#define PIPELINE_INLINE 8

struct pipeline {
	struct pipeline_entry *ring;	/* `inside`, or on the heap when it grew */
	struct pipeline_entry inside[PIPELINE_INLINE];
	uint32_t size;			/* of the ring, a power of two */
	uint32_t head, count;
	bool in_copy;			/* the server reads CopyData */
	bool open;			/* the server has read something behind which no Sync stands yet */
	bool skipping;			/* the server skips to Sync; nothing else need be sent */
	bool uncertain;
	void (*undone)(void *arg, const struct pipeline_entry *e);	/* it failed, or was skipped */
	void (*done)(void *arg, const struct pipeline_entry *e);	/* it happened */
	void *arg;
};

void pipeline_init(struct pipeline *p, void (*done)(void *, const struct pipeline_entry *),
		   void (*undone)(void *, const struct pipeline_entry *), void *arg);
void pipeline_release(struct pipeline *p);	/* what is left is undone */

/* Undo and forget everything; as after init. */
void pipeline_reset(struct pipeline *p);

void pipeline_push(struct pipeline *p, enum request_kind kind, enum reply_action action, void *ref);

static inline bool
pipeline_is_empty(const struct pipeline *p)
{
	return p->count == 0;
}

static inline struct pipeline_entry *
pipeline_head(struct pipeline *p)
{
	return p->count == 0 ? NULL : &p->ring[p->head];
}

/* The i-th from the head; i < count. */
static inline struct pipeline_entry *
pipeline_at(const struct pipeline *p, uint32_t i)
{
	return &p->ring[(p->head + i) & (p->size - 1)];
}

/* Nothing that a server would have to tell of: what is outstanding can be answered now. */
static inline bool
pipeline_has_only_answers(const struct pipeline *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		if (pipeline_at(p, i)->action != REPLY_ANSWER)
			return false;
	}
	return true;
}

static inline struct pipeline_entry *
pipeline_last(struct pipeline *p)
{
	return &p->ring[(p->head + p->count - 1) & (p->size - 1)];
}

/* What to do with a reply of this type.  Call for each message of the server but DataRow, CopyData, notices,
 * notifications and parameter status (pipeline_data_action). */
enum reply_action pipeline_take_reply(struct pipeline *p, uint8_t type);

/* Likewise for ErrorResponse. */
enum reply_action pipeline_take_error(struct pipeline *p);

/* What to do with rows and copy data. */
static inline enum reply_action
pipeline_data_action(const struct pipeline *p)
{
	return p->count == 0 ? REPLY_PASS : (enum reply_action)p->ring[p->head].action;
}

static inline bool
pipeline_has_answer(const struct pipeline *p)
{
	return p->count > 0 && p->ring[p->head].action == REPLY_ANSWER;
}

/* If it is our turn to speak (an ANSWER is at the head), take that entry off: true. */
bool pipeline_take_answer(struct pipeline *p, struct pipeline_entry *e);

#endif
