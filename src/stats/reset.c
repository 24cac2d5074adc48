/* A reset, and what it leaves to be freed by and by. */
#include "stats/inside.h"

#include <stdlib.h>

#include "base/memory.h"

/* --- the attic: what a reset leaves to be freed --- */

/* Tenants' histograms; there may be ten thousand. */
static void
take_latency(struct query_store *s, struct histogram *h)
{
	if (h->octaves == 0)
		return;
	if (s->nattic == s->attic_room) {
		s->memory -= memory_chunk(s->attic_room * sizeof(*s->attic));
		s->attic_room = s->attic_room == 0 ? 16 : s->attic_room * 2;
		s->attic = memory_realloc(s->attic, s->attic_room * sizeof(*s->attic));
		s->memory += memory_chunk(s->attic_room * sizeof(*s->attic));
	}
	s->attic[s->nattic++] = *h;
	*h = (struct histogram)HISTOGRAM_INIT;
}

static void
free_latency(struct query_store *s)
{
	struct histogram *h = &s->attic[--s->nattic];

	s->memory -= histogram_chunk(h->octaves);
	histogram_release(h);
	if (s->nattic == 0) {
		s->memory -= memory_chunk(s->attic_room * sizeof(*s->attic));
		free(s->attic);
		s->attic = NULL;
		s->attic_room = 0;
	}
}

bool
store_clear_attic(struct query_store *s)
{
	struct query_entry *e = s->attic_entries;
	struct query_digest *d = s->attic_digests;

	if (e != NULL) {
		s->attic_entries = e->next;
		entry_forget(s, e);
	} else if (d != NULL) {
		s->attic_digests = d->next;
		digest_free(s, d);
	} else if (s->nattic > 0) {
		free_latency(s);
	} else {
		return false;
	}
	return true;
}

void
store_tidy(struct query_store *s, unsigned most)
{
	while (most > 0 && store_clear_attic(s))
		most--;
	give_up_surplus(s, most);
}

static void
reset_tenant(struct query_store *s, struct query_tenant *t, usec_t now)
{
	take_latency(s, &t->sum.latency);
	t->sum.n = (struct query_counters){ .calls = 0 };
	query_minutes_reset(&t->minutes, now);
	t->other.sum.n = (struct query_counters){ .calls = 0 };
	t->other.weight = (struct query_weight){ .value = 0 };
	t->nentries = 0;
}

/* All become unlisted; what entries refer to, running ones among them, is left to those. */
static void
reset_digests(struct query_store *s)
{
	struct query_table old = s->digests;
	struct query_digest *d;

	query_table_init(&s->digests, old.secret);
	for (unsigned at = 0; (d = query_table_next(&old, &at)) != NULL;) {
		d->listed = false;
		if (d->refs == 0) {
			d->next = s->attic_digests;
			s->attic_digests = d;
		}
	}
	query_table_release(&old);
}

/* A query runs on it: it begins anew, and its digest does, too. */
static void
restart_entry(struct query_store *s, struct query_entry *e, usec_t now)
{
	struct query_digest *d = e->digest;

	store_sum_release(s, &e->sum);
	e->trend = (struct query_trend){ .number = 0 };
	e->weight = (struct query_weight){ .value = 0 };
	if (d->listed) {
		entry_list(e);
		return;
	}
	store_sum_release(s, &d->sum);
	d->tenants = 0;
	entry_list(e);
	digest_again(s, e, now);
}

static void
reset_entries(struct query_store *s, usec_t now)
{
	struct query_table old = s->entries;
	struct query_entry *e;

	query_table_init(&s->entries, old.secret);
	for (unsigned at = 0; (e = query_table_next(&old, &at)) != NULL;) {
		if (e->running > 0) {
			restart_entry(s, e, now);
		} else {
			e->next = s->attic_entries;
			s->attic_entries = e;
		}
	}
	query_table_release(&old);
}

void
query_store_reset(struct query_store *s, usec_t now)
{
	store_at(s, now);
	for (unsigned i = 0; i < s->ntenants; i++)
		reset_tenant(s, s->tenants[i], now);
	reset_digests(s);
	reset_entries(s, now);
	store_sum_release(s, &s->sum);
	store_sum_release(s, &s->other);
	s->gone = (struct query_counters){ .calls = 0 };
	query_minutes_reset(&s->minutes, now);
	s->entry_level = s->digest_level = (struct query_weight){ .value = 0 };
	s->evicted_digests = s->evicted_entries = s->truncated = 0;
	s->since = now;
	store_tidy(s, TIDY_AT_ONCE);
}
