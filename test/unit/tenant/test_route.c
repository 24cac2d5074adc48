#include "tenant/route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

static const struct config *
configure(const char *settings)
{
	char text[1000];
	struct error e;
	const struct config *c;

	snprintf(text, sizeof(text), "[databases]\nshop =\nMixed =\n[tenants]\n* = host=h dbname=t_{tenant}\n[pgbouncer]\n%s\n", settings);
	c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

/* "tenant/user", or the SQLSTATE. */
static const char *
route(const char *settings, struct route_signs signs)
{
	static char out[200];
	const struct config *c = configure(settings);
	struct route r;
	struct error e;

	if (signs.user == NULL)
		signs.user = "app";
	if (route_find(c, &signs, &r, &e))
		snprintf(out, sizeof(out), "%s/%.*s", r.tenant, (int)r.user_length, signs.user);
	else
		snprintf(out, sizeof(out), "%s", e.sqlstate);
	config_unref(&c);
	return out;
}

#define SIGNS(...) ((struct route_signs){ __VA_ARGS__ })
#define SNI "tenant_route = sni\ntenant_sni_suffix = .db.example.com\n"
#define ALL "tenant_route = options,sni,user,database\ntenant_sni_suffix = .db.example.com\n"

static void
be_quiet(void)
{
	log_set_stderr(false);
}

TestSuite(route, .init = be_quiet);

Test(route, by_default_it_is_the_database_or_the_user)
{
	cr_assert_str_eq(route("", SIGNS(.database = "shop")), "shop/app");
	cr_assert_str_eq(route("", SIGNS(.database = NULL)), "app/app");
	cr_assert_str_eq(route("", SIGNS(.database = "shop", .user = "app.acme", .option = "mill", .sni = "x.db.example.com")),
			 "shop/app.acme");
	cr_assert_str_eq(route("", SIGNS(.database = "any thing")), "any thing/app");
}

Test(route, each_source_is_read)
{
	cr_assert_str_eq(route(ALL, SIGNS(.database = "app", .option = "acme")), "acme/app");
	cr_assert_str_eq(route(ALL, SIGNS(.database = "app", .sni = "acme.db.example.com")), "acme/app");
	cr_assert_str_eq(route(ALL, SIGNS(.database = "app", .user = "app.acme")), "acme/app");
	cr_assert_str_eq(route(ALL, SIGNS(.database = "app", .user = "j.doe.acme")), "acme/j.doe");
	cr_assert_str_eq(route(ALL, SIGNS(.database = "acme")), "acme/app");
}

Test(route, of_a_host_name_only_what_stands_before_the_suffix)
{
	cr_assert_str_eq(route(SNI, SIGNS(.sni = "acme.db.example.com")), "acme/app");
	cr_assert_str_eq(route(SNI, SIGNS(.sni = "acme.eu.db.example.com")), "acme.eu/app");
	cr_assert_str_eq(route(SNI, SIGNS(.sni = "db.example.com")), "3D000");
	cr_assert_str_eq(route(SNI, SIGNS(.sni = ".db.example.com")), "3D000");
	cr_assert_str_eq(route(SNI, SIGNS(.sni = "acme.other.org")), "3D000");
}

Test(route, contradictions_are_refused)
{
	cr_assert_str_eq(route(ALL, SIGNS(.option = "acme", .sni = "mill.db.example.com")), "28000");
	cr_assert_str_eq(route(ALL, SIGNS(.option = "acme", .user = "app.mill")), "28000");
	cr_assert_str_eq(route(ALL, SIGNS(.option = "acme", .sni = "ACME.db.example.com", .user = "app.acme")), "acme/app");
	/* A database that has a line of its own is a tenant. */
	cr_assert_str_eq(route(ALL, SIGNS(.option = "acme", .database = "shop")), "28000");
	cr_assert_str_eq(route("tenant_route = database,user", SIGNS(.database = "acme", .user = "app.mill")), "28000");
}

Test(route, what_is_not_listed_says_nothing)
{
	cr_assert_str_eq(route("tenant_route = user", SIGNS(.database = "shop", .user = "app.acme", .option = "mill")), "acme/app");
	cr_assert_str_eq(route("tenant_route = options", SIGNS(.user = "app.acme", .option = "mill")), "mill/app.acme");
}

Test(route, user_names_with_dots_at_the_ends)
{
	cr_assert_str_eq(route("tenant_route = user", SIGNS(.user = ".acme")), "3D000");
	cr_assert_str_eq(route("tenant_route = user", SIGNS(.user = "app.")), "3D000");
	cr_assert_str_eq(route("tenant_route = user,database", SIGNS(.user = "app.", .database = "shop")), "shop/app.");
}

Test(route, names_are_validated)
{
	static const char *const bad[] = { "a b", "../x", ".x", "-x", "a/b", "a'b", "x y=z", "{tenant}",
		"0123456789012345678901234567890123456789012345678901234567890123" };

	for (size_t i = 0; i < lengthof(bad); i++)
		cr_expect_str_eq(route("tenant_route = options", SIGNS(.option = bad[i])), "3D000", "%s", bad[i]);
	cr_assert_str_eq(route("tenant_route = options", SIGNS(.option = "a-b_c.9")), "a-b_c.9/app");
}

Test(route, folding)
{
	cr_assert_str_eq(route("tenant_route = options", SIGNS(.option = "AcMe")), "AcMe/app");
	cr_assert_str_eq(route("tenant_route = options\ntenant_case = lower", SIGNS(.option = "AcMe")), "acme/app");
	/* A line of the files keeps its name. */
	cr_assert_str_eq(route("tenant_route = database\ntenant_case = lower", SIGNS(.database = "Mixed")), "Mixed/app");
	cr_assert_str_eq(route("tenant_route = database\ntenant_case = lower", SIGNS(.database = "AcMe")), "acme/app");
}

Test(route, fallback)
{
	cr_assert_str_eq(route("tenant_route = options\ntenant_fallback = shop", SIGNS(.database = "x")), "shop/app");
	cr_assert_str_eq(route("tenant_route = options,database\ntenant_fallback = shop", SIGNS(.database = "mill")), "mill/app");
	cr_assert_str_eq(route("tenant_route = options", SIGNS(.database = "x")), "3D000");
}

Test(route, the_console_is_there_whatever_the_routes_are)
{
	cr_assert_str_eq(route("tenant_route = options", SIGNS(.database = "pgbouncer", .option = "acme")), "pgbouncer/app");
}
