/*
 * request: what the files that deal with a client's requests share (private to
 * session/): the batch of bytes that is being looked at, and the present
 * message in it.
 *
 *	request.c     what is legal, in which order, and when it is sent
 *	naming.c      messages that name a prepared statement
 *	parameters.c  the client's parameters on a server that has others
 */
#ifndef SESSION_REQUEST_H
#define SESSION_REQUEST_H

#include "net/gather.h"
#include "pg/frame.h"
#include "pg/writer.h"
#include "session/link.h"

/* One look at what a client sent. */
struct batch {
	struct session *session;
	struct gather *gather;	/* NULL until there is a server to send to */
	const uint8_t *pos, *end;
	usec_t now;
	struct buffer own;	/* our own answer to the present message, when that is thrown away */
	bool flush_asked;
};

struct request_rule;

/* The present message: what has come of it, and how much of that a handler has taken care of. */
struct request {
	struct frame frame;
	const uint8_t *start;
	size_t here;		/* bytes of it that have come */
	size_t handled;		/* passed on rewritten, or not at all; the rest is relayed, or with `drop` thrown away */
	bool drop;
	bool admitted;		/* guard.c has nothing against it */
	bool fails;		/* with *over: the server has to fail in its place */
	struct error *over;	/* room for why; throttle.c's */
	const struct request_rule *rule;	/* request.c's */
};

/* Are statements renamed for this session?  Not in session mode, where the server is its own. */
static inline bool
tracks_statements(const struct session *s)
{
	return shard_config(s->shard)->max_prepared_statements > 0 && pool_mode(s->pool) != POOL_SESSION;
}

static inline struct pipeline *
pipeline_of(struct batch *b)
{
	return &b->session->link->pipeline;
}

/* Nothing of this message goes to the server as it came. */
static inline void
drop_all(struct request *rq)
{
	rq->handled = rq->here;
	rq->drop = true;
}

/* It is refused before there is a server: the client gets e when the message is thrown away, and in the extended
 * protocol the rest is skipped to Sync. */
static inline void
request_refuse(struct batch *b, const struct error *e)
{
	writer_error(&b->own, e);
	b->session->refusing = true;
}

/* It goes there as it came, and its replies to the client. */
static inline void
pass(struct batch *b, enum request_kind kind)
{
	pipeline_push(pipeline_of(b), kind, REPLY_PASS, NULL);
}

/* Send what has been put together for the server; b->gather is NULL then. */
void request_send(struct batch *b);

/* --- naming.c: handlers; b->gather is there --- */

/* A request that may not be: have the server fail in its place, by which a transaction fails, too, and tell the client
 * e.  For FE_QUERY, FE_FUNCTION_CALL, FE_PARSE, FE_BIND and FE_DESCRIBE. */
void request_fail(struct batch *b, struct request *rq, const struct error *e);

void naming_parse(struct batch *b, struct request *rq);
void naming_bind(struct batch *b, struct request *rq);
void naming_describe(struct batch *b, struct request *rq);
void naming_close(struct batch *b, struct request *rq);

/* The client's statement of this name, or its unnamed one with "", is no more. */
void naming_forget(struct session *s, const char *name);

/* Have its names come, which stand in front? */
bool naming_is_at_hand(const struct request *rq);

/* Are its names so long that it can't be waited for them?  Nobody would know what it says: it may not pass. */
bool naming_is_too_long(const struct session *s, const struct request *rq);

/* Has enough of such a message come to handle it, its names in any case, where somebody has to know them? */
bool naming_is_readable(const struct session *s, const struct request *rq);

/* A Parse or Query that is refused has cost the client its unnamed statement, as one that is passed on does. */
void naming_lose_unnamed(struct session *s, const struct request *rq);

/* Is it about a named statement, as far as it has come? */
bool naming_tells_a_name(const struct session *s, const struct request *rq);

/* Does it mean something that what is outstanding will decide? */
bool naming_has_to_wait(const struct session *s, const struct request *rq);

/* --- parameters.c --- */

/* Bring the client's parameters to a server that has others. */
void parameters_write(struct batch *b);

#endif
