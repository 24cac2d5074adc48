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

#define MESSAGE_MAX (64 * 1024) /* no command is as long */
#define AHEAD_MAX (64 * 1024)	/* what a client may send before it has our answer */
#define OUT_MAX (256 * 1024)	/* answers that are collected before they are sent */

/* --- life --- */

struct dialogue *
dialogue_new(struct console *k, struct client *c, struct user *user, bool admin)
{
	struct dialogue *d = memory_zalloc(sizeof(*d));

	d->console = k;
	d->client = c;
	d->user = user;
	d->admin = admin;
	LIST_INIT(&d->statements);
	LIST_INIT(&d->portals);
	c->owner = d;
	c->database = CONSOLE_DATABASE;
	c->user = user->name;
	return d;
}

bool
dialogue_is_busy(const struct client *c)
{
	const struct dialogue *d = c->owner;

	return d->task != NULL;
}

void
dialogue_leave(struct dialogue *d)
{
	if (d->task != NULL)
		d->task->dialogue = NULL;
	d->task = NULL;
	d->client->user = NULL;
	users_put(d->console->commons->users, &d->user);
}

void
dialogue_free(struct dialogue **dp)
{
	struct dialogue *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	extended_release(d);
	buffer_release(&d->out);
	memory_free_secret(d->script);
	free(d);
}

/* --- sending --- */

static void
flush(struct dialogue *d)
{
	size_t n = buffer_left(&d->out);

	if (n == 0)
		return;
	d->console->facts.traffic.sent += (int64_t)n;
	stream_send_bytes(&d->client->stream, buffer_head(&d->out), n);
	buffer_release(&d->out);
}

/* A batch begins with its first message and ends with ReadyForQuery. */
static void
begin_batch(struct dialogue *d)
{
	struct traffic *t = &d->console->facts.traffic;

	if (d->since != 0)
		return;
	d->since = d->client->request_at = clock_now();
	t->query_count++;
	t->xact_count++;
}

static void
end_batch(struct dialogue *d)
{
	struct traffic *t = &d->console->facts.traffic;
	usec_t took = d->since != 0 ? clock_now() - d->since : 0;

	d->since = 0;
	t->query_time += took;
	t->xact_time += took;
	writer_ready_for_query(&d->out, TRANSACTION_IDLE);
}

/* --- simple queries --- */

static void
run_statement(struct dialogue *d, const char *statement, size_t len)
{
	struct sentence s;
	struct error e;
	char *text = memory_strndup(statement, len);

	if (sentence_parse(&s, statement, len)) {
		command_run(d, &s, text);
		sentence_release(&s);
	} else {
		command_error(&e, text);
		dialogue_fail(d, &e);
	}
	memory_free_secret(text);
}

static void
end_script(struct dialogue *d)
{
	memory_free_secret(d->script);
	d->script = NULL;
	d->rest = NULL;
	d->failed = false;
	end_batch(d);
}

/* A command may end within its call, and then come here again. */
static void
run_script(struct dialogue *d)
{
	const char *statement;
	size_t len;

	if (d->script == NULL || d->running)
		return;
	d->running = true;
	while (d->task == NULL && !d->failed && syntax_next(&d->rest, &statement, &len))
		run_statement(d, statement, len);
	d->running = false;
	if (d->task == NULL)
		end_script(d);
}

static void
take_query(struct dialogue *d, struct reader *r)
{
	const char *text = reader_string(r), *rest = text, *statement;
	size_t len;

	if (!reader_done(r)) {
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "malformed message");
		text = rest = "";
	} else if (!syntax_next(&rest, &statement, &len)) {
		writer_end(&d->out, writer_begin(&d->out, BE_EMPTY_QUERY_RESPONSE));
	}
	d->rest = d->script = memory_strdup(text);
	run_script(d);
}

/* --- other messages --- */

static void
take_sync(struct dialogue *d, struct reader *r)
{
	(void)r;
	d->skipping = false;
	d->failed = false;
	extended_end(d);
	end_batch(d);
}

static void
take_flush(struct dialogue *d, struct reader *r)
{
	(void)r;
	flush(d);
}

static void
take_terminate(struct dialogue *d, struct reader *r)
{
	(void)r;
	client_close(d->client, NULL, "client close request");
}

static void
take_function_call(struct dialogue *d, struct reader *r)
{
	(void)r;
	dialogue_fail_with(d, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console has no functions");
	d->failed = false;
	end_batch(d);
}

/* What is left of a COPY that was refused. */
static void
ignore(struct dialogue *d, struct reader *r)
{
	(void)d;
	(void)r;
}

struct message_rule {
	void (*take)(struct dialogue *d, struct reader *r);
	bool asks;     /* it begins a batch */
	bool extended; /* an error in it makes us skip to Sync */
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
take_message(struct dialogue *d, const struct frame *f, const uint8_t *p)
{
	const struct message_rule *rule = &rules[f->type];
	struct reader r;

	if (d->skipping && !rule->never_skipped)
		return;
	if (rule->asks)
		begin_batch(d);
	d->executing = rule->extended;
	reader_init(&r, p + FRAME_HEADER, f->size - FRAME_HEADER);
	rule->take(d, &r);
}

/* Its bytes are thrown away as they come. */
static void
refuse_long_message(struct dialogue *d, const struct frame *f)
{
	d->skip_left = f->size;
	if (d->skipping && !rules[f->type].never_skipped)
		return;
	d->executing = rules[f->type].extended;
	dialogue_fail_with(d, SQLSTATE_PROGRAM_LIMIT,
		"a message of %zu bytes is too long for the console", f->size);
	d->failed = false;
	if (!d->executing)
		end_batch(d);
}

/* One message, or a piece of one that is skipped.  Returns how many bytes were used: 0 if it has
 * to wait. */
static size_t
take(struct dialogue *d, const uint8_t *p, size_t n)
{
	struct frame f;

	d->client->want = 0;
	if (d->skip_left > 0) {
		n = n < d->skip_left ? n : d->skip_left;
		d->skip_left -= n;
		return n;
	}
	if (buffer_left(&d->out) > OUT_MAX)
		flush(d);
	if (d->task != NULL || !stream_is_drained(&d->client->stream))
		return 0;
	switch (frame_peek(p, n, &f)) {
	case FRAME_SHORT:
		return 0;
	case FRAME_INVALID:
		client_reject(d->client, SQLSTATE_PROTOCOL_VIOLATION, "invalid message length");
		return n;
	case FRAME_OK:
		break;
	}
	if (rules[f.type].take == NULL) {
		client_reject(d->client, SQLSTATE_PROTOCOL_VIOLATION,
			"invalid frontend message type %d", f.type);
		return n;
	}
	if (f.size > MESSAGE_MAX) {
		refuse_long_message(d, &f);
		return take(d, p, n);
	}
	if (n < f.size) {
		d->client->want = f.size;
		return 0;
	}
	take_message(d, &f, p);
	return f.size;
}

size_t
dialogue_on_input(struct client *c, const uint8_t *p, size_t n)
{
	struct dialogue *d = c->owner;
	size_t used = 0, step = 1;

	while (used < n && step > 0 && c->state == CLIENT_READY) {
		step = take(d, p + used, n - used);
		used += step;
	}
	d->console->facts.traffic.received += (int64_t)used;
	if (c->state != CLIENT_READY)
		return n;
	flush(d);
	if (n - used > AHEAD_MAX)
		stream_pause(&c->stream);
	return used;
}

void
dialogue_go_on(struct dialogue *d)
{
	if (d->client->state != CLIENT_READY)
		return;
	run_script(d);
	flush(d);
	client_resume(d->client);
}

void
dialogue_cancel(struct dialogue *d)
{
	struct task *t = d->task;

	if (t == NULL || !d->since)
		return;
	d->task = NULL;
	t->dialogue = NULL;
	dialogue_fail_with(d, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
	if (t->undo != NULL)
		t->undo(t);
	dialogue_go_on(d);
}
