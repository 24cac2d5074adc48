/*
 * request: from the client to the server.
 *
 * What is legal, and what is done, stands in request_rules.  Most messages
 * are passed on as they came, without being looked into and without waiting
 * for their end; those that name a prepared statement are for naming.c.
 */
#include "session/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"
#include "session/change.h"
#include "session/guard.h"
#include "session/throttle.h"
#include "session/memory.h"

/* Requests of a client that may be outstanding at a time; then it has to wait, until half of them are done. */
#define OUTSTANDING_MAX 1024

struct request_rule {
	void (*handle)(struct batch *b, struct request *rq);
	bool has_names;		/* must be read up to the names first (a function's is a number) */
	bool is_copy;		/* outside a copy it means nothing */
};

/* Is it SET LOCAL and nothing else?  Only what has come of it is looked at; in doubt, no. */
static bool
is_set_local(const struct request *rq)
{
	static const char words[] = "SET LOCAL ";
	const char *text = (const char *)rq->start + FRAME_HEADER;
	size_t n = rq->here - FRAME_HEADER;
	const char *end;

	if (n < sizeof(words) || rq->here < rq->frame.size || (text[2] | 0x20) != 't' || strncasecmp(text, words, sizeof(words) - 1) != 0)
		return false;
	end = memchr(text, ';', n);
	return end == NULL || end >= text + n - 2;
}

static void
handle_query(struct batch *b, struct request *rq)
{
	/* A simple query makes the unnamed statement vanish. */
	b->session->link->unnamed_known = false;
	statement_unref(&b->session->unnamed);
	pass(b, REQUEST_QUERY);
	timing_query(b, rq);
	if (is_set_local(rq))
		pipeline_last(pipeline_of(b))->local = true;
}

/* What a function leaves behind is told by its name; here it has a number, which is the same in each PostgreSQL:
 * set_config(), and advisory locks of the session. */
static uint8_t
function_effects(const struct request *rq)
{
	struct reader r;
	uint32_t oid;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	oid = reader_u32(&r);
	if (!reader_ok(&r))
		return SQL_EFFECTS;
	if (oid == 2078)
		return SQL_EFFECT_SETTINGS;
	return (oid >= 2880 && oid <= 2883) || (oid >= 2886 && oid <= 2889) ? SQL_EFFECT_LOCKS : 0;
}

static void
handle_function_call(struct batch *b, struct request *rq)
{
	pass(b, REQUEST_FUNCTION_CALL);
	pipeline_last(pipeline_of(b))->effects = function_effects(rq);
	timing_function_call(b);
}

static void
handle_execute(struct batch *b, struct request *rq)
{
	pass(b, REQUEST_EXECUTE);
	timing_execute(b, rq);
	pipeline_last(pipeline_of(b))->forgets = b->session->link->unnamed_forgets;
}

static void
handle_sync(struct batch *b, struct request *rq)
{
	(void)rq;
	pass(b, REQUEST_SYNC);
}

static void
handle_flush(struct batch *b, struct request *rq)
{
	(void)rq;
	b->flush_asked = true;
}

/* What a COPY reads counts for its request, which stands at the head. */
static void
add_copied(struct batch *b, const struct request *rq)
{
	struct timing *t = pipeline_head(pipeline_of(b))->timing;

	if (t != NULL)
		t->bytes_in += rq->frame.size;
}

/* Data that comes when the copy is over already is thrown away, as PostgreSQL does. */
static void
handle_copy_data(struct batch *b, struct request *rq)
{
	if (pipeline_is_empty(pipeline_of(b)))
		drop_all(rq);
	else
		add_copied(b, rq);
}

static void
handle_copy_end(struct batch *b, struct request *rq)
{
	if (pipeline_is_empty(pipeline_of(b)))
		drop_all(rq);
	else
		pass(b, REQUEST_COPY_END);
}

static const struct request_rule request_rules[256] = {
	[FE_QUERY] = { .handle = handle_query },
	[FE_FUNCTION_CALL] = { .handle = handle_function_call, .has_names = true },
	[FE_PARSE] = { .handle = naming_parse, .has_names = true },
	[FE_BIND] = { .handle = naming_bind, .has_names = true },
	[FE_DESCRIBE] = { .handle = naming_describe, .has_names = true },
	[FE_CLOSE] = { .handle = naming_close, .has_names = true },
	[FE_EXECUTE] = { .handle = handle_execute, .has_names = true },
	[FE_SYNC] = { .handle = handle_sync },
	[FE_FLUSH] = { .handle = handle_flush },
	[FE_COPY_DATA] = { .handle = handle_copy_data, .is_copy = true },
	[FE_COPY_DONE] = { .handle = handle_copy_end, .is_copy = true },
	[FE_COPY_FAIL] = { .handle = handle_copy_end, .is_copy = true },
};

/* For what can't be at its place (session/change.h). */
static const struct request_rule failing = { .handle = change_fail };

/* --- the loop --- */

/* From here on there is a server to send to; false: the session has to wait for one. */
static bool
reach_server(struct batch *b)
{
	struct session *s = b->session;
	struct server *server;

	if (b->gather != NULL)
		return true;
	if (s->link == NULL) {
		server = pool_acquire(s->pool, &s->wait);
		if (server == NULL)
			return false;
		session_link(s, server);
	}
	b->gather = loop_gather(s->shard->loop);
	gather_begin(b->gather, &s->link->server->stream);
	if (s->params != s->link->server->tracked && pipeline_is_empty(&s->link->pipeline))
		parameters_write(b);
	return true;
}

static void
start_clocks(struct batch *b)
{
	struct session *s = b->session;
	struct traffic *t = &s->pool->tenant->traffic;

	if (s->query_since != 0)
		return;
	s->query_since = b->now;
	t->query_count++;
	if (s->transaction_since == 0) {
		s->transaction_since = b->now;
		t->xact_count++;
	}
}

enum step {
	STEP_ON,	/* the next one */
	STEP_DONE,	/* it is dealt with */
	STEP_REFUSED,	/* it is to be thrown away */
	STEP_STOP,	/* its turn comes again: more bytes are needed, or the client has to wait; or it is closed */
};

/* The batch's session is being closed: nothing of it may be touched but this. */
static enum step
refuse_client(struct batch *b, const char *sqlstate, const char *message)
{
	if (b->gather != NULL)
		gather_drop(b->gather);
	b->gather = NULL;
	b->pos = b->end;
	client_reject(b->session->client, sqlstate, "%s", message);
	return STEP_STOP;
}

/* Terminate: once what is under way is done, as PostgreSQL reads it only then. */
static enum step
take_leave(struct batch *b)
{
	struct session *s = b->session;

	b->pos = b->end;
	s->leaving = true;
	if (!session_is_quiet(s)) {
		stream_pause(&s->client->stream);
		return STEP_STOP;
	}
	if (b->gather != NULL)
		gather_flush(b->gather);
	b->gather = NULL;
	client_close(s->client, NULL, "client close request");
	return STEP_STOP;
}

/* Move on behind this message. */
static void
advance(struct batch *b, const struct request *rq)
{
	struct session *s = b->session;

	if (!rq->drop && rq->here > rq->handled)
		gather_ref(b->gather, rq->start + rq->handled, rq->here - rq->handled);
	b->pos += rq->here;
	s->request_left = rq->frame.size - rq->here;
	s->request_dropped = rq->drop;
	s->client->messages++;
	if (s->held > 0)
		memory_let_go(s);
	s->client->mid_request = s->request_left > 0 && rq->frame.type != FE_COPY_DATA;
}

static void
write_ready(struct batch *b)
{
	struct session *s = b->session;

	writer_ready_for_query(&b->own, TRANSACTION_IDLE);
	s->query_since = s->transaction_since = 0;
	s->quiet_since = clock_recent();
	throttle_over(s, s->quiet_since, true);
}

/* The request was answered with an error while it waited: throw it away, in the extended protocol up to Sync. */
static void
throw_away(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	uint8_t type = rq->frame.type;

	drop_all(rq);
	if (s->refusing && (type == FE_QUERY || type == FE_FUNCTION_CALL)) {
		write_ready(b);
		s->refusing = false;
	} else if (type == FE_SYNC) {
		write_ready(b);
		s->refusing = s->skipping = false;
	} else {
		s->refusing = false;
		s->skipping = true;
	}
	if (buffer_left(&b->own) > 0)
		stream_send_bytes(&s->client->stream, buffer_head(&b->own), buffer_left(&b->own));
	buffer_release(&b->own);
	advance(b, rq);
}

void
request_send(struct batch *b)
{
	struct session *s = b->session;

	if (b->gather == NULL)
		return;
	if (s->link->retry.state != RETRY_OFF)
		retry_keep(s->link, b->gather);
	if (!gather_flush(b->gather))
		stream_pause(&s->client->stream);
	b->gather = NULL;
	/* Our own answers go out with the server's next words, unless the client asks for what there is. */
	if (b->flush_asked)
		session_answer(s);
	b->flush_asked = false;
}

/* A client that takes no replies, or asks faster than its server answers, must not cost memory without bound. */
static bool
is_held_up(const struct session *s)
{
	return !stream_is_drained(&s->client->stream) ||
	       (s->link != NULL && s->link->pipeline.count >= OUTSTANDING_MAX);
}

/* Many requests are outstanding: have the server tell what it has done, and tell our part. false: the client waits. */
static bool
make_way(struct batch *b)
{
	struct buffer *out;

	if (!reach_server(b))
		return false;
	out = gather_write(b->gather);
	writer_end(out, writer_begin(out, FE_FLUSH));
	gather_wrote(b->gather);
	b->flush_asked = true;
	request_send(b);
	if (!is_held_up(b->session))
		return true;
	stream_pause(&b->session->client->stream);
	return false;
}

/* --- a request's way: each step may be its last --- */

/* What is there, and is it legal? */
static enum step
read_message(struct batch *b, struct request *rq)
{
	const struct config *c = shard_config(b->session->shard);
	size_t n = (size_t)(b->end - b->pos);

	switch (frame_peek(b->pos, n, &rq->frame)) {
	case FRAME_SHORT:
		return STEP_STOP;
	case FRAME_INVALID:
		return refuse_client(b, SQLSTATE_PROTOCOL_VIOLATION, "invalid message length");
	case FRAME_OK:
		break;
	}
	rq->here = n < rq->frame.size ? n : rq->frame.size;
	if (rq->frame.type == FE_TERMINATE)
		return take_leave(b);
	rq->rule = &request_rules[rq->frame.type];
	if (rq->rule->handle == NULL)
		return refuse_client(b, SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message type");
	if (rq->frame.size > (size_t)c->max_packet_size)
		return refuse_client(b, SQLSTATE_PROGRAM_LIMIT, "message exceeds max_packet_size");
	if (c->disable_pqexec && rq->frame.type == FE_QUERY)
		return refuse_client(b, SQLSTATE_FEATURE_NOT_SUPPORTED, "PQexec disallowed");
	return b->session->refusing || b->session->skipping ? STEP_REFUSED : STEP_ON;
}

/* Is it about another tenant? */
static enum step
take_change(struct batch *b, struct request *rq)
{
	switch (change_take(b, rq)) {
	case CHANGE_NONE:
		return STEP_ON;
	case CHANGE_TAKEN:
		return STEP_DONE;
	case CHANGE_STOP:
		return STEP_STOP;
	case CHANGE_FAIL:
		rq->rule = &failing;
		return STEP_ON;
	case CHANGE_REFUSED:
		return STEP_REFUSED;
	}
	return STEP_ON;
}

/* Has enough of it come, and is it clear what it means? */
static enum step
wait_for_sense(struct batch *b, struct request *rq)
{
	struct session *s = b->session;

	if (rq->rule->has_names && naming_is_too_long(s, rq))
		return refuse_client(b, SQLSTATE_PROTOCOL_VIOLATION, "name of prepared statement or portal is too long");
	if (rq->rule->has_names && !naming_is_readable(s, rq)) {
		s->client->want = rq->frame.size;
		if (rq->frame.type == FE_PARSE && naming_tells_a_name(s, rq))
			memory_hold(s, rq);
		return STEP_STOP;
	}
	if (guard_is_on(s) && !guard_is_readable(s, rq)) {
		s->client->want = rq->frame.size;
		return STEP_STOP;
	}
	if (rq->rule->has_names && naming_has_to_wait(s, rq)) {
		stream_pause(&s->client->stream);
		return STEP_STOP;
	}
	s->client->want = 0;
	return STEP_ON;
}

/* What is too large to be kept needs no server to be refused, which would wait for all of it. */
static bool
is_too_large(struct batch *b, const struct request *rq)
{
	struct error e;

	if (rq->here == rq->frame.size || rq->frame.type != FE_PARSE || !naming_tells_a_name(b->session, rq) ||
	    memory_admits(b->session, rq, &e))
		return false;
	request_refuse(b, &e);
	return true;
}

/* Where no server is lent, what is not wanted is refused before there is one. */
static enum step
refuse_unwanted(struct batch *b, struct request *rq)
{
	struct session *s = b->session;

	if (s->link != NULL)
		return s->link->pipeline.count >= OUTSTANDING_MAX && !make_way(b) ? STEP_STOP : STEP_ON;
	if (rq->rule->is_copy || rq->frame.type == FE_FLUSH) {
		drop_all(rq);
		return STEP_DONE;
	}
	if (is_too_large(b, rq) || (guard_is_on(s) && guard_refuses(b, rq)))
		return STEP_REFUSED;
	return STEP_ON;
}

static enum step
wait_for_turn(struct batch *b, struct request *rq)
{
	if (b->session->shard->throttles == NULL)
		return STEP_ON;
	switch (throttle_request(b, rq, rq->over)) {
	case THROTTLE_PASS:
		return STEP_ON;
	case THROTTLE_WAIT:
		return STEP_STOP;
	case THROTTLE_REFUSE:
		return STEP_REFUSED;
	case THROTTLE_FAIL:
		rq->fails = true;
		return STEP_ON;
	}
	return STEP_ON;
}

static enum step
get_server(struct batch *b, struct request *rq)
{
	/* What has no answer of its own starts nothing. */
	if (!rq->rule->is_copy && rq->frame.type != FE_FLUSH)
		start_clocks(b);
	if (reach_server(b))
		return STEP_ON;
	return throttle_queue_is_full(b) ? STEP_REFUSED : STEP_STOP;
}

static enum step
admit(struct batch *b, struct request *rq)
{
	enum step step = read_message(b, rq);

	if (step == STEP_ON)
		step = take_change(b, rq);
	if (step == STEP_ON)
		step = wait_for_sense(b, rq);
	if (step == STEP_ON)
		step = refuse_unwanted(b, rq);
	if (step == STEP_ON)
		step = wait_for_turn(b, rq);
	if (step == STEP_ON)
		step = get_server(b, rq);
	return step;
}

static void
hand_on(struct batch *b, struct request *rq)
{
	struct session *s = b->session;

	throttle_charge(s, rq->frame.type, b->now);
	if (!rq->rule->is_copy)
		s->link->meter.bytes_in += rq->frame.size;
	if (s->link->pipeline.skipping && rq->frame.type != FE_SYNC)
		drop_all(rq);
	else if (rq->fails)
		request_fail(b, rq, rq->over);
	else if (!guard_is_on(s) || rq->rule == &failing || guard_admits(b, rq))
		rq->rule->handle(b, rq);
}

static bool
take_request(struct batch *b)
{
	struct error over;
	struct request rq = { .start = b->pos, .over = &over };

	switch (admit(b, &rq)) {
	case STEP_STOP:
		return false;
	case STEP_REFUSED:
		throw_away(b, &rq);
		return true;
	case STEP_DONE:
		break;
	case STEP_ON:
		hand_on(b, &rq);
		break;
	}
	advance(b, &rq);
	return true;
}

/* More of a message whose beginning has been dealt with. */
static bool
take_rest(struct batch *b)
{
	struct session *s = b->session;
	size_t n = (size_t)(b->end - b->pos);

	if (n > s->request_left)
		n = s->request_left;
	if (!s->request_dropped) {
		if (!reach_server(b))
			return false;
		gather_ref(b->gather, b->pos, n);
		timing_rest(s->link, &s->link->meter, b->pos, n);
	}
	b->pos += n;
	s->request_left -= n;
	if (s->request_left == 0)
		s->client->mid_request = false;
	return true;
}

void
session_read_on(struct session *s)
{
	const struct link *k = s->link;

	if (!s->client->stream.paused || s->wait.queued || throttle_holds(s) || s->leaving || !stream_is_drained(&s->client->stream))
		return;
	if (k != NULL && (!stream_is_drained(&k->server->stream) || k->pipeline.count > OUTSTANDING_MAX / 2))
		return;
	client_resume(s->client);
}

/* A cycle is about to be sent again: what the client sends now goes behind it. */
static bool
is_being_retried(const struct session *s)
{
	return s->link != NULL && s->link->retry.state == RETRY_CAUGHT;
}

/* The rest of a message that means nothing has come: nobody else will see that the server is free to go. */
static void
part(struct session *s)
{
	if (s->link != NULL && s->query_since == 0 && session_is_quiet(s) && pool_mode(s->pool) != POOL_SESSION &&
	    s->link->server->transaction == TRANSACTION_IDLE)
		session_unlink(s, false);
}

size_t
session_on_input(struct client *c, const uint8_t *p, size_t n)
{
	struct session *s = c->owner;
	struct batch b = { .session = s, .pos = p, .end = p + n };

	if (s->wait.queued || throttle_holds(s) || s->leaving || is_held_up(s) || is_being_retried(s) ||
	    change_is_under_way(s) || session_is_interrupted(s)) {
		stream_pause(&c->stream);
		return s->leaving ? n : 0;
	}
	b.now = clock_now();
	c->request_at = b.now;
	while (b.pos < b.end) {
		if (s->request_left > 0 ? !take_rest(&b) : !take_request(&b))
			break;
	}
	s->pool->tenant->traffic.received += b.pos - p;
	throttle_count(s, (size_t)(b.pos - p));
	if (c->state == CLIENT_READY) {
		request_send(&b);
		part(s);
	}
	return (size_t)(b.pos - p);
}
