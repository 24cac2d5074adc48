#include "session/guarded.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "session/link.h"
#include "session/memory.h"

/* As PostgreSQL does: perhaps through a letter. */
static void
cut(char out[GUARDED_NAME], const char *name)
{
	size_t n = strnlen(name, GUARDED_NAME - 1);

	memcpy(out, name, n);
	out[n] = '\0';
}

static struct guarded *
find(const struct session *s, const char *name)
{
	char known[GUARDED_NAME];
	struct guarded *g;

	cut(known, name);
	HASH_FIND_STR(s->guarded, known, g);
	return g;
}

/* The table is in the order of use, longest ago first. */
static void
put(struct session *s, struct guarded *g)
{
	HASH_ADD_STR(s->guarded, name, g);
	s->pool->tenant->held += sizeof(*g);
}

static void
take(struct session *s, struct guarded *g)
{
	HASH_DEL(s->guarded, g);
	s->pool->tenant->held -= sizeof(*g);
}

static void
forget(struct session *s, struct guarded *g)
{
	take(s, g);
	free(g);
}

struct guarded *
guarded_find(struct session *s, const char *name)
{
	struct guarded *g = find(s, name);

	if (g != NULL && g->hh.next != NULL) {
		take(s, g);
		put(s, g);
	}
	return g;
}

size_t
guarded_size(const struct session *s)
{
	return HASH_COUNT(s->guarded) * sizeof(struct guarded);
}

/* One comes, one goes. */
static void
make_room(struct session *s)
{
	if (s->guarded != NULL &&
	    (HASH_COUNT(s->guarded) >= GUARDED_MAX || !memory_has_room(s, sizeof(struct guarded))))
		forget(s, s->guarded);
}

struct effect *
guarded_parse(struct session *s, const char *name, const struct guarded *what)
{
	struct guarded *g = memory_zalloc(sizeof(*g)), *was = find(s, name);
	struct effect *e;

	cut(g->name, name);
	g->hash = what->hash;
	g->verb = what->verb;
	g->effects = what->effects;
	g->judged = what->judged;
	e = effect_new(NULL, g->name);
	e->was = was;
	if (was != NULL)
		take(s, was);
	make_room(s);
	put(s, g);
	return e;
}

/* If it was forgotten meanwhile, so is what was before it. */
void
guarded_undo(struct session *s, struct effect *e)
{
	struct guarded *g = find(s, e->name);

	if (g == NULL)
		return;
	forget(s, g);
	if (e->was != NULL)
		put(s, e->was);
	e->was = NULL;
}

bool
guarded_is_about(const struct effect *e, const char *name)
{
	return e->statement == NULL && strncmp(e->name, name, GUARDED_NAME - 1) == 0;
}

void
guarded_leave(struct session *s, const char *name)
{
	struct guarded *g = find(s, name);

	if (g != NULL)
		forget(s, g);
}

void
guarded_forget_all(struct session *s)
{
	struct guarded *g, *next;

	HASH_ITER(hh, s->guarded, g, next)
		forget(s, g);
}
