/*
 * Who has series of its own, and that no counter falls whoever comes and goes.
 */
#include "http/metrics_tenants.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX 200

/* What the workers would say: tenants with their counts, whose loads are what came since the scrape before. */
struct truth {
	char name[24];
	bool exists;
	struct metrics_counts counts;
	struct metrics_level level;
	int64_t load;
};

static struct truth truth[MAX];
static struct metrics_counts gone;	/* of those that were dropped */
static struct metrics_tenants shown;
static struct metrics_told told;
static usec_t now, since;

static void
begin(void)
{
	memset(truth, 0, sizeof(truth));
	memset(&gone, 0, sizeof(gone));
	for (size_t i = 0; i < MAX; i++)
		snprintf(truth[i].name, sizeof(truth[i].name), "t%03zu", i);
	now = 1000 * USEC_PER_SEC;
	since = 1;
}

static void
end(void)
{
	metrics_told_release(&told);
	metrics_tenants_release(&shown);
}

TestSuite(metrics_tenants, .init = begin, .fini = end);

static void
work(size_t i, int64_t calls)
{
	truth[i].exists = true;
	truth[i].counts.traffic.query_count += calls;
	truth[i].counts.queries.calls += (uint64_t)calls;
	truth[i].counts.queries.total += 1000 * calls;
	truth[i].counts.up_to[3] += calls;
	truth[i].level.sessions = 2;
	truth[i].level.max_wait = (usec_t)i;
	truth[i].load = calls;
}

static void
drop(size_t i)
{
	metrics_counts_add(&gone, &truth[i].counts);
	memset(&truth[i].counts, 0, sizeof(truth[i].counts));
	memset(&truth[i].level, 0, sizeof(truth[i].level));
	truth[i].exists = false;
	truth[i].load = 0;
}

static bool
is_shown(const char *name)
{
	for (size_t i = 0; i < shown.n; i++) {
		if (strcmp(shown.list[i].name, name) == 0)
			return true;
	}
	return false;
}

static int
compare_truth(const void *a, const void *b)
{
	const struct truth *x = *(const struct truth *const *)a, *y = *(const struct truth *const *)b;

	return (x->load < y->load) - (x->load > y->load);
}

static void
put(struct metrics_part *p, const struct truth *t)
{
	p->tenants[p->ntenants++] = (struct metrics_tenant){
		.name = memory_strdup(t->name), .load = t->load, .counts = t->counts, .level = t->level,
	};
}

/* As metrics_visit does it on one worker: those that are shown, and the `top` busiest of the others. */
static struct metrics_scrape *
visit(unsigned top)
{
	struct metrics_scrape *s = metrics_scrape_new(1);
	struct metrics_part *p = &s->parts[0];
	const struct truth *others[MAX];
	size_t nothers = 0;

	s->top = top;
	p->since = since;
	p->counts = gone;
	p->tenants = memory_zalloc((MAX + 1) * sizeof(*p->tenants));
	for (size_t i = 0; i < MAX; i++) {
		if (!truth[i].exists)
			continue;
		p->in_use++;
		metrics_counts_add(&p->counts, &truth[i].counts);
		metrics_level_add(&p->level, &truth[i].level);
		if (is_shown(truth[i].name)) {
			put(p, &truth[i]);
			continue;
		}
		others[nothers++] = &truth[i];
		if (truth[i].level.max_wait > p->max_wait_of_others)
			p->max_wait_of_others = truth[i].level.max_wait;
	}
	qsort(others, nothers, sizeof(others[0]), compare_truth);
	for (size_t i = 0; i < nothers && i < top; i++)
		put(p, others[i]);
	return s;
}

static void
scrape(unsigned top)
{
	struct metrics_scrape *s = visit(top);

	now += 15 * USEC_PER_SEC;
	metrics_told_release(&told);
	metrics_tenants_settle(&shown, s, top, now, &told);
	for (size_t i = 0; i < told.nrows; i++)
		told.rows[i].peer = NULL;
	metrics_scrape_free(&s);
	for (size_t i = 0; i < MAX; i++)
		truth[i].load = 0;
}

static const struct metrics_row none = { .counts.queries.calls = (uint64_t)-1 };

/* `none`, if it is not told of. */
static const struct metrics_row *
row(const char *name)
{
	for (size_t i = 0; i < told.nrows; i++) {
		if (strcmp(told.rows[i].name, name) == 0)
			return &told.rows[i];
	}
	return &none;
}

static int64_t
calls(const char *name)
{
	return (int64_t)row(name)->counts.queries.calls;
}

static void
expect_sum(void)
{
	struct metrics_counts sum = told.counts, nothing = { .up_to = { 0 } };
	int64_t sessions = told.level.sessions;

	for (size_t i = 0; i < told.nrows; i++) {
		metrics_counts_subtract(&sum, &told.rows[i].counts);
		sessions -= told.rows[i].level.sessions;
	}
	cr_assert(memcmp(&sum, &nothing, sizeof(sum)) == 0, "rows do not add up to all: %lld calls",
		  (long long)sum.queries.calls);
	cr_assert_eq(sessions, 0);
}

Test(metrics_tenants, all_have_their_own_while_there_is_room)
{
	work(0, 10);
	work(1, 20);
	scrape(3);
	cr_assert_eq(told.nnamed, 2);
	cr_assert_eq(calls("t000"), 10);
	cr_assert_eq(calls("t001"), 20);
	cr_assert_eq(calls("other"), 0);
	cr_assert_eq(row("former"), &none);
	expect_sum();

	work(2, 5);
	scrape(3);
	cr_assert_eq(calls("t002"), 5, "from its first query on");
	cr_assert_eq(told.other_tenants, 0);
	expect_sum();
}

Test(metrics_tenants, the_busiest_are_shown)
{
	for (size_t i = 0; i < 10; i++)
		work(i, (int64_t)i + 1);
	scrape(3);
	cr_assert_eq(told.nnamed, 3);
	cr_assert_str_eq(told.rows[0].name, "t007");
	cr_assert_str_eq(told.rows[1].name, "t008");
	cr_assert_str_eq(told.rows[2].name, "t009");
	cr_assert_eq(calls("other"), 1 + 2 + 3 + 4 + 5 + 6 + 7);
	cr_assert_eq(row("other")->level.sessions, 14);
	cr_assert_eq(told.other_tenants, 7);
	expect_sum();
}

Test(metrics_tenants, a_busier_one_takes_a_place_and_nothing_falls)
{
	work(0, 100);
	work(1, 50);
	work(2, 10);
	scrape(2);
	cr_assert_eq(calls("other"), 10);

	work(2, 1000);
	scrape(2);
	cr_assert_eq(row("t001"), &none, "the less busy one has gone");
	cr_assert_eq(calls("t002"), 0, "what it had before stays where it was told");
	cr_assert_eq(calls("other"), 1010);
	cr_assert_eq(calls("former"), 50);
	expect_sum();

	work(2, 7);
	work(1, 3);
	scrape(2);
	cr_assert_eq(calls("t002"), 7);
	cr_assert_eq(calls("other"), 1013);
	cr_assert_eq(calls("former"), 50);
	expect_sum();
}

Test(metrics_tenants, a_lull_costs_no_place_but_sleep_does)
{
	work(0, 1000);
	work(1, 500);
	scrape(1);
	for (int i = 0; i < 40; i++) {
		work(1, 100);
		scrape(1);
		cr_assert_neq(row("t000"), &none, "lost after %d scrapes", i);
	}
	for (int i = 0; i < 2000 && row("t001") == &none; i++) {
		work(1, 100);
		scrape(1);
		expect_sum();
	}
	cr_assert_neq(row("t001"), &none);
}

Test(metrics_tenants, one_that_was_dropped)
{
	work(0, 10);
	work(1, 20);
	scrape(5);
	drop(1);
	scrape(5);
	cr_assert_eq(row("t001"), &none);
	cr_assert_eq(calls("former"), 20);
	cr_assert_eq(calls("other"), 0);
	expect_sum();

	work(1, 3);
	scrape(5);
	cr_assert_eq(calls("t001"), 3);
	cr_assert_eq(calls("former"), 20);
	expect_sum();
}

Test(metrics_tenants, one_that_was_dropped_and_is_back_before_anybody_looked)
{
	work(0, 10);
	work(1, 20);
	scrape(5);
	drop(1);
	work(1, 3);
	scrape(5);
	cr_assert_eq(calls("t001"), 3);
	cr_assert_eq(calls("former"), 20);
	cr_assert_eq(calls("other"), 0);
	expect_sum();
}

Test(metrics_tenants, names_that_can_be_no_label)
{
	static const struct {
		const char *name;
		bool fits;
	} names[] = {
		{ "a", true },
		{ "m\303\274ller", true },
		{ "\342\202\254", true },
		{ "\360\237\220\230", true },
		{ "a b\"c\\d\n", true },
		{ "", false },
		{ "other", false },
		{ "former", false },
		{ "others", true },
		{ "\377", false },
		{ "\200", false },
		{ "a\303", false },
		{ "\300\200", false },		/* overlong */
		{ "\340\200\200", false },	/* overlong */
		{ "\355\240\200", false },	/* a surrogate */
		{ "\360\200\200\200", false },	/* overlong */
		{ "\364\220\200\200", false },	/* beyond the last */
		{ "\365\200\200\200", false },
		{ "\342\202", false },
		{ "\342\202x", false },
	};
	char name[METRICS_NAME_MAX + 2];

	for (size_t i = 0; i < lengthof(names); i++)
		cr_expect_eq(metrics_name_fits(names[i].name), names[i].fits, "%zu", i);
	memset(name, 'x', sizeof(name));
	name[METRICS_NAME_MAX + 1] = '\0';
	cr_expect_not(metrics_name_fits(name));
	name[METRICS_NAME_MAX] = '\0';
	cr_expect(metrics_name_fits(name));
}

Test(metrics_tenants, one_called_other_is_one_of_the_others)
{
	strcpy(truth[0].name, "other");
	work(0, 100);
	work(1, 1);
	scrape(5);
	cr_assert_eq(told.nnamed, 1);
	cr_assert_eq(calls("t001"), 1);
	cr_assert_eq(calls("other"), 100);
	expect_sum();
}

Test(metrics_tenants, none_at_all)
{
	scrape(3);
	cr_assert_eq(told.nnamed, 0);
	cr_assert_eq(calls("other"), 0);
	work(0, 10);
	scrape(0);
	cr_assert_eq(told.nnamed, 0);
	cr_assert_eq(calls("other"), 10);
	expect_sum();
}

Test(metrics_tenants, less_room_and_more_again)
{
	for (size_t i = 0; i < 6; i++)
		work(i, (int64_t)i + 1);
	scrape(6);
	scrape(2);
	cr_assert_eq(told.nnamed, 2);
	cr_assert_eq(calls("t005"), 6);
	cr_assert_eq(calls("former"), 1 + 2 + 3 + 4);
	cr_assert_eq(calls("other"), 0);
	expect_sum();
	scrape(6);
	cr_assert_eq(calls("t000"), 0);
	cr_assert_eq(calls("former"), 1 + 2 + 3 + 4);
	expect_sum();
}

Test(metrics_tenants, statistics_that_begin_anew)
{
	work(0, 100);
	work(1, 50);
	work(2, 10);
	scrape(2);
	work(2, 1000);
	scrape(2);
	for (size_t i = 0; i < 3; i++)
		truth[i].counts = (struct metrics_counts){ .traffic = truth[i].counts.traffic };
	since++;
	work(0, 1);
	work(2, 2);
	scrape(2);
	cr_assert_eq(calls("t000"), 1);
	cr_assert_eq(calls("t002"), 2);
	cr_assert_eq(calls("other"), 0);
	cr_assert_eq(calls("former"), 0);
	cr_assert_eq(row("former")->counts.traffic.query_count, 50, "traffic goes on");
	cr_assert_eq(row("t002")->counts.traffic.query_count, 2);
	expect_sum();
}

/* Anything may happen, and no series but that of one that came back may fall. */
Test(metrics_tenants, whatever_happens)
{
	struct metrics_row before[MAX + 2];
	char names[MAX + 2][24];
	size_t nbefore = 0;
	unsigned seed = 7, top = 20;

	for (int round = 0; round < 2000; round++) {
		bool dropped[MAX] = { false };

		for (int i = 0; i < 30; i++) {
			size_t at = (size_t)rand_r(&seed) % MAX;

			work(at, (int64_t)(rand_r(&seed) % 1000) * (at % 7 == 0 ? 100 : 1));
		}
		for (int i = 0; i < 2; i++) {
			size_t at = (size_t)rand_r(&seed) % MAX;

			drop(at);
			dropped[at] = true;
		}
		if (rand_r(&seed) % 50 == 0)
			top = (unsigned)rand_r(&seed) % 40;
		scrape(top);
		expect_sum();
		cr_assert_leq(told.nnamed, top);
		for (size_t i = 0; i < nbefore; i++) {
			bool a_tenant = names[i][0] == 't';
			const struct metrics_row *r = row(names[i]);

			if (r == &none || (a_tenant && dropped[atoi(names[i] + 1)]))
				continue;
			cr_assert_geq(r->counts.queries.calls, before[i].counts.queries.calls, "%s in round %d",
				      names[i], round);
			cr_assert_geq(r->counts.queries.total, before[i].counts.queries.total);
			cr_assert_geq(r->counts.traffic.query_count, before[i].counts.traffic.query_count);
		}
		for (nbefore = 0; nbefore < told.nrows; nbefore++) {
			before[nbefore] = told.rows[nbefore];
			strcpy(names[nbefore], told.rows[nbefore].name);
		}
	}
	cr_assert_gt(calls("former"), 0);
}
