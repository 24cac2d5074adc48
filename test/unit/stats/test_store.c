#include "stats/store.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "stage.h"

#define NOW (1000 * PERIOD)

Test(store, counts_in_four_places)
{
	struct query_limits l = stage_limits(100, 10);
	struct query_store s;
	struct query_tenant *a, *b;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	cr_assert_eq(query_find(a, stage_hash(1)), NULL);
	stage_ask(a, 1, 700, NOW);
	stage_ask(a, 1, 2 * SECOND, NOW + SECOND);
	stage_ask(b, 1, 100, NOW + 2 * SECOND);
	stage_ask(b, 2, 300, NOW + 60 * SECOND);

	cr_assert_eq(stage_entry(a, 1)->sum.n.calls, 2);
	cr_assert_eq(stage_entry(a, 1)->sum.n.total, 2 * SECOND + 700);
	cr_assert_eq(stage_entry(a, 1)->sum.n.max, 2 * SECOND);
	cr_assert_eq(stage_entry(a, 1)->sum.n.slow, 1);
	cr_assert_eq(stage_entry(a, 1)->sum.n.errors, 1);
	cr_assert_eq(stage_entry(a, 1)->sum.n.rows, 4);
	cr_assert_eq(stage_entry(a, 1)->sum.n.bytes_in, 200);
	cr_assert_eq(stage_entry(a, 1)->sum.n.bytes_out, 800);
	cr_assert_eq(stage_entry(a, 1)->sum.n.wait, 6);
	cr_assert_eq(stage_entry(a, 1)->sum.n.first_byte, SECOND + 350);
	cr_assert_eq(stage_entry(a, 1)->sum.n.blocked, 2);
	cr_assert_eq(stage_entry(a, 1)->sum.latency.total, 2);
	cr_assert_eq(stage_entry(a, 1)->trend.now.calls, 2);
	cr_assert_eq(stage_entry(a, 2), NULL);
	cr_assert_eq(stage_digest(&s, 1)->sum.n.calls, 3);
	cr_assert_eq(stage_digest(&s, 1)->tenants, 2);
	cr_assert_eq(stage_digest(&s, 1)->first_seen, NOW);
	cr_assert_eq(stage_digest(&s, 1)->last_seen, NOW + 2 * SECOND);
	cr_assert_str_eq(stage_digest(&s, 2)->text, "select c2 from t");
	cr_assert_eq(b->sum.n.calls, 2);
	cr_assert_eq(s.sum.n.calls, 4);
	cr_assert_eq(query_minutes_sum(&s.minutes, NOW + 60 * SECOND, 60 * SECOND).calls, 1);
	cr_assert_eq(query_minutes_sum(&s.minutes, NOW + 60 * SECOND, 300 * SECOND).calls, 4);
	cr_assert_eq(query_minutes_sum(&a->minutes, NOW + 60 * SECOND, 300 * SECOND).slow, 1);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(store, tells_when_a_digest_is_new)
{
	struct query_limits l = stage_limits(100, 10);
	struct sql_digest d = { .hash = 77, .verb = SQL_UPDATE };
	struct query_store s;
	struct query_tenant *a, *b;
	bool fresh;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	query_abandon(query_open(a, &d, "update t set x = 'secret'", 25, NOW, &fresh));
	cr_assert(fresh);
	query_abandon(query_open(a, &d, "update t set x = 'secret'", 25, NOW, &fresh));
	cr_assert_not(fresh);
	query_abandon(query_open(b, &d, "update t set x = 'another'", 26, NOW, &fresh));
	cr_assert_not(fresh, "another tenant's, but known");
	cr_assert_eq(a->entries[0]->digest->verb, SQL_UPDATE);
	cr_assert_eq(strstr(a->entries[0]->digest->text, "secret"), NULL);
	cr_assert_eq(a->entries[0]->running, 0);
	cr_assert_eq(s.sum.n.calls, 0);
	query_store_release(&s);
}

Test(store, cuts_long_texts)
{
	struct query_limits l = stage_limits(100, 10);
	struct sql_digest d = { .hash = 77 };
	struct query_store s;
	char text[1000] = "select aaaa";
	bool fresh;

	l.text_size = 20;
	memset(text + strlen(text), 'a', sizeof(text) - strlen(text));
	query_store_init(&s, &l, NOW);
	query_abandon(query_open(query_tenant_new(&s, "a"), &d, text, sizeof(text), NOW, &fresh));
	cr_assert_leq(strlen(s.tenants[0]->entries[0]->digest->text), 19);
	l.text_size = 64;
	query_store_limit(&s, &l);
	d.hash = 78;
	query_abandon(query_open(s.tenants[0], &d, text, sizeof(text), NOW, &fresh));
	cr_assert_gt(strlen(s.tenants[0]->entries[1]->digest->text), 50);
	query_store_release(&s);
}

/* Whoever has the same key by accident (2^-64) is not shown another's query. */
Test(store, a_key_is_not_trusted)
{
	struct query_limits l = stage_limits(100, 10);
	struct sql_digest d = { .hash = 77 };
	struct query_store s;
	struct query_tenant *a, *b;
	struct query_entry *e;
	bool fresh;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	b->salt = a->salt;
	query_abandon(query_open(a, &d, "select 1", 8, NOW, &fresh));
	cr_assert_eq(query_find(b, 77), NULL);
	e = query_open(b, &d, "select 1", 8, NOW, &fresh);
	cr_assert_eq(e, &b->other);
	query_count(e, &(struct query_sample){ .total = 5 }, NOW);
	cr_assert_eq(b->sum.n.calls, 1);
	cr_assert_eq(a->sum.n.calls, 0);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(store, what_runs_stays)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_store s;
	struct query_tenant *t;
	struct query_entry *running[16], *e;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 16; i++)
		running[i] = stage_begin(t, i, NOW);
	e = stage_begin(t, 100, NOW);
	cr_assert_eq(e, &t->other, "all others are in use");
	query_count(e, &(struct query_sample){ .total = 10 }, NOW);
	query_count(running[7], &(struct query_sample){ .total = 20 }, NOW);
	e = stage_begin(t, 100, NOW);
	cr_assert_neq(e, &t->other, "one is free again");
	cr_assert_eq(stage_entry(t, 7), NULL);
	query_count(e, &(struct query_sample){ .total = 40 }, NOW);
	for (unsigned i = 0; i < 16; i++) {
		if (i != 7)
			query_count(running[i], &(struct query_sample){ .total = 80 }, NOW);
	}
	cr_assert_eq(t->other.sum.n.calls, 2);
	cr_assert_eq(t->other.sum.n.total, 30);
	cr_assert_eq(t->other.sum.n.max, 20);
	cr_assert_eq(s.evicted_entries, 1);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(store, takes_what_the_parser_says)
{
	struct query_limits l = stage_limits(100, 10);
	struct sql_class c = { .parsed = true, .verb = SQL_SELECT, .reads_only = true, .ntables = 1 };
	struct query_store s;
	size_t before;

	query_store_init(&s, &l, NOW);
	stage_ask(query_tenant_new(&s, "t"), 1, 10, NOW);
	before = query_store_memory(&s);
	c.tables[0] = memory_strdup("orders");
	query_classified(&s, stage_hash(1), &c);
	cr_assert_eq(c.ntables, 0, "taken");
	cr_assert_str_eq(stage_digest(&s, 1)->class->tables[0], "orders");
	cr_assert_gt(query_store_memory(&s), before);

	c = (struct sql_class){ .parsed = true, .ntables = 1 };
	c.tables[0] = memory_strdup("other");
	query_classified(&s, stage_hash(1), &c);	/* twice */
	cr_assert_str_eq(stage_digest(&s, 1)->class->tables[0], "orders");
	c = (struct sql_class){ .parsed = true, .ntables = 1 };
	c.tables[0] = memory_strdup("other");
	query_classified(&s, stage_hash(2), &c);	/* given up meanwhile */
	query_store_release(&s);
}

Test(store, a_reset_leaves_what_runs)
{
	struct query_limits l = stage_limits(2000, 1000);
	struct query_store s;
	struct query_tenant *t;
	struct query_entry *e;
	size_t empty;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	empty = query_store_memory(&s);
	for (unsigned i = 0; i < 1500; i++)
		stage_ask(t, i, 100 + i, NOW);
	stage_ask(t, 1499, 700, NOW);
	e = stage_begin(t, 1499, NOW);
	s.truncated = 5;
	query_store_reset(&s, NOW + 5);
	cr_assert_eq(s.since, NOW + 5);
	cr_assert_eq(s.sum.n.calls + s.other.n.calls + t->sum.n.calls + t->other.sum.n.calls, 0);
	cr_assert_eq(s.evicted_entries + s.evicted_digests + s.truncated, 0);
	cr_assert_eq(query_minutes_sum(&s.minutes, NOW + 5, 3600 * SECOND).calls, 0);
	cr_assert_eq(query_minutes_sum(&t->minutes, NOW + 5, 3600 * SECOND).calls, 0);
	cr_assert_eq(t->nentries, 1);
	cr_assert_eq(s.entries.n, 1);
	cr_assert_eq(s.digests.n, 1);
	cr_assert_eq(stage_digest(&s, 1499)->tenants, 1);
	cr_assert_eq(query_find(t, stage_hash(3)), NULL);
	query_count(e, &(struct query_sample){ .total = 9 }, NOW + 6);
	cr_assert_eq(e->sum.n.calls, 1);
	cr_assert_eq(e->trend.now.calls, 1);
	cr_assert_eq(stage_digest(&s, 1499)->sum.n.calls, 1);
	cr_assert_eq(stage_digest(&s, 1499)->first_seen, NOW + 5);
	stage_check(&s, true);

	/* What was before is freed as new ones come. */
	cr_assert_gt(query_store_memory(&s), empty + 500 * sizeof(struct query_entry));
	for (unsigned i = 0; i < 300; i++)
		stage_ask(t, 5000, 10, NOW + 7);
	cr_assert_gt(query_store_memory(&s), empty + 500 * sizeof(struct query_entry), "not while they are known");
	for (unsigned i = 0; i < 300; i++)
		stage_ask(t, 10000 + i, 10, NOW + 7);
	cr_assert_eq(s.attic_entries, NULL);
	cr_assert_eq(s.attic_digests, NULL);
	query_store_reset(&s, NOW + 8);
	query_store_reset(&s, NOW + 8);
	query_store_release(&s);
}

/* One was given up and is there again, and queries run on entries of both: it was listed twice. */
Test(store, a_reset_leaves_one_digest_of_a_hash)
{
	struct query_limits l = stage_limits(16, 16);
	struct query_entry *old, *new;
	struct query_store s;
	struct query_tenant *a, *b;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	old = stage_begin(a, 1, NOW);
	for (unsigned i = 0; i < 100; i++)
		stage_ask(b, 100 + i, 300, NOW + i);
	new = stage_begin(b, 1, NOW + 150);
	cr_assert_neq(old->digest, new->digest);
	query_store_reset(&s, NOW + 200);
	cr_assert_eq(old->digest, new->digest);
	cr_assert_eq(old->digest->tenants, 2);
	cr_assert_eq(s.digests.n, 1);
	query_abandon(old);
	query_count(new, &(struct query_sample){ .total = 30 }, NOW + 300);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(store, a_tenant_leaves_its_counts)
{
	struct query_limits l = stage_limits(100, 10);
	struct query_store s;
	struct query_tenant *a, *b, *c = NULL;

	query_store_init(&s, &l, NOW);
	a = query_tenant_new(&s, "a");
	b = query_tenant_new(&s, "b");
	stage_ask(a, 1, 10, NOW);
	stage_ask(b, 1, 20, NOW);
	query_tenant_free(&a);
	cr_assert_eq(a, NULL);
	query_tenant_free(&c);
	cr_assert_eq(s.ntenants, 1);
	cr_assert_eq(s.gone.calls, 1);
	cr_assert_eq(s.sum.n.calls, 2);
	cr_assert_eq(stage_digest(&s, 1)->sum.n.calls, 2, "the statement is what all have asked");
	stage_ask(b, 1, 20, NOW);
	stage_check(&s, true);
	query_store_release(&s);
}

/* A reload with less room must not hold up the worker, however much there was. */
Test(store, narrower_limits)
{
	struct query_limits l = stage_limits(5000, 5000);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 5000; i++)
		stage_ask(t, i, 100 + i, NOW);
	l.entries = 100;
	query_store_limit(&s, &l);
	cr_assert_lt(s.entries.n, 5000);
	cr_assert_gt(s.entries.n, 3900);
	for (unsigned i = 0; i < 2000; i++)
		stage_ask(t, 10000 + i, 100, NOW);
	cr_assert_eq(s.entries.n, 100);
	cr_assert_eq(s.digests.n, 100);
	l.entries_per_tenant = 20;
	query_store_limit(&s, &l);
	cr_assert_eq(t->nentries, 20);
	cr_assert_eq(s.sum.n.calls, 7000);
	stage_check(&s, true);
	query_store_release(&s);
}

Test(store, another_period_begins_trends_anew)
{
	struct query_limits l = stage_limits(100, 10);
	struct query_store s;
	struct query_tenant *t;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 100; i++)
		stage_ask(t, 1, 1000, NOW + i * PERIOD / 25);
	cr_assert_eq(stage_entry(t, 1)->trend.periods, 2);
	l.period = 60 * SECOND;
	query_store_limit(&s, &l);
	cr_assert_eq(stage_entry(t, 1)->trend.periods, 0);
	stage_ask(t, 1, 1000, NOW + 4 * PERIOD);
	cr_assert_eq(stage_entry(t, 1)->trend.now.calls, 1);
	cr_assert_eq(stage_entry(t, 1)->trend.number, (NOW + 4 * PERIOD) / l.period);
	cr_assert_eq(stage_digest(&s, 1)->trend.periods, 0);
	query_store_release(&s);
}

/* --- whatever happens, everything adds up --- */

#define TENANTS 12
#define RUNNING 40

struct world {
	struct query_store s;
	struct query_tenant *t[TENANTS];
	struct query_entry *running[RUNNING];
	usec_t now;
	uint64_t counted;	/* since the last reset */
};

static void
end_queries(struct world *w, const struct query_tenant *of)
{
	for (unsigned i = 0; i < RUNNING; i++) {
		if (w->running[i] != NULL && w->running[i]->tenant == of) {
			query_abandon(w->running[i]);
			w->running[i] = NULL;
		}
	}
}

static void
begin_or_end(struct world *w, unsigned digests)
{
	struct query_entry **e = &w->running[stage_random(RUNNING)];
	struct query_sample q = { .total = 1 << stage_random(24), .rows = stage_random(5), .slow = stage_random(2) };

	if (*e == NULL) {
		*e = stage_begin(w->t[stage_random(TENANTS)], stage_random(digests), w->now);
		return;
	}
	if (stage_random(5) == 0) {
		query_abandon(*e);
	} else {
		query_count(*e, &q, w->now);
		w->counted++;
	}
	*e = NULL;
}

static void
do_something_rare(struct world *w)
{
	struct query_limits l = stage_limits(16 + stage_random(100), 5 + stage_random(30));
	struct query_alarm_rules rules = { .slow_share = 0.1, .min_calls = 1, .regression = 2 };
	struct query_alarms alarms;
	unsigned i = stage_random(TENANTS);

	switch (stage_random(6)) {
	case 0:
		query_store_reset(&w->s, w->now);
		w->counted = 0;
		break;
	case 1:
		end_queries(w, w->t[i]);
		query_tenant_free(&w->t[i]);
		w->t[i] = query_tenant_new(&w->s, "again");
		break;
	case 2:
		query_find_alarms(&w->s, &rules, w->now, 5, &alarms);
		query_alarms_release(&alarms);
		break;
	default:
		l.text_size = 16 + stage_random(50);
		query_store_limit(&w->s, &l);
		break;
	}
}

Test(store, adds_up_whatever_happens)
{
	struct world *w = calloc(1, sizeof(*w));
	struct query_limits l = stage_limits(60, 20);

	w->now = NOW;
	query_store_init(&w->s, &l, w->now);
	for (unsigned i = 0; i < TENANTS; i++)
		w->t[i] = query_tenant_new(&w->s, "t");
	for (unsigned step = 0; step < 100000; step++) {
		w->now += stage_random(10) == 0 ? stage_random(100) * SECOND : stage_random(1000);
		begin_or_end(w, step % 20000 < 10000 ? 300 : 20);
		if (stage_random(1000) == 0)
			do_something_rare(w);
		if (step % 500 == 0) {
			stage_check(&w->s, true);
			cr_assert_eq(w->s.sum.n.calls, w->counted);
		}
	}
	cr_assert_gt(w->s.evicted_entries, 0);
	cr_assert_gt(w->s.evicted_digests, 0);
	query_store_release(&w->s);
	free(w);
}

/* --- memory --- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their malloc keeps other books */
static size_t
heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void
compare_memory(const struct query_store *s, size_t before, const char *when)
{
	double told = (double)query_store_memory(s) - (double)sizeof(*s), real = (double)(heap() - before);

	/* malloc keeps some of what was freed at hand, and counts it. */
	cr_assert(told > 0.92 * real && told < 1.02 * real, "%s: it tells %.0f, malloc %.0f", when, told, real);
}

Test(store, tells_its_memory)
{
	struct query_limits l = stage_limits(3000, 300);
	size_t before = heap();
	struct query_tenant *t[50];
	struct query_store s;

	query_store_init(&s, &l, NOW);
	for (unsigned i = 0; i < 50; i++)
		t[i] = query_tenant_new(&s, "a tenant with a long name");
	for (unsigned i = 0; i < 2000; i++)
		stage_ask(t[i % 50], i, 1 << stage_random(24), NOW);
	compare_memory(&s, before, "filled");
	for (unsigned i = 0; i < 100000; i++)
		stage_ask(t[stage_random(50)], stage_random(5000), 1 << stage_random(24), NOW + i * SECOND);
	for (unsigned i = 0; i < 2000; i++) {
		struct sql_class c = { .parsed = true, .ntables = 2 };

		c.tables[0] = memory_strdup("customers");
		c.tables[1] = memory_strdup("public.order_positions_of_this_year");
		query_classified(&s, stage_hash(i), &c);
	}
	compare_memory(&s, before, "after much coming and going");
	query_store_reset(&s, NOW);
	compare_memory(&s, before, "reset");
	for (unsigned i = 0; i < 2000; i++)
		stage_ask(t[i % 50], i, 100, NOW);
	compare_memory(&s, before, "filled again");
	l.entries = 100;
	l.text_size = 100;
	query_store_limit(&s, &l);
	for (unsigned i = 0; i < 40; i++)
		query_tenant_free(&t[i]);
	compare_memory(&s, before, "narrowed");
	query_store_release(&s);
}

/* The way of a query that is known takes none. */
Test(store, the_steady_state_allocates_nothing)
{
	struct query_limits l = stage_limits(100, 100);
	struct query_store s;
	struct query_tenant *t;
	size_t before;

	query_store_init(&s, &l, NOW);
	t = query_tenant_new(&s, "t");
	for (unsigned i = 0; i < 100; i++) {
		stage_ask(t, i, 20, NOW);
		stage_ask(t, i, 100000, NOW);
	}
	for (unsigned i = 0; i <= QUERY_MINUTES; i++)
		stage_ask(t, 0, 20, NOW + i * QUERY_MINUTE);
	before = heap();
	for (unsigned i = 0; i < 100000; i++) {
		struct query_entry *e = query_find(t, stage_hash(i % 100));

		query_count(e, &(struct query_sample){ .total = 20 + i }, NOW + (3600 + i) * SECOND);
	}
	cr_assert_eq(heap(), before);
	query_store_release(&s);
}
#endif
