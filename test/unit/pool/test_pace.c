/*
 * The pace of a host, and what steers it, against servers that are simulated: no clock, no sockets.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pool/pace.h"
#include "pool/pool.h"
#include "pool/steer.h"
#include "stats/store.h"

/* --- steering --- */

/* What a server of so many cores does with n at a time: as much as it has cores, and less and less beyond. */
static double
work_with(int cores, int n)
{
	double busy = n < cores ? n : cores;

	return busy * pow((double)(n > cores ? n : cores) / cores, -0.15);
}

static double
noise(unsigned short seed[3])
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += erand48(seed);
	return sum;
}

/* Slots with so many cores.  Returns the mean of what was done, of 1. */
static double
steer_on(struct steer *s, int cores, int slots, double roughness, unsigned short seed[3])
{
	double done = 0;

	for (int i = 0; i < slots; i++) {
		double work = work_with(cores, s->limit);

		done += work;
		steer_next(s, &(struct steer_slot){
			.work = work * exp(roughness * noise(seed)),
			.gradient = s->limit / work,
			.done = 100,
			.full = true,
		});
	}
	return done / slots / cores;
}

Test(pace, finds_what_a_server_can_use)
{
	static const int cores[] = { 1, 2, 4, 8, 16, 32 };

	for (size_t i = 0; i < lengthof(cores); i++) {
		double sum = 0, least = 1;

		for (unsigned short n = 0; n < 20; n++) {
			unsigned short seed[3] = { n, 1, 2 };
			struct steer s;
			double part;

			steer_init(&s, 1, 128, 4);
			steer_on(&s, cores[i], 100, 0.1, seed);		/* ten seconds */
			part = steer_on(&s, cores[i], 300, 0.1, seed);
			sum += part;
			least = fmin(least, part);
		}
		cr_expect_geq(sum / 20, 0.9, "%d cores: %.2f", cores[i], sum / 20);
		cr_expect_geq(least, 0.75, "%d cores: %.2f", cores[i], least);
	}
}

Test(pace, follows_a_server_that_changes)
{
	static const int cores[] = { 2, 16, 4, 32, 1 };
	unsigned short seed[3] = { 7, 7, 7 };
	struct steer s;

	steer_init(&s, 1, 128, 4);
	for (size_t i = 0; i < lengthof(cores); i++) {
		steer_on(&s, cores[i], 150, 0.05, seed);
		cr_expect_geq(steer_on(&s, cores[i], 100, 0.05, seed), 0.85, "%d cores: about %d", cores[i], steer_level(&s));
	}
}

Test(pace, stays_between_floor_and_ceiling)
{
	unsigned short seed[3] = { 3, 3, 3 };
	struct steer s;

	steer_init(&s, 6, 10, 4);
	for (int i = 0; i < 400; i++) {
		cr_assert(s.limit >= 6 && s.limit <= 10, "%d", s.limit);
		steer_on(&s, i < 200 ? 1 : 64, 1, 0.1, seed);
	}
	cr_expect_geq(steer_level(&s), 9);
	steer_bound(&s, 2, 3);
	cr_expect(s.limit >= 2 && s.limit <= 3, "%d", s.limit);
	steer_bound(&s, 5, 5);
	steer_on(&s, 64, 50, 0.1, seed);
	cr_expect_eq(s.limit, 5);
}

Test(pace, learns_nothing_while_nobody_waits)
{
	struct steer s;

	steer_init(&s, 1, 100, 12);
	for (int i = 0; i < 100; i++)
		steer_next(&s, &(struct steer_slot){ .work = 1 + i % 7, .done = 100 });
	cr_expect_eq(steer_level(&s), 12);
	cr_expect_eq(s.limit, 12);
	cr_expect_eq(s.state, STEER_MEASURING);
}

/* --- places and turns --- */

static struct paces *paces;

static void
close_paces(void)
{
	paces_free(&paces);
}

TestSuite(pace, .fini = close_paces);

static struct pace *
open_pace(int workers, int floor, int ceiling)
{
	const struct config_host bounds = { .active_floor = floor, .active_ceiling = ceiling };

	paces = paces_new(workers);
	return pace_open(paces, 0, "pg", 5432, &bounds);
}

Test(pace, has_as_many_places_as_its_share)
{
	struct pace *p = open_pace(1, 3, 3);
	struct server s = { .request_at = 1 };

	for (int i = 0; i < 3; i++) {
		cr_assert(pace_has_place(p));
		pace_enter(p);
	}
	cr_assert_not(pace_has_place(p));
	pace_leave(p, &s, 2);
	cr_assert(pace_has_place(p));
}

Test(pace, is_one_for_a_host)
{
	struct pace *p = open_pace(2, 1, 9);
	struct pace_facts f;

	cr_expect_eq(pace_open(paces, 0, "pg", 5432, NULL), p);
	cr_expect_neq(pace_open(paces, 1, "pg", 5432, NULL), p);
	cr_expect_neq(pace_open(paces, 0, "pg", 5433, NULL), p);
	pace_open(paces, 0, "a, b", 5432, NULL);
	cr_expect(paces_find(paces, "b", 5432, &f));
	cr_expect(paces_find(paces, "pg", 5432, &f));
	cr_expect(f.on);
	cr_expect_not(paces_find(paces, "c", 5432, &f));
	cr_expect_not(f.on);
}

Test(pace, tenants_take_turns_by_weight)
{
	struct pace *p = open_pace(1, 1, 1);
	struct pool pools[3] = { { .turns = 0 } };
	static const int weights[] = { 1, 2, 4 };
	int leases[3] = { 0 };

	for (int i = 0; i < 3; i++)
		pace_join(p, &pools[i]);
	for (int i = 0; i < 70; i++) {
		struct pool *first = pace_first(p);

		leases[first - pools]++;
		pace_took(p, first, weights[first - pools]);
	}
	cr_expect_eq(leases[0], 10);
	cr_expect_eq(leases[1], 20);
	cr_expect_eq(leases[2], 40);
	pace_quit(p, &pools[1]);
	pace_quit(p, &pools[1]);
	for (int i = 0; i < 10; i++) {
		cr_assert_neq(pace_first(p), &pools[1]);
		pace_took(p, pace_first(p), 1);
	}
	pace_quit(p, &pools[0]);
	pace_quit(p, &pools[2]);
	cr_expect_null(pace_first(p));
}

/* --- set aside --- */

Test(pace, who_waits_for_its_client_takes_up_no_place)
{
	struct pace *p = open_pace(1, 1, 1);
	struct server s[5] = { { .request_at = 1 } };

	for (int i = 0; i < 5; i++) {
		cr_assert(pace_has_place(p));
		pace_enter(p);
		cr_assert_not(pace_has_place(p));
		pace_set_aside(p, &s[i], true);
		pace_set_aside(p, &s[i], true);
	}
	cr_assert(pace_has_place(p));
	pace_observe(p, &s[0], NULL, 10, 100);		/* it works again */
	cr_assert_not(pace_has_place(p));
	pace_leave(p, &s[0], 200);
	cr_assert(pace_has_place(p));
	pace_leave(p, &s[1], 200);			/* one that was aside */
	cr_assert(pace_has_place(p));
	pace_enter(p);
	cr_assert_not(pace_has_place(p));
}

/* Many long queries are not made more and more. */
Test(pace, who_runs_something_long_makes_room_for_one)
{
	struct pace *p = open_pace(1, 2, 2);
	struct server s[8] = { { .request_at = 1 } };
	int n = 0;

	while (n < 8 && pace_has_place(p)) {
		pace_enter(p);
		pace_set_aside(p, &s[n++], false);
	}
	cr_expect_eq(n, 4);
}

/* --- what statements take --- */

static void
observe(struct pace *p, struct query_baseline *b, usec_t took, usec_t now)
{
	struct server s = { .request_at = now - took };

	pace_observe(p, &s, b, took, now);
}

Test(pace, a_baseline_is_what_it_takes_when_nothing_is_in_its_way)
{
	struct pace *p = open_pace(1, 4, 4);
	struct query_baseline b = { .usec = 0 };
	usec_t now = USEC_PER_SEC;

	for (int i = 0; i < 1000; i++)
		observe(p, &b, i % 10 == 0 ? 1000 : 3000 + i, now += 1000);
	cr_expect(b.usec >= 1000 && b.usec < 1100, "%u", b.usec);
	for (int i = 0; i < 60; i++)
		observe(p, &b, 4000, now += 2 * USEC_PER_SEC);
	cr_expect_eq(b.usec, 4000, "%u", b.usec);
}

Test(pace, a_monstrous_statement_is_no_work)
{
	struct pace *p = open_pace(1, 4, 4);
	struct query_baseline b = { .usec = 0 }, monster = { .usec = 0 };
	usec_t now = USEC_PER_SEC;
	uint64_t work;

	for (int i = 0; i < 1000; i++)
		observe(p, &b, 1000, now += 1000);
	work = p->work;
	observe(p, &monster, 60 * USEC_PER_SEC, now);
	cr_expect_eq(p->work, work);
	cr_expect_eq(monster.usec, 0);
	cr_expect_lt(pace_patience(p), 100 * USEC_PER_MSEC);
}

/* --- all of it --- */

/* A server of so many cores with sessions that ask on and on, for a while of the simulation's time: statements of a
 * millisecond, or slower as work_with says. */
static void
run_on(struct pace *p, struct query_baseline *b, int cores, usec_t *now, usec_t length)
{
	usec_t end = *now + length;

	while (*now < end) {
		int n = pace_share(p);
		double rate = work_with(cores, n);

		*now += (usec_t)(1000 / rate);
		observe(p, b, (usec_t)(1000 * n / rate), *now);
	}
}

Test(pace, of_a_host_comes_to_what_it_can_use)
{
	struct pace *p = open_pace(1, 1, 64);
	struct query_baseline b = { .usec = 0 };
	usec_t now = clock_now();
	struct pace_facts f;

	pace_count_waiting(p, 100);
	run_on(p, &b, 2, &now, 10 * USEC_PER_SEC);
	paces_find(paces, "pg", 5432, &f);
	cr_expect(f.limit >= 1 && f.limit <= 7, "2 cores: %d", f.limit);
	cr_expect_eq(f.waiting, 100);
	cr_expect_geq(f.per_second, 900);
	cr_expect_str_not_empty(f.reason);
	run_on(p, &b, 16, &now, 10 * USEC_PER_SEC);
	paces_find(paces, "pg", 5432, &f);
	cr_expect(f.limit >= 8 && f.limit <= 48, "16 cores: %d", f.limit);
	run_on(p, &b, 2, &now, 10 * USEC_PER_SEC);
	paces_find(paces, "pg", 5432, &f);
	cr_expect(f.limit >= 1 && f.limit <= 7, "2 cores again: %d", f.limit);
	pace_count_waiting(p, -100);
}

Test(pace, workers_share_by_demand)
{
	const struct config_host bounds = { .active_floor = 12, .active_ceiling = 12 };
	struct pace *p = open_pace(3, 1, 1), *q = pace_open(paces, 1, "pg", 5432, NULL), *r;

	pace_count_waiting(p, 80);
	pace_count_waiting(q, 40);
	r = pace_open(paces, 2, "pg", 5432, &bounds);
	cr_expect_eq(pace_share(p), 8);
	cr_expect_eq(pace_share(q), 4);
	cr_expect_eq(pace_share(r), 1);
}
