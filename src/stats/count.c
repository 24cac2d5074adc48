/* The way of a query: its entry is found, or made, and it is counted there and above. */
#include "stats/inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static size_t
class_memory(const struct sql_class *c)
{
	size_t n = memory_chunk(sizeof(*c));

	for (int i = 0; i < c->ntables; i++)
		n += memory_chunk(strlen(c->tables[i]) + 1);
	return n;
}

/* Its text goes through the store's scratch, so that it takes no more than it needs. */
static struct query_digest *
digest_new(struct query_store *s, const struct sql_digest *d, const char *text, size_t n)
{
	struct query_digest *new = memory_zalloc(sizeof(*new));
	size_t size = s->limits.text_size > 0 ? s->limits.text_size : 1;

	if (s->scratch == NULL) {
		s->scratch = memory_alloc(size);
		s->memory += memory_chunk(size);
	}
	new->hash = d->hash;
	new->verb = (enum sql_verb)d->verb;
	new->text_length = sql_normalize(text, n, s->scratch, size);
	new->text = memory_strndup(s->scratch, new->text_length);
	s->memory += memory_chunk(sizeof(*new)) + memory_chunk(new->text_length + 1);
	return new;
}

void
digest_free(struct query_store *s, struct query_digest *d)
{
	store_sum_release(s, &d->sum);
	s->memory -= memory_chunk(sizeof(*d)) + memory_chunk(d->text_length + 1);
	if (d->class != NULL) {
		s->memory -= class_memory(d->class);
		sql_class_release(d->class);
		free(d->class);
	}
	free(d->text);
	free(d);
}

/* An entry of it is gone, or has gone to another. */
static void
digest_unref(struct query_store *s, struct query_digest *d)
{
	d->refs--;
	if (d->refs == 0 && !d->listed)
		digest_free(s, d);
}

static void
digest_list(struct query_store *s, struct query_digest *d, usec_t now)
{
	d->weight = (struct query_weight){ .value = make_room_for_digest(s), .age = s->present.age };
	d->trend = (struct query_trend){ .number = s->present.period };
	d->first_seen = d->last_seen = now;
	d->listed = true;
	query_table_add(&s->digests, d->hash, d);
}

void
entry_list(struct query_entry *e)
{
	struct query_tenant *t = e->tenant;
	struct query_store *s = t->store;

	if (t->nentries == t->room) {
		s->memory -= memory_chunk(t->room * sizeof(struct query_entry *));
		t->room = t->room == 0 ? 3 : t->room * 2;
		t->entries = memory_realloc(t->entries, t->room * sizeof(struct query_entry *));
		s->memory += memory_chunk(t->room * sizeof(struct query_entry *));
	}
	e->index = t->nentries;
	t->entries[t->nentries++] = e;
	query_table_add(&s->entries, entry_key(t, e->hash), e);
	e->digest->tenants++;
}

/* Takes a reference of d. */
static struct query_entry *
entry_new(struct query_tenant *t, struct query_digest *d, uint32_t weight)
{
	struct query_store *s = t->store;
	struct query_entry *e = memory_zalloc(sizeof(*e));

	e->hash = d->hash;
	e->tenant = t;
	e->digest = d;
	d->refs++;
	e->weight = (struct query_weight){ .value = weight, .age = s->present.age };
	e->trend.number = s->present.period;
	s->memory += memory_chunk(sizeof(*e));
	entry_list(e);
	return e;
}

void
entry_forget(struct query_store *s, struct query_entry *e)
{
	digest_unref(s, e->digest);
	store_sum_release(s, &e->sum);
	s->memory -= memory_chunk(sizeof(*e));
	free(e);
}

void
entry_free(struct query_entry *e)
{
	struct query_tenant *t = e->tenant;
	struct query_store *s = t->store;
	struct query_entry *last = t->entries[--t->nentries];

	t->entries[e->index] = last;
	last->index = e->index;
	query_table_remove(&s->entries, entry_key(t, e->hash));
	e->digest->tenants--;
	entry_forget(s, e);
}

struct query_entry *
query_find(struct query_tenant *t, uint64_t hash)
{
	struct query_entry *e = query_table_find(&t->store->entries, entry_key(t, hash));

	/* Two keys may be the same, once in ten thousand years; but a tenant must not see another's query. */
	if (e == NULL || e->tenant != t || e->hash != hash)
		return NULL;
	e->running++;
	return e;
}

static struct query_entry *
count_on_other(struct query_tenant *t)
{
	t->other.running++;
	return &t->other;
}

struct query_entry *
query_open(struct query_tenant *t, const struct sql_digest *d, const char *text, size_t n, usec_t now, bool *fresh)
{
	struct query_store *s = t->store;
	struct query_entry *e = query_find(t, d->hash);
	struct query_digest *digest;
	uint32_t weight;

	*fresh = false;
	if (e != NULL)
		return e;
	store_at(s, now);
	store_tidy(s, TIDY_BY_THE_WAY);
	if (query_table_find(&s->entries, entry_key(t, d->hash)) != NULL || !make_room_for_entry(t, &weight))
		return count_on_other(t);
	digest = query_table_find(&s->digests, d->hash);
	if (digest == NULL) {
		digest = digest_new(s, d, text, n);
		digest_list(s, digest, now);
		*fresh = true;
	}
	e = entry_new(t, digest, weight);
	e->running++;
	return e;
}

void
query_abandon(struct query_entry *e)
{
	e->running--;
}

static inline void
count(struct query_counters *n, const struct query_sample *q)
{
	n->calls++;
	n->errors += q->failed;
	n->slow += q->slow;
	n->rows += q->rows;
	n->bytes_in += q->bytes_in;
	n->bytes_out += q->bytes_out;
	n->total += q->total;
	n->wait += q->wait;
	n->first_byte += q->first_byte;
	n->blocked += q->blocked;
	if (n->max < q->total)
		n->max = q->total;
}

static inline void
count_sum(struct query_store *s, struct query_sum *sum, const struct query_sample *q)
{
	unsigned octaves = sum->latency.octaves;

	count(&sum->n, q);
	histogram_add(&sum->latency, q->total);
	if (sum->latency.octaves != octaves)
		s->memory += histogram_chunk(sum->latency.octaves) - histogram_chunk(octaves);
}

static inline void
count_minute(struct query_store *s, struct query_minutes *m, const struct query_sample *q)
{
	uint8_t room = m->room;

	query_minutes_count(m, s->present.minute, q);
	if (m->room != room)
		s->memory += minutes_chunk(m->room) - minutes_chunk(room);
}

static inline void
count_trend(struct query_store *s, struct query_trend *t, const struct query_sample *q)
{
	if (t->number != s->present.period)
		query_trend_roll(t, s->present.period, s->limits.period_calls);
	t->now.calls++;
	t->now.total += q->total;
}

struct query_digest *
digest_again(struct query_store *s, struct query_entry *e, usec_t now)
{
	struct query_digest *again = query_table_find(&s->digests, e->hash);

	if (again == NULL) {
		digest_list(s, e->digest, now);
		return e->digest;
	}
	again->refs++;
	again->tenants++;
	e->digest->tenants--;
	digest_unref(s, e->digest);
	e->digest = again;
	return again;
}

static uint32_t
weight_of(const struct query_sample *q)
{
	uint64_t weight = WEIGHT_CALL + ((uint64_t)q->total >> 10);

	return weight < WEIGHT_MOST ? (uint32_t)weight : WEIGHT_MOST;
}

void
query_count(struct query_entry *e, const struct query_sample *q, usec_t now)
{
	struct query_tenant *t = e->tenant;
	struct query_store *s = t->store;
	struct query_digest *d = e->digest;
	uint32_t weight = weight_of(q);

	store_at(s, now);
	e->running--;
	count_sum(s, &s->sum, q);
	count_minute(s, &s->minutes, q);
	count_sum(s, &t->sum, q);
	count_minute(s, &t->minutes, q);
	if (d == NULL) {
		count(&e->sum.n, q);
		count_sum(s, &s->other, q);
		return;
	}
	weight_add(&e->weight, s->present.age, weight);
	count_sum(s, &e->sum, q);
	count_trend(s, &e->trend, q);
	if (!d->listed)
		d = digest_again(s, e, now);
	weight_add(&d->weight, s->present.age, weight);
	count_sum(s, &d->sum, q);
	count_trend(s, &d->trend, q);
	d->last_seen = now;
}

void
query_classified(struct query_store *s, uint64_t hash, struct sql_class *c)
{
	struct query_digest *d = query_table_find(&s->digests, hash);

	if (d == NULL || d->class != NULL) {
		sql_class_release(c);
		return;
	}
	d->class = memory_alloc(sizeof(*d->class));
	*d->class = *c;
	*c = (struct sql_class){ .parsed = false };
	s->memory += class_memory(d->class);
}
