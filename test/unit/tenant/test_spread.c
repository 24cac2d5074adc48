#include "tenant/spread.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>

#include "tenant/tenant.h"

TestSuite(spread, .timeout = 60);

static struct spread *
spread_over(struct spreads *all, int k)
{
	struct spread *s = spreads_add(all, "acme");

	atomic_store(&s->k, k);
	return s;
}

Test(spread, who_is_not_listed_is_at_home)
{
	struct spreads *all = spreads_new(4);

	cr_assert_eq(spreads_count(all), 0);
	cr_assert_null(spreads_find(all, "acme"));
	cr_assert_eq(spreads_route(all, "acme", 4, 1, false), tenant_worker("acme", 4));
	cr_assert_eq(spreads_route(NULL, "acme", 4, 1, false), tenant_worker("acme", 4));
	spreads_add(all, "zeta");
	cr_assert_null(spreads_find(all, "acme"));
	cr_assert_eq(spreads_route(all, "acme", 4, 1, true), tenant_worker("acme", 4));
	spreads_free(&all);
}

Test(spread, each_name_once)
{
	struct spreads *all = spreads_new(4);
	const struct spread *one = NULL;
	char name[32];
	int n = 0;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5000; i++) {
			snprintf(name, sizeof(name), "t%d", i);
			cr_assert_str_eq(spreads_add(all, name)->name, name);
			cr_assert_eq(spreads_find(all, name), spreads_add(all, name));
		}
	}
	while ((one = spreads_next(all, one)) != NULL)
		n++;
	cr_assert_eq(n, 5000);
	cr_assert_eq(spreads_count(all), 5000);
	spreads_free(&all);
}

Test(spread, parts_follow_home)
{
	struct spreads *all = spreads_new(4);
	const struct spread *s = spread_over(all, 3);

	for (int i = 0; i < 4; i++) {
		int worker = spread_worker(s, i);

		cr_assert_eq(worker, (tenant_worker("acme", 4) + i) % 4);
		cr_assert_eq(spread_index(s, worker), i);
		cr_assert_eq(spread_has(s, worker), i < 3);
	}
	spreads_free(&all);
}

Test(spread, logins_take_turns_and_stay_where_they_were_sent)
{
	struct spreads *all = spreads_new(4);
	const struct spread *s = spread_over(all, 3);
	int n[4] = { 0 };

	for (int i = 0; i < 300; i++) {
		int worker = spreads_route(all, "acme", 4, i % 4, false);

		n[worker]++;
		cr_assert_eq(spreads_route(all, "acme", 4, worker, true), worker);
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(n[spread_worker(s, i)], i < 3 ? 100 : 0);
	cr_assert(spread_has(s, spreads_route(all, "acme", 4, spread_worker(s, 3), true)));
	spreads_free(&all);
}

Test(spread, shares_make_the_whole)
{
	for (int k = 1; k <= 9; k++) {
		for (int n = 1; n <= 40; n++) {
			int sum = 0, least = n, most = 0;

			for (int i = 0; i < k; i++) {
				int share = spread_divide(n, k, i);

				sum += share;
				least = share < least ? share : least;
				most = share > most ? share : most;
			}
			cr_assert_eq(sum, n);
			cr_assert_leq(most - least, 1);
		}
	}
}

Test(spread, who_is_a_part_no_more_needs_what_its_clients_need)
{
	struct spreads *all = spreads_new(4);
	struct spread *s = spread_over(all, 3);
	int last = spread_worker(s, 2);

	spread_add_clients(s, last, 5);
	cr_assert_eq(spread_share(s, last, 9), 3);
	atomic_store(&s->k, 2);
	cr_assert_eq(spread_share(s, last, 9), 3);
	for (int i = 0; i < 4; i++)
		spread_give_client(s, last);
	cr_assert_eq(spread_share(s, last, 9), 1);
	spread_give_client(s, last);
	cr_assert_eq(spread_share(s, last, 9), 0);
	cr_assert_eq(spread_share(s, last, 0), 0, "no limit stays none");
	cr_assert_eq(spread_share(s, spread_worker(s, 0), 9), 5);
	spreads_free(&all);
}

Test(spread, of_a_limit_there_is_one_for_each_part_that_has_clients)
{
	struct spreads *all = spreads_new(4);
	struct spread *s = spread_over(all, 3);
	int last = spread_worker(s, 2);

	cr_assert_eq(spread_limit(s, last, 2), 0);
	cr_assert_eq(spread_limit(s, last, 9), 3);
	spread_add_clients(s, last, 1);
	cr_assert_eq(spread_share(s, last, 2), 0);
	cr_assert_eq(spread_limit(s, last, 2), 1);
	atomic_store(&s->k, 1);
	cr_assert_eq(spread_limit(s, last, 2), 1, "until they have left");
	cr_assert_eq(spread_limit(s, last, 0), 0, "no limit stays none");
	spread_give_client(s, last);
	cr_assert_eq(spread_limit(s, last, 2), 0);
	spreads_free(&all);
}

Test(spread, who_has_none_and_waits_is_starved)
{
	struct spreads *all = spreads_new(4);
	struct spread_servers *v = spread_of_user(spread_over(all, 2), "bob");

	cr_assert(spread_take_server(v, 1, 1));
	cr_assert_not(spread_is_starved(v, 2));
	cr_assert_not(spread_take_server(v, 2, 1));
	cr_assert_not(spread_is_starved(v, 2), "it may not wait");
	budget_wait(&v->sum, 2);
	cr_assert(spread_is_starved(v, 2));
	cr_assert_not(spread_is_starved(v, 1));
	spread_move_server(v, 1, 2);
	spread_move_server(v, 2, 1);
	cr_assert_not(spread_is_starved(v, 2), "it had one since it waited");
	spreads_free(&all);
}

Test(spread, fewest_clients)
{
	struct spreads *all = spreads_new(4);
	struct spread *s = spread_over(all, 2);
	int a = spread_worker(s, 0), b = spread_worker(s, 1), c = spread_worker(s, 2);

	cr_assert_eq(spread_least(s, a), a);
	cr_assert_eq(spread_least(s, b), b, "as good as the other");
	cr_assert_eq(spread_least(s, c), a, "none of its parts");
	spread_add_clients(s, a, 2);
	spread_add_clients(s, b, 1);
	cr_assert_eq(spread_least(s, a), b);
	spread_leave_client(s, a);
	spread_join_client(s, b);
	cr_assert_eq(spread_least(s, b), a);
	cr_assert_eq(budget_used(&s->clients), 3, "it moved, and counts");
	spreads_free(&all);
}

/* --- sums are never exceeded, whoever takes and gives --- */

#define LIMIT 10

struct taker {
	struct spread *spread;
	struct spread_servers *servers;
	int worker;
	bool exceeded;
};

static void *
take_and_give(void *arg)
{
	struct taker *t = arg;

	for (int i = 0; i < 20000; i++) {
		if (spread_take_server(t->servers, t->worker, LIMIT)) {
			t->exceeded |= budget_used(&t->servers->sum) > LIMIT;
			spread_move_server(t->servers, t->worker, (t->worker + 1) % 4);
			spread_move_server(t->servers, (t->worker + 1) % 4, t->worker);
			(void)spread_give_server(t->servers, t->worker);
		}
		if (spread_take_client(t->spread, t->worker, LIMIT)) {
			t->exceeded |= budget_used(&t->spread->clients) > LIMIT;
			spread_give_client(t->spread, t->worker);
		}
	}
	return NULL;
}

Test(spread, sums_hold)
{
	struct spreads *all = spreads_new(4);
	struct spread *s = spread_over(all, 4);
	struct taker takers[4];
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		takers[i] = (struct taker){ s, spread_of_user(s, "app"), i, false };
		cr_assert_eq(takers[i].servers, takers[0].servers);
		cr_assert_eq(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
	}
	/* All of them: one that still runs moves its servers to another's part and back. */
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++) {
		cr_assert_not(takers[i].exceeded);
		cr_assert_eq(spread_clients_of(s, i), 0);
		cr_assert_eq(spread_servers_of(takers[0].servers, i), 0);
	}
	cr_assert_eq(budget_used(&s->clients), 0);
	cr_assert_eq(budget_used(&takers[0].servers->sum), 0);
	spreads_free(&all);
}

Test(spread, who_waits_is_woken)
{
	struct spreads *all = spreads_new(4);
	struct spread *s = spread_over(all, 4);

	cr_assert(spread_take_server(s->servers, 0, 1));
	cr_assert_not(spread_take_server(s->servers, 2, 1));
	budget_wait(&s->servers->sum, 2);
	cr_assert_eq(spread_give_server(s->servers, 0), UINT64_C(1) << 2);
	spreads_free(&all);
}
