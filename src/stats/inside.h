/*
 * inside: what the files of the store share.
 */
#ifndef STATS_INSIDE_H
#define STATS_INSIDE_H

#include "stats/store.h"

/* What malloc takes for n bytes: glibc puts 8 before them, in steps of 16, 32 at least. */
static inline size_t
memory_chunk(size_t n)
{
	size_t whole = (n + 8 + 15) & ~(size_t)15;

	return n == 0 ? 0 : whole < 32 ? 32 : whole;
}

static inline size_t
histogram_chunk(unsigned octaves)
{
	return memory_chunk(octaves * HISTOGRAM_SUB * sizeof(uint64_t));
}

static inline size_t
minutes_chunk(unsigned room)
{
	return memory_chunk(room * sizeof(struct query_minute));
}

/* Bring w to its age and add to it. */
static inline void
weight_add(struct query_weight *w, uint32_t age, uint32_t more)
{
	if (w->age != age) {
		uint32_t halvings = age - w->age;

		w->value = halvings < 32 ? w->value >> halvings : 0;
		w->age = age;
	}
	if (__builtin_add_overflow(w->value, more, &w->value))
		w->value = UINT32_MAX;
}

/* What a query weighs. */
#define WEIGHT_CALL 16
#define WEIGHT_MOST (1 << 20)

/* Of an entry: a worker's tenants have salts of their own, so one tenant's hashes say nothing of another's. */
static inline uint64_t
entry_key(const struct query_tenant *t, uint64_t hash)
{
	return hash ^ t->salt;
}

/* Make s->present good for now. */
void store_read_clock(struct query_store *s, usec_t now);

static inline void
store_at(struct query_store *s, usec_t now)
{
	if ((uint64_t)(now - s->present.from) >= s->present.span)
		store_read_clock(s, now);
}

/* Free one thing of those in the attic; false: it is empty. */
bool store_clear_attic(struct query_store *s);

/* Free some of what is in the attic, and give up some of what is beyond the limits: `most` at most. */
void store_tidy(struct query_store *s, unsigned most);

/* So many that a visit may do it: about a millisecond.  And when a query is seen for the first time. */
#define TIDY_AT_ONCE 500
#define TIDY_BY_THE_WAY 8

uint64_t store_random(struct query_store *s);

/* --- sums whose memory the store counts --- */

void store_sum_add(struct query_store *s, struct query_sum *to, const struct query_sum *what);
void store_sum_release(struct query_store *s, struct query_sum *sum);

/* --- entries and digests --- */

/* The digest of e is not listed: there is a new one of its hash, or it comes back itself, as a newcomer.  Returns it. */
struct query_digest *digest_again(struct query_store *s, struct query_entry *e, usec_t now);
void digest_free(struct query_store *s, struct query_digest *d);

/* Make it one of its tenant's; its digest is listed. */
void entry_list(struct query_entry *e);

/* Without a trace: what it has counted is gone, or is somewhere else. */
void entry_free(struct query_entry *e);

/* Its memory and its reference only. */
void entry_forget(struct query_store *s, struct query_entry *e);

/* --- room --- */

/* Make room for one more entry of t.  *weight: what it inherits.  false: all that could go is in use. */
bool make_room_for_entry(struct query_tenant *t, uint32_t *weight);

/* Make room for one more digest.  Returns what it inherits. */
uint32_t make_room_for_digest(struct query_store *s);

/* Give up what is beyond the limits, of a tenant or of all, `most` at most.  Returns how many were. */
unsigned give_up_surplus_of(struct query_tenant *t, unsigned most);
unsigned give_up_surplus(struct query_store *s, unsigned most);

#endif
