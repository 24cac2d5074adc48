/* [limits]. */
#include "config/limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "files.h"

TestSuite(limits, .init = files_begin, .fini = files_end);

static struct config_limits
find(const struct config *c, int scope, const char *name, const char *class)
{
	struct config_limits l;

	cr_assert(config_find_limits(c, scope, name, class, &l), "%s", name);
	return l;
}

Test(limits, the_narrowest_line_counts_for_each_key)
{
	const struct config *c = files_load("[pgbouncer]\n[limits]\n"
					    "tenant = queries=100 queries_burst=500 clients=10 transaction=30\n"
					    "class:gold = queries=1000 clients=50\n"
					    "tenant:acme = clients=7 bytes=1MB\n"
					    "user = active=3\n");
	struct config_limits l = find(c, LIMIT_TENANT, "acme", "gold");

	cr_expect_eq(l.clients, 7);
	cr_expect_eq(l.bytes, 1024 * 1024);
	cr_expect_eq(l.bytes_burst, 1024 * 1024);
	cr_expect_eq(l.queries, 1000);
	cr_expect_eq(l.queries_burst, 1000, "the burst is that of the line that has the rate");
	cr_expect_eq(l.transaction, 30 * USEC_PER_SEC);
	cr_expect_eq(l.max_delay, USEC_PER_SEC);
	cr_expect_eq(l.shadow, 0);
	cr_expect_eq(l.warn_percent, 0);
	cr_expect_eq(l.result_size, 0);
	l = find(c, LIMIT_TENANT, "other", NULL);
	cr_expect_eq(l.queries_burst, 500);
	cr_expect_eq(l.clients, 10);
	cr_expect_eq(find(c, LIMIT_USER, "bob", "gold").active, 3);
	cr_expect_eq(find(c, LIMIT_TENANT, "acme", "none").queries, 100);
	cr_expect_not(config_find_limits(c, LIMIT_CLIENT, "acme", NULL, &l));
	config_unref(&c);
}

Test(limits, zero_takes_a_limit_away)
{
	const struct config *c = files_load("[pgbouncer]\n[limits]\ntenant = queries=100\ntenant:acme = queries=0\n"
					    "tenant:beta = queries=-1\n");
	struct config_limits l;

	cr_expect_not(config_find_limits(c, LIMIT_TENANT, "acme", NULL, &l));
	cr_expect_eq(find(c, LIMIT_TENANT, "beta", NULL).queries, 100);
	config_unref(&c);
}

Test(limits, nothing_is_limited_by_default)
{
	const struct config *c = files_load("[pgbouncer]\n");
	struct config_limits l;

	for (int scope = 0; scope < LIMIT_SCOPES; scope++)
		cr_expect_not(config_find_limits(c, scope, "10.0.0.1", "x", &l));
	config_unref(&c);
}

Test(limits, the_longest_prefix_counts)
{
	const struct config *c = files_load("[pgbouncer]\n[limits]\n"
					    "address = active=1\n"
					    "address:10.0.0.0/8 = active=2\n"
					    "address:10.1.2.3 = active=3\n"
					    "address:2001:db8::/32 = active=4\n"
					    "address:0.0.0.0/0 = active=5\n"
					    "network:10.1.0.0/16 = active=6\n");

	cr_expect_eq(find(c, LIMIT_ADDRESS, "10.1.2.3", NULL).active, 3);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "10.1.2.4", NULL).active, 2);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "11.1.2.4", NULL).active, 5);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "2001:db8:1::1", NULL).active, 4);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "2001:db9::", NULL).active, 1);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "unix", NULL).active, 1);
	cr_expect_eq(find(c, LIMIT_ADDRESS, "no address", NULL).active, 1);
	cr_expect_eq(find(c, LIMIT_NETWORK, "10.1.2.0/24", NULL).active, 6);
	config_unref(&c);
}

Test(limits, wrong_lines)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "tenants = queries=1", "t.ini:3: \"tenants\" is nothing that can be limited" },
		{ "tenant: = queries=1", "t.ini:3: \"tenant:\" does not say which tenant" },
		{ "class = queries=1", "t.ini:3: \"class\" does not say which class" },
		{ "address:10.0.0.300 = active=1", "t.ini:3: \"address:10.0.0.300\" must name an address" },
		{ "network:10.0.0.7/24 = active=1", "t.ini:3: \"network:10.0.0.7/24\" must name" },
		{ "network:unix = active=1", "t.ini:3: \"network:unix\" must name" },
		{ "tenant = query=1", "t.ini:3: unknown key \"query\" in [limits]" },
		{ "tenant = querys=1", "t.ini:3: unknown key \"querys\" in [limits]: do you mean queries?" },
		{ "tenant = queries=99999999999", "t.ini:3: invalid value \"99999999999\" for queries" },
		{ "tenant = queries=10/s", "t.ini:3: invalid value \"10/s\" for queries" },
		{ "tenant = warn_percent=101", "t.ini:3: invalid value \"101\" for warn_percent" },
		{ "tenant = bytes=1XB", "t.ini:3: invalid value \"1XB\" for bytes" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		snprintf(text, sizeof(text), "[pgbouncer]\n[limits]\n%s\n", cases[i].line);
		files_refuse(text, cases[i].message);
	}
}

Test(limits, what_is_legal_and_hardly_meant_is_warned_of)
{
	static const struct {
		const char *text, *warning;
	} cases[] = {
		{ "[limits]\ntenant = queries=5\ntenant:a = queries_burst=9\n",
		  "t.ini:5: queries_burst of \"tenant:a\" counts for nothing: it needs queries in the same line" },
		{ "[limits]\naddress = connections_burst=9 queries=1\n", "t.ini:4: connections_burst of \"address\"" },
		{ "[limits]\nuser = bytes=1 server_time_burst=9\n", "t.ini:4: server_time_burst of \"user\"" },
		{ "[limits]\ntenant:a = clients=-1\n", "t.ini:4: -1 in the limits of \"tenant:a\" is as if it was not said; 0 takes" },
		{ "[limits]\nuser:* = clients=1\n", "t.ini:4: \"user:*\" is for one whose name is *; for each it is \"user\"" },
		{ "limit_redis = redis://127.0.0.1\n[limits]\nuser = queries=1\n",
		  "t.ini:3: limit_redis is set, but limit_nodes is 1: while" },
		{ "limit_nodes = 2\nlimit_redis = redis://127.0.0.1\n[limits]\n"
		  "user = queries=10 queries_burst=2 clients=0\nclass:x-1 = bytes=1\n", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = files_logged("WARNING");
		char text[400];
		const struct config *c;

		snprintf(text, sizeof(text), "[pgbouncer]\nauth_type = any\n%s", cases[i].text);
		c = files_load(text);
		cr_expect(cases[i].warning == NULL || files_logged(cases[i].warning) == 1, "%s", cases[i].text);
		cr_expect_eq(files_logged("WARNING"), before + (cases[i].warning != NULL), "%s", cases[i].text);
		config_unref(&c);
	}
}

Test(limits, of_a_name_that_is_very_long)
{
	const struct config *c = files_load("[pgbouncer]\n[limits]\nuser = active=1\n");
	char name[3000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_eq(find(c, LIMIT_USER, name, NULL).active, 1);
	config_unref(&c);
}
