/*
 * Pools as clients and PostgreSQL see them; the shards are those of the session tests.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../session/harness.h"
#include "pool/inside.h"
#include "session/link.h"

TestSuite(pool, .fini = house_close);

#define CANCEL 80877102u

static void
open_clients(struct peer **c, int n, struct peer **s)
{
	pair_open(&c[0], s);
	for (int i = 1; i < n; i++) {
		c[i] = client_open(0, "user=bob,database=one");
		client_welcome(c[i]);
	}
}

/* Client i asks "i". */
static void
ask(struct peer *c, int i)
{
	char words[20];

	snprintf(words, sizeof(words), "Q(%d)", i);
	say(c, words);
	house_settle();
}

static void
expect_asked(struct peer *s, int i)
{
	char words[20];

	snprintf(words, sizeof(words), "Q(%d)", i);
	hear(s, words);
}

static void
answer(struct peer *s, struct peer *c)
{
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
}

/* --- growing, and waiting --- */

Test(pool, grows_as_far_as_it_may_and_serves_in_order)
{
	struct peer *c[5], *s[2];

	house_open(1, "one = PG user=pooler pool_size=2", "");
	open_clients(c, 5, &s[0]);
	for (int i = 0; i < 5; i++)
		ask(c[i], i);
	expect_asked(s[0], 0);
	s[1] = backend_open();
	expect_asked(s[1], 1);
	cr_assert(backend_is_unwanted());
	answer(s[1], c[1]);
	expect_asked(s[1], 2);
	answer(s[0], c[0]);
	expect_asked(s[0], 3);
	answer(s[0], c[3]);
	expect_asked(s[0], 4);
	answer(s[0], c[4]);
	answer(s[1], c[2]);
}

/* One attempt at a time, however many wait. */
Test(pool, connects_one_by_one)
{
	struct peer *c[4], *s, *more;

	house_open(1, "one = PG user=pooler pool_size=9", "");
	open_clients(c, 4, &s);
	for (int i = 0; i < 4; i++)
		ask(c[i], i);
	expect_asked(s, 0);
	more = backend_accept();
	cr_assert(backend_is_unwanted());
	backend_let_in(more);
	expect_asked(more, 1);
	more = backend_open();
	expect_asked(more, 2);
}

/* The last one back is the first to go again: the others can time out. */
Test(pool, the_warmest_goes_first)
{
	struct peer *c[2], *s[2];

	house_open(1, "one = PG user=pooler pool_size=2", "");
	open_clients(c, 2, &s[0]);
	ask(c[0], 0);
	ask(c[1], 1);
	expect_asked(s[0], 0);
	s[1] = backend_open();
	expect_asked(s[1], 1);
	answer(s[0], c[0]);
	answer(s[1], c[1]);
	for (int i = 0; i < 3; i++) {
		ask(c[0], i);
		expect_asked(s[1], i);
		answer(s[1], c[0]);
	}
}

Test(pool, or_each_in_turn)
{
	struct peer *c[2], *s[2];

	house_open(1, "one = PG user=pooler pool_size=2", "server_round_robin = 1");
	open_clients(c, 2, &s[0]);
	ask(c[0], 0);
	ask(c[1], 1);
	expect_asked(s[0], 0);
	s[1] = backend_open();
	expect_asked(s[1], 1);
	answer(s[0], c[0]);
	answer(s[1], c[1]);
	for (int i = 0; i < 4; i++) {
		ask(c[0], i);
		expect_asked(s[i % 2], i);
		answer(s[i % 2], c[0]);
	}
}

Test(pool, the_reserve_is_for_those_who_wait_long)
{
	struct peer *c[2], *s, *reserve;
	usec_t start;

	house_open(1, "one = PG user=pooler pool_size=1 reserve_pool=1", "reserve_pool_timeout = 0.3");
	open_clients(c, 2, &s);
	ask(c[0], 0);
	start = clock_now();
	ask(c[1], 1);
	cr_assert(backend_is_unwanted() || clock_now() - start >= 250 * USEC_PER_MSEC);
	reserve = backend_open();
	cr_assert_geq(clock_now() - start, 250 * USEC_PER_MSEC);
	expect_asked(reserve, 1);
}

Test(pool, a_wait_has_an_end)
{
	struct peer *c[2], *s;

	house_open(1, "one = PG user=pooler pool_size=1", "");
	open_clients(c, 2, &s);
	ask(c[0], 0);
	house_configure(0, "one = PG user=pooler pool_size=1", "query_wait_timeout = 0.2");
	ask(c[1], 1);
	hear(c[1], "E(53300)");
	hear_end(c[1]);
	expect_asked(s, 0);
	answer(s, c[0]);
}

/* --- limits that are shared --- */

Test(pool, another_pool_gives_up_an_idle_connection)
{
	struct peer *a, *b, *s1, *s2;

	house_open(1, "one = PG user=pooler\ntwo = PG user=pooler", "max_user_connections = 1");
	pair_open(&a, &s1);
	b = client_open(0, "user=bob,database=two");
	hear(s1, "X");
	hear_end(s1);
	s2 = backend_open();
	client_welcome(b);
	/* And back: but not while it is in use. */
	ask(b, 1);
	expect_asked(s2, 1);
	ask(a, 0);
	cr_assert(backend_is_unwanted());
	answer(s2, b);
	hear(s2, "X");
	s1 = backend_open();
	expect_asked(s1, 0);
	answer(s1, a);
}

/* --- a server that can't be reached --- */

Test(pool, a_server_that_comes_back_is_used_soon)
{
	struct peer *c, *s;
	usec_t start;

	house_open(1, "one = PG user=pooler", "");
	c = client_open(0, "user=alice,database=one");
	for (int i = 0; i < 8; i++)
		hang_up(backend_accept());
	start = clock_now();
	s = backend_open();
	cr_assert_lt(clock_now() - start, 10 * USEC_PER_SEC);	/* server_login_retry is 15 s */
	client_welcome(c);
	ask(c, 0);
	expect_asked(s, 0);
}

/* Nobody gets in at the server, until a client has waited for it too long. */
static struct peer *
refuse_all(void)
{
	struct peer *c;

	house_open(1, "one = PG user=pooler", "server_login_retry = 2");
	c = client_open(0, "user=alice,database=one");
	hear(c, "R(0)");
	while (hears_nothing(c)) {
		if (!backend_is_unwanted())
			hang_up(backend_accept());
	}
	hear(c, "E(08006)");
	return c;
}

Test(pool, who_waits_too_long_for_it_is_told_why)
{
	struct peer *c = refuse_all();

	cr_assert(strstr(c->message, "server_login_retry") != NULL, "%s", c->message);
	hear_end(c);
}

/* What the old line's server did does not count against the new one's. */
Test(pool, a_line_that_is_mended_has_all_its_attempts)
{
	struct peer *c = refuse_all();

	house_configure(0, "one = PG user=pooler dbname=elsewhere", "server_login_retry = 2");
	c = client_open(0, "user=alice,database=one");
	hang_up(backend_accept());
	backend_open();
	client_welcome(c);
}

Test(pool, a_mute_server)
{
	struct peer *c, *s, *s2;

	house_open(1, "one = PG user=pooler", "server_connect_timeout = 2");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	s2 = backend_open();
	client_welcome(c);
	hang_up(s);
	ask(c, 0);
	expect_asked(s2, 0);
}

/* --- health --- */

Test(pool, a_check_before_each_use)
{
	struct peer *c, *s, *s2;

	house_open(1, "one = PG user=pooler pool_size=1", "server_check_query = select 'alive'\nserver_check_delay = 0");
	pair_open(&c, &s);
	ask(c, 0);
	if (hear_until(s, 'Q')[2] != '0') {	/* the very first may go without */
		say(s, "T D(alive) C(SELECT 1) Z(I)");
		expect_asked(s, 0);
	}
	answer(s, c);
	ask(c, 1);
	hear(s, "Q(select 'alive')");
	cr_assert(hears_nothing(c));
	say(s, "T D(alive) C(SELECT 1) Z(I)");
	expect_asked(s, 1);
	answer(s, c);
	/* One that does not pass is replaced, and nobody notices. */
	ask(c, 2);
	hear(s, "Q(select 'alive')");
	say(s, "E(58000) Z(I)");
	s2 = backend_open();
	if (hear_until(s2, 'Q')[2] != '2') {
		say(s2, "T D(alive) C(SELECT 1) Z(I)");
		expect_asked(s2, 2);
	}
	answer(s2, c);
}

Test(pool, an_idle_server_times_out)
{
	struct peer *c, *s;

	house_open(1, "one = PG user=pooler pool_size=1", "server_idle_timeout = 0.2");
	pair_open(&c, &s);
	hear(s, "X");
	hear_end(s);
	ask(c, 0);
	s = backend_open();
	expect_asked(s, 0);
}

static bool
must_close(struct shard *s, void *arg)
{
	return pool_must_close(session_of(s, arg)->link->server);
}

Test(pool, a_server_that_is_old_is_replaced)
{
	struct peer *c, *s;

	house_open(1, "one = PG user=pooler pool_size=1", "server_lifetime = 1");
	pair_open(&c, &s);
	hear(s, "X");
	hear_end(s);
	ask(c, 0);
	s = backend_open();
	expect_asked(s, 0);
	house_until(0, must_close, c);	/* but it is busy */
	answer(s, c);
	hear(s, "X");
	hear_end(s);
}

Test(pool, min_pool_size_needs_no_client)
{
	struct peer *c, *s[3];

	house_open(1, "one = PG user=pooler min_pool_size=2", "");
	s[0] = backend_open();
	s[1] = backend_open();
	house_settle();
	cr_assert(backend_is_unwanted());
	hang_up(s[0]);
	s[2] = backend_open();
	c = client_open(0, "user=alice,database=one");
	client_welcome(c);
	ask(c, 0);
	house_settle();
	cr_assert(!hears_nothing(s[1]) || !hears_nothing(s[2]));
}

Test(pool, a_connect_query_runs_first)
{
	struct peer *c, *s;

	house_open(1, "one = PG user=pooler connect_query='set role x'", "");
	c = client_open(0, "user=alice,database=one");
	s = backend_open();
	hear(s, "Q(set role x)");
	client_welcome(c);
	ask(c, 0);
	cr_assert(hears_nothing(s));
	say(s, "C(SET) Z(I)");
	expect_asked(s, 0);
	answer(s, c);
}

/* --- the configuration changes --- */

Test(pool, a_database_that_moves)
{
	struct peer *c[2], *s, *s2;

	house_open(1, "one = PG user=pooler pool_size=1", "");
	open_clients(c, 2, &s);
	ask(c[0], 0);
	expect_asked(s, 0);
	ask(c[1], 1);
	house_configure(0, "one = PG user=pooler pool_size=1 dbname=elsewhere", "");
	/* What runs comes to its end, and nobody else gets the old server. */
	answer(s, c[0]);
	hear(s, "X");
	hear_end(s);
	s2 = backend_open();
	expect_asked(s2, 1);
	answer(s2, c[1]);
}

Test(pool, a_database_that_is_removed)
{
	struct peer *c[2], *s;

	house_open(1, "one = PG user=pooler pool_size=1\ntwo = PG user=pooler", "");
	open_clients(c, 2, &s);
	say(c[0], "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	ask(c[1], 1);
	house_configure(0, "two = PG user=pooler", "");
	for (int i = 0; i < 2; i++) {
		hear(c[i], "E(57P01)");
		hear_end(c[i]);
	}
	c[0] = client_open(0, "user=alice,database=one");
	hear(c[0], "R(0) E(3D000)");
	hear_end(c[0]);
}

/* --- pausing --- */

static void
pause_all(struct shard *s, void *arg)
{
	(void)arg;
	shard_pause(s, NULL);
}

static void
resume_all(struct shard *s, void *arg)
{
	(void)arg;
	shard_resume(s, NULL);
}

static bool
is_quiet(struct shard *s, void *arg)
{
	(void)arg;
	return shard_is_quiet(s, NULL);
}

Test(pool, pause_and_resume)
{
	struct peer *c[2], *s;

	house_open(1, "one = PG user=pooler pool_size=2", "");
	open_clients(c, 2, &s);
	ask(c[0], 0);
	expect_asked(s, 0);
	house_call(0, pause_all, NULL);
	ask(c[1], 1);
	cr_assert(backend_is_unwanted());
	answer(s, c[0]);
	hear(s, "X");
	house_until(0, is_quiet, NULL);
	ask(c[0], 2);
	cr_assert(backend_is_unwanted());
	house_call(0, resume_all, NULL);
	s = backend_open();
	expect_asked(s, 1);
}

static void
reconnect(struct shard *s, void *arg)
{
	struct tenant *t = NULL;

	(void)arg;
	while ((t = tenants_next(s->tenants, t)) != NULL)
		tenant_close_servers(t, true, "reconnect");
}

Test(pool, reconnect_closes_what_comes_back)
{
	struct peer *c[2], *s[2];

	house_open(1, "one = PG user=pooler pool_size=2", "");
	open_clients(c, 2, &s[0]);
	ask(c[0], 0);
	expect_asked(s[0], 0);
	ask(c[1], 1);
	s[1] = backend_open();
	expect_asked(s[1], 1);
	answer(s[1], c[1]);
	house_call(0, reconnect, NULL);
	hear(s[1], "X");
	hear_end(s[1]);
	answer(s[0], c[0]);
	hear(s[0], "X");
	hear_end(s[0]);
	ask(c[0], 2);
	s[0] = backend_open();
	expect_asked(s[0], 2);
}

static void
renew(struct shard *s, void *arg)
{
	(void)arg;
	tenants_find(s->tenants, "one")->generation++;
}

/* Another part of its tenant, which may have another line, would not see it. */
Test(pool, what_must_be_closed_is_given_to_nobody)
{
	int home = tenant_worker("one", 2);
	struct peer *c, *s;

	house_open(2, "one = PG user=pooler pool_size=1", "");
	open_clients(&c, 1, &s);
	ask(c, 0);
	expect_asked(s, 0);
	answer(s, c);
	house_call(home, renew, NULL);
	cr_assert_not(move_server("one", home, 1 - home));
	hear(s, "X");
	hear_end(s);
}

/* --- cancel requests --- */

/* One request behind the other. */
static void
cancel_often(const struct peer *whom, struct peer **by, int n)
{
	for (int i = 0; i < n; i++) {
		by[i] = client_cancel(0, whom);
		house_settle();
	}
}

/* They may use as many connections again as the pool has; more of them wait. */
Test(pool, cancels_wait_for_room)
{
	struct peer *c[2], *s, *by[3], *carrier[3];
	uint8_t body[100];
	size_t n;

	house_open(1, "one = PG user=pooler pool_size=1", "");
	open_clients(c, 1, &s);
	ask(c[0], 0);
	expect_asked(s, 0);
	cancel_often(c[0], by, 3);
	for (int i = 0; i < 3; i++) {
		carrier[i] = backend_accept();
		cr_assert(backend_is_unwanted());
		cr_assert_eq(hear_startup(carrier[i], body, sizeof(body), &n), CANCEL);
		hang_up(carrier[i]);
		house_settle();
	}
	for (int i = 0; i < 3; i++)
		hear_end(by[i]);
	say(s, "E(57014) Z(I)");
	hear(c[0], "E(57014) Z(I)");
	ask(c[0], 1);
	expect_asked(s, 1);
}

/* Those whose target is done already do not go out any more. */
Test(pool, cancels_that_came_too_late_for_room)
{
	struct peer *c, *s, *by[2], *carrier;

	house_open(1, "one = PG user=pooler pool_size=1", "");
	open_clients(&c, 1, &s);
	ask(c, 0);
	expect_asked(s, 0);
	cancel_often(c, by, 2);
	carrier = backend_accept();
	answer(s, c);
	hear_end(by[1]);
	hang_up(carrier);
	hear_end(by[0]);
	cr_assert(backend_is_unwanted());
	ask(c, 1);
	expect_asked(s, 1);
}

/* It has not been under way as long as it has waited. */
Test(pool, a_cancel_that_waited_for_room_has_its_time_to_connect)
{
	struct peer *c, *s, *by[2], *carrier;
	uint8_t body[100];
	size_t n;

	house_open(1, "one = PG user=pooler pool_size=1", "cancel_wait_timeout = 0\nserver_connect_timeout = 4");
	open_clients(&c, 1, &s);
	ask(c, 0);
	expect_asked(s, 0);
	cancel_often(c, by, 2);
	backend_accept();
	hear_end(by[0]);
	carrier = backend_accept();
	cr_assert_eq(hear_startup(carrier, body, sizeof(body), &n), CANCEL);
	hang_up(carrier);
	hear_end(by[1]);
	answer(s, c);
}

/* --- lists of hosts --- */

static bool
names(char *list, const char *host)
{
	struct config_database conf = { .host = list };
	struct tenant t = { .conf = &conf };
	struct pool p = { .tenant = &t };

	return pool_names_host(&p, host);
}

/* A place is granted at the host as it was first called, which may have been by another tenant's line. */
Test(pool_list, a_host_is_the_same_however_it_is_spelled)
{
	char two[] = "pg1,PG2", v6[] = "::1", mixed[] = "pg1,FE80:0::A", path[] = "/run/Postgres";

	cr_assert(names(two, "Pg1"));
	cr_assert(names(two, "pg2"));
	cr_assert(names(v6, "0:0:0:0:0:0:0:1"));
	cr_assert(names(mixed, "fe80::a"));
	cr_assert(names(path, "/run/Postgres"));
	cr_assert_not(names(path, "/run/postgres"));
	cr_assert_not(names(two, "pg"));
	cr_assert_not(names(v6, "::2"));
}
