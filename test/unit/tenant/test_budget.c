#include "tenant/budget.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define THREADS 4
#define ROUNDS 20000

Test(budget, takes_up_to_the_limit)
{
	struct budget b = { 0 };

	cr_assert(budget_take(&b, 2));
	cr_assert(budget_take(&b, 2));
	cr_assert_not(budget_take(&b, 2));
	cr_assert_eq(budget_used(&b), 2);
	cr_assert_eq(budget_give(&b), 0);
	cr_assert(budget_take(&b, 2));
}

Test(budget, zero_is_no_limit)
{
	struct budget b = { 0 };

	for (int i = 0; i < 1000; i++)
		cr_assert(budget_take(&b, 0));
	cr_assert_eq(budget_used(&b), 1000);
}

/* A reload may set the limit below what is in use. */
Test(budget, a_limit_that_shrank_lets_nobody_in)
{
	struct budget b = { 0 };

	for (int i = 0; i < 5; i++)
		budget_take(&b, 5);
	cr_assert_not(budget_take(&b, 3));
	budget_give(&b);
	budget_give(&b);
	cr_assert_not(budget_take(&b, 3));
	budget_give(&b);
	cr_assert(budget_take(&b, 3));
}

Test(budget, who_gives_back_learns_who_waits)
{
	struct budget b = { 0 };

	budget_take(&b, 0);
	budget_take(&b, 0);
	budget_wait(&b, 0);
	budget_wait(&b, 63);
	budget_wait(&b, 63);
	cr_assert_eq(budget_give(&b), UINT64_C(1) | UINT64_C(1) << 63);
	cr_assert_eq(budget_give(&b), 0);
}

struct worker {
	pthread_t thread;
	struct budget *budget;
	atomic_int *inside, *most;
	atomic_int *wakeups;
	int index;
	int taken;
};

static void
note_most(struct worker *w)
{
	int now = atomic_fetch_add(w->inside, 1) + 1, most = atomic_load(w->most);

	while (now > most && !atomic_compare_exchange_weak(w->most, &most, now))
		;
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (!budget_take(w->budget, THREADS - 1)) {
			budget_wait(w->budget, w->index);
			continue;
		}
		note_most(w);
		w->taken++;
		atomic_fetch_sub(w->inside, 1);
		if (budget_give(w->budget) != 0)
			atomic_fetch_add(w->wakeups, 1);
	}
	return NULL;
}

Test(budget, threads_never_exceed_the_limit)
{
	struct budget b = { 0 };
	atomic_int inside = 0, most = 0, wakeups = 0;
	struct worker w[THREADS];
	int taken = 0;

	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){
			.budget = &b, .inside = &inside, .most = &most, .wakeups = &wakeups, .index = i,
		};
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		taken += w[i].taken;
	}
	cr_assert_eq(budget_used(&b), 0);
	cr_assert_gt(taken, 0);
	cr_assert_leq(most, THREADS - 1);
}
