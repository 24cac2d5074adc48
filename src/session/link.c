#include "session/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "session/guarded.h"

char link_parameters_mark[] = "parameters";
char link_unnamed_mark[] = "unnamed";

struct effect *
effect_new(struct statement *st, const char *name)
{
	size_t size = name == NULL ? 1 : strlen(name) + 1;
	struct effect *e = memory_zalloc(sizeof(*e) + size);

	e->statement = st != NULL ? statement_ref(st) : NULL;
	memcpy(e->name, name == NULL ? "" : name, size);
	return e;
}

static void
free_effect(struct effect *e)
{
	statement_unref(&e->statement);
	name_free(&e->closed);
	free(e->was);
	free(e);
}

static bool
is_mark(const void *ref)
{
	return ref == NULL || ref == link_parameters_mark || ref == link_unnamed_mark || ref == retry_mark;
}

static void
free_ref(const struct pipeline_entry *e)
{
	if (is_mark(e->ref))
		return;
	if (e->action == REPLY_REPLACE)
		free(e->ref);
	else
		free_effect(e->ref);
}

static void
on_done(void *arg, const struct pipeline_entry *e)
{
	if (e->timing != NULL)
		timing_drop(arg, e->timing);
	free_ref(e);
}

static void
undo_parse(struct link *k, const struct pipeline_entry *entry)
{
	struct effect *e = entry->ref;
	struct name *name;

	if (e->statement == NULL) {
		if (k->session != NULL)
			guarded_undo(k->session, e);
		return;
	}
	name = k->session != NULL ? names_find(k->session->names, e->name) : NULL;

	if (entry->action != REPLY_ANSWER)
		prepared_remove(&k->prepared, e->statement);
	if (e->name[0] != '\0' && name != NULL && name->statement == e->statement) {
		names_take(k->session->names, name);
		name_free(&name);
	}
}

static void
undo_close(struct link *k, struct effect *e)
{
	if (e->evicted)
		prepared_add(&k->prepared, e->statement);
	if (e->closed != NULL && k->session != NULL && k->session->names != NULL)
		names_restore(k->session->names, &e->closed);
}

static void
on_undone(void *arg, const struct pipeline_entry *e)
{
	struct link *k = arg;

	if (e->timing != NULL)
		timing_drop(k, e->timing);
	if (e->ref == link_unnamed_mark) {
		k->unnamed_known = false;
		if (k->session != NULL)
			k->session->unnamed_judged = 0;
	}
	if (is_mark(e->ref))
		return;
	if (e->action != REPLY_REPLACE && e->kind == REQUEST_PARSE)
		undo_parse(k, e);
	else if (e->action != REPLY_REPLACE && e->kind == REQUEST_CLOSE)
		undo_close(k, e->ref);
	free_ref(e);
}

static void
free_link(struct server *server)
{
	struct link *k = server->lease;

	server->lease = NULL;
	k->session = NULL;
	retry_release(k);
	buffer_release(&k->unnamed);
	pipeline_release(&k->pipeline);
	timing_meter_release(&k->meter);
	prepared_clear(&k->prepared);
	free(k);
}

/* What goes out behind the command that makes all statements vanish. */
static void
apply_again(struct link *k, const struct pipeline_entry *e)
{
	const struct effect *effect = e->ref;
	struct names *names = k->session->names;

	if (e->action == REPLY_REPLACE || is_mark(effect) || effect->statement == NULL)
		return;
	if (e->kind == REQUEST_CLOSE && effect->evicted)
		prepared_remove(&k->prepared, effect->statement);
	if (e->kind != REQUEST_PARSE)
		return;
	if (e->action != REPLY_ANSWER)
		prepared_add(&k->prepared, effect->statement);
	if (effect->name[0] != '\0' && names != NULL && names_find(names, effect->name) == NULL)
		names_add(names, effect->name, statement_ref(effect->statement));
}

void
link_forget_statements(struct link *k)
{
	prepared_clear(&k->prepared);
	if (k->session->names != NULL)
		names_clear(k->session->names);
	k->session->prepared_unseen = false;
	for (uint32_t i = 1; i < k->pipeline.count; i++)
		apply_again(k, pipeline_at(&k->pipeline, i));
}

/* What runs auth_query has another kind of lease (lookup.c). */
const struct link *
link_if_any(const struct server *server)
{
	return server->free_lease == free_link ? server->lease : NULL;
}

struct link *
link_of(struct server *server)
{
	struct link *k = server->lease;

	if (k != NULL)
		return k;
	k = memory_zalloc(sizeof(*k));
	k->server = server;
	pipeline_init(&k->pipeline, on_done, on_undone, k);
	prepared_init(&k->prepared);
	server->lease = k;
	server->free_lease = free_link;
	return k;
}
