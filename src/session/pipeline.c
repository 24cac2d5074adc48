#include "session/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pg/message.h"

void
pipeline_init(struct pipeline *p, void (*done)(void *, const struct pipeline_entry *),
	      void (*undone)(void *, const struct pipeline_entry *), void *arg)
{
	memset(p, 0, sizeof(*p));
	p->ring = p->inside;
	p->size = PIPELINE_INLINE;
	p->done = done;
	p->undone = undone;
	p->arg = arg;
}

static void
drop(struct pipeline *p, uint32_t n)
{
	p->head = (p->head + n) & (p->size - 1);
	p->count -= n;
}

/* The end of a copy is never the head: what it ended, if anything, stands in front of it. */
static void
drop_head(struct pipeline *p)
{
	do
		drop(p, 1);
	while (p->count > 0 && p->ring[p->head].kind == REQUEST_COPY_END);
}

/* The first n.  The last is undone first: a name that was closed and given anew gets its old meaning back. */
static void
undo(struct pipeline *p, uint32_t n)
{
	for (uint32_t i = n; i > 0; i--)
		p->undone(p->arg, pipeline_at(p, i - 1));
	drop(p, n);
}

static void
finish_head(struct pipeline *p)
{
	struct pipeline_entry e = p->ring[p->head];

	drop_head(p);
	if (e.ref != NULL || e.timing != NULL)
		p->done(p->arg, &e);
}

void
pipeline_reset(struct pipeline *p)
{
	undo(p, p->count);
	p->in_copy = p->open = p->skipping = p->uncertain = false;
	if (p->ring != p->inside) {
		free(p->ring);
		p->ring = p->inside;
		p->size = PIPELINE_INLINE;
	}
	p->head = 0;
}

void
pipeline_release(struct pipeline *p)
{
	pipeline_reset(p);
}

/* A request begins a transaction that only Sync ends, or is its end. */
static bool
is_open_behind(const struct pipeline_entry *e, bool open)
{
	switch ((enum request_kind)e->kind) {
	case REQUEST_QUERY:
	case REQUEST_FUNCTION_CALL:
	case REQUEST_SYNC:
		return false;
	case REQUEST_COPY_END:
		return open;
	case REQUEST_PARSE:
	case REQUEST_BIND:
	case REQUEST_DESCRIBE:
	case REQUEST_EXECUTE:
	case REQUEST_CLOSE:
		return open || e->action != REPLY_ANSWER;
	}
	return open;
}

/* Likewise for a copy of an Execute: what is read as part of it ends nothing. */
static bool
is_open_behind_copy(const struct pipeline *p)
{
	bool ended = false, open = true;

	for (uint32_t i = 1; i < p->count; i++) {
		ended |= pipeline_at(p, i)->kind == REQUEST_COPY_END;
		if (ended)
			open = is_open_behind(pipeline_at(p, i), open);
	}
	return open;
}

static void
note_open(struct pipeline *p)
{
	if (p->in_copy && p->ring[p->head].kind == REQUEST_EXECUTE)
		p->open = is_open_behind_copy(p);
	else
		p->open = is_open_behind(pipeline_last(p), p->open);
}

static void
grow(struct pipeline *p)
{
	struct pipeline_entry *ring = memory_alloc(2 * p->size * sizeof(*ring));

	for (uint32_t i = 0; i < p->count; i++)
		ring[i] = *pipeline_at(p, i);
	if (p->ring != p->inside)
		free(p->ring);
	p->ring = ring;
	p->size *= 2;
	p->head = 0;
}

void
pipeline_push(struct pipeline *p, enum request_kind kind, enum reply_action action, void *ref)
{
	if (p->count == 0 && kind == REQUEST_COPY_END)
		return;
	if (p->count == p->size)
		grow(p);
	*pipeline_at(p, p->count) = (struct pipeline_entry){
		.kind = (uint8_t)kind,
		.action = (uint8_t)action,
		.tentative = p->in_copy && kind == REQUEST_SYNC,
		.ref = ref,
	};
	p->count++;
	/* A Sync that is not part of a copy ends the skipping when the server comes to it; what we send behind it counts. */
	if (kind == REQUEST_SYNC && !p->in_copy)
		p->skipping = false;
	note_open(p);
}

/* The entries that a copy swallowed, up to the message that ended it. */
static void
end_copy(struct pipeline *p)
{
	p->in_copy = false;
	for (uint32_t i = 1; i < p->count; i++) {
		struct pipeline_entry *e = pipeline_at(p, i);

		if (e->kind == REQUEST_SYNC && e->tentative)
			continue;
		if (e->kind == REQUEST_COPY_END)
			i++;
		/* Close the gap: what stood in front moves up to here. */
		uint32_t gone = i - 1;
		*pipeline_at(p, gone) = p->ring[p->head];
		p->head = (p->head + gone) & (p->size - 1);
		p->count -= gone;
		return;
	}
	p->count = 1;
}

/* The server starts to read CopyData: Syncs that were sent right behind the request are part of the copy. */
static void
begin_copy(struct pipeline *p)
{
	p->in_copy = true;
	for (uint32_t i = 1; i < p->count; i++) {
		struct pipeline_entry *e = pipeline_at(p, i);

		if (e->kind != REQUEST_SYNC)
			break;
		e->tentative = true;
	}
	note_open(p);
}

/* Which entries does a reply of this type end? */
static bool
ends(uint8_t type, uint8_t kind)
{
	switch (type) {
	case BE_PARSE_COMPLETE:
		return kind == REQUEST_PARSE;
	case BE_BIND_COMPLETE:
		return kind == REQUEST_BIND;
	case BE_ROW_DESCRIPTION:
	case BE_NO_DATA:
		return kind == REQUEST_DESCRIBE;
	case BE_COMMAND_COMPLETE:
	case BE_EMPTY_QUERY_RESPONSE:
	case BE_PORTAL_SUSPENDED:
		return kind == REQUEST_EXECUTE;
	case BE_CLOSE_COMPLETE:
		return kind == REQUEST_CLOSE;
	case BE_READY_FOR_QUERY:
		return kind == REQUEST_QUERY || kind == REQUEST_SYNC || kind == REQUEST_FUNCTION_CALL;
	default:
		return false;
	}
}

enum reply_action
pipeline_take_reply(struct pipeline *p, uint8_t type)
{
	enum reply_action action;

	if (p->count == 0)
		return REPLY_PASS;
	action = (enum reply_action)p->ring[p->head].action;
	if (type == BE_COPY_IN_RESPONSE || type == BE_COPY_BOTH_RESPONSE)
		begin_copy(p);
	else if (type == BE_COMMAND_COMPLETE && p->in_copy)
		end_copy(p);
	if (ends(type, p->ring[p->head].kind))
		finish_head(p);
	return action;
}

static bool
is_sync_point(const struct pipeline_entry *e)
{
	return e->kind == REQUEST_SYNC;
}

static void
skip_to_sync(struct pipeline *p)
{
	uint32_t n = 0;

	while (n < p->count && !is_sync_point(pipeline_at(p, n)))
		n++;
	undo(p, n);
	if (p->count == 0)
		p->skipping = true;
}

enum reply_action
pipeline_take_error(struct pipeline *p)
{
	enum reply_action action;
	bool simple;

	if (p->count == 0)
		return REPLY_PASS;
	action = (enum reply_action)p->ring[p->head].action;
	simple = p->ring[p->head].kind == REQUEST_QUERY || p->ring[p->head].kind == REQUEST_FUNCTION_CALL;
	if (p->in_copy) {
		if (p->count > 1 && pipeline_at(p, 1)->tentative)
			p->uncertain = true;
		end_copy(p);
	}
	/* A simple query and a Sync end with ReadyForQuery in any case. */
	if (!simple && !is_sync_point(&p->ring[p->head]))
		skip_to_sync(p);
	return action;
}

bool
pipeline_take_answer(struct pipeline *p, struct pipeline_entry *e)
{
	if (p->count == 0 || p->ring[p->head].action != REPLY_ANSWER)
		return false;
	*e = p->ring[p->head];
	drop_head(p);
	return true;
}
