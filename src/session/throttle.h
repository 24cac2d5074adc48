/*
 * throttle: what limits (tenant/limits.h) mean for a session.
 *
 *	take_request ── throttle_request ── THROTTLE_PASS: it is under way
 *	                     │           ── THROTTLE_REFUSE: the client has our error, the message is thrown away
 *	                     │           ── THROTTLE_FAIL: the server has to fail in its place (request_fail)
 *	                     └───────────── THROTTLE_WAIT: not read, no server is held; when it is due, client_resume
 *
 * Checked is the beginning of a query outside a transaction, never what lies inside one; that is counted, and what
 * comes next waits for it.  Of a pipeline, the next query waits until those in front of it are done, if the rate is
 * used up: only then it is known that no transaction is open.  What a query cost (bytes, servers' time) is debited when
 * it is over.
 *
 * A cycle that only prepares, describes or closes has no query: it neither waits nor is refused, if all of it has come
 * when its first message is looked at; if not, what was taken for its query is given back at its end.
 *
 * Who waits is kept per shard, in the order of being due, with one timer; who waits for others of `active` to end, in
 * the order of coming.
 *
 * A session has a struct throttle only while [limits] has lines.  Where it has none, a query looks at one pointer.
 */
#ifndef SESSION_THROTTLE_H
#define SESSION_THROTTLE_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "session/request.h"
#include "tenant/limits.h"

struct throttles;

enum throttle_state {
	THROTTLE_QUIET,		/* no query */
	THROTTLE_DELAYED,	/* waits until it is due */
	THROTTLE_CROWDED,	/* waits until fewer are under way */
	THROTTLE_READY,		/* its turn has come, it was not looked at yet */
	THROTTLE_UNDER_WAY,
};

struct throttle {
	struct session *session;
	struct limit_set set;
	struct limit_hold hold;
	RB_ENTRY(throttle) by_due;	/* THROTTLE_DELAYED */
	TAILQ_ENTRY(throttle) link;	/* THROTTLE_CROWDED */
	usec_t due;
	unsigned class_epoch;		/* of the tenant, when the set was made */
	uint8_t state;			/* enum throttle_state */
	bool paid;			/* the next query was taken when its cycle began */
	bool queued;			/* it counts as one that waits for a server */
	bool transaction_told;		/* that it is too long, in shadow mode */
	usec_t server_since;		/* it has a server since, or that much was debited; 0: it has none */
	int64_t bytes;			/* not debited yet */
	int64_t result;			/* bytes of the present reply */
	bool result_told;		/* that it is too large, in shadow mode */
	struct error *over;		/* what its client is to be told of that; NULL: nothing ever */
};

enum throttle_outcome {
	THROTTLE_PASS,
	THROTTLE_WAIT,
	THROTTLE_REFUSE,
	THROTTLE_FAIL,
};

/* --- login --- */

/* May this client be one of the tenant's?  NULL: no, e says why; or, with e->sqlstate "", there are no limits. */
struct throttle *throttle_enter(struct shard *s, const struct tenant *t, const struct user *u, const struct client *c,
				struct error *e);
/* Likewise, one that comes from another tenant (session/change.h). */
struct throttle *throttle_change(struct shard *s, const struct tenant *t, const struct user *u, const struct address *a,
				 struct error *e);
void throttle_free(struct shard *s, struct throttle **t);	/* NULL is fine */

/* The session that it is for. */
void throttle_attach(struct session *s, struct throttle *t);
/* Likewise, one that has come from another shard, where its tenant counts its classes otherwise: it is brought up to date
 * before the next query. */
void throttle_arrive(struct session *s, struct throttle *t);

/* The session ends, or leaves its tenant. */
void throttle_leave(struct session *s);

/* The session goes to another shard, and keeps its place in the limits; it does not wait for its turn (throttle_holds).
 * Then throttle_arrive, or the end of it; limits NULL: they end, too. */
struct throttle *throttle_detach(struct session *s);
void throttle_discard(struct limits *limits, struct throttle **t);

/* --- requests --- */

/* A message has come, as far as rq->here.  REFUSE: it is to be thrown away, the error is in b->own.  FAIL: e is what the
 * client is to be told. */
enum throttle_outcome throttle_request(struct batch *b, const struct request *rq, struct error *e);

/* It is being handed to a server. */
void throttle_charge(struct session *s, uint8_t type, usec_t now);

/* No server is free: true: too many wait for one; as REFUSE. */
bool throttle_queue_is_full(struct batch *b);

/* It does not wait for a server any more. */
void throttle_unqueue(struct session *s);

/* Does it wait for its turn? */
static inline bool
throttle_holds(const struct session *s)
{
	return s->throttle != NULL && (s->throttle->state == THROTTLE_DELAYED || s->throttle->state == THROTTLE_CROWDED);
}

/* The client asked to cancel what waits: give its place back.  false: nothing waited, or it can't be told now. */
bool throttle_cancel(struct session *s);

/* Bytes have passed, in either direction. */
static inline void
throttle_count(struct session *s, size_t n)
{
	if (s->throttle != NULL)
		s->throttle->bytes += (int64_t)n;
}

/* So much more of the present reply has come.  true: it is too large, and throttle->over says so. */
bool throttle_result_is_over(struct session *s, size_t n);

/* A query is over; idle: and no transaction is open. */
void throttle_over(struct session *s, usec_t now, bool idle);

/* Likewise one that was answered here, outside a transaction. */
void throttle_answered(struct session *s, usec_t now);

/* --- upkeep --- */

/* Is its transaction too long?  true: e says so. */
bool throttle_transaction_is_over(struct session *s, usec_t now, struct error *e);

/* The shard's settings have changed: it has limits from now on, and who waits may be due. */
void throttles_configure(struct shard *s);
void throttles_free(struct shard *s);

#endif
