#include "stats/applications.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct query_sample sample = { .total = 1000, .slow = true };

Test(applications, are_counted_by_name)
{
	static struct applications a;
	struct application *shop;

	applications_init(&a);
	shop = applications_find(&a, "shop");
	application_count(shop, &sample);
	application_count(applications_find(&a, "shop"), &(struct query_sample){ .total = 5, .failed = true });
	application_count(applications_find(&a, "mill"), &sample);
	application_count(applications_find(&a, ""), &sample);
	cr_assert_eq(applications_find(&a, "shop"), shop);
	cr_assert_str_eq(shop->name, "shop");
	cr_assert_eq(shop->n.calls, 2);
	cr_assert_eq(shop->n.errors, 1);
	cr_assert_eq(shop->n.slow, 1);
	cr_assert_eq(shop->n.total, 1005);
	cr_assert_eq(a.none.n.calls, 1);
	cr_assert_eq(a.other.n.calls, 0);
	cr_assert_eq(applications_find(&a, "other"), &a.other);
	cr_assert_eq(applications_find(&a, "none"), &a.other);
	cr_assert_eq(a.n, 2);
	applications_reset(&a);
	cr_assert_eq(applications_find(&a, "shop"), shop, "rows stay where they are");
	cr_assert_eq(shop->n.calls + a.none.n.calls, 0);
	applications_release(&a);
	cr_assert_eq(a.n, 0);
}

Test(applications, beyond_the_first_hundred_are_others)
{
	static struct applications a;
	char name[32];
	int64_t sum = 0;

	applications_init(&a);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "application %d", i % 300);
		application_count(applications_find(&a, name), &sample);
	}
	cr_assert_eq(a.n, APPLICATIONS_MAX);
	for (size_t i = 0; i < a.n; i++)
		sum += a.list[i]->n.calls;
	cr_assert_eq(a.list[APPLICATIONS_MAX - 1]->n.calls, 4);
	cr_assert_eq(sum + a.other.n.calls, 1000);
	cr_assert_gt(a.other.n.calls, 0);
	applications_release(&a);
}
