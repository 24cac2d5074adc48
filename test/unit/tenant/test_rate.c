#include "tenant/rate.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#define UNIT 10000

static usec_t
take(struct rate *r, usec_t now, usec_t max_wait)
{
	int64_t place;
	usec_t wait;

	return rate_take(r, now, UNIT, max_wait, &place, &wait);
}

Test(rate, lets_a_burst_pass_and_then_one_a_period)
{
	struct rate r;
	usec_t now = 5000000;

	rate_init(&r, now, 10 * UNIT, 3 * UNIT);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(take(&r, now, 0), 0);
	cr_assert_eq(take(&r, now, 0), -1);
	cr_assert_eq(take(&r, now + 99000, 0), -1);
	cr_assert_eq(take(&r, now + 100001, 0), 0);
	cr_assert_eq(take(&r, now + 100002, 0), -1);
}

Test(rate, who_waits_has_a_place_in_order)
{
	struct rate r;
	int64_t place[5];
	usec_t wait;

	rate_init(&r, 0, 10 * UNIT, UNIT);
	cr_assert_eq(take(&r, 0, 0), 0);
	for (int i = 0; i < 5; i++) {
		usec_t said = rate_take(&r, 0, UNIT, USEC_PER_SEC, &place[i], &wait);

		cr_assert_eq(said, wait);
		cr_assert(llabs(wait - (i + 1) * 100000) <= 1, "the %d. waits %lld us", i, (long long)wait);
	}
	for (int i = 0; i < 5; i++) {
		cr_assert_gt(rate_due(&r, (i + 1) * 100000 - 10, place[i]), 0);
		cr_assert_eq(rate_due(&r, (i + 1) * 100000 + 1, place[i]), 0);
	}
}

Test(rate, a_refusal_takes_nothing_and_says_how_long)
{
	struct rate r;
	int64_t place;
	usec_t wait;

	rate_init(&r, 0, 10 * UNIT, UNIT);
	take(&r, 0, 0);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(rate_take(&r, 0, UNIT, 99999, &place, &wait), -1);
		cr_assert(llabs(wait - 100000) <= 1);
	}
	cr_assert_eq(take(&r, 100001, 0), 0);
}

Test(rate, what_was_taken_and_not_used_is_there_for_others)
{
	struct rate r;

	rate_init(&r, 0, UNIT, UNIT);
	cr_assert_eq(take(&r, 0, 0), 0);
	rate_give(&r, UNIT);
	cr_assert_eq(take(&r, 0, 0), 0);
	cr_assert_eq(take(&r, 0, 0), -1);
}

Test(rate, debts_are_paid_before_anything_passes)
{
	struct rate r;
	int64_t place;
	usec_t wait;

	rate_init(&r, 0, 1000, 1000);
	rate_debit(&r, 0, 5000, INT64_MAX / 4);
	cr_assert_eq(rate_take(&r, 0, 0, 0, &place, &wait), -1);
	cr_assert(llabs(wait - 4 * USEC_PER_SEC) <= 1);
	cr_assert_eq(rate_take(&r, 4 * USEC_PER_SEC + 1, 0, 0, &place, &wait), 0);
	cr_assert_eq(rate_used(&r, 5 * USEC_PER_SEC), 0);
}

Test(rate, a_debt_may_have_a_bound)
{
	struct rate r;

	rate_init(&r, 0, 1000, 1000);
	for (int i = 0; i < 100; i++)
		rate_debit(&r, 0, 5000, 3000);
	cr_assert_eq(rate_used(&r, 0), 3000);
	rate_debit(&r, 0, INT64_MAX, INT64_MAX / 4);
	cr_assert_eq(rate_used(&r, 0), INT64_MAX / 4);
}

Test(rate, who_waits_is_due_earlier_when_the_rate_grows)
{
	struct rate r;
	int64_t place;
	usec_t wait;

	rate_init(&r, 0, UNIT, UNIT);
	take(&r, 0, 0);
	cr_assert_gt(rate_take(&r, 0, UNIT, 2 * USEC_PER_SEC, &place, &wait), 0);
	rate_change(&r, 500000, 10 * UNIT, UNIT);
	cr_assert(llabs(rate_due(&r, 500000, place) - 50000) <= 1);
}

Test(rate, a_clock_with_an_end_stands_still_there)
{
	struct rate r;
	struct rate_line l;
	int64_t place;
	usec_t wait;

	rate_init(&r, 0, 10 * UNIT, UNIT);
	l = rate_line(&r);
	l.end = 2 * UNIT;
	l.expected = UNIT;
	rate_set_line(&r, &l);
	l = rate_line(&r);
	cr_assert_eq(rate_clock(&l, USEC_PER_SEC), 2 * UNIT);
	cr_assert_eq(take(&r, USEC_PER_SEC, 0), 0);
	/* What lies behind the end is told by what is expected. */
	cr_assert_gt(rate_take(&r, USEC_PER_SEC, UNIT, 10 * USEC_PER_SEC, &place, &wait), 0);
	cr_assert(llabs(wait - USEC_PER_SEC) <= 1);
}

Test(rate, of_nothing_a_second_lets_nothing_pass_but_its_burst)
{
	struct rate r;

	rate_init(&r, 0, 0, UNIT);
	cr_assert_eq(take(&r, 0, 0), 0);
	cr_assert_eq(take(&r, INT64_C(1000000) * 3600 * 24 * 365, USEC_PER_SEC), -1);
}

Test(rate, clocks_may_be_read_in_any_order)
{
	struct rate r;

	rate_init(&r, 1000000, 1000 * UNIT, UNIT);
	cr_assert_eq(take(&r, 0, 0), 0);
	cr_assert_eq(take(&r, 999999, 0), -1);
	cr_assert_eq(take(&r, 1002000, 0), 0);
}

/* --- properties --- */

static uint64_t seed;

static uint64_t
draw(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % below;
}

/* Whatever comes when: in no interval more passes than rate * time + burst, and who asks without end gets all of it. */
Test(rate, never_more_than_rate_and_burst_over_any_time)
{
	enum { EVENTS = 400 };
	static usec_t at[EVENTS];

	for (int round = 0; round < 200; round++) {
		struct rate r;
		int64_t per_second = 1 + (int64_t)draw(5000), burst = 1 + (int64_t)draw(50);
		usec_t now = (usec_t)draw(1000000000);
		int n = 0;

		seed = (uint64_t)round;
		rate_init(&r, now, per_second * UNIT, burst * UNIT);
		for (int i = 0; i < EVENTS; i++) {
			usec_t wait;
			int64_t place;

			now += (usec_t)draw(1 + (uint64_t)(2 * USEC_PER_SEC / per_second));
			if (rate_take(&r, now, UNIT, (usec_t)draw(100000), &place, &wait) >= 0)
				at[n++] = now + wait;
		}
		for (int i = 0; i < n; i++) {
			for (int k = i; k < n; k++) {
				double most = (double)(at[k] - at[i]) * (double)per_second / 1e6 + (double)burst;

				cr_assert(k - i + 1 <= most + 0.1, "%d of %lld/s, burst %lld, passed in %lld us", k - i + 1,
					  (long long)per_second, (long long)burst, (long long)(at[k] - at[i]));
			}
		}
	}
}

Test(rate, who_asks_without_end_gets_all_of_it)
{
	static const int64_t rates[] = { 1, 3, 7, 100, 999, 1000, 12345, 300000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct rate r;
		int64_t passed = 0, wanted = rates[i] * 10 + 2;

		rate_init(&r, 0, rates[i] * UNIT, 2 * UNIT);
		for (usec_t now = 0; now <= 10 * USEC_PER_SEC; now += rates[i] > 1000 ? 1 : 100)
			passed += take(&r, now, 0) == 0;
		cr_assert(llabs(passed - wanted) <= 1 + wanted / 1000, "%lld instead of %lld", (long long)passed,
			  (long long)wanted);
	}
}

/* The rate changes all the time, as leases make it: what passes is what the rates were, over time. */
Test(rate, nothing_is_lost_or_won_by_changes)
{
	struct rate r;
	double allowed = 1;
	int64_t passed = 0, per_second = 1000;
	usec_t changed = 0;

	seed = 7;
	rate_init(&r, 0, per_second * UNIT, UNIT);
	for (usec_t now = 0; now <= 10 * USEC_PER_SEC; now += 10) {
		if (now - changed >= 50000) {
			allowed += (double)(now - changed) * (double)per_second / 1e6;
			per_second = (int64_t)draw(2000);
			rate_change(&r, now, per_second * UNIT, UNIT);
			changed = now;
		}
		passed += take(&r, now, 0) == 0;
	}
	cr_assert(llabs(passed - (int64_t)allowed) <= (int64_t)allowed / 100 + 2, "%lld instead of %g", (long long)passed,
		  allowed);
}

/* --- threads --- */

#define THREADS 4

struct taker {
	pthread_t thread;
	struct rate *rate;
	int64_t passed;
};

static void *
take_all(void *arg)
{
	struct taker *t = arg;

	for (usec_t now = 0; now < 200000; now += 2)
		t->passed += take(t->rate, now, 0) == 0;
	return NULL;
}

static void *
change_often(void *arg)
{
	struct rate *r = arg;

	for (int i = 0; i < 20000; i++) {
		struct rate_line l = rate_line(r);

		cr_assert_eq(l.expected, l.per_second * 2);
		l.per_second = 10000 * UNIT + i;
		l.expected = l.per_second * 2;
		rate_set_line(r, &l);
	}
	return NULL;
}

Test(rate, threads_share_it_exactly)
{
	struct taker takers[THREADS] = { 0 };
	int64_t passed = 0;
	struct rate r;

	rate_init(&r, 0, 10000 * UNIT, UNIT);
	for (int i = 0; i < THREADS; i++) {
		takers[i].rate = &r;
		pthread_create(&takers[i].thread, NULL, take_all, &takers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(takers[i].thread, NULL);
		passed += takers[i].passed;
	}
	cr_assert(passed <= 2001 && passed >= 1990, "%lld", (long long)passed);
}

Test(rate, lines_are_read_whole)
{
	struct taker takers[2] = { 0 };
	struct rate_line l;
	pthread_t writer;
	struct rate r;

	rate_init(&r, 0, 10000 * UNIT, UNIT);
	l = rate_line(&r);
	l.expected = l.per_second * 2;
	rate_set_line(&r, &l);
	pthread_create(&writer, NULL, change_often, &r);
	for (int i = 0; i < 2; i++) {
		takers[i].rate = &r;
		pthread_create(&takers[i].thread, NULL, take_all, &takers[i]);
	}
	for (int i = 0; i < 20000; i++) {
		l = rate_line(&r);
		cr_assert_eq(l.expected, l.per_second * 2);
	}
	pthread_join(writer, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(takers[i].thread, NULL);
}
