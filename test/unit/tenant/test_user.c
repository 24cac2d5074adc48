#include "tenant/user.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 4
#define ROUNDS 5000

Test(user, one_per_name)
{
	struct users *us = users_new();
	struct user *a = users_get(us, "alice"), *b = users_get(us, "bob"), *again = users_get(us, "alice");
	struct user *more = users_ref(us, a);

	cr_assert_eq(a, again);
	cr_assert_neq(a, b);
	cr_assert_str_eq(a->name, "alice");
	users_put(us, &again);
	cr_assert_null(again);
	users_put(us, &again);
	users_put(us, &more);
	users_put(us, &a);
	users_put(us, &b);
	users_free(&us);
	cr_assert_null(us);
}

Test(user, counts_of_who_is_there_and_who_is_not)
{
	struct users *us = users_new();
	struct user *a = users_get(us, "alice");
	int clients = -1, servers = -1;

	budget_take(&a->clients, 0);
	budget_take(&a->servers, 0);
	budget_take(&a->servers, 0);
	users_counts(us, "alice", &clients, &servers);
	cr_assert_eq(clients, 1);
	cr_assert_eq(servers, 2);
	users_counts(us, "nobody", &clients, &servers);
	cr_assert_eq(clients, 0);
	cr_assert_eq(servers, 0);
	budget_give(&a->clients);
	budget_give(&a->servers);
	budget_give(&a->servers);
	users_put(us, &a);
	/* The last reference is gone, and the name with it. */
	users_counts(us, "alice", &clients, &servers);
	cr_assert_eq(clients + servers, 0);
	users_free(&us);
}

static void
collect(void *arg, struct user *user)
{
	strcat(arg, user->name);
}

Test(user, each_is_told)
{
	struct users *us = users_new();
	struct user *a = users_get(us, "a"), *b = users_get(us, "b");
	char names[20] = "";

	users_each(us, collect, names);
	cr_assert(strcmp(names, "ab") == 0 || strcmp(names, "ba") == 0, "%s", names);
	users_put(us, &a);
	names[0] = '\0';
	users_each(us, collect, names);
	cr_assert_str_eq(names, "b");
	users_put(us, &b);
	users_free(&us);
}

static void *
come_and_go(void *arg)
{
	struct users *us = arg;
	unsigned wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		char name[20];
		struct user *user, *more;

		snprintf(name, sizeof(name), "user%d", i % 3);
		user = users_get(us, name);
		budget_take(&user->clients, 0);
		more = users_ref(us, user);
		wrong += strcmp(user->name, name) != 0;
		budget_give(&user->clients);
		users_put(us, &user);
		users_put(us, &more);
	}
	return wrong == 0 ? arg : NULL;
}

Test(user, threads_come_and_go)
{
	struct users *us = users_new();
	pthread_t threads[THREADS];
	char names[100] = "";
	void *result;

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, come_and_go, us), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		cr_assert_eq(result, us);
	}
	users_each(us, collect, names);
	cr_assert_str_eq(names, "");
	users_free(&us);
}
