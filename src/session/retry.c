#include "session/retry.h"

#include <string.h>

#include "base/log.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/link.h"

char retry_mark[] = "retry";

static void
drop_timings(struct link *k)
{
	for (int i = 0; i < RETRY_ENTRIES; i++) {
		if (k->retry.timings[i] != NULL)
			timing_drop(k, k->retry.timings[i]);
		k->retry.timings[i] = NULL;
	}
}

void
retry_forget(struct link *k)
{
	struct retry *r = &k->retry;

	if (r->state == RETRY_OFF)
		return;
	r->state = RETRY_OFF;
	drop_timings(k);
	statement_unref(&r->statement);
	buffer_clear(&r->bytes);
}

void
retry_release(struct link *k)
{
	retry_forget(k);
	buffer_release(&k->retry.bytes);
}

void
retry_begin(struct link *k, const struct gather *g, struct statement *st)
{
	struct retry *r = &k->retry;

	retry_forget(k);
	r->state = RETRY_BEGUN;
	r->from = gather_size(g);
	r->statement = statement_ref(st);
}

/* The entries of the cycle are all there is after a swallowed SET, and end with Sync. */
static bool
remember_kinds(struct link *k)
{
	struct retry *r = &k->retry;
	struct pipeline *p = &k->pipeline;

	r->nkinds = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		const struct pipeline_entry *e = pipeline_at(p, i);

		if (r->nkinds == 0 && e->kind != REQUEST_BIND)
			continue;	/* ours, in front of it */
		if (r->nkinds == RETRY_ENTRIES || e->action != REPLY_PASS || e->ref != NULL)
			return false;
		r->kinds[r->nkinds++] = e->kind;
		if (e->kind == REQUEST_SYNC)
			return i + 1 == p->count;
	}
	return false;
}

void
retry_keep(struct link *k, const struct gather *g)
{
	struct retry *r = &k->retry;

	if (r->state == RETRY_KEPT) {
		retry_forget(k);	/* more was sent behind it: it can't be repeated in its place */
		return;
	}
	if (r->state != RETRY_BEGUN)
		return;
	if (!remember_kinds(k) || !gather_copy(g, r->from, RETRY_BYTES, &r->bytes)) {
		retry_forget(k);
		return;
	}
	r->state = RETRY_KEPT;
}

bool
retry_catch(struct link *k, const char *sqlstate)
{
	struct retry *r = &k->retry;
	struct pipeline_entry *head = pipeline_head(&k->pipeline);

	if (r->state != RETRY_KEPT || head == NULL || head->kind != REQUEST_BIND ||
	    k->pipeline.count != r->nkinds || strcmp(sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED) != 0)
		return false;
	for (int i = 0; i < r->nkinds; i++) {
		r->timings[i] = pipeline_at(&k->pipeline, (uint32_t)i)->timing;
		pipeline_at(&k->pipeline, (uint32_t)i)->timing = NULL;
	}
	pipeline_reset(&k->pipeline);
	pipeline_push(&k->pipeline, REQUEST_SYNC, REPLY_SWALLOW, retry_mark);
	r->state = RETRY_CAUGHT;
	return true;
}

static void
write_close(struct buffer *b, const struct statement *st)
{
	size_t mark = writer_begin(b, FE_CLOSE);

	writer_u8(b, 'S');
	writer_string(b, st->name);
	writer_end(b, mark);
}

void
retry_send(struct link *k)
{
	struct retry *r = &k->retry;
	struct buffer b = BUFFER_INIT;

	server_log(k->server, LOG_DEBUG, "preparing %s anew, its result type has changed", r->statement->name);
	write_close(&b, r->statement);
	statement_write_parse(r->statement, &b);
	buffer_append(&b, buffer_head(&r->bytes), buffer_left(&r->bytes));
	pipeline_push(&k->pipeline, REQUEST_CLOSE, REPLY_SWALLOW, NULL);
	pipeline_push(&k->pipeline, REQUEST_PARSE, REPLY_SWALLOW, effect_new(r->statement, NULL));
	for (int i = 0; i < r->nkinds; i++) {
		pipeline_push(&k->pipeline, (enum request_kind)r->kinds[i], REPLY_PASS, NULL);
		pipeline_last(&k->pipeline)->timing = r->timings[i];
		pipeline_last(&k->pipeline)->effects = r->timings[i] != NULL ? r->timings[i]->what.effects : 0;
		r->timings[i] = NULL;
	}
	retry_forget(k);
	stream_send_bytes(&k->server->stream, b.data, b.len);
	buffer_release(&b);
}
