/* [tenants]: lines, the template, what the catalogue says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "config/config.h"
#include "config/template.h"
#include "files.h"

TestSuite(tenants, .init = files_begin, .fini = files_end);

#define TEMPLATE                            \
	"[pgbouncer]\ntenant_shards = 4\n"  \
	"[tenants]\n"                       \
	"acme = pool_size=7\n"              \
	"beta = host=own port=5433 dbname=b\n" \
	"* = host=pg-{shard}.internal dbname=tenant_{tenant} user=app pool_size=auto weight=2 limits=gold\n" \
	"[limits]\nclass:gold = queries=10\n"

static void
expect(const struct config_database *d, const char *name, const char *host, const char *dbname)
{
	cr_assert_not_null(d, "%s", name);
	cr_expect_str_eq(d->name, name);
	cr_expect_str_eq(d->host, host);
	cr_expect_str_eq(d->dbname, dbname);
}

Test(tenants, lines_stand_on_top_of_the_star_wherever_it_is)
{
	const struct config *c = files_load(TEMPLATE);
	const struct config_database *d = config_find_database(c, "acme");

	cr_assert_eq(c->ntenants, 2);
	cr_assert_eq(c->tenants[0], d);
	expect(d, "acme", "pg-3.internal", "tenant_acme");
	cr_expect_eq(d->pool_size, 7);
	cr_expect_eq(d->weight, 2);
	cr_expect_str_eq(d->limits, "gold");
	d = config_find_database(c, "beta");
	expect(d, "beta", "own", "b");
	cr_expect_eq(d->port, 5433);
	cr_expect_eq(d->pool_size, POOL_SIZE_AUTO);
	cr_expect_not(d->autodb);
	cr_assert_null(config_find_database(c, "gamma"));
	config_unref(&c);
}

Test(tenants, a_setting_under_its_old_name_counts_before_the_star)
{
	const struct config *c = files_load("[pgbouncer]\n[tenants]\n*=reserve_pool_size=9 sslmode=require\na=reserve_pool=3\n"
					    "b=server_tls_sslmode=disable\n");

	cr_expect_eq(config_find_database(c, "a")->reserve_pool_size, 3);
	cr_expect_eq(config_find_database(c, "a")->server_tls_sslmode, TLS_REQUIRE);
	cr_expect_eq(config_find_database(c, "b")->reserve_pool_size, 9);
	cr_expect_eq(config_find_database(c, "b")->server_tls_sslmode, TLS_DISABLE);
	config_unref(&c);
}

Test(tenants, the_star_makes_a_line_in_one_block)
{
	const struct config *c = files_load(TEMPLATE "[databases]\n* = host=wide\n");
	struct config_database *d = config_make_autodb(c, "gamma");

	expect(d, "gamma", "pg-2.internal", "tenant_gamma");
	cr_expect(d->autodb);
	cr_expect_str_eq(d->user, "app");
	cr_expect_eq(d->user, c->template->user, "what does not differ is the snapshot's");
	free(d);
	/* a name that is none of a tenant is for the wider star */
	d = config_make_autodb(c, "my db");
	expect(d, "my db", "wide", "my db");
	free(d);
	config_unref(&c);
}

Test(tenants, no_star_makes_what_is_no_name)
{
	static const char *const names[] = { "", ".a", "-a", "a..b", "a/b", "a b", "a'b", "a{b", "a\x80", "a;b", "pgusher", "pgbouncer",
		"a234567890123456789012345678901234567890123456789012345678901234" };
	const struct config *c = files_load(TEMPLATE);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_expect_not(config_is_tenant_name(names[i]), "%s", names[i]);
		cr_expect_null(config_make_autodb(c, names[i]), "%s", names[i]);
	}
	cr_expect(config_is_tenant_name("a23456789012345678901234567890123456789012345678901234567890123"));
	cr_expect(config_is_tenant_name("A-b_c.d9"));
	config_unref(&c);
}

/* Data lies where this says: these numbers must never change. */
Test(tenants, the_shard_of_a_name_is_for_ever)
{
	static const struct {
		const char *name;
		int of4, of7, of100000;
	} cases[] = {
		{ "a", 0, 5, 2220 },
		{ "foobar", 0, 0, 35720 },
		{ "acme", 3, 5, 37615 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c = { .tenant_shards = 4 };
		cr_expect_eq(config_shard(&c, cases[i].name), cases[i].of4, "%s %d", cases[i].name, config_shard(&c, cases[i].name));
		c.tenant_shards = 7;
		cr_expect_eq(config_shard(&c, cases[i].name), cases[i].of7, "%s %d", cases[i].name, config_shard(&c, cases[i].name));
		c.tenant_shards = 100000;
		cr_expect_eq(config_shard(&c, cases[i].name), cases[i].of100000, "%s %d", cases[i].name,
			     config_shard(&c, cases[i].name));
	}
}

Test(tenants, set_cannot_change_the_number_of_shards)
{
	const struct config *c = files_load(TEMPLATE);
	struct error e;

	cr_assert_null(config_with(c, "tenant_shards", "8", &e));
	cr_expect_str_eq(e.sqlstate, "55P02");
	config_unref(&c);
}

Test(tenants, the_catalogues_line_stands_on_top_of_the_star)
{
	const struct config *c = files_load("[pgbouncer]\ntenant_shards=4\ntenant_catalogue=host=k\n"
					    "[tenants]\n*=host=pg-{shard} user=app connect_query='SET a.b = ''{tenant}'''\n");
	struct error e;
	struct config_database *d = config_make_line(c, "acme", "host=q-{shard}.x password='it''s' weight=5 disabled=1", &e);

	expect(d, "acme", "q-3.x", "acme");
	cr_expect_str_eq(d->user, "app");
	cr_expect_str_eq(d->password, "it's");
	cr_expect_str_eq(d->connect_query, "SET a.b = 'acme'");
	cr_expect_eq(d->weight, 5);
	cr_expect_eq(d->disabled, 1);
	cr_expect(d->autodb);
	free(d);
	d = config_make_line(c, "acme", "", &e);
	expect(d, "acme", "pg-3", "acme");
	free(d);
	d = config_make_line(c, "acme", "sslmode=require dbname={tenant}", &e);
	expect(d, "acme", "pg-3", "acme");
	cr_expect_eq(d->server_tls_sslmode, TLS_REQUIRE);
	enum tls_mode mode;
	cr_expect_not_null(config_server_tls(c, d, &mode));
	cr_expect_eq(mode, TLS_REQUIRE);
	free(d);
	config_unref(&c);
}

Test(tenants, the_catalogue_may_say_a_uri)
{
	const struct config *c = files_load("[pgbouncer]\ntenant_catalogue=host=k\n[tenants]\n*=user=app\n");
	struct error e;
	struct config_database *d = config_make_line(
		c, "acme", " postgresql://u:p%40ss@pg-1:5433/erp_{tenant}?sslmode=require&target_session_attrs=primary weight=3", &e);

	cr_assert_not_null(d, "%s", e.message);
	expect(d, "acme", "pg-1", "erp_acme");
	cr_expect_str_eq(d->user, "u");
	cr_expect_str_eq(d->password, "p@ss");
	cr_expect_eq(d->port, 5433);
	cr_expect_eq(d->server_tls_sslmode, TLS_REQUIRE);
	cr_expect_eq(d->target_session_attrs, TARGET_PRIMARY);
	cr_expect_eq(d->weight, 3);
	free(d);
	config_unref(&c);
}

Test(tenants, without_a_star_the_catalogues_line_is_all)
{
	const struct config *c = files_load("[pgbouncer]\ntenant_catalogue=host=k\n");
	struct error e;
	struct config_database *d = config_make_line(c, "acme", "host=h", &e);

	expect(d, "acme", "h", "acme");
	cr_expect_eq(d->port, 5432);
	cr_expect_eq(d->weight, 1);
	cr_expect_eq(d->pool_size, CONFIG_UNSET);
	free(d);
	config_unref(&c);
}

Test(tenants, what_the_catalogue_says_wrong_is_told_without_secrets)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "hots=h", "unknown key \"hots\": do you mean host?" },
		{ "host", "the settings must read" },
		{ "password='geheim", "a value has no closing quote" },
		{ "password=geheim port=0", "invalid value \"0\" for port" },
		{ "password=geheim weight=0", "invalid value \"0\" for weight" },
		{ "host=pg-{sharp}", "\"pg-{sharp}\" for host: in [tenants] there are {tenant} and {shard}" },
		{ "host=pg}", "\"pg}\" for host" },
		{ "allow=10.0.0.1/8", "invalid value \"10.0.0.1/8\" for allow" },
		{ "sslmode=verify-full", "of the server_tls_* keys" },
		{ "server_tls_cert_file=/x", "of the server_tls_* keys" },
		{ "postgresql://u:geheim@h/d?a=b", "the postgresql:// URI can't be understood" },
		{ "postgresql://u:geheim@h/d?connect_timeout=3", "unknown key \"connect_timeout\"" },
		{ "postgresql://u:geheim@a:1,b:2/d", "invalid value \"1,2\" for port" },
		{ "password=a geh/eim=geheim", "a key is no word" },
		{ "mysql://u:geheim@h/d?a=b", "a key is no word" },
		{ "password='geheim' 'geheim'", "the settings must read" },
	};
	const struct config *c = files_load("[pgbouncer]\ntenant_catalogue=host=k\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e;
		cr_assert_null(config_make_line(c, "acme", cases[i].text, &e), "%s", cases[i].text);
		cr_expect_str_eq(e.sqlstate, "F0000");
		cr_expect_eq(strncmp(e.message, cases[i].message, strlen(cases[i].message)), 0, "%s: %s", cases[i].text, e.message);
		cr_expect_null(strstr(e.message, "geheim"), "%s", e.message);
	}
	config_unref(&c);
}

Test(tenants, names_and_braces_of_lines_are_checked)
{
	files_refuse("[pgbouncer]\n[tenants]\na b = host=x\n", "t.ini:3: a line must read");
	files_refuse("[pgbouncer]\n[tenants]\n\"a b\" = host=x\n", "t.ini:3: \"a b\" is no name for [tenants]");
	files_refuse("[pgbouncer]\n[tenants]\n../etc = host=x\n", "t.ini:3: \"../etc\" is no name for [tenants]");
	files_refuse("[pgbouncer]\n[tenants]\npgusher = host=x\n", "t.ini:3: the name \"pgusher\" is reserved");
	files_refuse("[pgbouncer]\n[tenants]\n* = host={tenent}\n", "t.ini:3: \"{tenent}\" for host");
	files_refuse("[pgbouncer]\n[tenants]\n* = dbname=x{\n", "t.ini:3: \"x{\" for dbname");
	files_refuse("[pgbouncer]\n[tenants]\n* = pool_size=-2\n", "t.ini:3: invalid value \"-2\" for pool_size");
	files_refuse("[pgbouncer]\n[tenant]\n", "t.ini:2: unknown section [tenant]");
	files_refuse("[pgbouncer]\ntenant_catalogue = hots=x\n", "t.ini:2: invalid value for tenant_catalogue");
	files_refuse("[pgbouncer]\ntenant_route = database, sni, database\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenant_route =\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenant_route = database,,sni\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenant_sni_suffix = db.example.com\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenant_fallback = a b\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenant_shards = 0\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\nproxy_protocol = 10.0.0.0/33\n", "t.ini:2: invalid value");
	files_refuse("[pgbouncer]\ntenent_ttl = 1\n", "t.ini:2: unknown key \"tenent_ttl\" in [pgbouncer]: do you mean tenant_ttl?");
}

Test(tenants, what_is_odd_is_told)
{
	const struct config *c = files_load("[pgbouncer]\ntenant_shards=2\ntenant_route=sni\ntenant_catalogue=host=k\n"
					    "tenant_case=lower\n"
					    "[databases]\nx=\n*=host={tenant}\n"
					    "[tenants]\n*=dbname=one\nx=\nACME=weight=2\n"
					    "[limits]\ntenant:Bolt=queries=1\ntenant:bolt=queries=1\n"
					    "[users]\nbob=tenants=Acme\nann=tenants=acme\n");

	cr_expect_eq(files_logged("WARNING t.ini:10: \"*\" in [tenants] gives all its tenants the same database, one"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:2: tenant_shards is 2, but \"*\" in [tenants] has no {shard}"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:3: tenant_route has sni, but without tenant_sni_suffix"), 1);
	cr_expect_eq(files_logged("client_tls_sslmode is disable: without TLS"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:8: {tenant} and {shard} stand for themselves in [databases]"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:8: \"*\" in [databases] is for nobody"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:11: \"x\" is in [databases], too, at t.ini:7: that line counts"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:12: tenant \"ACME\" is found by nobody"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:5: tenant_case is lower, so tenant:Bolt of [limits] is for nobody"), 1);
	cr_expect_eq(files_logged("WARNING t.ini:5: tenant_case is lower, and tenants of user \"bob\" has capital letters"), 1);
	cr_expect_eq(files_logged("tenant_case is lower"), 2);
	config_unref(&c);
}

/* A tenant that should have limits and has none is no trifle. */
Test(tenants, a_class_of_limits_must_be_there)
{
	files_refuse("[pgbouncer]\n[databases]\na=limits=glod\n[limits]\nclass:gold=queries=1\n",
		"t.ini:3: \"a\" has limits=glod, but [limits] has no line class:glod: do you mean gold?");
	files_refuse("[pgbouncer]\n[databases]\n*=limits=gold\n", "t.ini:3: \"*\" has limits=gold, but [limits] has no line class:gold");
	files_refuse("[pgbouncer]\n[tenants]\n*=limits=gold\na=\n", "t.ini:3: \"*\" has limits=gold");
	cr_expect_eq(files_logged("limits=gold"), 2);
	files_refuse("[pgbouncer]\n[tenants]\n*=\na=limits=gold\n", "t.ini:4: \"a\" has limits=gold");
	/* Its line is wrong, not missing. */
	files_refuse("[pgbouncer]\n[tenants]\na=limits=gold\n[limits]\nclass:gold=queries=x\n", "t.ini:5: invalid value");
	cr_expect_eq(files_logged("has limits="), 4);
}

Test(tenants, nothing_is_odd_about_a_usual_file)
{
	files_write("u.txt", "");
	chmod("u.txt", 0600);
	const struct config *c = files_load("[pgbouncer]\nauth_type=trust\nauth_file=u.txt\ntenant_shards=2\n"
					    "[tenants]\n*=host=pg-{shard}\n[hosts]\npg-0=max_connections=5\n");

	cr_expect_eq(files_logged("WARNING"), 0);
	config_unref(&c);
}

Test(tenants, auto_sizes)
{
	const struct config *c = files_load("[pgbouncer]\ndefault_pool_size=AUTO\n[users]\nbob=pool_size=auto tenants=a,b\n"
					    "[databases]\nx=pool_size=-1\n");

	cr_expect_eq(c->default_pool_size, POOL_SIZE_AUTO);
	cr_expect_eq(config_find_user(c, "bob")->pool_size, POOL_SIZE_AUTO);
	cr_expect_str_eq(config_find_user(c, "bob")->tenants, "a,b");
	cr_expect_eq(config_find_database(c, "x")->pool_size, CONFIG_UNSET);
	config_unref(&c);
}

/* 100,000 lines are read in far less than a second; the bound is for sanitizers on a busy machine. */
Test(tenants, a_hundred_thousand_lines)
{
	size_t size = 100 + 100000 * 64;
	char *text = malloc(size);
	size_t n = (size_t)snprintf(text, size, "[pgbouncer]\ntenant_shards=8\n[tenants]\n*=host=pg-{shard} dbname=t_{tenant}\n");
	struct error e;

	for (int i = 0; i < 100000; i++)
		n += (size_t)snprintf(text + n, size - n, "tenant%d = weight=2 max_db_connections=%d\n", i, i);
	usec_t begin = clock_now();
	const struct config *c = config_from_text(text, n, &e);
	cr_assert_not_null(c, "%s", e.message);
	cr_log_info("%lld ms", (long long)(clock_now() - begin) / 1000);
	cr_expect_lt(clock_now() - begin, 20 * USEC_PER_SEC);
	cr_assert_eq(c->ntenants, 100000);
	cr_expect_eq(config_find_database(c, "tenant99999")->max_db_connections, 99999);
	cr_expect_str_eq(config_find_database(c, "tenant99999")->dbname, "t_tenant99999");
	config_unref(&c);
	free(text);
}

/* A tenant that nobody uses costs its line, a touched one its line and what differs: 512 bytes and 2 KB are the bounds. */
Test(tenants, a_line_is_small)
{
	cr_expect_leq(sizeof(struct config_database), 224);
}
