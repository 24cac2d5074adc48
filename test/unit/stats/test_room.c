/* What is given up when there is no room: the rule is in stats/store.h. */
#include <criterion/criterion.h>
#include <time.h>

#include "base/memory.h"
#include "stage.h"

#define NOW (1000 * PERIOD)
#define HALF_LIFE (1LL << 29)

#ifdef __SANITIZE_ADDRESS__
#define PASSING 200000
#else
#define PASSING 1000000
#endif

static double
seconds_of_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * A hundred statements are asked again and again, a million others once.  With room for 2,000, whoever is more than a
 * 2,000th of all must stay (space-saving's promise): these are asked once in 1,000.
 */
static void
pass_by(struct query_store *s, struct query_tenant *t, usec_t step)
{
	double since = seconds_of_cpu();
	usec_t now = NOW;

	/* Before there is any evidence, one is as good as another. */
	for (unsigned i = 0; i < 1000; i++)
		stage_ask(t, i % 100, 500, now);
	for (unsigned i = 0; i < PASSING; i++) {
		now += step;
		stage_ask(t, 1000000 + i, 500, now);
		if (i % 10 == 0)
			stage_ask(t, i / 10 % 100, 500, now);
	}
	cr_assert_lt(seconds_of_cpu() - since, 60.0, "it takes too long");
	for (unsigned i = 0; i < 100; i++) {
		const struct query_digest *d = stage_digest(s, i);

		cr_assert_neq(d, NULL, "statement %u was given up", i);
		cr_assert_eq(d->sum.n.calls, 10 + PASSING / 1000, "statement %u: %llu calls", i, (unsigned long long)d->sum.n.calls);
	}
	cr_assert_leq(s->entries.n, 2000);
	cr_assert_leq(s->digests.n, 2000);
	cr_assert_lt(query_store_memory(s), 4000000);
	stage_check(s, true);
}

Test(room, what_is_asked_often_stays_in_the_store)
{
	struct query_limits l = stage_limits(2000, 10000);
	struct query_store s;

	query_store_init(&s, &l, NOW);
	pass_by(&s, query_tenant_new(&s, "t"), 100);
	query_store_release(&s);
}

/* While weights fade. */
Test(room, what_is_asked_often_stays_over_hours)
{
	struct query_limits l = stage_limits(2000, 10000);
	struct query_store s;

	query_store_init(&s, &l, NOW);
	pass_by(&s, query_tenant_new(&s, "t"), 10000);
	query_store_release(&s);
}

Test(room, what_is_asked_often_stays_in_a_tenant)
{
	struct query_limits l = stage_limits(2000, 1900);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	pass_by(&s, t, 100);
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(stage_entry(t, i)->sum.n.calls, 10 + PASSING / 1000);
	cr_assert_eq(t->nentries, 1900);
	query_store_release(&s);
}

/* Nine tenths of the room are asked for again and again. */
Test(room, little_is_left_for_others)
{
	struct query_limits l = stage_limits(100, 1000);
	struct query_store s;
	struct query_tenant *t;
	unsigned kept = 0;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 20000; i++) {
		stage_ask(t, i % 90, 500, NOW + i);
		if (i % 30 == 0)
			stage_ask(t, 1000 + i, 500, NOW + i);
	}
	for (unsigned i = 0; i < 90; i++)
		kept += stage_entry(t, i) != NULL && stage_entry(t, i)->sum.n.calls >= 20000 / 90;
	cr_assert_eq(kept, 90, "of 90, %u are exact", kept);
	query_store_release(&s);
}

/* The nightly report is worth more than a thousand texts that took no time. */
Test(room, time_has_weight)
{
	struct query_limits l = stage_limits(50, 50);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	stage_ask(t, 1, 60 * SECOND, NOW);
	for (unsigned i = 0; i < 1000; i++)
		stage_ask(t, 100 + i, 300, NOW + i);
	cr_assert_neq(stage_entry(t, 1), NULL);
	/* But not for ever. */
	for (unsigned i = 0; i < 1000; i++)
		stage_ask(t, 10000 + i, 300, NOW + 20 * HALF_LIFE + i);
	cr_assert_eq(stage_entry(t, 1), NULL);
	cr_assert_eq(stage_digest(&s, 1), NULL);
	stage_check(&s, true);
	query_store_release(&s);
}

/* What was asked a million times an hour ago makes room for what is asked now. */
Test(room, weight_fades)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 16 * 10000; i++)
		stage_ask(t, i % 16, 300, NOW + i);
	for (unsigned i = 0; i < 16 * 20; i++)
		stage_ask(t, 100 + i % 16, 300, NOW + 30 * HALF_LIFE + i);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_neq(stage_entry(t, 100 + i), NULL);
	cr_assert_eq(t->other.sum.n.calls, 16 * 10000);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(room, a_newcomer_inherits)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 16 * 10; i++)
		stage_ask(t, i % 16, 300, NOW);
	stage_ask(t, 3, 300, NOW);
	stage_ask(t, 100, 300, NOW);
	cr_assert_eq(stage_entry(t, 100)->weight.value, 11 * 16);
	cr_assert_eq(stage_entry(t, 3)->weight.value, 11 * 16);
	cr_assert_eq(stage_entry(t, 100)->sum.n.calls, 1, "the weight, not the counts");
	query_store_release(&s);
}

/* A tenant that is at its own limit takes nothing from others. */
Test(room, a_tenant_gives_up_its_own)
{
	struct query_limits l = stage_limits(100, 10);
	struct query_store s;
	struct query_tenant *a, *b;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	for (unsigned i = 0; i < 10; i++)
		stage_ask(a, i, 300, NOW);
	for (unsigned i = 0; i < 5000; i++)
		stage_ask(b, 100 + i, 300, NOW);
	cr_assert_eq(a->nentries, 10);
	cr_assert_eq(b->nentries, 10);
	cr_assert_eq(b->other.sum.n.calls, 4990);
	stage_check(&s, true);
	query_store_release(&s);
}

/* Other texts push the digest out, but not the entry of a tenant that has few. */
Test(room, a_digest_comes_back)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_store s;
	struct query_tenant *a, *b;
	struct query_entry *e;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	stage_ask(a, 1, 300, NOW);
	e = stage_begin(a, 1, NOW);	/* it runs while others come */
	for (unsigned i = 0; i < 100; i++)
		stage_ask(b, 100 + i, 300, NOW + i);
	cr_assert_eq(stage_digest(&s, 1), NULL);
	cr_assert_eq(e->digest->listed, false);
	cr_assert_gt(s.evicted_digests, 0);
	cr_assert_str_eq(e->digest->text, "select c1 from t");
	stage_check(&s, true);
	query_count(e, &(struct query_sample){ .total = 30 }, NOW + 200);
	cr_assert_eq(stage_digest(&s, 1), e->digest);
	cr_assert_eq(e->digest->sum.n.calls, 1);
	cr_assert_eq(e->sum.n.calls, 2);
	cr_assert_leq(s.digests.n, 16);
	stage_check(&s, true);
	query_store_release(&s);
}

/* And if another tenant's query has made it anew meanwhile, there is one of it, not two. */
Test(room, a_digest_that_is_there_again)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_store s;
	struct query_tenant *a, *b;
	struct query_entry *e;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	stage_ask(a, 1, 300, NOW);
	e = stage_begin(a, 1, NOW);
	for (unsigned i = 0; i < 100; i++)
		stage_ask(b, 100 + i, 300, NOW + i);
	stage_ask(b, 1, 300, NOW + 150);
	cr_assert_neq(stage_digest(&s, 1), e->digest);
	query_count(e, &(struct query_sample){ .total = 30 }, NOW + 200);
	cr_assert_eq(stage_digest(&s, 1), e->digest);
	cr_assert_eq(e->digest->tenants, 2);
	cr_assert_eq(e->digest->sum.n.calls, 2);
	stage_check(&s, true);
	query_store_release(&s);
}
