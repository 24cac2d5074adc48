#include "stats/table.h"

#include <criterion/criterion.h>

#include "stage.h"

#define KEYS 2000

/* What is in it, by a plain array. */
struct model {
	struct query_table table;
	char things[KEYS];
	bool in[KEYS];
	unsigned n;
};

static void
check(struct model *m, uint64_t (*key)(unsigned))
{
	unsigned at = 0, n = 0;
	const char *thing;

	cr_assert_eq(m->table.n, m->n);
	for (unsigned i = 0; i < KEYS; i++) {
		thing = query_table_find(&m->table, key(i));
		cr_assert_eq(thing, m->in[i] ? &m->things[i] : NULL, "key %u", i);
	}
	while ((thing = query_table_next(&m->table, &at)) != NULL) {
		cr_assert(m->in[thing - m->things]);
		n++;
	}
	cr_assert_eq(n, m->n);
}

static void
change(struct model *m, uint64_t (*key)(unsigned), unsigned i)
{
	if (m->in[i])
		query_table_remove(&m->table, key(i));
	else
		query_table_add(&m->table, key(i), &m->things[i]);
	m->n += m->in[i] ? -1U : 1;
	m->in[i] = !m->in[i];
}

static uint64_t
scattered(unsigned i)
{
	return stage_hash(i);
}

/* Keys that an enemy would choose, if slots were not by a secret: and 0, which is a key like others. */
static uint64_t
crowded(unsigned i)
{
	return (uint64_t)i << 32;
}

static void
walk(uint64_t (*key)(unsigned), uint64_t secret)
{
	struct model *m = calloc(1, sizeof(*m));

	query_table_init(&m->table, secret);
	check(m, key);
	for (int turn = 0; turn < 20; turn++) {
		/* It fills and empties. */
		unsigned n = turn % 2 == 0 ? KEYS : 50;

		for (int i = 0; i < 500; i++)
			change(m, key, stage_random(n));
		check(m, key);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		if (m->in[i])
			change(m, key, i);
	}
	check(m, key);
	cr_assert_eq(query_table_turn(&m->table), NULL);
	cr_assert_leq(query_table_memory(&m->table), 32 * sizeof(struct query_slot), "an empty one is small again");
	query_table_release(&m->table);
	free(m);
}

Test(table, holds_what_was_put_there)
{
	walk(scattered, 0x123456789abcdefULL);
}

/* All in one place: the secret is 1. */
Test(table, holds_what_collides)
{
	walk(crowded, 1);
}

Test(table, turns_round)
{
	struct query_table t;
	char things[100];
	unsigned seen[100] = { 0 };

	query_table_init(&t, 77);
	for (unsigned i = 0; i < 100; i++)
		query_table_add(&t, stage_hash(i), &things[i]);
	for (unsigned i = 0; i < 300; i++)
		seen[(char *)query_table_turn(&t) - things]++;
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(seen[i], 3);
	query_table_release(&t);
}
