/* What is given up when there is no room: the rule is in store.h. */
#include "stats/inside.h"

#include "base/memory.h"

#define LOOKS_LEAST 8
#define LOOKS_MOST 64
#define SLACK (WEIGHT_CALL / 2)

/* Looking for the lightest. */
struct search {
	uint32_t age;
	uint32_t level;		/* light enough */
	unsigned looks;
	uint32_t least;
	void *lightest;
};

static struct search
begin(struct query_weight *level, uint32_t age)
{
	weight_add(level, age, 0);
	return (struct search){ .age = age, .level = level->value };
}

/* false: it need not go on. */
static bool
look(struct search *f, void *thing, struct query_weight *w)
{
	weight_add(w, f->age, 0);
	if (f->lightest == NULL || w->value < f->least) {
		f->lightest = thing;
		f->least = w->value;
	}
	f->looks++;
	return f->looks < LOOKS_MOST && (f->looks < LOOKS_LEAST || f->least > f->level);
}

static void *
end(const struct search *f, struct query_weight *level)
{
	if (f->lightest != NULL)
		level->value = f->least < UINT32_MAX - SLACK ? f->least + SLACK : UINT32_MAX;
	return f->lightest;
}

static struct query_entry *
find_entry(struct query_store *s)
{
	struct search f = begin(&s->entry_level, s->present.age);

	/* Those that run are passed over; there can't be many, but each may be one. */
	for (unsigned i = 0; i < s->entries.n && i < LOOKS_MOST * 4; i++) {
		struct query_entry *e = query_table_turn(&s->entries);

		if (e->running == 0 && !look(&f, e, &e->weight))
			break;
	}
	return end(&f, &s->entry_level);
}

/* Entries of a tenant lie as they came, so they are looked at by chance, if not all of them. */
static struct query_entry *
find_entry_of(struct query_tenant *t)
{
	struct query_store *s = t->store;
	struct search f = begin(&t->other.weight, s->present.age);
	bool all = t->nentries <= LOOKS_MOST;

	for (unsigned i = 0; i < t->nentries && i < LOOKS_MOST * 4; i++) {
		struct query_entry *e = t->entries[all ? i : store_random(s) % t->nentries];

		if (e->running == 0 && !look(&f, e, &e->weight) && !all)
			break;
	}
	return end(&f, &t->other.weight);
}

static struct query_digest *
find_digest(struct query_store *s)
{
	struct search f = begin(&s->digest_level, s->present.age);

	for (unsigned i = 0; i < s->digests.n; i++) {
		struct query_digest *d = query_table_turn(&s->digests);

		if (!look(&f, d, &d->weight))
			break;
	}
	return end(&f, &s->digest_level);
}

static void
give_up_entry(struct query_entry *e)
{
	query_counters_add(&e->tenant->other.sum.n, &e->sum.n);
	e->tenant->store->evicted_entries++;
	entry_free(e);
}

static void
give_up_digest(struct query_store *s, struct query_digest *d)
{
	store_sum_add(s, &s->other, &d->sum);
	store_sum_release(s, &d->sum);
	s->evicted_digests++;
	query_table_remove(&s->digests, d->hash);
	d->listed = false;
	if (d->refs == 0)
		digest_free(s, d);
}

unsigned
give_up_surplus_of(struct query_tenant *t, unsigned most)
{
	struct query_entry *e;
	unsigned n = 0;

	for (; n < most && t->nentries > t->store->limits.entries_per_tenant; n++) {
		if ((e = find_entry_of(t)) == NULL)
			break;
		give_up_entry(e);
	}
	return n;
}

unsigned
give_up_surplus(struct query_store *s, unsigned most)
{
	struct query_entry *e;
	struct query_digest *d;
	unsigned n = 0;

	for (; n < most && s->entries.n > s->limits.entries && (e = find_entry(s)) != NULL; n++)
		give_up_entry(e);
	for (; n < most && s->digests.n > s->limits.entries && (d = find_digest(s)) != NULL; n++)
		give_up_digest(s, d);
	return n;
}

bool
make_room_for_entry(struct query_tenant *t, uint32_t *weight)
{
	struct query_store *s = t->store;
	struct query_entry *e;

	*weight = 0;
	give_up_surplus_of(t, TIDY_BY_THE_WAY);
	if (t->nentries >= s->limits.entries_per_tenant)
		e = find_entry_of(t);
	else if (s->entries.n >= s->limits.entries)
		e = find_entry(s);
	else
		return true;
	if (e == NULL)
		return false;
	*weight = e->weight.value;
	give_up_entry(e);
	return true;
}

uint32_t
make_room_for_digest(struct query_store *s)
{
	struct query_digest *d;
	uint32_t weight;

	if (s->digests.n < s->limits.entries || (d = find_digest(s)) == NULL)
		return 0;
	weight = d->weight.value;
	give_up_digest(s, d);
	return weight;
}
