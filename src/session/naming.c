/*
 * naming: messages that name a prepared statement.
 *
 * They are read, up to the name, and get the statement's name on servers
 * instead:
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
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"
#include "session/guard.h"
#include "session/guarded.h"
#include "session/memory.h"
#include "session/request.h"

/* A message that must be read up to its names before anything can be done with it may take so many bytes. */
#define NAMES_MAX (16 * 1024)

/* An unnamed statement that is longer is not carried to another server. */
#define UNNAMED_MAX (64 * 1024)

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
	if (kind == REQUEST_BIND)
		label_clear(&b->session->link->meter.portal);
	pipeline_push(pipeline_of(b), kind, REPLY_REPLACE, copy);
	drop_all(rq);
}

/* Likewise with a text, which ends with ReadyForQuery. */
static void
fail_query(struct batch *b, struct request *rq, const struct error *e)
{
	struct error *copy = memory_alloc(sizeof(*copy));

	writer_query(gather_write(b->gather), STATEMENT_PREFIX "fails");	/* no SQL */
	gather_wrote(b->gather);
	*copy = *e;
	pipeline_push(pipeline_of(b), REQUEST_QUERY, REPLY_REPLACE, copy);
	drop_all(rq);
}

void
naming_lose_unnamed(struct session *s, const struct request *rq)
{
	struct reader r;

	if (rq->frame.type == FE_PARSE) {
		reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
		if (reader_string(&r)[0] != '\0')
			return;
	} else if (rq->frame.type != FE_QUERY) {
		return;
	}
	s->unnamed_judged = 0;
	statement_unref(&s->unnamed);
	if (s->link != NULL)
		s->link->unnamed_known = false;
}

void
request_fail(struct batch *b, struct request *rq, const struct error *e)
{
	naming_lose_unnamed(b->session, rq);
	if (rq->frame.type == FE_QUERY || rq->frame.type == FE_FUNCTION_CALL)
		fail_query(b, rq, e);
	else
		fail_request(b, rq, rq->frame.type == FE_PARSE ? REQUEST_PARSE :
			     rq->frame.type == FE_BIND ? REQUEST_BIND : REQUEST_DESCRIBE, e);
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
	timing_label_unnamed(k, st);
	return true;
}

void
naming_forget(struct session *s, const char *name)
{
	struct name *known;

	if (name[0] == '\0') {
		statement_unref(&s->unnamed);
		return;
	}
	known = names_find(s->names, name);
	if (known == NULL)
		return;
	names_take(s->names, known);
	name_free(&known);
}

/* Where statements are the server's own, what we know of are those of session/change.h, and what came along from another
 * tenant: behind this one the name is the server's. */
static void
leave_name(struct session *s, const char *name)
{
	if (tracks_statements(s))
		return;
	naming_forget(s, name);
	if (!guard_is_on(s))
		guarded_leave(s, name);
}

/* A name that is the server's, or a message that it will refuse. */
static void
pass_parse(struct batch *b, struct request *rq, const char *name, struct reader *body)
{
	struct session *s = b->session;
	void *effect = s->guarding;

	if (guard_is_on(s) && name[0] == '\0')
		effect = link_unnamed_mark;
	s->guarding = NULL;
	pipeline_push(pipeline_of(b), REQUEST_PARSE, REPLY_PASS, effect);
	if (!reader_ok(body))
		return;
	timing_parse(b, rq, name, body->pos, reader_left(body));
	leave_name(s, name);
}

void
naming_parse(struct batch *b, struct request *rq)
{
	struct session *s = b->session;
	int64_t budget = shard_config(s->shard)->prepared_text_budget;
	struct statement *st = NULL;
	struct effect *effect;
	struct reader r;
	struct error e;
	const char *name;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	name = reader_string(&r);
	if (!tracks_statements(s) || !reader_ok(&r)) {
		pass_parse(b, rq, name, &r);
		return;
	}
	if (name[0] == '\0') {
		timing_parse(b, rq, name, r.pos, reader_left(&r));
		pass_unnamed_parse(b, rq, &r);
		return;
	}
	s->pool->tenant->traffic.client_parse_count++;
	if (names_find(s->names, name) != NULL) {
		fail_duplicate_name(b, rq, name);
		return;
	}
	if (!memory_admits(s, rq, &e)) {
		fail_request(b, rq, REQUEST_PARSE, &e);
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
	names_add(s->names, name, st)->judged = s->judged;
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

void
naming_bind(struct batch *b, struct request *rq)
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
		if (text[0] == '\0')
			statement_unref(&s->unnamed);
		pass(b, REQUEST_BIND);
		if (reader_ok(&r))
			timing_bind(b, portal, NULL, text, r.pos, reader_left(&r));
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
	timing_bind(b, portal, name->statement, text, r.pos, reader_left(&r));
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
	bool passed_on;		/* a statement whose name is passed on as it is */
	const char *name;
};

static struct subject
read_subject(struct batch *b, const struct request *rq)
{
	struct subject subject;
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	subject.passed_on = reader_u8(&r) == 'S';
	subject.name = reader_string(&r);
	subject.statement = subject.passed_on && reader_ok(&r) && tracks_statements(b->session);
	subject.passed_on &= !subject.statement;
	return subject;
}

void
naming_describe(struct batch *b, struct request *rq)
{
	struct subject subject = read_subject(b, rq);

	if (subject.statement && subject.name[0] != '\0')
		describe_name(b, rq, subject.name);
	else if (subject.statement && !ensure_unnamed(b))
		fail_unknown_name(b, rq, REQUEST_DESCRIBE, subject.name);
	else
		pass(b, REQUEST_DESCRIBE);
}

void
naming_close(struct batch *b, struct request *rq)
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
	if (subject.passed_on) {
		labels_remove(b->session->link->meter.statements, subject.name);
		leave_name(b->session, subject.name);
	}
	pass(b, REQUEST_CLOSE);
}

/* --- when --- */

/* Does anybody have to know what this session's messages name? */
static bool
reads_names(const struct session *s)
{
	return tracks_statements(s) || timing_reads_text(s) || guard_is_on(s) || s->unnamed != NULL || s->names != NULL ||
	       s->guarded != NULL;
}

/* Read the names, which stand in front, within the first n bytes.  false: they have no end there. */
static bool
names_end_within(const struct request *rq, size_t n)
{
	struct reader r;

	reader_init(&r, rq->start + FRAME_HEADER, (rq->here < n ? rq->here : n) - FRAME_HEADER);
	(void)reader_string(&r);
	if (rq->frame.type == FE_BIND)
		(void)reader_string(&r);
	return reader_ok(&r);
}

bool
naming_is_at_hand(const struct request *rq)
{
	return names_end_within(rq, NAMES_MAX);
}

/* Whoever can't read a message up to its names would have to pass it as it is, whatever it says. */
bool
naming_is_too_long(const struct session *s, const struct request *rq)
{
	if (rq->frame.size <= NAMES_MAX || rq->frame.type == FE_FUNCTION_CALL || !reads_names(s))
		return false;
	if (rq->frame.type != FE_PARSE && rq->frame.type != FE_BIND)
		return true;
	return rq->here >= NAMES_MAX && !names_end_within(rq, NAMES_MAX);
}

/* Has enough of a message with names come?  A named Parse is needed whole: its text is what is prepared. */
bool
naming_is_readable(const struct session *s, const struct request *rq)
{
	struct reader r;
	struct error e;

	if (rq->frame.type == FE_FUNCTION_CALL)
		return rq->here == rq->frame.size || rq->here >= FRAME_HEADER + sizeof(uint32_t);
	if (rq->here == rq->frame.size || !reads_names(s))
		return true;
	if (rq->frame.type != FE_PARSE && rq->frame.type != FE_BIND)
		return false;
	if (!names_end_within(rq, rq->here))
		return false;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	return rq->frame.type == FE_BIND || reader_string(&r)[0] == '\0' || !tracks_statements(s) ||
	       !memory_admits(s, rq, &e);	/* it will be refused without its text */
}

bool
naming_tells_a_name(const struct session *s, const struct request *rq)
{
	struct reader r;

	if (!tracks_statements(s) || rq->frame.type == FE_EXECUTE || rq->frame.type == FE_FUNCTION_CALL)
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

/* Likewise a statement whose name is the server's. */
static bool
servers_name_is_open(const struct link *k, const char *name)
{
	bool behind = false;

	for (uint32_t i = k->pipeline.count; i > 0; i--) {
		const struct pipeline_entry *e = pipeline_at(&k->pipeline, i - 1);

		if (e->kind == REQUEST_PARSE && e->ref != NULL && e->ref != link_unnamed_mark && e->action == REPLY_PASS &&
		    guarded_is_about(e->ref, name))
			return behind;
		behind |= e->kind == REQUEST_SYNC;
	}
	return false;
}

/* Whether a statement was judged is open, too, until its Parse has succeeded. */
static bool
guard_has_to_wait(const struct session *s, const struct request *rq)
{
	const char *name;
	struct reader r;

	if (rq->frame.type != FE_PARSE && rq->frame.type != FE_BIND && rq->frame.type != FE_CLOSE)
		return false;
	reader_init(&r, rq->start + FRAME_HEADER, rq->here - FRAME_HEADER);
	if (rq->frame.type == FE_BIND)
		(void)reader_string(&r);
	else if (rq->frame.type == FE_CLOSE && reader_u8(&r) != 'S')
		return false;
	name = reader_string(&r);
	if (name[0] == '\0')
		return rq->frame.type == FE_BIND && unnamed_is_open(s->link);
	return servers_name_is_open(s->link, name);
}

/* Does a message mean something that what is outstanding will decide? */
bool
naming_has_to_wait(const struct session *s, const struct request *rq)
{
	if (s->link == NULL)
		return false;
	if (!tracks_statements(s))
		return guard_is_on(s) && guard_has_to_wait(s, rq);
	if (naming_tells_a_name(s, rq))
		return names_are_open(s->link);
	return (rq->frame.type == FE_BIND || rq->frame.type == FE_DESCRIBE) && unnamed_is_open(s->link);
}
