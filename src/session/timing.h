/*
 * timing: what each query of a client cost, taken while it passes.
 *
 *	request.c  timing_query, timing_execute ──> the pipeline's entry gets a timing
 *	naming.c   timing_parse, timing_bind    ──> labels: what will be executed (session/label.h)
 *	reply.c    timing_heard (first byte), timing_fail,
 *	           timing_end ──> query_count, and if it was slow: struct slow_query
 *
 * A timing is for what a client asked to be run: Query, Execute, FunctionCall.  It starts when it is sent (of several
 * that were sent together, when the one in front of it is over) and ends with the last message of its reply.  Two clock
 * reads a query, which the session needs anyway; a timing comes from the shard's free list.
 *
 * A portal that is executed in parts is one query, with the sum of them: it is over when it is complete, or with the
 * transaction.  What runs when client or server go is counted, too, as failed (08006).
 *
 * Text is read once: of a simple query when it passes, of a statement at Parse; the first TIMING_TEXT bytes of it.
 * It is read even if nothing is counted (query_stats = 0) where its effects on the session have to be known.
 */
#ifndef SESSION_TIMING_H
#define SESSION_TIMING_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "session/label.h"
#include "session/shard.h"
#include "stats/queries.h"

#define TIMING_TEXT (64 * 1024)

struct batch;
struct link;
struct request;
struct session;
struct shard;
struct statement;

struct timing {
	SLIST_ENTRY(timing) link;	/* in the free list, or among suspended ones */
	struct label what;		/* no entry: the tenant's `other` counts it */
	usec_t since;			/* sent */
	usec_t wait;			/* for a server, before */
	usec_t heard_at;		/* 0: nothing of its reply has come */
	usec_t blocked;			/* its client did not take it */
	uint64_t bytes_in;
	bool failed;
	char sqlstate[6];
	struct query_sample so_far;	/* of a suspended portal */
};

/* A text that comes in several reads: what has come of it, to be read when it is there. */
struct timing_text {
	struct buffer bytes;
	size_t missing;		/* 0: nothing is awaited */
	struct timing *timing;	/* whose it is; NULL: a statement's, or it is over already */
	struct label *label;	/* of that statement, or NULL */
};

/* What a link counts for the query that runs on it. */
struct timing_meter {
	uint64_t bytes_in;	/* of messages for the next one */
	uint64_t bytes_out, rows, rows_of_command;
	struct timing_list suspended;	/* of portals that may go on */
	unsigned nsuspended;
	unsigned last_bound;	/* Binds so far */
	usec_t finished_at;	/* when the last one was over */
	usec_t blocked_since;	/* 0: the client takes what there is */
	struct timing_text text;
	struct label statement;	/* of the unnamed one */
	struct label portal;
	struct labels *statements, *portals;	/* NULL: none has a name */
};

/* The session is about to part from the server: what runs is over. */
void timing_cut(struct link *k);

/* At session_cut, behind that and the pipeline; and at the end. */
void timing_meter_clear(struct timing_meter *m);
void timing_meter_release(struct timing_meter *m);

/* Does anybody have to know what this session's texts say? */
bool timing_reads_text(const struct session *s);

/* --- requests; the entry was pushed already and is the last one --- */

void timing_query(struct batch *b, const struct request *rq);
void timing_function_call(struct batch *b);
void timing_execute(struct batch *b, const struct request *rq);

/* A Parse that is passed on, name and all; body: behind the name, n bytes of it have come. */
void timing_parse(struct batch *b, const struct request *rq, const char *name, const uint8_t *body, size_t n);

/* A Bind: of st, or (NULL) of the statement that the client names so, or the unnamed one. values: behind the names, n
 * bytes of them have come. */
void timing_bind(struct batch *b, const char *portal, struct statement *st, const char *name, const uint8_t *values,
		 size_t n);

/* The unnamed statement was prepared anew. */
void timing_label_unnamed(struct link *k, struct statement *st);

/* More bytes of a request whose beginning has been dealt with. */
void timing_read_on(struct link *k, const uint8_t *p, size_t n);

static inline void
timing_rest(struct link *k, struct timing_meter *m, const uint8_t *p, size_t n)
{
	if (m->text.missing > 0)
		timing_read_on(k, p, n);
}

/* --- replies --- */

/* Something came from the server. */
void timing_heard(struct link *k, usec_t now);

/* The head of the pipeline (or of its cycle, if it never came to an Execute) failed. */
void timing_fail(struct link *k, const char *sqlstate, usec_t now);

/* A command of the head is through: its tag, n bytes with NUL. */
void timing_command(struct link *k, const char *tag, size_t n);

/* The head is over, with a message of `last` bytes that was not counted in bytes_out yet. */
void timing_end(struct link *k, usec_t now, size_t last);

/* Likewise; but it may go on with another Execute of its portal. */
void timing_suspend(struct link *k, usec_t now, size_t last);

/* The transaction is over, and all portals with it. */
void timing_end_portals(struct link *k, usec_t now);

/* The client takes no more; it does again. */
void timing_block(struct link *k, usec_t now);
void timing_unblock(struct link *k);

/* Drop a timing of an entry that will not happen, or whose end will not be seen. */
void timing_drop(struct link *k, struct timing *t);

/* --- shards --- */

void timing_configure(struct shard *s);		/* by the present snapshot */
void timings_free(struct shard *s);

#endif
