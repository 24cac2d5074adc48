#include "session/memory.h"

#include "base/memory.h"
#include "base/sqlstate.h"
#include "session/guarded.h"

/* A client that has taken nothing for so long is one of those that fill a tenant's memory. */
#define SLOW (1 * USEC_PER_SEC)

/* More than any: no budget. */
static uint64_t
budget_of(int64_t bytes)
{
	return bytes > 0 ? (uint64_t)bytes : UINT64_MAX;
}

static uint64_t
kept_by_tenant(const struct tenant *t)
{
	return t->held + t->backlog + (t->statements != NULL ? t->statements->bytes : 0);
}

static uint64_t
kept_by_client(const struct session *s)
{
	return s->held + (s->names != NULL ? s->names->bytes : 0) + guarded_size(s);
}

static void
say_too_much(struct error *e, const char *key, size_t size, uint64_t kept, uint64_t budget)
{
	error_set(e, SEVERITY_ERROR, size > budget ? SQLSTATE_PROGRAM_LIMIT : SQLSTATE_CONFIGURATION_LIMIT,
		  "a prepared statement of %zu bytes takes too much memory", size);
	error_detail(e, "%llu bytes of %s = %llu are in use.", (unsigned long long)kept, key, (unsigned long long)budget);
	error_hint(e, "Close statements that are not used any more, or pass large values as parameters.");
}

bool
memory_admits(const struct session *s, const struct request *rq, struct error *e)
{
	const struct config *c = shard_config(s->shard);
	const struct {
		const char *key;
		uint64_t budget, kept;
	} budgets[] = {
		{ "client_memory", budget_of(c->client_memory), kept_by_client(s) },
		{ "tenant_memory", budget_of(c->tenant_memory), kept_by_tenant(s->pool->tenant) },
	};
	size_t size = rq->frame.size;

	if (s->held > 0)
		return true;
	if (size > budget_of(c->prepared_text_budget)) {
		say_too_much(e, "prepared_text_budget", size,
			     s->pool->tenant->statements != NULL ? s->pool->tenant->statements->bytes : 0,
			     budget_of(c->prepared_text_budget));
		return false;
	}
	for (size_t i = 0; i < lengthof(budgets); i++) {
		if (size > budgets[i].budget || budgets[i].kept > budgets[i].budget - size) {
			say_too_much(e, budgets[i].key, size, budgets[i].kept, budgets[i].budget);
			return false;
		}
	}
	return true;
}

bool
memory_has_room(const struct session *s, size_t size)
{
	const struct config *c = shard_config(s->shard);

	return kept_by_client(s) + size <= budget_of(c->client_memory) &&
	       kept_by_tenant(s->pool->tenant) + size <= budget_of(c->tenant_memory);
}

bool
memory_admits_arrival(const struct session *s, bool back)
{
	const struct config *c = shard_config(s->shard);
	const struct tenant *t = s->pool->tenant;

	if (s->unnamed == NULL && (s->names == NULL || s->names->count == 0))
		return true;
	if (back)
		return t->statements->bytes / 2 <= budget_of(c->prepared_text_budget);
	return t->statements->bytes <= budget_of(c->prepared_text_budget) && kept_by_tenant(t) <= budget_of(c->tenant_memory);
}

void
memory_hold(struct session *s, const struct request *rq)
{
	memory_let_go(s);
	s->held = rq->frame.size;
	s->pool->tenant->held += s->held;
}

/* A tick has a number of its own: the first session of a tenant in it begins a new sum. */
static void
add_backlog(struct session *s, usec_t now)
{
	struct tenant *t = s->pool->tenant;

	if (t->counted_at != now) {
		t->counted_at = now;
		t->backlog = t->counting;
		t->counting = 0;
	}
	t->counting += stream_backlog_size(&s->client->stream);
}

void
memory_upkeep(struct session *s, usec_t now)
{
	int64_t most = shard_config(s->shard)->tenant_memory;

	if (most == 0)
		return;
	add_backlog(s, now);
	if (!stream_is_drained(&s->client->stream) && kept_by_tenant(s->pool->tenant) > (uint64_t)most &&
	    stream_stalled(&s->client->stream, now) > SLOW)
		client_close(s->client, NULL, "takes no replies, and its tenant's memory is used up (tenant_memory)");
}
