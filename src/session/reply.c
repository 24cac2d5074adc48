/*
 * reply: from the server to the client.
 *
 * Rows and copy data are passed on as they come, in pieces if they are large.
 * The other messages end entries of the pipeline, which says for each what to
 * do.  A few are looked into: ReadyForQuery, ParameterStatus, errors, and the
 * two command tags that make prepared statements vanish.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "net/gather.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/writer.h"
#include "session/guard.h"
#include "session/link.h"
#include "session/throttle.h"

/* A message that is to be looked into has an end within this. */
#define INSPECTED_MAX (1024 * 1024)

/* A reply that is larger than result_size lets: it is not passed on from there, and cancelled. */
enum excess {
	EXCESS_NONE,
	EXCESS_CUT,		/* its end has not come yet; the client gets an error for it then */
	EXCESS_TOLD,		/* it had the error: as far as it knows, the server skips to ReadyForQuery */
};

/* One look at what a server sent. */
struct haul {
	struct link *link;
	struct session *session;
	struct gather *gather;
	const uint8_t *pos, *end;
	usec_t now;		/* when it was read */
	const uint8_t *reply;	/* the present query's begins here, if not before */
	const uint8_t *counted;	/* the limits know of what lies in front of it */
	const uint8_t *run;	/* what lies from here to pos is passed on; NULL: nothing */
};

static void
end_run(struct haul *h)
{
	if (h->run == NULL)
		return;
	gather_ref(h->gather, h->run, (size_t)(h->pos - h->run));
	h->run = NULL;
}

/* Put in our own answers: it is their turn, if no message is being passed on in pieces. */
static void
write_answers(struct link *k, struct gather *g)
{
	struct pipeline_entry e;

	while (pipeline_take_answer(&k->pipeline, &e)) {
		struct buffer *out = gather_write(g);
		uint8_t type = e.kind == REQUEST_PARSE ? BE_PARSE_COMPLETE : BE_CLOSE_COMPLETE;

		writer_end(out, writer_begin(out, type));
		gather_wrote(g);
		if (e.ref != NULL)
			k->pipeline.done(k->pipeline.arg, &e);
	}
}

void
session_answer(struct session *s)
{
	struct gather *g = loop_gather(s->shard->loop);

	if (s->link->reply_left > 0)
		return;
	gather_begin(g, &s->client->stream);
	write_answers(s->link, g);
	if (!gather_flush(g))
		stream_pause(&s->client->stream);
}

static void
put_answers(struct haul *h)
{
	if (h->link->reply_left > 0 || !pipeline_has_answer(&h->link->pipeline))
		return;
	end_run(h);
	write_answers(h->link, h->gather);
}

/* --- messages that are looked into; they are whole --- */

static void
take_parameter(struct haul *h, const uint8_t *body, size_t n, enum reply_action action)
{
	struct session *s = h->session;
	struct params_table *t = s->shard->params;
	const struct params *old = s->params;
	struct reader r;
	const char *name, *value;

	reader_init(&r, body, n);
	name = reader_string(&r);
	value = reader_string(&r);
	if (!reader_ok(&r))
		return;
	server_set_parameter(h->link->server, name, value);
	if (action != REPLY_PASS || params_get(s->params, name) == NULL)
		return;
	h->link->parameters_reported++;
	s->params = params_with(t, old, name, value);
	params_unref(t, &old);
}

/* Our SET commands are through: what the server reports now is the client's wish in the server's spelling. */
static void
parameters_arrived(struct haul *h)
{
	struct session *s = h->session;
	const struct params *old = s->params;

	s->params = params_ref(h->link->server->tracked);
	params_unref(s->shard->params, &old);
}

static void
stop_clocks(struct haul *h, uint8_t status)
{
	struct session *s = h->session;
	struct traffic *t = &s->pool->tenant->traffic;
	usec_t now = h->now;

	if (s->query_since != 0)
		t->query_time += now - s->query_since;
	s->query_since = 0;
	s->quiet_since = now;
	if (status != TRANSACTION_IDLE)
		return;
	if (s->transaction_since != 0)
		t->xact_time += now - s->transaction_since;
	s->transaction_since = 0;
}

/* The server does not speak the protocol: nothing that it says from here on can be trusted. */
static void
drop_server(struct haul *h)
{
	end_run(h);
	gather_flush(h->gather);
	h->gather = NULL;
	server_close(h->link->server, NULL, "malformed message from server");
}

/* A SET that the server reports is carried along, and leaves nothing that the next client would not get right.  The
 * report comes before ReadyForQuery; with other commands in front of that, nobody can say which of them it is about. */
static void
judge_sets(struct link *k)
{
	if (k->sets > 0 && (k->commands > 1 || k->parameters_reported == 0))
		k->server->taint |= TAINT_SETTINGS;
	k->commands = k->sets = k->parameters_reported = 0;
}

/* Of what the head of the pipeline has done, or has done in part: these effects last. */
static void
note_effects(struct haul *h, unsigned lasting)
{
	struct link *k = h->link;
	const struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (head != NULL && (head->effects & lasting) != 0 && head->action == REPLY_PASS)
		k->server->taint |= TAINT_SETTINGS;
}

/* What has come up to here is the present query's. */
static void
count_bytes(struct haul *h, const uint8_t *end)
{
	throttle_count(h->session, (size_t)(end - h->counted));
	h->counted = end;
}

static enum reply_action
take_ready(struct haul *h, const uint8_t *body, size_t n)
{
	struct link *k = h->link;
	struct pipeline_entry *head = pipeline_head(&k->pipeline);
	bool was_parameters = head != NULL && head->ref == link_parameters_mark;
	bool was_retry = head != NULL && head->ref == retry_mark;
	enum reply_action action;

	if (n != 1 || strchr("ITE", body[0]) == NULL || body[0] == '\0') {
		drop_server(h);
		return REPLY_SWALLOW;
	}
	if (head != NULL && head->kind == REQUEST_FUNCTION_CALL)
		note_effects(h, SQL_EFFECTS);
	timing_end(k, h->now, FRAME_HEADER + n);
	action = pipeline_take_reply(&k->pipeline, BE_READY_FOR_QUERY);
	k->server->transaction = body[0];
	if (body[0] == TRANSACTION_IDLE)
		timing_end_portals(k, h->now);
	judge_sets(k);
	/* The client gets the error instead of what it was told to be true. */
	if (body[0] != TRANSACTION_IDLE && action == REPLY_PASS && pool_mode(h->session->pool) == POOL_STATEMENT) {
		gather_drop(h->gather);
		h->gather = NULL;
		session_refuse_transaction(h->session);
		return REPLY_SWALLOW;
	}
	if (was_parameters) {
		parameters_arrived(h);
		k->meter.finished_at = h->now;	/* what follows began only now */
	}
	if (was_retry)
		retry_send(k);
	if (!pipeline_is_empty(&k->pipeline) || action == REPLY_SWALLOW)
		return action;
	stop_clocks(h, body[0]);
	count_bytes(h, body + n);
	throttle_over(h->session, h->now, body[0] == TRANSACTION_IDLE);
	return action;
}

/* Commands that leave something behind in the server's session, by their tags. */
static const struct {
	const char *tag;
	uint8_t size;		/* with its NUL */
	uint8_t taint;
} leaving[] = {
	{ "SET", sizeof("SET"), TAINT_SETTINGS },
	{ "LISTEN", sizeof("LISTEN"), TAINT_SETTINGS },
	{ "LOAD", sizeof("LOAD"), TAINT_SETTINGS },
	{ "DECLARE CURSOR", sizeof("DECLARE CURSOR"), TAINT_SETTINGS },
	{ "CREATE TABLE", sizeof("CREATE TABLE"), TAINT_SETTINGS },	/* perhaps a temporary one */
	{ "PREPARE", sizeof("PREPARE"), TAINT_STATEMENTS },
	{ "DEALLOCATE", sizeof("DEALLOCATE"), TAINT_STATEMENTS },	/* perhaps one of ours */
};

/* What the head of the pipeline has just done; SET LOCAL leaves nothing. */
static void
note_taint(struct haul *h, const char *tag, size_t n)
{
	struct link *k = h->link;
	const struct pipeline_entry *head = pipeline_head(&k->pipeline);

	k->commands++;
	note_effects(h, SQL_EFFECTS);
	if (n > 0 && tag[n - 1] == '\0' && n >= 2 && tag[n - 2] <= '9')
		return;		/* "SELECT 1", "INSERT 0 1": counted, and leaves nothing */
	for (size_t i = 0; i < lengthof(leaving); i++) {
		if (n != leaving[i].size || memcmp(tag, leaving[i].tag, n) != 0)
			continue;
		if (head != NULL && (head->local || head->action != REPLY_PASS))
			return;
		if (i == 0)
			k->sets++;
		else
			k->server->taint |= leaving[i].taint;
		if (leaving[i].taint == TAINT_STATEMENTS && tag[0] == 'P')
			guard_saw_prepare(h->session);
		return;
	}
}

/* A message that ends an Execute, but not a simple query. */
static enum reply_action
end_execute(struct haul *h, uint8_t type, size_t size)
{
	struct link *k = h->link;
	const struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (head != NULL && head->kind == REQUEST_EXECUTE) {
		if (type == BE_PORTAL_SUSPENDED) {
			note_effects(h, SQL_EFFECTS);	/* perhaps it never goes on */
			timing_suspend(k, h->now, size);
		} else {
			timing_end(k, h->now, size);
		}
	}
	return pipeline_take_reply(&k->pipeline, type);
}

static enum reply_action
take_command_complete(struct haul *h, const uint8_t *body, size_t n)
{
	struct link *k = h->link;
	const char *tag = (const char *)body;

	if ((n == sizeof("DEALLOCATE ALL") && memcmp(tag, "DEALLOCATE ALL", n) == 0) ||
	    (n == sizeof("DISCARD ALL") && memcmp(tag, "DISCARD ALL", n) == 0))
		link_forget_statements(k);
	note_taint(h, tag, n);
	timing_command(k, tag, n);
	return end_execute(h, BE_COMMAND_COMPLETE, FRAME_HEADER + n);
}

/* The server has a statement that we think it has not, or the other way round: a DISCARD ALL, DEALLOCATE or PREPARE
 * that we did not see, say from within a function.  Others must not suffer from it. */
static void
doubt_statements(struct haul *h, const struct pipeline_entry *head, const char *sqlstate)
{
	bool unwanted = strcmp(sqlstate, SQLSTATE_DUPLICATE_PREPARED_STATEMENT) == 0;
	bool missing = strcmp(sqlstate, SQLSTATE_INVALID_STATEMENT_NAME) == 0;

	if (head == NULL || head->action == REPLY_REPLACE || pool_mode(h->session->pool) == POOL_SESSION ||
	    shard_config(h->session->shard)->max_prepared_statements == 0)
		return;
	if ((unwanted && head->kind == REQUEST_PARSE) ||
	    (missing && (head->kind == REQUEST_BIND || head->kind == REQUEST_DESCRIBE)))
		h->link->server->close_needed = true;
}

/* The error of a simple query was replaced: its ReadyForQuery is the client's. */
static void
pass_rest(struct link *k)
{
	struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (head == NULL || head->kind != REQUEST_QUERY || head->action != REPLY_REPLACE)
		return;
	free(head->ref);
	head->ref = NULL;
	head->action = REPLY_PASS;
}

static enum reply_action
take_error(struct haul *h, const uint8_t *body, size_t n)
{
	struct link *k = h->link;
	struct pipeline_entry *head = pipeline_head(&k->pipeline);
	enum reply_action action;
	struct error e, ours;
	bool replace = head != NULL && head->action == REPLY_REPLACE;
	bool was_parameters = head != NULL && head->ref == link_parameters_mark;

	response_parse(body, n, &e);
	doubt_statements(h, head, e.sqlstate);
	if (replace)
		ours = *(struct error *)head->ref;
	if (e.severity != SEVERITY_FATAL && retry_catch(k, e.sqlstate))
		return REPLY_SWALLOW;
	note_effects(h, SQL_EFFECT_LOCKS);	/* all else is rolled back */
	timing_fail(k, e.sqlstate, h->now);
	if (e.severity == SEVERITY_FATAL)
		timing_end(k, h->now, FRAME_HEADER + n);
	action = pipeline_take_error(&k->pipeline);
	if (e.severity == SEVERITY_FATAL) {
		k->fatal_told = true;
		return REPLY_PASS;
	}
	if (was_parameters) {
		e.severity = SEVERITY_FATAL;
		gather_drop(h->gather);
		h->gather = NULL;
		client_close(h->session->client, &e, "invalid server parameter");
		return REPLY_SWALLOW;
	}
	if (replace) {
		end_run(h);
		writer_error(gather_write(h->gather), &ours);
		gather_wrote(h->gather);
		pass_rest(k);
		return REPLY_SWALLOW;
	}
	/* What of ours fails, fails for the client's request that it was done for. */
	return action == REPLY_SWALLOW ? REPLY_PASS : action;
}

/* --- replies that are too large --- */

static void
on_cancelled(void *arg, const char *outcome)
{
	(void)arg;
	(void)outcome;
}

/* Is the head all that its cycle runs?  Then nothing else is hit by a cancel, or done behind an error. */
static bool
is_alone(const struct link *k)
{
	const struct pipeline *p = &k->pipeline;

	return p->count <= 1 || (p->count == 2 && pipeline_at(p, 1)->kind == REQUEST_SYNC);
}

/* The end of what was read: has it become too much? */
static void
watch_size(struct haul *h)
{
	struct link *k = h->link;
	const struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (k->excess != EXCESS_NONE || head == NULL || head->action != REPLY_PASS ||
	    !throttle_result_is_over(h->session, (size_t)(h->pos - h->reply)))
		return;
	k->excess = EXCESS_CUT;
	if (is_alone(k))
		pool_cancel(k->server, on_cancelled, NULL);
}

static void
next_reply(struct haul *h)
{
	if (h->session->throttle == NULL)
		return;
	h->session->throttle->result = 0;
	h->session->throttle->result_told = false;
	h->reply = h->pos;
}

static enum reply_action
tell_excess(struct haul *h)
{
	end_run(h);
	writer_error(gather_write(h->gather), h->session->throttle->over);
	gather_wrote(h->gather);
	h->link->excess = EXCESS_TOLD;
	return REPLY_SWALLOW;
}

/* It was done before the cancel came, and so would be what follows: an error would tell the client otherwise. */
static enum reply_action
end_client(struct haul *h)
{
	struct error e = *h->session->throttle->over;

	end_run(h);
	gather_flush(h->gather);
	h->gather = NULL;
	e.severity = SEVERITY_FATAL;
	client_close(h->session->client, &e, e.message);
	return REPLY_SWALLOW;
}

/* What becomes of a message, which the pipeline has seen, of a reply that is too large. */
static enum reply_action
withhold(struct haul *h, uint8_t type, enum reply_action action)
{
	struct link *k = h->link;
	const struct pipeline_entry *head = pipeline_head(&k->pipeline);
	bool cut = k->excess == EXCESS_CUT;

	switch (type) {
	case BE_NOTICE_RESPONSE:
	case BE_NOTIFICATION_RESPONSE:
	case BE_PARAMETER_STATUS:
		return action;
	case BE_READY_FOR_QUERY:
		if (cut)
			tell_excess(h);
		k->excess = EXCESS_NONE;
		return action;
	case BE_ERROR_RESPONSE:
		return cut ? tell_excess(h) : REPLY_SWALLOW;
	case BE_COMMAND_COMPLETE:
	case BE_PORTAL_SUSPENDED:
		if (!cut || k->server->transaction != TRANSACTION_IDLE || head == NULL ||
		    (head->kind != REQUEST_QUERY && head->kind != REQUEST_SYNC))
			return end_client(h);
		return tell_excess(h);
	default:
		return REPLY_SWALLOW;
	}
}

static bool
is_inspected(uint8_t type)
{
	return type == BE_READY_FOR_QUERY || type == BE_COMMAND_COMPLETE || type == BE_ERROR_RESPONSE ||
	       type == BE_PARAMETER_STATUS;
}

/* Look at a message and say what to do with it. Whole if it is inspected. */
static enum reply_action
take_message(struct haul *h, const struct frame *f)
{
	const uint8_t *body = h->pos + FRAME_HEADER;
	size_t n = f->size - FRAME_HEADER;
	enum reply_action action;

	switch (f->type) {
	case BE_DATA_ROW:
		h->link->meter.rows_of_command++;
		return pipeline_data_action(&h->link->pipeline);
	case BE_COPY_DATA:
		return pipeline_data_action(&h->link->pipeline);
	case BE_NOTICE_RESPONSE:
	case BE_NOTIFICATION_RESPONSE:
		return REPLY_PASS;
	case BE_PARAMETER_STATUS:
		action = pipeline_data_action(&h->link->pipeline);
		take_parameter(h, body, n, action);
		return action;
	case BE_READY_FOR_QUERY:
		return take_ready(h, body, n);
	case BE_COMMAND_COMPLETE:
		return take_command_complete(h, body, n);
	case BE_EMPTY_QUERY_RESPONSE:
	case BE_PORTAL_SUSPENDED:
		return end_execute(h, f->type, f->size);
	case BE_ERROR_RESPONSE:
		return take_error(h, body, n);
	default:
		return pipeline_take_reply(&h->link->pipeline, f->type);
	}
}

static void
hand_over(struct haul *h, size_t n)
{
	struct link *k = h->link;

	if (n > k->reply_left)
		n = k->reply_left;
	if (k->reply_action != REPLY_PASS)
		end_run(h);
	else if (h->run == NULL)
		h->run = h->pos;
	h->pos += n;
	k->reply_left -= n;
	if (k->reply_action == REPLY_PASS)
		k->meter.bytes_out += n;
	h->session->client->mid_message = k->reply_left > 0 && k->reply_action == REPLY_PASS;
}

/* false: stop; more bytes are needed, or the session is over. */
static bool
take_reply(struct haul *h)
{
	size_t n = (size_t)(h->end - h->pos);
	struct link *k = h->link;
	enum reply_action action;
	struct frame f;

	if (k->reply_left == 0) {
		switch (frame_peek(h->pos, n, &f)) {
		case FRAME_SHORT:
			return false;
		case FRAME_OK:
			if (!is_inspected(f.type) || f.size <= INSPECTED_MAX)
				break;
			/* fall through */
		case FRAME_INVALID:
			drop_server(h);
			return false;
		}
		if (is_inspected(f.type) && n < f.size) {
			k->server->want = f.size;
			return false;
		}
		k->server->want = 0;
		action = take_message(h, &f);
		if (h->gather != NULL && k->excess != EXCESS_NONE)
			action = withhold(h, f.type, action);
		if (h->gather == NULL)
			return false;	/* k is gone, too */
		if (f.type == BE_COMMAND_COMPLETE || f.type == BE_READY_FOR_QUERY)
			next_reply(h);
		k->reply_action = action;
		k->reply_left = f.size;
	}
	hand_over(h, n);
	if (k->reply_left == 0)
		put_answers(h);
	return true;
}

/* What was read is out: decide whether server and client part. */
static void
part(struct session *s)
{
	int mode = pool_mode(s->pool);

	if (s->leaving && session_is_quiet(s)) {
		client_close(s->client, NULL, "client close request");
		return;
	}
	if (s->link->server->transaction != TRANSACTION_IDLE)
		return;
	if (mode != POOL_SESSION && session_is_quiet(s))
		session_unlink(s, false);
}

size_t
session_on_reply(struct server *server, const uint8_t *p, size_t n)
{
	struct link *k = server->lease;
	struct session *s = k->session;
	struct haul h = { .link = k, .session = s, .gather = loop_gather(s->shard->loop), .pos = p, .end = p + n,
			  .reply = p, .counted = p };

	h.now = clock_now();
	timing_heard(k, h.now);
	gather_begin(h.gather, &s->client->stream);
	put_answers(&h);
	while (h.pos < h.end && take_reply(&h))
		;
	if (h.gather == NULL)
		return n;	/* session or server are closed */
	end_run(&h);
	s->pool->tenant->traffic.sent += h.pos - p;
	count_bytes(&h, h.pos);
	if (s->throttle != NULL)
		watch_size(&h);
	if (!gather_flush(h.gather)) {
		stream_pause(&server->stream);
		timing_block(k, h.now);
	}
	/* Not only behind ReadyForQuery: half a notification may have come with it. */
	if (s->query_since == 0 || s->leaving)
		part(s);
	session_read_on(s);
	return (size_t)(h.pos - p);
}
