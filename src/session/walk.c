#include "session/walk.h"

#include <stdlib.h>

#include "base/memory.h"

#define LOSSES_MAX 2	/* then time is no matter any more */

void
walk_begin(struct walk *w, usec_t slice)
{
	w->more = false;
	w->until = w->losses < LOSSES_MAX ? clock_now() + slice : INT64_MAX;
}

void
walk_again(struct walk *w)
{
	int losses = w->losses + 1;

	walk_release(w);
	w->losses = losses;
}

void
walk_release(struct walk *w)
{
	free(w->tenant);
	*w = (struct walk){ .more = false };
}

/* One that was looked at is behind us: is it enough for this visit? */
static bool
is_over(struct walk *w)
{
	w->more = w->more || clock_now() >= w->until;
	return w->more;
}

static void
lose(struct walk *w)
{
	w->lost = w->more = true;
}

/* --- clients: in the order of their ids --- */

/* The first one from this id on. */
static struct client *
find_client(struct shard *s, uint32_t id)
{
	struct client key = { .id = id }, *c = SPLAY_FIND(client_set, &s->clients, &key);

	if (c != NULL)
		return c;
	/* Looking for it has brought one of its neighbours to the root. */
	c = SPLAY_ROOT(&s->clients);
	return c != NULL && c->id < id ? SPLAY_NEXT(client_set, &s->clients, c) : c;
}

/* It may be in the set no more. */
static struct client *
next_client(struct shard *s, const struct client *after)
{
	return after->id == UINT32_MAX ? NULL : find_client(s, after->id + 1);
}

struct client *
walk_client(struct walk *w, struct shard *s, struct client *after)
{
	struct client *c;

	if (w->more || w->clients_seen)
		return NULL;
	c = after != NULL ? next_client(s, after) : find_client(s, w->client);
	if (c == NULL) {
		w->clients_seen = true;
	} else if (after != NULL && is_over(w)) {
		w->client = c->id;
		return NULL;
	}
	return c;
}

/* --- lines --- */

bool
walk_line(struct walk *w, const struct config *c, size_t *i)
{
	bool first = *i == 0;

	if (w->more || w->lines_seen)
		return false;
	if (first && w->line > 0 && c != w->lines_of) {
		lose(w);
		return false;
	}
	if (first)
		*i = w->line;
	if (*i >= c->ndatabases + c->ntenants) {
		w->lines_seen = true;
		return false;
	}
	if (!first && is_over(w)) {
		w->line = *i;
		w->lines_of = c;
		return false;
	}
	return true;
}

const struct config_database *
walk_line_at(const struct config *c, size_t i)
{
	return i < c->ndatabases ? c->databases[i] : c->tenants[i - c->ndatabases];
}

/* --- tenants: in the order in which they were made --- */

static struct tenant *
find_tenant(struct walk *w, struct shard *s)
{
	struct tenant *t;

	if (w->tenant == NULL)
		return tenants_next(s->tenants, NULL);
	t = tenants_find(s->tenants, w->tenant);
	if (t == NULL)
		lose(w);
	free(w->tenant);
	w->tenant = NULL;
	return t;
}

struct tenant *
walk_tenant(struct walk *w, struct shard *s, struct tenant *after)
{
	struct tenant *t;

	if (w->more || w->tenants_seen)
		return NULL;
	t = after != NULL ? tenants_next(s->tenants, after) : find_tenant(w, s);
	if (t == NULL) {
		w->tenants_seen = !w->lost;
	} else if (after != NULL && is_over(w)) {
		w->tenant = memory_strdup(t->name);
		return NULL;
	}
	return t;
}
