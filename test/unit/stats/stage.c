#include "stage.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct query_limits
stage_limits(unsigned entries, unsigned entries_per_tenant)
{
	return (struct query_limits){
		.on = true,
		.entries = entries,
		.entries_per_tenant = entries_per_tenant,
		.text_size = 4096,
		.period = PERIOD,
		.period_calls = 20,
	};
}

uint64_t
stage_hash(unsigned number)
{
	uint64_t x = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 29;
	return x | 1;
}

struct query_entry *
stage_begin(struct query_tenant *t, unsigned number, usec_t now)
{
	struct sql_digest d = { .hash = stage_hash(number), .verb = SQL_SELECT };
	struct query_entry *e = query_find(t, d.hash);
	char text[32];
	bool fresh;
	int n;

	if (e != NULL)
		return e;
	n = snprintf(text, sizeof(text), "select c%u from t", number);
	return query_open(t, &d, text, (size_t)n, now, &fresh);
}

void
stage_ask(struct query_tenant *t, unsigned number, usec_t total, usec_t now)
{
	struct query_sample q = {
		.total = total, .wait = 3, .first_byte = total / 2, .blocked = 1, .rows = 2, .bytes_in = 100, .bytes_out = 400,
		.failed = total % 7 == 0, .slow = total >= SECOND,
	};

	query_count(stage_begin(t, number, now), &q, now);
}

const struct query_digest *
stage_digest(const struct query_store *s, unsigned number)
{
	return query_table_find(&s->digests, stage_hash(number));
}

const struct query_entry *
stage_entry(const struct query_tenant *t, unsigned number)
{
	for (unsigned i = 0; i < t->nentries; i++) {
		if (t->entries[i]->hash == stage_hash(number))
			return t->entries[i];
	}
	return NULL;
}

unsigned
stage_random(unsigned n)
{
	static uint64_t state = UINT64_C(88172645463325252);

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 20) % n;
}

static void
check_counters(const struct query_counters *parts, const struct query_counters *whole, const char *what)
{
	cr_assert_eq(memcmp(parts, whole, sizeof(*parts)), 0, "%s: the counters of the parts are not those of the whole", what);
}

static void
check_latency(const struct histogram *parts, const struct histogram *whole, const char *what)
{
	struct histogram_bucket a, b;
	size_t at_a = 0, at_b = 0;

	cr_assert_eq(parts->total, whole->total, "%s: %llu values in the parts, %llu in the whole", what,
		     (unsigned long long)parts->total, (unsigned long long)whole->total);
	while (histogram_next(whole, &at_b, &b)) {
		cr_assert(histogram_next(parts, &at_a, &a));
		cr_assert(a.low == b.low && a.count == b.count, "%s: another latency in the parts", what);
	}
}

/* The greatest of what is gone is remembered as long as `other` is; a whole has no more than its parts. */
static void
check_tenant(const struct query_tenant *t, bool latencies)
{
	struct query_sum parts = { .n = { .calls = 0 } };

	if (latencies)
		query_tenant_other(t, &parts);
	else
		parts.n = t->other.sum.n;
	cr_assert_eq(t->other.sum.latency.octaves, 0);
	for (unsigned i = 0; i < t->nentries; i++) {
		const struct query_entry *e = t->entries[i];

		cr_assert_eq(e->index, i);
		cr_assert_eq(e->tenant, t);
		cr_assert_eq(e->digest->hash, e->hash);
		cr_assert_geq(e->running, 0);
		if (latencies)
			query_sum_add(&parts, &e->sum);
		else
			query_counters_add(&parts.n, &e->sum.n);
	}
	check_counters(&parts.n, &t->sum.n, t->name);
	if (latencies)
		check_latency(&parts.latency, &t->sum.latency, t->name);
	query_sum_release(&parts);
}

static void
check_digests(const struct query_store *s)
{
	struct query_sum parts = { .n = { .calls = 0 } };
	const struct query_digest *d;

	query_sum_add(&parts, &s->other);
	for (unsigned at = 0; (d = query_table_next(&s->digests, &at)) != NULL;) {
		cr_assert(d->listed);
		cr_assert_leq(d->tenants, d->refs);
		query_sum_add(&parts, &d->sum);
	}
	check_counters(&parts.n, &s->sum.n, "digests");
	check_latency(&parts.latency, &s->sum.latency, "digests");
	query_sum_release(&parts);
}

void
stage_check(const struct query_store *s, bool latencies)
{
	struct query_counters parts = s->gone;
	unsigned n = 0;

	for (unsigned i = 0; i < s->ntenants; i++) {
		check_tenant(s->tenants[i], latencies);
		query_counters_add(&parts, &s->tenants[i]->sum.n);
		n += s->tenants[i]->nentries;
	}
	cr_assert_eq(n, s->entries.n);
	check_counters(&parts, &s->sum.n, "tenants");
	check_digests(s);
}
