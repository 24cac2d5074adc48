#include "stats/table.h"

#include <stdlib.h>

#include "base/memory.h"

#define SMALLEST 16

static unsigned
home_of(const struct query_table *t, uint64_t key)
{
	return (unsigned)(key * t->secret >> t->shift);
}

static void
put(struct query_table *t, uint64_t key, void *thing)
{
	unsigned i = home_of(t, key);

	while (t->slots[i].thing != NULL)
		i = (i + 1) & (t->size - 1);
	t->slots[i] = (struct query_slot){ .key = key, .thing = thing };
}

/* size: a power of two, with room for all that is there. */
static void
resize(struct query_table *t, unsigned size)
{
	struct query_slot *old = t->slots;
	unsigned before = t->size;

	t->hand = before == 0 ? 0 : (unsigned)((uint64_t)t->hand * size / before);
	t->slots = memory_zalloc(size * sizeof(*t->slots));
	t->size = size;
	t->shift = 64 - (unsigned)__builtin_ctz(size);
	for (unsigned i = 0; i < before; i++) {
		if (old[i].thing != NULL)
			put(t, old[i].key, old[i].thing);
	}
	free(old);
}

/* Of the slots, a quarter at least is free, so that what is not there is found out soon. */
static unsigned
size_for(unsigned n)
{
	unsigned size = SMALLEST;

	while (n > size / 4 * 3)
		size *= 2;
	return size;
}

void
query_table_init(struct query_table *t, uint64_t secret)
{
	*t = (struct query_table){ .secret = secret | 1 };
	resize(t, SMALLEST);
}

void
query_table_release(struct query_table *t)
{
	free(t->slots);
	*t = (struct query_table){ .slots = NULL };
}

void
query_table_add(struct query_table *t, uint64_t key, void *thing)
{
	if (size_for(t->n + 1) > t->size)
		resize(t, t->size * 2);
	put(t, key, thing);
	t->n++;
}

void
query_table_remove(struct query_table *t, uint64_t key)
{
	unsigned last = t->size - 1;
	unsigned hole = home_of(t, key);

	while (t->slots[hole].key != key || t->slots[hole].thing == NULL)
		hole = (hole + 1) & last;
	/* What comes behind moves up, unless it would then be in front of its home. */
	for (unsigned i = (hole + 1) & last; t->slots[i].thing != NULL; i = (i + 1) & last) {
		unsigned from_home = (i - home_of(t, t->slots[i].key)) & last;

		if (from_home >= ((i - hole) & last)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct query_slot){ .thing = NULL };
	t->n--;
	if (t->size > SMALLEST && t->n < t->size / 8)
		resize(t, t->size / 2);
}

void *
query_table_turn(struct query_table *t)
{
	void *thing;

	if (t->n == 0)
		return NULL;
	do {
		thing = t->slots[t->hand].thing;
		t->hand = (t->hand + 1) & (t->size - 1);
	} while (thing == NULL);
	return thing;
}

size_t
query_table_memory(const struct query_table *t)
{
	return t->size * sizeof(*t->slots);
}
