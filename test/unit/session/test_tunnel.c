/*
 * Replication connections: a server of its own for each, whose bytes pass as they come.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "pg/message.h"
#include "pg/startup.h"
#include "pg/writer.h"
#include "session/link.h"
#include "session/move.h"

#define ONE "one = PG user=pooler pool_size=1"
#define TWO_SERVERS "one = PG user=pooler pool_size=2"
#define LOGICAL "user=alice,database=one,replication=database"
#define PHYSICAL "user=alice,database=one,replication=yes"

/* More than sockets take. */
#define MUCH ((size_t)64 * 1024 * 1024)

TestSuite(tunnel, .fini = house_close);

/* --- who is there --- */

static bool
has_pools(struct shard *s, void *arg)
{
	struct tenant *t = tenants_find(s->tenants, "one");
	struct pool *p;
	int n = 0;

	LIST_FOREACH(p, &t->pools, link)
		n++;
	return n == *(int *)arg;
}

static void
until_pools(int n)
{
	house_until(0, has_pools, &n);
}

static bool
waits(struct shard *s, void *arg)
{
	struct tenant *t = tenants_find(s->tenants, "one");
	struct pool *p;
	int n = 0;

	LIST_FOREACH(p, &t->pools, link) {
		struct lease_request *r;

		n += p->nwaiters;
		TAILQ_FOREACH(r, &p->newcomers, link)
			n++;
	}
	return n == *(int *)arg;
}

static void
until_waiting(int n)
{
	house_until(0, waits, &n);
}

static void
tunnel_open(struct peer **c, struct peer **s)
{
	*c = client_open(0, LOGICAL);
	*s = backend_open();
	client_welcome(*c);
}

/* COPY in both directions has begun. */
static void
stream_begin(struct peer *c, struct peer *s)
{
	say(c, "Q(START_REPLICATION)");
	hear(s, "Q(START_REPLICATION)");
	say(s, "W");
	hear(c, "W");
}

static void
ask_and_answer(struct peer *c, struct peer *s)
{
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
}

/* --- startup --- */

/* The pairs of a startup packet as text, "name=value,...". */
static void
hear_parameters(struct peer *s, char *text, size_t size)
{
	uint8_t body[2000];
	size_t n, at = 0, used = 0;

	hear_startup(s, body, sizeof(body), &n);
	text[0] = '\0';
	while (at < n && body[at] != 0) {
		const char *name = (const char *)body + at, *value = name + strlen(name) + 1;

		used += (size_t)snprintf(text + used, size - used, "%s%s=%s", used > 0 ? "," : "", name, value);
		at += strlen(name) + strlen(value) + 2;
	}
}

Test(tunnel, its_server_gets_all_startup_parameters)
{
	static const char asked[] = "replication=database,application_name=sub1,options=-c enable_seqscan=off "
				    "-d 5,extra_float_digits=3,datestyle=German,_pq_.x=1";
	struct peer *c, *s;
	char parameters[sizeof(asked) + 50], heard[1000];

	house_open(1, ONE, "");
	snprintf(parameters, sizeof(parameters), "user=alice,database=one,%s", asked);
	c = client_open(0, parameters);
	s = backend_accept();
	hear_parameters(s, heard, sizeof(heard));
	cr_assert_str_eq(heard, "user=pooler,database=one,replication=database,application_name=sub1,"
				"options=-c enable_seqscan=off -d 5,extra_float_digits=3,datestyle=German");
	/* And the client is told what that server says. */
	say(s, "R(0) S(server_version=15.4) S(DateStyle=German, DMY) S(application_name=sub1) K Z(I)");
	hear(c, "v R(0) S(application_name=sub1) S(DateStyle=German, DMY) S(server_version=15.4) K Z(I)");
}

/* Whoever is no replication connection may not say all that. */
Test(tunnel, parameters_of_those_that_are_none)
{
	static const char *const no[] = { "false", "off", "0", "N" };
	char parameters[100];
	struct peer *c;

	house_open(1, ONE, "");
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		snprintf(parameters, sizeof(parameters), "user=alice,database=one,replication=%s,extra_float_digits=3", no[i]);
		c = client_open(0, parameters);
		hear(c, "E(08P01)");
		hear_end(c);
	}
	cr_assert(backend_is_unwanted());
}

/* The settings of the database's line are there; the client's are behind them, and so they count. */
Test(tunnel, parameters_of_the_database)
{
	struct peer *s;
	char heard[1000];

	house_open(1, "one = PG user=pooler timezone=CET datestyle=ISO", "");
	client_open(0, LOGICAL ",timezone=UTC");
	s = backend_accept();
	hear_parameters(s, heard, sizeof(heard));
	cr_assert_str_eq(heard, "user=pooler,database=one,datestyle=ISO,timezone=CET,replication=database,timezone=UTC");
}

/* A standby is known by its name: nothing is added to it. */
Test(tunnel, its_name_stays)
{
	struct peer *c, *s;

	house_open(1, ONE, "application_name_add_host = 1");
	c = client_open(0, PHYSICAL ",application_name=standby");
	s = backend_accept();
	say(s, "R(0) S(application_name=standby) K Z(I)");
	hear(c, "R(0) S(application_name=standby) K Z(I)");
}

/* No SQL before the client's: a walsender may not know any. */
Test(tunnel, no_command_of_ours_runs_first)
{
	struct peer *c, *s;

	house_open(1, "one = PG user=pooler connect_query='select 1'", "server_check_delay = 0\nserver_check_query = select 2");
	c = client_open(0, PHYSICAL);
	s = backend_open();
	client_welcome(c);
	say(c, "Q(IDENTIFY_SYSTEM)");
	hear(s, "Q(IDENTIFY_SYSTEM)");
}

/* What PostgreSQL says to those who may not, it says to the client. */
Test(tunnel, one_that_may_not)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, PHYSICAL);
	s = backend_accept();
	say(s, "R(0) E(42501)");
	hear(c, "R(0) E(42501)");
	hear_end(c);
	cr_assert_str_eq(c->message, "the server says no");
	until_pools(0);
}

Test(tunnel, commands_that_come_too_early)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, LOGICAL);
	say(c, "Q(IDENTIFY_SYSTEM)");
	s = backend_open();
	client_welcome(c);
	hear(s, "Q(IDENTIFY_SYSTEM)");
}

/* The password of the server's user is asked for as for anybody else. */
Test(tunnel, auth_query_for_its_server)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *k, *s;
	uint8_t startup[1000];
	size_t n, mark;

	house_open(1, "one = PG user=pooler auth_dbname=keys\nkeys = PG", "auth_user = checker\nauth_query = select me($1)\n");
	c = client_open(0, LOGICAL);
	hear(c, "R(0)");
	k = backend_open();
	hear(k, "P(,select me($1)) B(,) E S");
	say(k, "1 2");
	mark = writer_begin(&b, BE_DATA_ROW);
	writer_u16(&b, 2);
	writer_u32(&b, 6);
	writer_bytes(&b, "pooler", 6);
	writer_u32(&b, 6);
	writer_bytes(&b, "theirs", 6);
	writer_end(&b, mark);
	say_bytes(k, b.data, b.len);
	buffer_release(&b);
	say(k, "C(SELECT 1) Z(I)");
	s = backend_accept();
	hear_startup(s, startup, sizeof(startup), &n);
	say(s, "R(3)");
	hear(s, "p(theirs)");
	say(s, "R(0) S(server_version=15.4) K Z(I)");
	client_welcome(c);
	stream_begin(c, s);
}

/* Nobody waits any more for what is found. */
Test(tunnel, a_client_that_leaves_during_auth_query)
{
	struct peer *c, *k;

	house_open(1, "one = PG user=pooler auth_dbname=keys\nkeys = PG", "auth_user = checker\nauth_query = select me($1)\n");
	c = client_open(0, LOGICAL);
	hear(c, "R(0)");
	k = backend_open();
	hear(k, "P(,select me($1)) B(,) E S");
	hang_up(c);
	until_pools(0);
	say(k, "1 2 C(SELECT 0) Z(I)");
	cr_assert(backend_is_unwanted());
}

/* --- bytes --- */

Test(tunnel, commands_and_a_copy_in_both_directions)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	ask_and_answer(c, s);
	stream_begin(c, s);
	say(s, "d(w1) d(w2)");
	say(c, "d(r1)");
	say(s, "d(w3)");
	hear(c, "d(w1) d(w2) d(w3)");
	say(c, "d(r2)");
	hear(s, "d(r1) d(r2)");
	/* One direction ends before the other; then it is as at first. */
	say(c, "c");
	hear(s, "c");
	say(s, "d(w4) c C(COPY 0) Z(I)");
	hear(c, "d(w4) c C(COPY 0) Z(I)");
	ask_and_answer(c, s);
	say(c, "X");
	hear(s, "X");
	hang_up(s);
	hear_end(c);
	until_pools(0);
}

/* Nothing that a client says is looked at. */
Test(tunnel, bytes_that_are_no_messages)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	for (size_t i = 0; i < 3; i++) {
		say_bytes(c, "\0\0\0\0\0\0\1\377", 8);
		while (buffer_left(&s->in) < 8 * (i + 1))
			cr_assert(read_more(s));
	}
	cr_assert_eq(memcmp(buffer_head(&s->in) + 8, "\0\0\0\0\0\0\1\377", 8), 0);
}

/* Its messages, in whatever pieces. */
Test(tunnel, messages_byte_by_byte)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	compose(s, "W d(one) d() d(three) c C(COPY 0) Z(I)", &b);
	for (size_t i = 0; i < b.len; i++) {
		say_bytes(s, b.data + i, 1);
		house_settle();
	}
	buffer_release(&b);
	hear(c, "W d(one) d() d(three) c C(COPY 0) Z(I)");
}

/* What looks like a ReadyForQuery, a FATAL error or a parameter passes like anything else. */
Test(tunnel, no_message_means_anything)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	say(s, "Z(T) Z(E) S(application_name=x) E(57P01) Z(I) t 1 2 G");
	hear(c, "Z(T) Z(E) S(application_name=x) E(57P01) Z(I) t 1 2 G");
	ask_and_answer(c, s);
}

Test(tunnel, a_server_that_does_not_speak_the_protocol)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	say_bytes(s, "d\0\0\0\0", 5);
	hear(s, "X");
	hear_end(s);
	hear_end(c);
}

/* --- slow readers --- */

/* Send zeroes until nobody takes any more for a while, or n bytes; returns how many. */
static size_t
pour(struct peer *p, size_t n)
{
	static const uint8_t zeroes[65536];
	struct pollfd ready = { .fd = p->fd, .events = POLLOUT };
	size_t sent = 0;

	int refused = 0;

	while (sent < n && refused < 10) {
		ssize_t result;

		if (poll(&ready, 1, 30) != 1) {
			refused++;
			house_settle();
			continue;
		}
		refused = 0;
		result = send(p->fd, zeroes, n - sent < sizeof(zeroes) ? n - sent : sizeof(zeroes), MSG_DONTWAIT | MSG_NOSIGNAL);
		cr_assert_gt(result, 0);
		sent += (size_t)result;
	}
	return sent;
}

/* Take n bytes, while the rest of them is being sent. */
static void
drain(struct peer *p, size_t n, struct peer *from, size_t left)
{
	size_t got = 0;

	while (got < n) {
		left -= pour(from, left < 65536 ? left : 65536);
		cr_assert(read_more(p), "%zu bytes of %zu came", got, n);
		got += buffer_left(&p->in);
		buffer_clear(&p->in);
	}
	cr_assert_eq(got, n);
}

/* A message of n bytes begins. */
static void
say_head(struct peer *p, size_t n)
{
	uint8_t head[] = { 'd', (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

	say_bytes(p, head, sizeof(head));
}

struct backlogs {
	const struct peer *client;
	size_t of_client, of_server;
};

static void
look_at_backlogs(struct shard *s, void *arg)
{
	struct backlogs *b = arg;
	struct session *session = session_of(s, b->client);

	b->of_client = stream_backlog_size(&session->client->stream);
	b->of_server = stream_backlog_size(&session->link->server->stream);
}

Test(tunnel, a_slow_client)
{
	struct peer *c, *s;
	struct backlogs b;
	size_t sent;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	say_head(s, MUCH + 4);
	sent = pour(s, MUCH);
	cr_assert_lt(sent, MUCH, "nothing holds the server back");
	b.client = c;
	house_call(0, look_at_backlogs, &b);
	cr_assert_gt(b.of_client, 0);
	cr_assert_lt(b.of_client, 1024 * 1024);
	/* The other direction goes on. */
	say(c, "d(status)");
	hear(s, "d(status)");
	drain(c, MUCH + 5, s, MUCH - sent);
	say(s, "Z(I)");
	hear(c, "Z(I)");
	ask_and_answer(c, s);
}

Test(tunnel, a_slow_server)
{
	struct peer *c, *s;
	struct backlogs b;
	size_t sent;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	sent = pour(c, MUCH);
	cr_assert_lt(sent, MUCH, "nothing holds the client back");
	b.client = c;
	house_call(0, look_at_backlogs, &b);
	cr_assert_gt(b.of_server, 0);
	cr_assert_lt(b.of_server, 1024 * 1024);
	say(s, "d(wal)");
	hear(c, "d(wal)");
	drain(s, MUCH, c, MUCH - sent);
	ask_and_answer(c, s);
}

/* --- somebody leaves --- */

Test(tunnel, a_client_that_leaves_while_its_server_connects)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, LOGICAL);
	s = backend_accept();
	hang_up(c);
	until_pools(0);
	cr_assert(read_more(s));	/* the startup packet */
	buffer_clear(&s->in);
	hear_end(s);
	cr_assert(backend_is_unwanted());
}

Test(tunnel, a_client_that_leaves_while_it_waits_for_room)
{
	struct peer *a, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	say(a, "Q(select 1)");
	hear(s, "Q(select 1)");
	c = client_open(0, LOGICAL);
	until_waiting(1);
	hang_up(c);
	until_pools(1);
	say(s, "C(SELECT 0) Z(I)");
	hear(a, "C(SELECT 0) Z(I)");
	ask_and_answer(a, s);
	cr_assert(backend_is_unwanted());
}

Test(tunnel, a_client_that_leaves_in_the_middle)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	say(s, "d(w1)");
	hear(c, "d(w1)");
	hang_up(c);
	hear(s, "X");
	hear_end(s);
	until_pools(0);
}

Test(tunnel, a_server_that_leaves)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	say(s, "d(w1) c C(COPY 0)");
	hang_up(s);
	hear(c, "d(w1) c C(COPY 0)");
	hear_end(c);
	until_pools(0);
}

/* --- room --- */

/* Its own server, though an idle one is there. */
Test(tunnel, an_idle_server_has_to_go_for_it)
{
	struct peer *a, *c, *s, *own;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	c = client_open(0, LOGICAL);
	hear(s, "X");
	hear_end(s);
	own = backend_open();
	client_welcome(c);
	stream_begin(c, own);
	/* Others wait while it takes all there is. */
	say(a, "Q(select 1)");
	until_waiting(1);
	cr_assert(backend_is_unwanted());
	cr_assert(hears_nothing(own));
	hang_up(c);
	hear(own, "X");
	s = backend_open();
	hear(s, "Q(select 1)");
}

Test(tunnel, each_has_its_own)
{
	struct peer *c[3], *s[3];

	house_open(1, TWO_SERVERS, "");
	tunnel_open(&c[0], &s[0]);
	tunnel_open(&c[1], &s[1]);
	c[2] = client_open(0, LOGICAL);
	until_waiting(1);
	cr_assert(backend_is_unwanted());
	ask_and_answer(c[0], s[0]);
	ask_and_answer(c[1], s[1]);
	hang_up(c[0]);
	hear(s[0], "X");
	hear_end(s[0]);
	s[2] = backend_open();
	client_welcome(c[2]);
	ask_and_answer(c[2], s[2]);
	ask_and_answer(c[1], s[1]);
}

Test(tunnel, room_that_a_transaction_leaves)
{
	struct peer *a, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	say(a, "Q(select 1)");
	hear(s, "Q(select 1)");
	c = client_open(0, LOGICAL);
	until_waiting(1);
	cr_assert(backend_is_unwanted());
	say(s, "C(SELECT 0) Z(I)");
	hear(a, "C(SELECT 0) Z(I)");
	hear(s, "X");
	s = backend_open();
	client_welcome(c);
	stream_begin(c, s);
}

Test(tunnel, other_limits)
{
	static const char *const limits[] = { "max_db_connections = 1", "max_user_connections = 1" };

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct peer *a, *c, *s, *own;

		if (i > 0)
			house_close();
		house_open(1, "one = PG user=pooler", limits[i]);
		pair_open(&a, &s);
		c = client_open(0, LOGICAL);
		hear(s, "X");
		own = backend_open();
		client_welcome(c);
		say(a, "Q(select 1)");
		until_waiting(1);
		cr_assert(backend_is_unwanted());
		hang_up(c);
		hear(own, "X");
		s = backend_open();
		hear(s, "Q(select 1)");
	}
}

Test(tunnel, a_wait_has_an_end)
{
	struct peer *a, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	say(a, "Q(begin)");
	hear(s, "Q(begin)");
	house_configure(0, ONE, "query_wait_timeout = 0.2");
	c = client_open(0, LOGICAL);
	hear(c, "R(0) E(53300)");
	hear_end(c);
	until_pools(1);
}

/* Nobody else may be lent what a tunnel had. */
Test(tunnel, its_server_goes_with_it)
{
	struct peer *a, *c, *s, *own;

	house_open(1, TWO_SERVERS, "");
	tunnel_open(&c, &own);
	ask_and_answer(c, own);
	say(c, "Q(select 2)");
	hear(own, "Q(select 2)");
	a = client_open(0, "user=alice,database=one");
	s = backend_open();
	client_welcome(a);
	ask_and_answer(a, s);
	hang_up(c);
	hear(own, "X");
	hear_end(own);
	until_pools(1);
	ask_and_answer(a, s);
}

/* --- orders --- */

static void
kill_all(struct shard *s, void *arg)
{
	struct error e;

	(void)arg;
	error_set(&e, SEVERITY_FATAL, "57P01", "killed");
	shard_kill_clients(s, NULL, &e);
}

Test(tunnel, killed)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	say(s, "d(w1)");
	hear(c, "d(w1)");
	house_call(0, kill_all, NULL);
	hear(c, "E(57P01)");
	hear_end(c);
	hear(s, "X");
	hear_end(s);
	until_pools(0);
}

/* Words of ours would be taken for the rest of the message: for WAL, that is. */
Test(tunnel, killed_in_the_middle_of_a_message)
{
	static const uint8_t some[500];
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	say_head(s, 510);
	say_bytes(s, some, sizeof(some));
	while (buffer_left(&c->in) < 505)
		cr_assert(read_more(c));
	house_call(0, kill_all, NULL);
	cr_assert_not(read_more(c));
	cr_assert_eq(buffer_left(&c->in), 505);
}

/* Nor may they stand between the bytes of its head. */
Test(tunnel, killed_in_the_middle_of_a_head)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	say_bytes(s, "d\0\0", 3);
	house_settle();
	house_call(0, kill_all, NULL);
	hear(c, "E(57P01)");
	hear_end(c);
}

static void
reconnect(struct shard *s, void *arg)
{
	(void)arg;
	tenant_close_servers(tenants_find(s->tenants, "one"), true, "reconnect");
}

/* It would never come back by itself. */
Test(tunnel, reconnect_ends_it)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	house_call(0, reconnect, NULL);
	hear(c, "E(57P01)");
	hear_end(c);
	hear(s, "X");
	hear_end(s);
}

Test(tunnel, a_database_that_moves)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	house_configure(0, ONE " dbname=uno", "");
	hear(c, "E(57P01)");
	hear_end(c);
	hear(s, "X");
	hear_end(s);
}

static bool
has_upkeep_passed(struct shard *s, void *arg)
{
	usec_t *until = arg;

	(void)s;
	return clock_now() > *until;
}

/* A base backup may take longer than any server may live, and say nothing until its checkpoint is done. */
Test(tunnel, age_and_silence_do_not_end_it)
{
	usec_t until = clock_now() + 600 * USEC_PER_MSEC;
	struct peer *c, *s;

	house_open(1, ONE, "server_lifetime = 0.1\nserver_fast_close = 1\nclient_idle_timeout = 0.2\nserver_idle_timeout = 0.2\n"
			   "query_timeout = 0.2\nidle_transaction_timeout = 0.2\ntransaction_timeout = 0.2");
	tunnel_open(&c, &s);
	say(c, "Q(BASE_BACKUP)");
	hear(s, "Q(BASE_BACKUP)");
	house_until(0, has_upkeep_passed, &until);
	say(s, "C(BASE_BACKUP) Z(I)");
	hear(c, "C(BASE_BACKUP) Z(I)");
}

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

Test(tunnel, pause_and_resume)
{
	struct peer *c, *d, *s, *own;

	house_open(1, TWO_SERVERS, "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	house_call(0, pause_all, NULL);
	say(s, "d(w1)");
	hear(c, "d(w1)");
	d = client_open(0, LOGICAL);
	until_waiting(1);
	cr_assert(backend_is_unwanted());
	house_call(0, resume_all, NULL);
	own = backend_open();
	client_welcome(d);
	ask_and_answer(d, own);
}

/* It knows its server already, and has to wait for another. */
Test(tunnel, paused_while_it_logs_in)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, LOGICAL);
	s = backend_accept();
	house_call(0, pause_all, NULL);
	backend_let_in(s);
	hear(s, "X");
	client_welcome(c);
	say(c, "Q(IDENTIFY_SYSTEM)");
	until_waiting(1);
	house_call(0, resume_all, NULL);
	s = backend_open();
	hear(s, "Q(IDENTIFY_SYSTEM)");
	say(s, "C(IDENTIFY_SYSTEM) Z(I)");
	hear(c, "C(IDENTIFY_SYSTEM) Z(I)");
}

Test(tunnel, one_that_waits_may_leave)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, LOGICAL);
	s = backend_accept();
	house_call(0, pause_all, NULL);
	backend_let_in(s);
	client_welcome(c);
	say(c, "Q(IDENTIFY_SYSTEM)");
	until_waiting(1);
	hang_up(c);
	until_pools(0);
}

/* Whether something runs there is not known: PostgreSQL will know. */
Test(tunnel, a_cancel_request)
{
	struct peer *c, *s, *by, *carrier;
	uint8_t body[100];
	size_t n;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	say(c, "Q(select pg_sleep(1000))");
	hear(s, "Q(select pg_sleep(1000))");
	by = client_cancel(0, c);
	carrier = backend_accept();
	cr_assert_eq(hear_startup(carrier, body, sizeof(body), &n), STARTUP_CODE_CANCEL);
	hang_up(carrier);
	hear_end(by);
	say(s, "E(57014) Z(I)");
	hear(c, "E(57014) Z(I)");
	ask_and_answer(c, s);
}

/* There is nothing to be cancelled yet, and the client's first command is still to be served. */
Test(tunnel, a_cancel_request_for_one_that_waits)
{
	struct peer *c, *s, *by;

	house_open(1, ONE, "");
	c = client_open(0, LOGICAL);
	s = backend_accept();
	house_call(0, pause_all, NULL);
	backend_let_in(s);
	client_welcome(c);
	say(c, "Q(IDENTIFY_SYSTEM)");
	until_waiting(1);
	by = client_cancel(0, c);
	hear_end(by);
	house_call(0, resume_all, NULL);
	s = backend_open();
	hear(s, "Q(IDENTIFY_SYSTEM)");
	cr_assert(hears_nothing(c));
}

static bool
is_movable(struct shard *s, void *arg)
{
	return session_is_movable(session_of(s, arg));
}

static void
expect_unmovable(struct shard *s, void *arg)
{
	cr_assert_not(is_movable(s, arg));
}

Test(tunnel, it_stays_on_its_worker)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	tunnel_open(&c, &s);
	house_call(0, expect_unmovable, c);
}

/* And the house closes (house_close): nothing is left behind. */
Test(tunnel, shutdown)
{
	struct peer *c, *d, *s, *connecting;

	house_open(1, "one = PG user=pooler pool_size=3", "");
	tunnel_open(&c, &s);
	stream_begin(c, s);
	d = client_open(0, PHYSICAL);
	connecting = backend_accept();
	hear(d, "R(0)");
	house_settle();
	(void)connecting;
}
