#include "session/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Names count in the same budget as the texts: a client may give one text many names. */
static size_t
cost(const struct name *name)
{
	return sizeof(*name) + strlen(name->text) + 1;
}

/* Of a client's own budget: its names, and the texts, as if nobody else had them. */
static size_t
weight(const struct name *name)
{
	return cost(name) + name->statement->size;
}

static int
compare(const struct name *a, const struct name *b)
{
	return strcmp(a->text, b->text);
}

RB_PROTOTYPE(name_tree, name, by_name, compare)
RB_GENERATE(name_tree, name, by_name, compare)

struct names *
names_new(void)
{
	struct names *n = memory_zalloc(sizeof(*n));

	RB_INIT(&n->tree);
	return n;
}

void
name_free(struct name **namep)
{
	struct name *name = *namep;

	if (name == NULL)
		return;
	*namep = NULL;
	name->statement->table->bytes -= cost(name);
	statement_unref(&name->statement);
	free(name);
}

void
names_clear(struct names *n)
{
	struct name *name, *next;

	RB_FOREACH_SAFE(name, name_tree, &n->tree, next) {
		RB_REMOVE(name_tree, &n->tree, name);
		name_free(&name);
	}
	n->count = 0;
	n->bytes = 0;
}

void
names_free(struct names **n)
{
	if (*n == NULL)
		return;
	names_clear(*n);
	free(*n);
	*n = NULL;
}

struct name *
names_find(struct names *n, const char *text)
{
	struct name *name;

	if (n == NULL)
		return NULL;
	name = RB_ROOT(&n->tree);
	while (name != NULL) {
		int order = strcmp(text, name->text);

		if (order == 0)
			return name;
		name = order < 0 ? RB_LEFT(name, by_name) : RB_RIGHT(name, by_name);
	}
	return NULL;
}

bool
names_have_room(const struct statement *st, const char *text, int64_t budget)
{
	return budget <= 0 || st->table->bytes + sizeof(struct name) + strlen(text) + 1 <= (size_t)budget;
}

struct name *
names_next(struct names *n, struct name *after)
{
	return after == NULL ? RB_MIN(name_tree, &n->tree) : RB_NEXT(name_tree, &n->tree, after);
}

struct name *
names_add(struct names *n, const char *text, struct statement *st)
{
	size_t size = strlen(text) + 1;
	struct name *name = memory_zalloc(sizeof(*name) + size);

	memcpy(name->text, text, size);
	name->statement = st;
	st->table->bytes += cost(name);
	RB_INSERT(name_tree, &n->tree, name);
	n->count++;
	n->bytes += weight(name);
	return name;
}

void
names_take(struct names *n, struct name *name)
{
	RB_REMOVE(name_tree, &n->tree, name);
	n->count--;
	n->bytes -= weight(name);
}

void
names_restore(struct names *n, struct name **name)
{
	if (RB_INSERT(name_tree, &n->tree, *name) != NULL) {
		name_free(name);
		return;
	}
	n->count++;
	n->bytes += weight(*name);
	*name = NULL;
}
