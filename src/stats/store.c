#include "stats/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "stats/inside.h"

#define AGE_SHIFT 29

uint64_t
store_random(struct query_store *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * UINT64_C(0x2545f4914f6cdd1d);
}

static usec_t
later_of(usec_t a, usec_t b)
{
	return a > b ? a : b;
}

void
store_read_clock(struct query_store *s, usec_t now)
{
	struct query_present *p = &s->present;
	usec_t period = s->limits.period > 0 ? s->limits.period : INT64_MAX;
	usec_t age = (usec_t)1 << AGE_SHIFT;
	usec_t in_minute = now % QUERY_MINUTE, in_period = now % period, in_age = now % age;
	usec_t left = -later_of(later_of(in_minute - QUERY_MINUTE, in_period - period), in_age - age);

	p->minute = (uint32_t)(now / QUERY_MINUTE);
	p->period = (uint32_t)(now / period);
	p->age = (uint32_t)(now / age);
	p->from = now;
	p->span = (uint64_t)left;
}

void
query_store_init(struct query_store *s, const struct query_limits *l, usec_t now)
{
	uint64_t secret[3] = { 1, 2, 3 };

	*s = (struct query_store){ .limits = *l, .since = now };
	/* Without them, who knows this code can only make slots crowded. */
	if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) < 0)
		secret[0] = (uint64_t)now;
	query_table_init(&s->entries, secret[0]);
	query_table_init(&s->digests, secret[1]);
	s->random = secret[2] | 1;
	s->memory = sizeof(*s);
}

void
store_sum_add(struct query_store *s, struct query_sum *to, const struct query_sum *what)
{
	s->memory -= histogram_chunk(to->latency.octaves);
	query_sum_add(to, what);
	s->memory += histogram_chunk(to->latency.octaves);
}

void
store_sum_release(struct query_store *s, struct query_sum *sum)
{
	s->memory -= histogram_chunk(sum->latency.octaves);
	query_sum_release(sum);
}

static void
forget_trends(struct query_store *s)
{
	struct query_entry *e;
	struct query_digest *d;

	for (unsigned at = 0; (e = query_table_next(&s->entries, &at)) != NULL;) {
		e->trend = (struct query_trend){ .number = 0 };
		e->digest->trend = e->trend;	/* of one that was given up, too */
	}
	for (unsigned at = 0; (d = query_table_next(&s->digests, &at)) != NULL;)
		d->trend = (struct query_trend){ .number = 0 };
}

void
query_store_limit(struct query_store *s, const struct query_limits *l)
{
	if (l->text_size != s->limits.text_size) {
		s->memory -= s->scratch == NULL ? 0 : memory_chunk(s->limits.text_size);
		free(s->scratch);
		s->scratch = NULL;
	}
	if (l->period != s->limits.period)
		forget_trends(s);
	s->limits = *l;
	s->present.span = 0;
	for (unsigned i = 0, most = TIDY_AT_ONCE; i < s->ntenants && most > 0; i++)
		most -= give_up_surplus_of(s->tenants[i], most);
	store_tidy(s, TIDY_AT_ONCE);
}

void
query_store_release(struct query_store *s)
{
	unsigned at = 0;

	for (struct query_tenant *t; s->ntenants > 0;) {
		t = s->tenants[s->ntenants - 1];
		query_tenant_free(&t);
	}
	while (store_clear_attic(s))
		;
	for (struct query_digest *d; (d = query_table_next(&s->digests, &at)) != NULL;)
		digest_free(s, d);
	query_table_release(&s->entries);
	query_table_release(&s->digests);
	query_sum_release(&s->sum);
	query_sum_release(&s->other);
	query_minutes_release(&s->minutes);
	free(s->tenants);
	free(s->scratch);
	*s = (struct query_store){ .ntenants = 0 };
}

size_t
query_store_memory(const struct query_store *s)
{
	return s->memory + memory_chunk(query_table_memory(&s->entries)) +
	       memory_chunk(query_table_memory(&s->digests)) + memory_chunk(s->room * sizeof(*s->tenants));
}

struct query_tenant *
query_tenant_new(struct query_store *s, const char *name)
{
	struct query_tenant *t = memory_zalloc(sizeof(*t));

	t->name = memory_strdup(name);
	t->store = s;
	t->salt = store_random(s);
	t->other.tenant = t;
	if (s->ntenants == s->room) {
		s->room = s->room == 0 ? 16 : s->room * 2;
		s->tenants = memory_realloc(s->tenants, s->room * sizeof(*s->tenants));
	}
	t->index = s->ntenants;
	s->tenants[s->ntenants++] = t;
	s->memory += memory_chunk(sizeof(*t)) + memory_chunk(strlen(name) + 1);
	return t;
}

void
query_tenant_free(struct query_tenant **tp)
{
	struct query_tenant *t = *tp, *last;
	struct query_store *s;

	*tp = NULL;
	if (t == NULL)
		return;
	s = t->store;
	while (t->nentries > 0)
		entry_free(t->entries[t->nentries - 1]);
	query_counters_add(&s->gone, &t->sum.n);
	last = s->tenants[--s->ntenants];
	s->tenants[t->index] = last;
	last->index = t->index;
	store_sum_release(s, &t->sum);
	s->memory -= memory_chunk(sizeof(*t)) + memory_chunk(strlen(t->name) + 1) +
		     memory_chunk(t->room * sizeof(struct query_entry *)) + minutes_chunk(t->minutes.room);
	query_minutes_release(&t->minutes);
	free(t->entries);
	free(t->name);
	free(t);
}

void
query_tenant_other(const struct query_tenant *t, struct query_sum *sum)
{
	struct histogram told = HISTOGRAM_INIT;

	sum->n = t->other.sum.n;
	if (sum->n.calls == 0)
		return;
	for (unsigned i = 0; i < t->nentries; i++)
		histogram_merge(&told, &t->entries[i]->sum.latency);
	histogram_subtract(&sum->latency, &t->sum.latency, &told);
	histogram_release(&told);
}
