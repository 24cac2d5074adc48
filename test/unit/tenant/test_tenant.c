#include "tenant/tenant.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"

static void
be_quiet(void)
{
	log_set_stderr(false);
}

TestSuite(tenant, .init = be_quiet);

static const struct config *
configure(const char *databases, const char *settings)
{
	char text[1000];
	struct error e;
	const struct config *c;

	snprintf(text, sizeof(text), "[databases]\n%s\n[pgbouncer]\n%s\n", databases, settings);
	c = config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct tenants *
begin(const char *databases)
{
	const struct config *c = configure(databases, "");
	struct tenants *ts = tenants_new(c);

	config_unref(&c);
	return ts;
}

static void
take(struct tenants *ts, const struct config *c)
{
	struct tenant *t = NULL;

	tenants_set_config(ts, c);
	while ((t = tenants_next(ts, t)) != NULL)
		tenants_catch_up(ts, t);
}

static void
reload(struct tenants *ts, const char *databases)
{
	const struct config *c = configure(databases, "");

	take(ts, c);
	config_unref(&c);
}

static struct tenant *
open_tenant(struct tenants *ts, const char *name)
{
	struct error e = { .sqlstate = "" };
	struct tenant *t = tenants_open(ts, name, &e);

	if (t == NULL)
		cr_assert_str_eq(e.sqlstate, SQLSTATE_INVALID_CATALOG_NAME);
	return t;
}

/* Processes of different versions that hand over to each other must agree. */
Test(tenant, its_worker_never_changes)
{
	static const struct {
		const char *name;
		int of_4, of_7;
	} known[] = {
		{ "", 2166136261u % 4, 2166136261u % 7 },
		{ "a", 0xe40c292cu % 4, 0xe40c292cu % 7 },
		{ "foobar", 0xbf9cf968u % 4, 0xbf9cf968u % 7 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cr_assert_eq(tenant_worker(known[i].name, 4), known[i].of_4);
		cr_assert_eq(tenant_worker(known[i].name, 7), known[i].of_7);
		cr_assert_eq(tenant_worker(known[i].name, 1), 0);
	}
}

Test(tenant, workers_share_the_load)
{
	int count[4] = { 0 };
	char name[20];

	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "tenant_%04d", i);
		count[tenant_worker(name, 4)]++;
	}
	for (int i = 0; i < 4; i++)
		cr_assert(count[i] > 800 && count[i] < 1200, "worker %d has %d", i, count[i]);
}

Test(tenant, is_made_when_it_is_asked_for)
{
	struct tenants *ts = begin("one = host=a\ntwo = host=b");
	struct tenant *t;

	cr_assert_eq(tenants_count(ts), 0);
	cr_assert_null(tenants_find(ts, "one"));
	t = open_tenant(ts, "one");
	cr_assert_str_eq(t->name, "one");
	cr_assert_str_eq(t->conf->host, "a");
	cr_assert_eq(open_tenant(ts, "one"), t);
	cr_assert_eq(tenants_find(ts, "one"), t);
	cr_assert_null(open_tenant(ts, "three"));
	cr_assert_eq(tenants_count(ts), 1);
	cr_assert_eq(tenants_next(ts, NULL), t);
	cr_assert_null(tenants_next(ts, t));
	tenants_drop(ts, &t);
	cr_assert_null(t);
	cr_assert_eq(tenants_count(ts), 0);
	tenants_free(&ts);
	cr_assert_null(ts);
	tenants_free(&ts);
}

Test(tenant, the_asterisk_makes_any)
{
	struct tenants *ts = begin("one = host=a\n* = host=b");
	char name[] = "other";
	struct tenant *t = open_tenant(ts, name);

	memset(name, 'x', sizeof(name) - 1);
	cr_assert_str_eq(t->name, "other");
	cr_assert_str_eq(t->conf->name, "other");
	cr_assert_str_eq(t->conf->dbname, "other");
	cr_assert_str_eq(t->conf->host, "b");
	cr_assert_not_null(t->autodb);
	cr_assert_null(open_tenant(ts, "one")->autodb);
	tenants_free(&ts);
}

Test(tenant, a_reload_keeps_it)
{
	struct tenants *ts = begin("one = host=a pool_size=3");
	struct tenant *t = open_tenant(ts, "one");

	t->traffic.query_count = 7;
	reload(ts, "one = host=a pool_size=9");
	cr_assert_eq(open_tenant(ts, "one"), t);
	cr_assert_eq(t->traffic.query_count, 7);
	cr_assert_eq(t->conf->pool_size, 9);
	cr_assert_eq(t->conf, config_find_database(tenants_config(ts), "one"));
	tenants_free(&ts);
}

/* --- a reload that has not reached all of them --- */

static void
set_config(struct tenants *ts, const char *databases)
{
	const struct config *c = configure(databases, "");

	tenants_set_config(ts, c);
	config_unref(&c);
}

Test(tenant, catches_up_one_by_one)
{
	struct tenants *ts = begin("one = host=a\ntwo = host=a");
	struct tenant *one = open_tenant(ts, "one"), *two = open_tenant(ts, "two"), *new;
	uint64_t before = one->line_hash;

	set_config(ts, "one = host=b\ntwo = host=b\nthree = host=c");
	new = open_tenant(ts, "three");
	cr_assert_str_eq(one->conf->host, "a");
	tenants_catch_up(ts, one);
	cr_assert_str_eq(one->conf->host, "b");
	cr_assert_neq(one->line_hash, before);
	cr_assert_str_eq(two->conf->host, "a");
	tenants_catch_up(ts, new);
	cr_assert_str_eq(new->conf->host, "c");
	tenants_free(&ts);
}

Test(tenant, who_looks_for_it_finds_it_up_to_date)
{
	static const struct {
		struct tenant *(*look)(struct tenants *ts, const char *name);
	} ways[] = { { tenants_find }, { open_tenant } };

	for (size_t i = 0; i < lengthof(ways); i++) {
		struct tenants *ts = begin("one = host=a\ntwo = host=a");
		struct tenant *one = open_tenant(ts, "one"), *two = open_tenant(ts, "two");
		uint64_t before = one->line_hash;

		set_config(ts, "one = host=b\n* = host=c");
		cr_assert_eq(ways[i].look(ts, "one"), one);
		cr_assert_str_eq(one->conf->host, "b");
		cr_assert_neq(one->line_hash, before);
		cr_assert_eq(ways[i].look(ts, "two"), two);
		cr_assert_str_eq(two->conf->host, "c");
		tenants_free(&ts);
	}
}

/* Its clients may be at work: so it stays as it is until it is ended, but nobody comes in. */
Test(tenant, whose_line_is_gone_is_not_opened_any_more)
{
	struct tenants *ts = begin("one = host=a");
	struct tenant *one = open_tenant(ts, "one");
	struct config_database *made = NULL;
	struct error e;

	set_config(ts, "");
	cr_assert_null(open_tenant(ts, "one"));
	cr_assert_null(tenants_line(ts, "one", &made, &e));
	cr_assert_eq(tenants_find(ts, "one"), one);
	cr_assert_str_eq(one->conf->host, "a");
	tenants_catch_up(ts, one);
	cr_assert_null(one->conf);
	tenants_free(&ts);
}

/* What was in between has never held for it: its servers are as good as they were. */
Test(tenant, may_miss_a_reload)
{
	struct tenants *ts = begin("one = host=a");
	struct tenant *one = open_tenant(ts, "one");
	uint64_t before = one->line_hash;

	set_config(ts, "one = host=b");
	set_config(ts, "");
	set_config(ts, "one = host=a pool_size=9");
	tenants_catch_up(ts, one);
	cr_assert_eq(one->conf->pool_size, 9);
	cr_assert_eq(one->line_hash, before);
	tenants_free(&ts);
}

/* Servers go from part to part: one that was made by a line that the other part has missed is none of its present line. */
Test(tenant, of_several_workers_with_other_reloads_seen)
{
	static const struct {
		const char *line;
		bool missed;
	} reloads[] = { { "one = host=b", true }, { "one = host=c", false }, { "one = host=b", false },
		{ "one = host=c connect_query='select 1'", true }, { "", true }, { "* = host=c", false } };
	struct tenants *here = begin("one = host=a"), *there = begin("one = host=a");
	struct tenant *t = open_tenant(here, "one"), *u = open_tenant(there, "one");

	cr_assert_eq(t->line_hash, u->line_hash);
	for (size_t i = 0; i < lengthof(reloads); i++) {
		uint64_t before = u->line_hash;

		reload(here, reloads[i].line);
		cr_assert(t->conf == NULL || t->line_hash != before, "%zu", i);
		set_config(there, reloads[i].line);
		if (reloads[i].missed)
			continue;
		tenants_catch_up(there, u);
		cr_assert_eq(t->line_hash, u->line_hash, "%zu", i);
		cr_assert_neq(u->line_hash, before, "%zu", i);
	}
	tenants_free(&here);
	tenants_free(&there);
}

static void
count(void *arg, struct tenant *t)
{
	(void)t;
	++*(int *)arg;
}

Test(tenant, tells_of_each_line_once)
{
	struct tenants *ts = begin("one = host=a\n* = host=a");
	struct tenant *one = open_tenant(ts, "one");
	int told = 0;

	tenants_watch(ts, count, &told);
	tenants_find(ts, "one");
	cr_assert_eq(told, 0);
	set_config(ts, "one = host=a");
	tenants_find(ts, "one");
	tenants_catch_up(ts, one);
	cr_assert_eq(told, 1);
	tenants_free(&ts);
}

/* Ten thousand of them are not looked at because of a reload. */
Test(tenant, rests_on_if_it_may)
{
	static const struct {
		const char *databases;
		bool stirs;
	} reloads[] = { { "one = host=b", false }, { "* = host=a", true }, { "", true } };

	for (size_t i = 0; i < lengthof(reloads); i++) {
		struct tenants *ts = begin("one = host=a");
		struct tenant *one = open_tenant(ts, "one");

		tenants_rest(ts, one);
		reload(ts, reloads[i].databases);
		cr_assert_eq(one->awake, reloads[i].stirs, "%s", reloads[i].databases);
		tenants_free(&ts);
	}
}

Test(tenant, a_line_that_is_gone_and_comes_back)
{
	struct tenants *ts = begin("one = host=a\ntwo = host=b");
	struct tenant *t = open_tenant(ts, "one");

	reload(ts, "two = host=b");
	cr_assert_null(t->conf);
	cr_assert_null(open_tenant(ts, "one"));
	cr_assert_eq(tenants_find(ts, "one"), t);
	reload(ts, "one = host=c");
	cr_assert_eq(open_tenant(ts, "one"), t);
	cr_assert_str_eq(t->conf->host, "c");
	tenants_free(&ts);
}

/* Between a line of its own and "*", and back. */
Test(tenant, a_line_appears_and_goes)
{
	struct tenants *ts = begin("* = host=a");
	struct tenant *t = open_tenant(ts, "one");

	reload(ts, "one = host=b\n* = host=a");
	cr_assert_null(t->autodb);
	cr_assert_str_eq(t->conf->host, "b");
	reload(ts, "* = host=c");
	cr_assert_eq(t->conf, t->autodb);
	cr_assert_str_eq(t->conf->host, "c");
	reload(ts, "two = host=c");
	cr_assert_null(t->conf);
	cr_assert_null(t->autodb);
	tenants_free(&ts);
}

/* Only what leads to another server makes the old connections useless. */
/* Connections that were made by other rules of TLS are of no use, whether the line or the section has changed. */
Test(tenant, what_it_counted_outlives_it)
{
	struct tenants *ts = begin("* = host=h");
	struct tenant *a = open_tenant(ts, "a"), *b = open_tenant(ts, "b");

	a->traffic.query_count = 5;
	b->traffic.query_count = 2;
	cr_assert_eq(tenants_past(ts)->query_count, 0);
	tenants_drop(ts, &a);
	cr_assert_eq(tenants_past(ts)->query_count, 5);
	tenants_drop(ts, &b);
	cr_assert_eq(tenants_past(ts)->query_count, 7);
	tenants_free(&ts);
}

Test(tenant, line_hash_and_tls)
{
	static const struct {
		const char *line, *settings;
		unsigned changes;
	} steps[] = {
		{ "one = host=a", "", 0 },
		{ "one = host=a server_tls_sslmode=require", "", 1 },
		{ "one = host=a server_tls_sslmode=require", "server_tls_sslmode = allow", 1 },
		{ "one = host=a", "server_tls_sslmode = allow", 2 },
		{ "one = host=a", "server_tls_sslmode = allow\nserver_require_auth = scram-sha-256", 3 },
		{ "one = host=a auth_user=x", "server_tls_sslmode = allow\nserver_require_auth = scram-sha-256", 3 },
		{ "* = host=a", "server_tls_sslmode = allow\nserver_require_auth = scram-sha-256", 3 },
		{ "* = host=a server_tls_ca_file=x", "server_tls_sslmode = allow\nserver_require_auth = scram-sha-256", 4 },
	};
	struct tenants *ts = begin(steps[0].line);
	struct tenant *t = open_tenant(ts, "one");
	uint64_t before = t->line_hash;
	unsigned changes = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct config *c = configure(steps[i].line, steps[i].settings);
		take(ts, c);
		config_unref(&c);
		changes += t->line_hash != before;
		before = t->line_hash;
		cr_assert_eq(changes, steps[i].changes, "step %zu", i);
	}
	tenants_free(&ts);
}

Test(tenant, line_hash)
{
	static const struct {
		const char *line;
		bool changes;
	} lines[] = {
		{ "one = host=a port=1 user=u", false },
		{ "one = host=a port=1 user=u pool_size=5", false },
		{ "one = host=b port=1 user=u", true },
		{ "one = host=a port=2 user=u", true },
		{ "one = host=a port=1 user=v", true },
		{ "one = host=a port=1", true },
		{ "one = host=a port=1 user=u password=p", true },
		{ "one = host=a port=1 user=u dbname=other", true },
		{ "one = host=a port=1 user=u timezone=UTC", true },
		{ "one = host=a port=1 user=u datestyle=ISO", true },
		{ "one = host=a port=1 user=u client_encoding=UTF8", true },
		{ "one = host=a port=1 user=u application_name=x", true },
		{ "one = host=a port=1 user=u connect_query='select 1'", true },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct tenants *ts = begin(lines[0].line);
		struct tenant *t = open_tenant(ts, "one");
		uint64_t before = t->line_hash;

		reload(ts, lines[i].line);
		cr_assert_eq(t->line_hash != before, lines[i].changes, "%s", lines[i].line);
		tenants_free(&ts);
	}
}

Test(tenant, the_narrowest_setting_wins)
{
	const struct config *c = configure("plain = host=a\nown = host=a pool_size=5 pool_mode=session "
					   "slow_query_threshold=0", "default_pool_size = 7\npool_mode = transaction\n"
					   "max_db_connections = 4\nslow_query_threshold = 2s");
	struct tenants *ts = tenants_new(c);
	struct tenant *plain = open_tenant(ts, "plain"), *own = open_tenant(ts, "own");
	struct config_user u;

	cr_assert_eq(tenant_pool_size(plain, c, NULL), 7);
	cr_assert_eq(tenant_pool_size(own, c, NULL), 5);
	cr_assert_eq(tenant_pool_mode(plain, c, NULL), POOL_TRANSACTION);
	cr_assert_eq(tenant_pool_mode(own, c, NULL), POOL_SESSION);
	cr_assert_eq(tenant_max_connections(own, c), 4);
	memset(&u, 0, sizeof(u));
	u.pool_size = 3;
	u.pool_mode = POOL_STATEMENT;
	cr_assert_eq(tenant_pool_size(own, c, &u), 3);
	cr_assert_eq(tenant_pool_mode(own, c, &u), POOL_STATEMENT);
	cr_assert_eq(tenant_slow_query_threshold(plain, c, NULL), 2 * USEC_PER_SEC);
	cr_assert_eq(tenant_slow_query_threshold(own, c, NULL), 0, "0 is set, and switches it off");
	u.slow_query_threshold = CONFIG_UNSET;
	cr_assert_eq(tenant_slow_query_threshold(own, c, &u), 0);
	u.slow_query_threshold = 5;
	cr_assert_eq(tenant_slow_query_threshold(own, c, &u), 5);
	/* Its line is gone: what holds for all is left. */
	own->conf = NULL;
	cr_assert_eq(tenant_pool_size(own, c, NULL), 7);
	cr_assert_eq(tenant_pool_mode(own, c, NULL), POOL_TRANSACTION);
	cr_assert_eq(tenant_slow_query_threshold(own, c, NULL), 2 * USEC_PER_SEC);
	tenants_free(&ts);
	config_unref(&c);
}

/* --- rest --- */

static int
count_awake(const struct tenants *ts)
{
	int n = 0;

	for (const struct tenant *t = NULL; (t = tenants_next_awake(ts, t)) != NULL;)
		n++;
	return n;
}

Test(tenant, who_rests_is_not_looked_at)
{
	struct tenants *ts = begin("one = host=a\n* = host=b");
	struct tenant *one = open_tenant(ts, "one"), *other = open_tenant(ts, "other"), *third = open_tenant(ts, "third");

	cr_assert_eq(count_awake(ts), 3, "who is new is awake");
	tenants_rest(ts, one);
	tenants_rest(ts, other);
	tenants_rest(ts, third);
	cr_assert_eq(count_awake(ts), 0);
	cr_assert_eq(tenants_first_resting(ts), other, "a line of the configuration is never forgotten");
	tenants_let_rest_on(ts, other);
	cr_assert_eq(tenants_first_resting(ts), third);
	tenants_wake(ts, third);
	tenants_wake(ts, third);
	cr_assert_eq(count_awake(ts), 1);
	cr_assert_eq(tenants_first_resting(ts), other);
	tenants_drop(ts, &other);
	cr_assert_null(tenants_first_resting(ts));
	tenants_rest(ts, third);
	reload(ts, "third = host=c");
	cr_assert_eq(count_awake(ts), 2, "a reload may have changed anything");
	cr_assert_null(one->conf);
	cr_assert_null(third->autodb);
	tenants_rest(ts, third);
	cr_assert_null(tenants_first_resting(ts));
	tenants_free(&ts);
}

Test(tenant, who_rests_has_its_averages)
{
	struct tenants *ts = begin("* = host=b");
	struct tenant *t = open_tenant(ts, "one");
	struct traffic_history h;

	t->traffic.query_count = 7;
	cr_assert_not(tenant_is_still(t));
	traffic_roll(t->history, &t->traffic, clock_now());
	cr_assert_not(tenant_is_still(t), "the last period had some");
	traffic_roll(t->history, &t->traffic, clock_now());
	cr_assert(tenant_is_still(t));
	tenants_rest(ts, t);
	cr_assert_null(t->history);
	h = tenant_history(t);
	cr_assert_eq(h.older.query_count, 7);
	cr_assert_eq(h.newer.query_count, 7);
	cr_assert(tenant_is_still(t));
	tenants_wake(ts, t);
	t->traffic.query_count = 9;
	h = tenant_history(t);
	cr_assert_eq(h.newer.query_count, 7);
	tenants_free(&ts);
}
