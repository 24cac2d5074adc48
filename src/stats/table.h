/*
 * table: finds a thing by a 64-bit key: entries and digests.
 *
 * Open addressing, linear probing; a key that isn't in a slot costs no look at the thing.  (uthash
 * would want 56 bytes of each thing and walks chains of up to ten of them; and this is the way of
 * each query.)  Slots are by a secret multiple of the key, since keys are made of what clients send.
 */
#ifndef STATS_TABLE_H
#define STATS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct query_slot {
	uint64_t key;
	void *thing;		/* NULL: free */
};

struct query_table {
	struct query_slot *slots;
	uint64_t secret;	/* odd */
	unsigned shift;		/* 64 - log2(size) */
	unsigned size, n;
	unsigned hand;		/* query_table_turn: where it is */
};

void query_table_init(struct query_table *t, uint64_t secret);
void query_table_release(struct query_table *t);	/* not the things */

static inline void *
query_table_find(const struct query_table *t, uint64_t key)
{
	const struct query_slot *slots = t->slots;
	unsigned last = t->size - 1;

	for (unsigned i = (unsigned)(key * t->secret >> t->shift); slots[i].thing != NULL; i = (i + 1) & last) {
		if (slots[i].key == key)
			return slots[i].thing;
	}
	return NULL;
}

/* The key is not in it. */
void query_table_add(struct query_table *t, uint64_t key, void *thing);

/* The key is in it. */
void query_table_remove(struct query_table *t, uint64_t key);

/* The next thing, round and round; NULL: there is none. */
void *query_table_turn(struct query_table *t);

/* All, in the order of slots: start with *at = 0; NULL: the end.  No changes meanwhile. */
static inline void *
query_table_next(const struct query_table *t, unsigned *at)
{
	while (*at < t->size) {
		void *thing = t->slots[(*at)++].thing;

		if (thing != NULL)
			return thing;
	}
	return NULL;
}

/* Things lie anywhere, and a walk over thousands waits for each, unless it asks for them before their turn
 * (__builtin_prefetch): of these many, a third of the time is left. */
#define QUERY_AHEAD 16

/* What query_table_next will return about that much later, or NULL. */
static inline const void *
query_table_ahead(const struct query_table *t, unsigned at)
{
	return at + QUERY_AHEAD < t->size ? t->slots[at + QUERY_AHEAD].thing : NULL;
}

/* Bytes on the heap. */
size_t query_table_memory(const struct query_table *t);

#endif
