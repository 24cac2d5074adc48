#include "console/dialogue.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/command.h"
#include "console/extended.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/writer.h"

#define MESSAGE_MAX (64 * 1024)	/* no command is as long */
#define AHEAD_MAX (64 * 1024)	/* what a client may send before it has our answer */
#define OUT_MAX (256 * 1024)	/* answers that are collected before they are sent */

/* --- life --- */

struct operator *
operator_new(struct console *k, struct client *c, struct user *user, bool admin)
{
	struct operator *op = memory_zalloc(sizeof(*op));

	op->console = k;
	op->client = c;
	op->user = user;
	op->admin = admin;
	LIST_INIT(&op->statements);
	LIST_INIT(&op->portals);
	c->owner = op;
	c->database = CONSOLE_DATABASE;
	c->user = user->name;
	return op;
}

void
operator_leave(struct operator *op)
{
	if (op->task != NULL)
		op->task->op = NULL;
	op->task = NULL;
	op->client->user = NULL;
	users_put(op->console->commons->users, &op->user);
}

void
operator_free(struct operator **opp)
{
	struct operator *op = *opp;

	if (op == NULL)
		return;
	*opp = NULL;
	extended_release(op);
	buffer_release(&op->out);
	free(op->script);
	free(op);
}

/* --- sending --- */

static void
flush(struct operator *op)
{
	size_t n = buffer_left(&op->out);

	if (n == 0)
		return;
	op->console->traffic.sent += (int64_t)n;
	stream_send_bytes(&op->client->stream, buffer_head(&op->out), n);
	buffer_release(&op->out);
}

/* A batch begins with its first message and ends with ReadyForQuery. */
static void
begin_batch(struct operator *op)
{
	struct traffic *t = &op->console->traffic;

	if (op->since != 0)
		return;
	op->since = op->client->request_at = clock_now();
	t->query_count++;
	t->xact_count++;
}

static void
end_batch(struct operator *op)
{
	struct traffic *t = &op->console->traffic;
	usec_t took = op->since != 0 ? clock_now() - op->since : 0;

	op->since = 0;
	t->query_time += took;
	t->xact_time += took;
	writer_ready_for_query(&op->out, TRANSACTION_IDLE);
}

/* --- simple queries --- */

static void
run_statement(struct operator *op, const char *statement, size_t len)
{
	struct sentence s;
	struct error e;
	char *text = memory_strndup(statement, len);

	if (sentence_parse(&s, statement, len)) {
		command_run(op, &s, text);
		sentence_release(&s);
	} else {
		command_error(&e, text);
		operator_fail(op, &e);
	}
	free(text);
}

static void
end_script(struct operator *op)
{
	free(op->script);
	op->script = NULL;
	op->rest = NULL;
	op->failed = false;
	end_batch(op);
}

/* A command may end within its call, and then come here again. */
static void
run_script(struct operator *op)
{
	const char *statement;
	size_t len;

	if (op->script == NULL || op->running)
		return;
	op->running = true;
	while (op->task == NULL && !op->failed && syntax_next(&op->rest, &statement, &len))
		run_statement(op, statement, len);
	op->running = false;
	if (op->task == NULL)
		end_script(op);
}

static void
take_query(struct operator *op, struct reader *r)
{
	const char *text = reader_string(r), *rest = text, *statement;
	size_t len;

	if (!reader_done(r)) {
		operator_fail_with(op, SQLSTATE_PROTOCOL_VIOLATION, "malformed message");
		text = rest = "";
	} else if (!syntax_next(&rest, &statement, &len)) {
		writer_end(&op->out, writer_begin(&op->out, BE_EMPTY_QUERY_RESPONSE));
	}
	op->rest = op->script = memory_strdup(text);
	run_script(op);
}

/* --- other messages --- */

static void
take_sync(struct operator *op, struct reader *r)
{
	(void)r;
	op->skipping = false;
	op->failed = false;
	extended_end(op);
	end_batch(op);
}

static void
take_flush(struct operator *op, struct reader *r)
{
	(void)r;
	flush(op);
}

static void
take_terminate(struct operator *op, struct reader *r)
{
	(void)r;
	client_close(op->client, NULL, "client close request");
}

static void
take_function_call(struct operator *op, struct reader *r)
{
	(void)r;
	operator_fail_with(op, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console has no functions");
	op->failed = false;
	end_batch(op);
}

/* What is left of a COPY that was refused. */
static void
ignore(struct operator *op, struct reader *r)
{
	(void)op;
	(void)r;
}

struct message_rule {
	void (*take)(struct operator *op, struct reader *r);
	bool asks;	/* it begins a batch */
	bool extended;	/* an error in it makes us skip to Sync */
	bool never_skipped;
};

static const struct message_rule rules[UINT8_MAX + 1] = {
	[FE_QUERY] = { take_query, .asks = true },
	[FE_PARSE] = { extended_parse, .asks = true, .extended = true },
	[FE_BIND] = { extended_bind, .asks = true, .extended = true },
	[FE_DESCRIBE] = { extended_describe, .asks = true, .extended = true },
	[FE_EXECUTE] = { extended_execute, .asks = true, .extended = true },
	[FE_CLOSE] = { extended_close, .asks = true, .extended = true },
	[FE_SYNC] = { take_sync, .never_skipped = true },
	[FE_FLUSH] = { take_flush },
	[FE_TERMINATE] = { take_terminate, .never_skipped = true },
	[FE_FUNCTION_CALL] = { take_function_call, .asks = true },
	[FE_COPY_DATA] = { ignore },
	[FE_COPY_DONE] = { ignore },
	[FE_COPY_FAIL] = { ignore },
};

static void
take_message(struct operator *op, const struct frame *f, const uint8_t *p)
{
	const struct message_rule *rule = &rules[f->type];
	struct reader r;

	if (op->skipping && !rule->never_skipped)
		return;
	if (rule->asks)
		begin_batch(op);
	op->executing = rule->extended;
	reader_init(&r, p + FRAME_HEADER, f->size - FRAME_HEADER);
	rule->take(op, &r);
}

/* Its bytes are thrown away as they come. */
static void
refuse_long_message(struct operator *op, const struct frame *f)
{
	op->skip_left = f->size;
	if (op->skipping && !rules[f->type].never_skipped)
		return;
	op->executing = rules[f->type].extended;
	operator_fail_with(op, SQLSTATE_PROGRAM_LIMIT, "a message of %zu bytes is too long for the console", f->size);
	op->failed = false;
	if (!op->executing)
		end_batch(op);
}

/* One message, or a piece of one that is skipped.  Returns how many bytes were used: 0 if it has to wait. */
static size_t
take(struct operator *op, const uint8_t *p, size_t n)
{
	struct frame f;

	op->client->want = 0;
	if (op->skip_left > 0) {
		n = n < op->skip_left ? n : op->skip_left;
		op->skip_left -= n;
		return n;
	}
	if (buffer_left(&op->out) > OUT_MAX)
		flush(op);
	if (op->task != NULL || !stream_is_drained(&op->client->stream))
		return 0;
	switch (frame_peek(p, n, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_INVALID:
		client_reject(op->client, SQLSTATE_PROTOCOL_VIOLATION, "invalid message length");
		return n;
	case FRAME_OK:
		break;
	}
	if (rules[f.type].take == NULL) {
		client_reject(op->client, SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message type %d", f.type);
		return n;
	}
	if (f.size > MESSAGE_MAX) {
		refuse_long_message(op, &f);
		return take(op, p, n);
	}
	if (n < f.size) {
		op->client->want = f.size;
		return 0;
	}
	take_message(op, &f, p);
	return f.size;
}

size_t
operator_on_input(struct client *c, const uint8_t *p, size_t n)
{
	struct operator *op = c->owner;
	size_t used = 0, step = 1;

	while (used < n && step > 0 && c->state == CLIENT_READY) {
		step = take(op, p + used, n - used);
		used += step;
	}
	op->console->traffic.received += (int64_t)used;
	if (c->state != CLIENT_READY)
		return n;
	flush(op);
	if (n - used > AHEAD_MAX)
		stream_pause(&c->stream);
	return used;
}

void
operator_go_on(struct operator *op)
{
	if (op->client->state != CLIENT_READY)
		return;
	run_script(op);
	flush(op);
	client_resume(op->client);
}

void
operator_cancel(struct operator *op)
{
	struct task *t = op->task;

	if (t == NULL || !op->since)
		return;
	op->task = NULL;
	t->op = NULL;
	operator_fail_with(op, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
	if (t->undo != NULL)
		t->undo(t);
	operator_go_on(op);
}
