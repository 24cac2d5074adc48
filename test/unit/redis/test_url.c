#include "redis/url.h"

#include <criterion/criterion.h>
#include <string.h>

static void
same(const char *a, const char *b)
{
	cr_assert_eq(a == NULL, b == NULL);
	if (a != NULL)
		cr_assert_str_eq(a, b);
}

Test(url, good_ones)
{
	static const struct {
		const char *url, *host, *user, *password;
		int port, database;
	} cases[] = {
		{ "redis://cache", "cache", NULL, NULL, 6379, 0 },
		{ "redis://cache/", "cache", NULL, NULL, 6379, 0 },
		{ "redis://10.0.0.5:7000/3", "10.0.0.5", NULL, NULL, 7000, 3 },
		{ "redis://:secret@cache:7000", "cache", NULL, "secret", 7000, 0 },
		{ "redis://bob:s%40cret%2F@cache/15", "cache", "bob", "s@cret/", 6379, 15 },
		{ "redis://bob:a@b@cache", "cache", "bob", "a@b", 6379, 0 },
		{ "redis://:a/b@cache/1", "cache", NULL, "a/b", 6379, 1 },
		{ "redis://[::1]:7000/2", "::1", NULL, NULL, 7000, 2 },
		{ "redis://[2001:db8::1]", "2001:db8::1", NULL, NULL, 6379, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_address a;
		struct error e;

		cr_assert(redis_parse_url(cases[i].url, &a, &e), "%s: %s", cases[i].url, e.message);
		same(a.host, cases[i].host);
		same(a.user, cases[i].user);
		same(a.password, cases[i].password);
		cr_assert_eq(a.port, cases[i].port);
		cr_assert_eq(a.database, cases[i].database);
		redis_address_release(&a);
	}
}

Test(url, bad_ones_are_refused_without_the_password)
{
	static const char *const cases[] = {
		"", "cache", "http://cache", "rediss://:hunter2@cache", "redis://", "redis:///", "redis://:hunter2@",
		"redis://cache:0", "redis://cache:65536", "redis://cache:x", "redis://cache:", "redis://[::1",
		"redis://[::1]x", "redis://cache/x", "redis://cache/-1", "redis://cache/1/2", "redis://bob@cache",
		"redis://:hunter2%@cache", "redis://:hunter2%4@cache", "redis://:hunter2%zz@cache", "redis://:hunter2%00@cache",
		"redis://:hunter2@cache:99999",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_address a;
		struct error e;

		cr_assert_not(redis_parse_url(cases[i], &a, &e), "%s", cases[i]);
		cr_assert_str_eq(e.sqlstate, "22023");
		cr_assert_null(strstr(e.message, "hunter2"));
		cr_assert_null(a.host);
		cr_assert_null(a.password);
	}
}
