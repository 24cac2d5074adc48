/*
 * request: from the client to the server.
 *
 * What is legal, and what is done, stands in request_rules.  Most messages
 * are passed on as they came, without being looked into and without waiting
 * for their end; only those that name a prepared statement are read, up to
 * the name, and get the statement's name on servers instead:
 *
 *	client's Parse "a" text   ->  nothing (the server has the text prepared: ANSWER),
 *	                              or Close <oldest>, Parse pgusher_7 text
 *	client's Bind "" "a" ...  ->  [Parse pgusher_7 text,] Bind "" pgusher_7 ...
 *	client's Close "a"        ->  nothing (ANSWER); the server keeps it for others
 *
 * What the client does wrong with names is told by PostgreSQL's rules: an
 * error at that place, the transaction fails, the rest is skipped up to Sync.
 * To have the server do that, it is sent a Bind that must fail, and its error
 * is replaced with ours.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "net/gather.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"
#include "session/link.h"

/* Requests of a client that may be outstanding at a time; then it has to wait, until half of them are done. */
#define OUTSTANDING_MAX 1024

/* A message that must be read up to its names before anything can be done with it may take so many bytes. */
#define NAMES_MAX (128 * 1024)

/* An unnamed statement that is longer is not carried to another server. */
#define UNNAMED_MAX (64 * 1024)

/* One look at what a client sent. */
struct batch {
	struct session *session;
	struct gather *gather;	/* NULL until there is a server to send to */
	const uint8_t *pos, *end;
	usec_t now;
	bool flush_asked;
};

/* The present message: what has come of it, and how much of that a handler has taken care of. */
struct request {
	struct frame frame;
	const uint8_t *start;
	size_t here;		/* bytes of it that have come */
	size_t handled;		/* passed on rewritten, or not at all; the rest is relayed, or with `drop` thrown away */
	bool drop;
};

struct request_rule {
	void (*handle)(struct batch *b, struct request *rq);
	bool has_names;		/* must be read up to the names first */
	bool is_copy;		/* outside a copy it means nothing */
};

static bool
tracks_statements(const struct session *s)
{
	return shard_config(s->shard)->max_prepared_statements > 0 && pool_mode(s->pool) != POOL_SESSION;
}

static struct pipeline *
pipeline_of(struct batch *b)
{
	return &b->session->link->pipeline;
}

static void
drop_all(struct request *rq)
{
	rq->handled = rq->here;
	rq->drop = true;
}

/* --- errors at the place of a request --- */

/* Send a Bind that fails; the client gets e instead of the server's words. */
static void
fail_request(struct batch *b, struct request *rq, enum request_kind kind, const struct error *e)
{
	struct error *copy = memory_alloc(sizeof(*copy));
	struct buffer *out = gather_write(b->gather);
	size_t mark = writer_begin(out, FE_BIND);

	writer_string(out, "");
	writer_string(out, STATEMENT_PREFIX);	/* a name that no statement has */
	writer_u16(out, 0);
	writer_u16(out, 0);
	writer_u16(out, 0);
	writer_end(out, mark);
	gather_wrote(b->gather);
	*copy = *e;
	pipeline_push(pipeline_of(b), kind, REPLY_REPLACE, copy);
	drop_all(rq);
}

static void
fail_unknown_name(struct batch *b, struct request *rq, enum request_kind kind, const char *name)
{
	struct error e;

	if (name[0] == '\0') {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_INVALID_STATEMENT_NAME, "unnamed prepared statement does not exist");
		fail_request(b, rq, kind, &e);
		return;
	}
	client_log(b->session->client, LOG_WARNING, "prepared statement did not exist: '%.64s'", name);
	error_set(&e, SEVERITY_ERROR, SQLSTATE_INVALID_STATEMENT_NAME, "prepared statement \"%.64s\" does not exist", name);
	error_detail(&e, "In this client connection such a prepared statement did not exist.");
	fail_request(b, rq, kind, &e);
}

/* --- prepared statements --- */

/* Have the server forget a statement. */
static void
close_on_server(struct batch *b, struct statement *st)
{
	struct effect *effect = effect_new(st, NULL);
	struct buffer *out = gather_write(b->gather);
	size_t mark = writer_begin(out, FE_CLOSE);

	writer_u8(out, 'S');
	writer_string(out, st->name);
	writer_end(out, mark);
	gather_wrote(b->gather);
	effect->evicted = true;
	pipeline_push(pipeline_of(b), REQUEST_CLOSE, REPLY_SWALLOW, effect);
}

/* Close the longest unused statements of the server, until there is room for one more. */
static void
make_room(struct batch *b)
{
	struct link *k = b->session->link;
	unsigned max = (unsigned)shard_config(b->session->shard)->max_prepared_statements;

	while (prepared_count(&k->prepared) >= max) {
		struct statement *st = prepared_evict(&k->prepared);

		close_on_server(b, st);
		statement_unref(&st);
	}
}

static void
prepare(struct batch *b, struct statement *st, enum reply_action action, struct effect *effect)
{
	struct link *k = b->session->link;

	make_room(b);
	statement_write_parse(st, gather_write(b->gather));
	gather_wrote(b->gather);
	prepared_add(&k->prepared, st);
	b->session->pool->tenant->traffic.server_parse_count++;
	pipeline_push(&k->pipeline, REQUEST_PARSE, action, effect);
}

/* The server knows st when it comes to what is sent next. */
static void
ensure_prepared(struct batch *b, struct statement *st)
{
	if (!prepared_use(&b->session->link->prepared, st))
		prepare(b, st, REPLY_SWALLOW, effect_new(st, NULL));
}

static void
fail_duplicate_name(struct batch *b, struct request *rq, const char *name)
{
	struct error e;

	client_log(b->session->client, LOG_WARNING, "prepared statement '%.64s' was already prepared", name);
	error_set(&e, SEVERITY_ERROR, SQLSTATE_DUPLICATE_PREPARED_STATEMENT, "prepared statement \"%.64s\" already exists",
		  name);
	fail_request(b, rq, REQUEST_PARSE, &e);
}

static void
fail_over_budget(struct batch *b, struct request *rq)
{
	struct error e;

	error_set(&e, SEVERITY_ERROR, SQLSTATE_CONFIGURATION_LIMIT, "too much text of prepared statements");
	error_detail(&e, "The prepared statements of database \"%s\" would exceed prepared_text_budget.",
		     b->session->pool->tenant->name);
	error_hint(&e, "Close statements that are not used any more, or raise prepared_text_budget.");
	fail_request(b, rq, REQUEST_PARSE, &e);
}

static void
pass(struct batch *b, enum request_kind kind)
{
	pipeline_push(pipeline_of(b), kind, REPLY_PASS, NULL);
}

/* In a failed transaction the server has to refuse the Parse itself: it must not have the statement already. */
static void
close_for_failed_block(struct batch *b, struct statement *st)
{
	struct prepared *prepared = &b->session->link->prepared;

	if (!prepared_use(prepared, st))
		return;
	close_on_server(b, st);
	prepared_remove(prepared, st);
}

static bool
is_forgetting(const struct reader *body)
{
	static const char *const words[] = { "DEALLOCATE", "DISCARD" };
	const char *text = (const char *)body->pos;
	size_t n = reader_left(body), blanks = 0;

	while (blanks < n && strchr(" \t\r\n", text[blanks]) != NULL && text[blanks] != '\0')
		blanks++;
	if (blanks == n || (text[blanks] | 0x20) != 'd')
		return false;
	for (size_t i = 0; i < lengthof(words); i++) {
		size_t length = strlen(words[i]);

		if (n - blanks > length && strncasecmp(text + blanks, words[i], length) == 0)
			return true;
	}
	return false;
}

/* The unnamed statement is the server's, and the next client must not find it: remember whose it is. */
static void
pass_unnamed_parse(struct batch *b, struct request *rq, struct reader *body)
{
	struct link *k = b->session->link;

	buffer_clear(&k->unnamed);
	if (rq->here == rq->frame.size && reader_left(body) <= UNNAMED_MAX)
		buffer_append(&k->unnamed, body->pos, reader_left(body));
	k->unnamed_known = true;
	k->unnamed_forgets = is_forgetting(body);
	statement_unref(&b->session->unnamed);
	pipeline_push(&k->pipeline, REQUEST_PARSE, REPLY_PASS, link_unnamed_mark);
}

/* The server has this client's unnamed statement, or gets it now. false: the client has none. */
static bool
ensure_unnamed(struct batch *b)
{
	struct link *k = b->session->link;
	struct statement *st = b->session->unnamed;
	struct buffer *out;
	size_t mark;

	if (k->unnamed_known)
		return true;
	if (st == NULL)
		return false;
	out = gather_write(b->gather);
	mark = writer_begin(out, FE_PARSE);
	writer_string(out, "");
	writer_bytes(out, st->body, st->size);
	writer_end(out, mark);
	gather_wrote(b->gather);
	pipeline_push(&k->pipeline, REQUEST_PARSE, REPLY_SWALLOW, link_unnamed_mark);
	k->unnamed_known = true;
	return true;
}

static void
handle_parse(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	int64_t budget = shard_config(s->shard)->prepared_text_budget;
	struct statement *st = NULL;
	struct effect *effect;
	struct reader r;
	const char *name;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	name = reader_string(&r);
	if (!tracks_statements(s) || !reader_ok(&r)) {
		pass(b, REQUEST_PARSE);
		return;
	}
	if (name[0] == '\0') {
		pass_unnamed_parse(b, rq, &r);
		return;
	}
	s->pool->tenant->traffic.client_parse_count++;
	if (names_find(s->names, name) != NULL) {
		fail_duplicate_name(b, rq, name);
		return;
	}
	if (rq->here == rq->frame.size)
		st = statement_intern(s->pool->tenant, r.pos, reader_left(&r), budget);
	if (st != NULL && !names_have_room(st, name, budget))
		statement_unref(&st);
	if (st == NULL) {
		fail_over_budget(b, rq);
		return;
	}
	if (s->names == NULL)
		s->names = names_new();
	names_add(s->names, name, st);
	effect = effect_new(st, name);
	if (s->link->server->transaction == TRANSACTION_FAILED)
		close_for_failed_block(b, st);
	if (prepared_use(&s->link->prepared, st))
		pipeline_push(pipeline_of(b), REQUEST_PARSE, REPLY_ANSWER, effect);
	else
		prepare(b, st, REPLY_PASS, effect);
	drop_all(rq);
}

/* Is what is sent now the first thing of the client's on this server, outside a transaction? */
static bool
is_first_of_cycle(struct link *k)
{
	if (k->server->transaction != TRANSACTION_IDLE || k->pipeline.open)
		return false;
	for (uint32_t i = 0; i < k->pipeline.count; i++) {
		if (pipeline_at(&k->pipeline, i)->action != REPLY_SWALLOW)
			return false;
	}
	return true;
}

static void
handle_bind(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	const char *portal, *text, *server_name;
	struct name *name;
	struct buffer *out;
	struct reader r;
	bool is_first;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	portal = reader_string(&r);
	text = reader_string(&r);
	if (tracks_statements(s) && reader_ok(&r) && text[0] == '\0' && !ensure_unnamed(b)) {
		fail_unknown_name(b, rq, REQUEST_BIND, text);
		return;
	}
	if (!tracks_statements(s) || !reader_ok(&r) || text[0] == '\0') {
		buffer_clear(&s->link->unnamed);	/* bound: it has served */
		statement_unref(&s->unnamed);
		pass(b, REQUEST_BIND);
		return;
	}
	name = names_find(s->names, text);
	if (name == NULL) {
		fail_unknown_name(b, rq, REQUEST_BIND, text);
		return;
	}
	s->pool->tenant->traffic.bind_count++;
	is_first = is_first_of_cycle(s->link);
	ensure_prepared(b, name->statement);
	server_name = name->statement->name;
	if (is_first)
		retry_begin(s->link, b->gather, name->statement);
	out = gather_write(b->gather);
	writer_u8(out, FE_BIND);
	writer_u32(out, (uint32_t)(rq->frame.size - 1 - strlen(text) + strlen(server_name)));
	writer_string(out, portal);
	writer_string(out, server_name);
	gather_wrote(b->gather);
	rq->handled = (size_t)(r.pos - rq->start);
	pass(b, REQUEST_BIND);
}

static void
close_name(struct batch *b, struct request *rq, const char *text)
{
	struct session *s = b->session;
	struct name *name = names_find(s->names, text);
	struct effect *effect = NULL;

	/* Closing what is not there is no error. */
	if (name != NULL) {
		names_take(s->names, name);
		effect = effect_new(name->statement, NULL);
		effect->closed = name;
	}
	pipeline_push(pipeline_of(b), REQUEST_CLOSE, REPLY_ANSWER, effect);
	drop_all(rq);
}

static void
describe_name(struct batch *b, struct request *rq, const char *text)
{
	struct name *name = names_find(b->session->names, text);
	struct buffer *out;
	size_t mark;

	if (name == NULL) {
		fail_unknown_name(b, rq, REQUEST_DESCRIBE, text);
		return;
	}
	ensure_prepared(b, name->statement);
	out = gather_write(b->gather);
	mark = writer_begin(out, FE_DESCRIBE);
	writer_u8(out, 'S');
	writer_string(out, name->statement->name);
	writer_end(out, mark);
	gather_wrote(b->gather);
	pass(b, REQUEST_DESCRIBE);
	drop_all(rq);
}

/* What a Describe or Close is about. */
struct subject {
	bool statement;		/* a statement that we keep track of; else a portal, or nothing legible */
	const char *name;
};

static struct subject
read_subject(struct batch *b, const struct request *rq)
{
	struct subject subject;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	subject.statement = reader_u8(&r) == 'S' && tracks_statements(b->session);
	subject.name = reader_string(&r);
	subject.statement &= reader_ok(&r);
	return subject;
}

static void
handle_describe(struct batch *b, struct request *rq)
{
	struct subject subject = read_subject(b, rq);

	if (subject.statement && subject.name[0] != '\0')
		describe_name(b, rq, subject.name);
	else if (subject.statement && !ensure_unnamed(b))
		fail_unknown_name(b, rq, REQUEST_DESCRIBE, subject.name);
	else
		pass(b, REQUEST_DESCRIBE);
}

static void
handle_close(struct batch *b, struct request *rq)
{
	struct subject subject = read_subject(b, rq);

	if (subject.statement && subject.name[0] != '\0') {
		close_name(b, rq, subject.name);
		return;
	}
	if (subject.statement) {
		b->session->link->unnamed_known = false;
		statement_unref(&b->session->unnamed);
	}
	pass(b, REQUEST_CLOSE);
}

/* --- the others --- */

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
	if (is_set_local(rq))
		pipeline_last(pipeline_of(b))->local = true;
}

static void
handle_function_call(struct batch *b, struct request *rq)
{
	(void)rq;
	pass(b, REQUEST_FUNCTION_CALL);
}

static void
handle_execute(struct batch *b, struct request *rq)
{
	(void)rq;
	pass(b, REQUEST_EXECUTE);
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

/* Data that comes when the copy is over already is thrown away, as PostgreSQL does. */
static void
handle_copy_data(struct batch *b, struct request *rq)
{
	if (pipeline_is_empty(pipeline_of(b)))
		drop_all(rq);
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
	[FE_FUNCTION_CALL] = { .handle = handle_function_call },
	[FE_PARSE] = { .handle = handle_parse, .has_names = true },
	[FE_BIND] = { .handle = handle_bind, .has_names = true },
	[FE_DESCRIBE] = { .handle = handle_describe, .has_names = true },
	[FE_CLOSE] = { .handle = handle_close, .has_names = true },
	[FE_EXECUTE] = { .handle = handle_execute },
	[FE_SYNC] = { .handle = handle_sync },
	[FE_FLUSH] = { .handle = handle_flush },
	[FE_COPY_DATA] = { .handle = handle_copy_data, .is_copy = true },
	[FE_COPY_DONE] = { .handle = handle_copy_end, .is_copy = true },
	[FE_COPY_FAIL] = { .handle = handle_copy_end, .is_copy = true },
};

/* --- the loop --- */

/* Has enough of a message with names come?  A named Parse is needed whole: its text is what is prepared. */
static bool
is_readable(struct session *s, const struct request *rq)
{
	int64_t budget = shard_config(s->shard)->prepared_text_budget;
	struct reader r;

	if (rq->here == rq->frame.size || !tracks_statements(s))
		return true;
	if (rq->frame.type == FE_DESCRIBE || rq->frame.type == FE_CLOSE)
		return rq->frame.size > NAMES_MAX;	/* too long for a name: PostgreSQL will say so */
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (rq->frame.type == FE_BIND)
		(void)reader_string(&r);
	if (reader_string(&r)[0] == '\0' || rq->frame.type == FE_BIND)
		return reader_ok(&r) || rq->here > NAMES_MAX;
	return rq->frame.size > (size_t)budget;		/* it will be refused without its text */
}

/* Append: SET name='value';  Backslashes mean nothing in E'' literals once they are doubled. */
static void
write_set(struct buffer *out, const char *name, const char *value)
{
	const char *open = strchr(value, '\\') != NULL ? "=E'" : "='";

	writer_bytes(out, "SET ", 4);
	writer_bytes(out, name, strlen(name));
	writer_bytes(out, open, strlen(open));
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			writer_u8(out, (uint8_t)*p);
		writer_u8(out, (uint8_t)*p);
	}
	writer_bytes(out, "';", 2);
}

/* Bring the client's parameters to a server that has others. */
static void
write_parameters(struct batch *b)
{
	struct session *s = b->session;
	struct link *k = s->link;
	struct buffer *out = gather_write(b->gather);
	size_t before = out->len, mark = writer_begin(out, FE_QUERY);
	bool any = false;

	for (size_t i = 0; i < params_count(s->params); i++) {
		const char *name = params_name(s->params, i), *value = params_value(s->params, i);
		const char *theirs = params_get(k->server->tracked, name);

		if (theirs != NULL && strcmp(theirs, value) == 0)
			continue;
		write_set(out, name, value);
		any = true;
	}
	writer_u8(out, 0);
	writer_end(out, mark);
	if (!any) {
		out->len = before;
		return;
	}
	gather_wrote(b->gather);
	pipeline_push(&k->pipeline, REQUEST_QUERY, REPLY_SWALLOW, link_parameters_mark);
}

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
		write_parameters(b);
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

/* The batch's session is being closed: nothing of it may be touched but this. */
static bool
refuse_client(struct batch *b, const char *sqlstate, const char *message)
{
	if (b->gather != NULL)
		gather_drop(b->gather);
	b->gather = NULL;
	b->pos = b->end;
	client_reject(b->session->client, sqlstate, "%s", message);
	return false;
}

/* Terminate: once what is under way is done, as PostgreSQL reads it only then. */
static bool
take_leave(struct batch *b)
{
	struct session *s = b->session;

	b->pos = b->end;
	s->leaving = true;
	if (!session_is_quiet(s)) {
		stream_pause(&s->client->stream);
		return false;
	}
	if (b->gather != NULL)
		gather_flush(b->gather);
	b->gather = NULL;
	client_close(s->client, NULL, "client close request");
	return false;
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
}

static void
send_ready(struct session *s)
{
	struct buffer ready = BUFFER_INIT;

	writer_ready_for_query(&ready, TRANSACTION_IDLE);
	stream_send_bytes(&s->client->stream, ready.data, ready.len);
	buffer_release(&ready);
	s->query_since = s->transaction_since = 0;
	s->quiet_since = clock_recent();
}

/* The request was answered with an error while it waited: throw it away, in the extended protocol up to Sync. */
static void
throw_away(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	uint8_t type = rq->frame.type;

	drop_all(rq);
	if (s->refusing && (type == FE_QUERY || type == FE_FUNCTION_CALL)) {
		send_ready(s);
		s->refusing = false;
	} else if (type == FE_SYNC) {
		send_ready(s);
		s->refusing = s->skipping = false;
	} else {
		s->refusing = false;
		s->skipping = true;
	}
	advance(b, rq);
}

static void
send_batch(struct batch *b)
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
	send_batch(b);
	if (!is_held_up(b->session))
		return true;
	stream_pause(&b->session->client->stream);
	return false;
}

/* Is a message with names about a named statement? */
static bool
tells_a_name(const struct session *s, const struct request *rq)
{
	struct reader r;

	if (!tracks_statements(s))
		return false;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (rq->frame.type == FE_BIND)
		(void)reader_string(&r);
	else if (rq->frame.type != FE_PARSE && reader_u8(&r) != 'S')
		return false;
	return reader_string(&r)[0] != '\0';
}

/* A name is given or taken, or a statement is prepared or closed on the server: unless an error comes first. */
static bool
changes_names(const struct pipeline_entry *e)
{
	return (e->kind == REQUEST_PARSE || e->kind == REQUEST_CLOSE) && e->ref != NULL &&
	       e->action != REPLY_REPLACE && e->ref != link_unnamed_mark;
}

/* Is it open what the client's names will mean, or what the server has prepared, behind what is outstanding?  Within
 * a cycle an error skips all that follows; behind its end, or a query that may be DEALLOCATE, it does not. */
static bool
names_are_open(struct link *k)
{
	bool changed = false;

	for (uint32_t i = 0; i < k->pipeline.count; i++) {
		const struct pipeline_entry *e = pipeline_at(&k->pipeline, i);

		if (e->kind == REQUEST_QUERY && e->action == REPLY_PASS)
			return true;
		if (changed && e->kind == REQUEST_SYNC)
			return true;
		changed |= e->forgets || changes_names(e);
	}
	return false;
}

/* Is it open whether the unnamed statement is there?  Its last Parse stands in a cycle that may fail in front of it:
 * what the server has under no name is another client's then. */
static bool
unnamed_is_open(const struct link *k)
{
	bool behind = false;

	for (uint32_t i = k->pipeline.count; i > 0; i--) {
		const struct pipeline_entry *e = pipeline_at(&k->pipeline, i - 1);

		if (e->ref == link_unnamed_mark)
			return behind;
		behind |= e->kind == REQUEST_SYNC;
	}
	return false;
}

/* Does a message mean something that what is outstanding will decide? */
static bool
has_to_wait(const struct session *s, const struct request *rq)
{
	if (s->link == NULL || !tracks_statements(s))
		return false;
	if (tells_a_name(s, rq))
		return names_are_open(s->link);
	return (rq->frame.type == FE_BIND || rq->frame.type == FE_DESCRIBE) && unnamed_is_open(s->link);
}

static bool
take_request(struct batch *b)
{
	struct session *s = b->session;
	struct request rq = { .start = b->pos };
	const struct request_rule *rule;
	const struct config *c = shard_config(s->shard);

	switch (frame_peek(b->pos, (size_t)(b->end - b->pos), &rq.frame)) {
	case FRAME_SHORT:
		return false;
	case FRAME_INVALID:
		return refuse_client(b, SQLSTATE_PROTOCOL_VIOLATION, "invalid message length");
	case FRAME_OK:
		break;
	}
	rq.here = (size_t)(b->end - b->pos) < rq.frame.size ? (size_t)(b->end - b->pos) : rq.frame.size;
	if (rq.frame.type == FE_TERMINATE)
		return take_leave(b);
	rule = &request_rules[rq.frame.type];
	if (rule->handle == NULL)
		return refuse_client(b, SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message type");
	if (rq.frame.size > (size_t)c->max_packet_size)
		return refuse_client(b, SQLSTATE_PROGRAM_LIMIT, "message exceeds max_packet_size");
	if (c->disable_pqexec && rq.frame.type == FE_QUERY)
		return refuse_client(b, SQLSTATE_FEATURE_NOT_SUPPORTED, "PQexec disallowed");
	if (s->refusing || s->skipping) {
		throw_away(b, &rq);
		return true;
	}
	if (rule->has_names && !is_readable(s, &rq)) {
		s->client->want = rq.frame.size;
		return false;
	}
	if (rule->has_names && has_to_wait(s, &rq)) {
		stream_pause(&s->client->stream);
		return false;
	}
	s->client->want = 0;
	if (s->link == NULL && (rule->is_copy || rq.frame.type == FE_FLUSH)) {
		drop_all(&rq);
		advance(b, &rq);
		return true;
	}
	if (s->link != NULL && s->link->pipeline.count >= OUTSTANDING_MAX && !make_way(b))
		return false;
	/* What has no answer of its own starts nothing. */
	if (!rule->is_copy && rq.frame.type != FE_FLUSH)
		start_clocks(b);
	if (!reach_server(b))
		return false;
	if (s->link->pipeline.skipping && rq.frame.type != FE_SYNC)
		drop_all(&rq);
	else
		rule->handle(b, &rq);
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
	}
	b->pos += n;
	s->request_left -= n;
	return true;
}

void
session_read_on(struct session *s)
{
	const struct link *k = s->link;

	if (!s->client->stream.paused || s->wait.queued || s->leaving || !stream_is_drained(&s->client->stream))
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

	if (s->wait.queued || s->leaving || is_held_up(s) || is_being_retried(s)) {
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
	if (c->state == CLIENT_READY) {
		send_batch(&b);
		part(s);
	}
	return (size_t)(b.pos - p);
}
