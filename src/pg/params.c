#include "pg/params.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "pg/writer.h"

/* uthash has no memory but ours. */
#define uthash_malloc(size) memory_alloc(size)
#define uthash_fatal(message) (log_fatal("%s", message), abort())
#include <uthash.h>

/*
 * A name is kept once per table and for as long as a set uses it: clients choose names, and a table
 * must not grow by them for ever.
 */
struct name {
	UT_hash_handle hh; /* by folded */
	size_t refs;	   /* sets with this name */
	char *folded;	   /* lower case; in the same block, behind spelling */
	char spelling[];
};

/*
 * One block: the names as pointers, in the order of their folded text, and behind them the values in
 * the same order, each with its NUL.  Two sets of a table are equal exactly when these bytes are.
 */
struct params {
	UT_hash_handle hh; /* by the bytes from names on */
	uint32_t refs;
	uint32_t count;
	struct name *names[];
};

struct params_table {
	struct params *sets;
	struct name *names;
	struct params *empty;
};

static const char *
values_of(const struct params *p)
{
	return (const char *)(p->names + p->count);
}

static size_t
values_size(const struct params *p)
{
	return p->hh.keylen - p->count * sizeof(p->names[0]);
}

/* A set is const for its users, but it counts them. */
static struct params *
writable(const struct params *p)
{
	return (struct params *)(uintptr_t)p;
}

static struct name *
name_new(const char *spelling)
{
	size_t size = strlen(spelling) + 1;
	struct name *n = memory_zalloc(sizeof(*n) + 2 * size);

	memcpy(n->spelling, spelling, size);
	n->folded = n->spelling + size;
	for (size_t i = 0; i < size; i++)
		n->folded[i] = string_lower(spelling[i]);
	return n;
}

/* The name of this table; without a set that uses it, it must be dropped again. */
static struct name *
find_or_add_name(struct params_table *t, const char *spelling)
{
	struct name *n = name_new(spelling);
	size_t length = strlen(n->folded);
	struct name *known;

	HASH_FIND(hh, t->names, n->folded, length, known);
	if (known != NULL) {
		free(n);
		return known;
	}
	HASH_ADD_KEYPTR(hh, t->names, n->folded, length, n);
	return n;
}

static void
drop_unused_name(struct params_table *t, struct name *n)
{
	if (n->refs > 0)
		return;
	HASH_DELETE(hh, t->names, n);
	free(n);
}

static struct params *
set_new(size_t count, size_t nvalues)
{
	size_t key = count * sizeof(struct name *) + nvalues;
	struct params *p = memory_zalloc(sizeof(*p) + key);

	p->count = (uint32_t)count;
	p->hh.keylen = (unsigned)key;
	return p;
}

/* Takes p, which is not in the table.  A reference to the set of the table that is equal. */
static const struct params *
intern(struct params_table *t, struct params *p)
{
	struct params *known;

	HASH_FIND(hh, t->sets, p->names, p->hh.keylen, known);
	if (known != NULL) {
		free(p);
		return params_ref(known);
	}
	HASH_ADD_KEYPTR(hh, t->sets, p->names, p->hh.keylen, p);
	for (size_t i = 0; i < p->count; i++)
		p->names[i]->refs++;
	return params_ref(p);
}

struct params_table *
params_table_new(void)
{
	struct params_table *t = memory_zalloc(sizeof(*t));

	t->empty = writable(intern(t, set_new(0, 0)));
	return t;
}

void
params_table_free(struct params_table **t)
{
	if (*t == NULL)
		return;
	const struct params *empty = (*t)->empty;
	params_unref(*t, &empty);
	assert((*t)->sets == NULL && (*t)->names == NULL);
	free(*t);
	*t = NULL;
}

const struct params *
params_empty(struct params_table *t)
{
	return params_ref(t->empty);
}

/* Where name stands in p, or would stand. */
static size_t
find_place(const struct params *p, const struct name *name, bool *there)
{
	size_t i = 0;

	while (i < p->count && strcmp(p->names[i]->folded, name->folded) < 0)
		i++;
	*there = i < p->count && p->names[i] == name;
	return i;
}

/* base with the entry at place, if there is one to be replaced (old is its value), changed to
 * name = value; value NULL: left out. */
static struct params *
build_changed(const struct params *base, size_t place, const char *old, struct name *name,
	const char *value)
{
	size_t removed = old != NULL ? strlen(old) + 1 : 0;
	size_t added = value != NULL ? strlen(value) + 1 : 0;
	size_t removes = old != NULL, adds = value != NULL;
	struct params *p =
		set_new(base->count - removes + adds, values_size(base) - removed + added);
	const char *from = values_of(base);
	size_t before = (size_t)(params_value(base, place) - from);
	char *to = (char *)(p->names + p->count);

	for (size_t i = 0; i < place; i++)
		p->names[i] = base->names[i];
	if (adds)
		p->names[place] = name;
	for (size_t i = place + removes; i < base->count; i++)
		p->names[i - removes + adds] = base->names[i];
	memcpy(to, from, before);
	if (adds)
		memcpy(to + before, value, added);
	memcpy(to + before + added, from + before + removed, values_size(base) - before - removed);
	return p;
}

const struct params *
params_with(struct params_table *t, const struct params *base, const char *name, const char *value)
{
	struct name *n = find_or_add_name(t, name);
	bool there;
	size_t place = find_place(base, n, &there);
	const char *old = there ? params_value(base, place) : NULL;
	const struct params *result;

	if (old == NULL ? value == NULL : value != NULL && strcmp(old, value) == 0)
		result = params_ref(base);
	else
		result = intern(t, build_changed(base, place, old, n, value));
	drop_unused_name(t, n);
	return result;
}

const struct params *
params_ref(const struct params *p)
{
	writable(p)->refs++;
	return p;
}

void
params_unref(struct params_table *t, const struct params **p)
{
	struct params *gone = writable(*p);

	*p = NULL;
	if (gone == NULL || --gone->refs > 0)
		return;
	HASH_DELETE(hh, t->sets, gone);
	for (size_t i = 0; i < gone->count; i++) {
		gone->names[i]->refs--;
		drop_unused_name(t, gone->names[i]);
	}
	free(gone);
}

size_t
params_count(const struct params *p)
{
	return p->count;
}

const char *
params_name(const struct params *p, size_t i)
{
	return p->names[i]->spelling;
}

/* i may be the count: behind the last value. */
const char *
params_value(const struct params *p, size_t i)
{
	const char *value = values_of(p);

	while (i-- > 0)
		value += strlen(value) + 1;
	return value;
}

const char *
params_get(const struct params *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++) {
		if (string_equal_nocase(p->names[i]->folded, name))
			return params_value(p, i);
	}
	return NULL;
}

void
params_pack(const struct params *p, struct buffer *out)
{
	for (size_t i = 0; i < params_count(p); i++) {
		writer_string(out, params_name(p, i));
		writer_string(out, params_value(p, i));
	}
}

const struct params *
params_unpack(struct params_table *t, struct buffer *in)
{
	const struct params *p = params_empty(t);

	while (buffer_left(in) > 0) {
		const char *name = (const char *)buffer_head(in), *value = name + strlen(name) + 1;
		const struct params *old = p;

		p = params_with(t, old, name, value);
		params_unref(t, &old);
		buffer_consume(in, (size_t)(value + strlen(value) + 1 - name));
	}
	buffer_release(in);
	return p;
}
