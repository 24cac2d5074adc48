#include "session/label.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/memory.h"

/* --- what comments say --- */

struct trace_note *
trace_note_new(const char *comment, size_t n)
{
	struct trace_note *t = memory_zalloc(sizeof(*t));

	if (!sql_trace_parse(&t->trace, comment, n)) {
		free(t);
		return NULL;
	}
	t->refs = 1;
	return t;
}

struct trace_note *
trace_note_ref(struct trace_note *t)
{
	if (t != NULL)
		t->refs++;
	return t;
}

void
trace_note_unref(struct trace_note **tp)
{
	struct trace_note *t = *tp;

	*tp = NULL;
	if (t != NULL && --t->refs == 0)
		free(t);
}

/* --- one --- */

void
label_clear(struct label *l)
{
	label_take_entry(l, NULL);
	if (l->trace != NULL)
		trace_note_unref(&l->trace);
	if (l->values != NULL) {
		memory_free_secret(l->values);
		l->values = NULL;
	}
	l->nparams = l->ntypes = l->effects = 0;
	l->bound = 0;
}

void
label_take_entry(struct label *l, struct query_entry *e)
{
	if (l->entry != NULL)
		query_abandon(l->entry);
	l->entry = e;
}

void
label_copy(struct label *to, const struct label *from)
{
	label_clear(to);
	if (from->entry != NULL)
		from->entry->running++;
	to->entry = from->entry;
	to->trace = trace_note_ref(from->trace);
	to->nparams = from->nparams;
	to->ntypes = from->ntypes;
	to->effects = from->effects;
	memcpy(to->types, from->types, from->ntypes * sizeof(to->types[0]));
}

/* --- by name --- */

struct named_label {
	UT_hash_handle hh;
	struct label label;
	char name[];
};

struct labels {
	struct named_label *by_name;
};

static struct named_label *
find(struct labels *ls, const char *name)
{
	struct named_label *l = NULL;

	if (ls != NULL)
		HASH_FIND_STR(ls->by_name, name, l);
	return l;
}

struct label *
labels_find(struct labels *ls, const char *name)
{
	struct named_label *l = find(ls, name);

	return l != NULL ? &l->label : NULL;
}

static struct label *
add(struct labels *ls, const char *name)
{
	size_t size = strlen(name) + 1;
	struct named_label *l;

	if (HASH_COUNT(ls->by_name) >= LABELS_MAX)
		return NULL;
	l = memory_zalloc(sizeof(*l) + size);
	memcpy(l->name, name, size);
	HASH_ADD_STR(ls->by_name, name, l);
	return &l->label;
}

struct label *
labels_open(struct labels **ls, const char *name)
{
	struct label *l = labels_find(*ls, name);

	if (l != NULL)
		return l;
	if (*ls == NULL)
		*ls = memory_zalloc(sizeof(**ls));
	return add(*ls, name);
}

static void
drop(struct labels *ls, struct named_label *l)
{
	HASH_DEL(ls->by_name, l);
	label_clear(&l->label);
	free(l);
}

void
labels_remove(struct labels *ls, const char *name)
{
	struct named_label *l = find(ls, name);

	if (l != NULL)
		drop(ls, l);
}

void
labels_free(struct labels **lsp)
{
	struct labels *ls = *lsp;
	struct named_label *l, *next;

	if (ls == NULL)
		return;
	*lsp = NULL;
	HASH_ITER(hh, ls->by_name, l, next)
		drop(ls, l);
	free(ls);
}
