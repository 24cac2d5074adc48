/* [hosts]. */
#include "config/hosts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "files.h"

TestSuite(hosts, .init = files_begin, .fini = files_end);

static int
find(const struct config *c, const char *host, int port)
{
	const struct config_host *h = config_find_host(c, host, port);

	return h == NULL ? -1 : h->max_connections;
}

Test(hosts, by_name_and_port)
{
	const struct config *c = files_load("[pgbouncer]\nunix_socket_dir=/run/pg\n[hosts]\n"
					    "10.0.0.5:5433 = max_connections=1\n"
					    "DB1.internal = max_connections=2\n"
					    "\"[2001:db8::5]:5433\" = max_connections=3\n"
					    "2001:db8:0::6 = max_connections=4\n"
					    "/run/pg = max_connections=5\n"
					    "/run/pg:5433 = max_connections=6\n"
					    "\"[::1]\" = max_connections=7\n");

	cr_expect_eq(c->nhosts, 7);
	cr_expect_eq(find(c, "10.0.0.5", 5433), 1);
	cr_expect_eq(find(c, "10.0.0.5", 5432), -1);
	cr_expect_eq(find(c, "db1.INTERNAL", 5432), 2);
	cr_expect_eq(find(c, "2001:db8:0:0::5", 5433), 3);
	cr_expect_eq(find(c, "2001:DB8::6", 5432), 4);
	cr_expect_eq(find(c, "/run/pg", 5432), 5);
	cr_expect_eq(find(c, NULL, 5432), 5);
	cr_expect_eq(find(c, NULL, 5433), 6);
	cr_expect_eq(find(c, "/RUN/pg", 5432), -1);
	cr_expect_eq(find(c, "::1", 5432), 7);
	cr_expect_eq(find(c, "", 5432), -1);
	config_unref(&c);
}

Test(hosts, the_star_is_for_all_others)
{
	const struct config *c = files_load("[pgbouncer]\n[hosts]\na = max_connections=1\n* = max_connections=9\n");

	cr_expect_eq(find(c, "a", 5432), 1);
	cr_expect_eq(find(c, "a", 5433), 9);
	cr_expect_eq(find(c, "b", 5432), 9);
	cr_expect_eq(find(c, NULL, 1), 9);
	config_unref(&c);
}

Test(hosts, defaults)
{
	const struct config *c = files_load("[pgbouncer]\n[hosts]\na =\n");
	const struct config_host *h = config_find_host(c, "a", 5432);

	cr_expect_eq(h->max_connections, 0);
	cr_expect_eq(h->admin_reserve, 0);
	cr_expect_eq(h->min, 1);
	cr_expect_eq(h->min_lease, 100 * USEC_PER_MSEC);
	cr_expect_eq(h->active_floor, 1);
	cr_expect_eq(h->active_ceiling, 0);
	config_unref(&c);
}

Test(hosts, a_name_that_is_too_long_is_found_by_nothing)
{
	const struct config *c = files_load("[pgbouncer]\n[hosts]\n* = max_connections=9\n");
	char name[2000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_eq(find(c, name, 5432), 9);
	config_unref(&c);
}

Test(hosts, wrong_lines)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "a:0 =", "t.ini:3: \"a:0\" is no server like" },
		{ "a:65536 =", "t.ini:3: \"a:65536\" is no server" },
		{ "a:x =", "t.ini:3: \"a:x\" is no server" },
		{ ":5432 =", "t.ini:3: \":5432\" is no server" },
		{ "*:5432 =", "t.ini:3: \"*:5432\" is no server" },
		{ "[::1]:5432 =", "t.ini:3: unknown section [::1]" },
		{ "a,b =", "t.ini:3: \"a,b\" is no server" },
		{ "\"[::1\" =", "t.ini:3: \"[::1\" is no server" },
		{ "\"[::x]\" =", "t.ini:3: \"[::x]\" is no server" },
		{ "\"[::1]x\" =", "t.ini:3: \"[::1]x\" is no server" },
		{ "a = max_conections=5", "t.ini:3: unknown key \"max_conections\" in [hosts]: do you mean max_connections?" },
		{ "a = max_connections=3 admin_reserve=2", "t.ini:3: admin_reserve 2 and one place for cancel requests leave nothing" },
		{ "a = active_floor=5 active_ceiling=4", "t.ini:3: active_floor 5 is above active_ceiling 4" },
		{ "a = max_connections=-1", "t.ini:3: invalid value \"-1\" for max_connections" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		snprintf(text, sizeof(text), "[pgbouncer]\n[hosts]\n%s\n", cases[i].line);
		files_refuse(text, cases[i].message);
	}
}

Test(hosts, what_is_odd_is_told)
{
	const struct config *c = files_load("[pgbouncer]\nunix_socket_dir=/run/pg\n[databases]\n"
					    "a=host=one,two user=u min_pool_size=3\nb=host=one user=u min_pool_size=4\n"
					    "c=host=two min_pool_size=10\n"
					    "[hosts]\none=max_connections=8 admin_reserve=2\ntwo=max_connections=4\n"
					    "three=max_connections=1\none=max_connections=8 admin_reserve=2\n*=max_connections=1\n");

	cr_expect_eq(files_logged("host one:5432: min_pool_size of its databases keeps 7 connections, but there are 5"), 1);
	cr_expect_eq(files_logged("host two:"), 0);
	cr_expect_eq(files_logged("host three:5432: no database is there"), 1);
	cr_expect_eq(files_logged("host \"one\" is there already"), 1);
	cr_expect_eq(files_logged("host three:5432: max_connections=1 leaves none for cancel requests"), 1);
	cr_expect_eq(files_logged("host *: max_connections=1"), 1);
	config_unref(&c);
}
