/*
 * What a client leaves open: an implicit transaction without its Sync, a
 * message without its end, a setting.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "pg/cancel.h"
#include "pg/startup.h"
#include "pg/writer.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(outstanding, .fini = house_close);

static void
run_unsynced_insert(struct peer *c, struct peer *s)
{
	say(c, "P(,insert) B(,) E H");
	hear(s, "P(,insert) B(,) E H");
	say(s, "1 2 C(INSERT 0 1)");
	hear(c, "1 2 C(INSERT 0 1)");
}

/* The implicit transaction is open until Sync: nobody else may end it. */
Test(outstanding, a_client_that_hangs_up_before_sync)
{
	struct peer *c, *d, *s, *other;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	run_unsynced_insert(c, s);
	d = client_open(0, "user=alice,database=one");
	client_welcome(d);
	say(d, "Q(select 1)");
	house_settle();
	hang_up(c);
	other = backend_accept();	/* with a cancel request, or a new connection */
	(void)other;
	hear(s, "X");
	hear_end(s);
}

Test(outstanding, a_client_that_terminates_before_sync)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	run_unsynced_insert(c, s);
	say(c, "X");
	hear_end(c);
	hear(s, "X");
	hear_end(s);
}

Test(outstanding, terminate_behind_flush_is_taken)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(,insert) B(,) E H X");
	hear(s, "P(,insert) B(,) E H");
	say(s, "1 2 C(INSERT 0 1)");
	hear(c, "1 2 C(INSERT 0 1)");
	hear_end(c);
	hear(s, "X");
	hear_end(s);
}

/* The Sync in front of the data is none: the copy's transaction is open until the one behind. */
Test(outstanding, a_client_that_hangs_up_behind_a_copy_without_sync)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(,copy t from stdin) B(,) E S");
	hear(s, "P(,copy t from stdin) B(,) E S");
	say(s, "1 2 G");
	hear(c, "1 2 G");
	say(c, "d(1) c H");
	hear(s, "d(1) c H");
	say(s, "C(COPY 1)");
	hear(c, "C(COPY 1)");
	hang_up(c);
	hear(s, "X");
	hear_end(s);
}

/* What was done in the implicit transaction is gone with it: it can't be repeated without. */
Test(outstanding, no_retry_within_an_open_cycle)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	run_unsynced_insert(c, s);
	say(c, "B(,a) E S");
	hear(s, "B(,pgusher_1) E S");
	say(s, "E(0A000) Z(I)");
	hear(c, "E(0A000) Z(I)");
}

/* A server that reports more than the client was told. */
Test(outstanding, a_server_that_reports_more)
{
	struct peer *c, *s;
	uint8_t startup[1000];
	size_t n;

	house_open(1, ONE, "track_extra_parameters = search_path");
	pair_open(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	hang_up(s);
	house_settle();
	say(c, "B(,a) E S");
	s = backend_accept();
	hear_startup(s, startup, sizeof(startup), &n);
	say(s, "R(0) S(server_version=18.1) S(client_encoding=UTF8) S(DateStyle=ISO, MDY) S(TimeZone=UTC) "
	       "S(standard_conforming_strings=on) S(application_name=) S(search_path=public) K Z(I)");
	hear(s, "P(pgusher_1,select 1) B(,pgusher_1) E S");
}

static void
kill_all(struct shard *s, void *arg)
{
	struct error e;

	(void)arg;
	error_set(&e, SEVERITY_FATAL, "57P01", "killed");
	shard_kill_clients(s, NULL, &e);
}

/* The one that waits is granted a server, and closed for what it says, while all are being closed. */
Test(outstanding, killing_one_closes_the_next)
{
	struct peer *c, *d, *s;

	house_open(1, ONE " pool_mode=session", "server_reset_query =");
	pair_open(&c, &s);
	d = client_open(0, "user=alice,database=one");
	client_welcome(d);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 1) Z(I)");
	hear(c, "C(SELECT 1) Z(I)");
	say(d, "Q(select 2) !");
	house_settle();
	house_call(0, kill_all, NULL);
	hear_until(c, 'E');
	hear_end(c);
}

/* A statement that is prepared in a cycle that may fail is not there for the next one. */
Test(outstanding, a_skipped_prepare_and_the_next_cycle)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select 1) P(b,select 2) S");
	hear(s, "P(pgusher_1,select 1) P(pgusher_2,select 2) S");
	say(s, "1 1 Z(I)");
	hear(c, "1 1 Z(I)");
	hang_up(s);
	house_settle();
	say(c, "B(,a) E B(,b) E S B(,b) E S");
	s = backend_open();
	hear(s, "P(pgusher_1,select 1) B(,pgusher_1) E P(pgusher_2,select 2) B(,pgusher_2) E S");
	say(s, "1 2 E(22012) Z(I)");
	hear(c, "2 E(22012) Z(I)");
	hear(s, "P(pgusher_2,select 2) B(,pgusher_2) E S");
	say(s, "1 2 C(SELECT 1) Z(I)");
	hear(c, "2 C(SELECT 1) Z(I)");
}

/* The unnamed statement on a server may be another client's: ours was skipped. */
Test(outstanding, a_skipped_unnamed_statement_is_nobody_elses)
{
	struct peer *c, *d, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	d = client_open(0, "user=alice,database=one");
	client_welcome(d);
	say(c, "P(,select secret) B(,) E S");
	hear(s, "P(,select secret) B(,) E S");
	say(s, "1 2 C(SELECT 1) Z(I)");
	hear(c, "1 2 C(SELECT 1) Z(I)");
	say(d, "P(a,nonsense) P(,select 1) S B(,) E S");
	hear(s, "P(pgusher_1,nonsense) P(,select 1) S");
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "E(42601) Z(I)");
	hear(d, "E(42601) Z(I)");
	hear(s, "B(,pgusher_) E S");
	say(s, "E(26000) Z(I)");
	hear(d, "E(26000) Z(I)");
}

static bool
too_many_logins(struct shard *s, void *arg)
{
	*(int *)arg = s->client_env.nlogins;
	return true;
}

/* The quota of half-open connections holds for those that come from other workers, too. */
Test(outstanding, moved_clients_in_login_have_a_quota)
{
	int owner = tenant_worker("one", 2), n = 0;

	house_open(2, ONE, "auth_type = plain\nmax_login_clients = 4");
	for (int i = 0; i < 8; i++)
		client_open(1 - owner, "user=alice,database=one");
	house_settle();
	house_until(owner, too_many_logins, &n);
	cr_assert_eq(n, 2, "%d logins", n);
}

#define MANY 10

/* What a worker that was kept from its work finds in its mailbox: cancel requests, one behind the other. */
static void
adopt_cancels(struct shard *s, void *arg)
{
	int *ends = arg;

	for (int i = 0; i < MANY; i++) {
		struct client *c;
		int fds[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
		ends[i] = fds[0];
		shard_accept(s, fds[1]);
		c = shard_find_client(s, atomic_load(&s->commons->next_id) - 1);
		cr_assert_not_null(c);
		shard_give_up(s, c);
		c->login->startup.kind = STARTUP_CANCEL;
		shard_adopt(s, c);
	}
}

/* Those that a worker passes on push nobody out, however many come at once. */
Test(outstanding, cancel_requests_on_their_way_take_no_room_of_logins)
{
	int owner = tenant_worker("one", 2), ends[MANY];
	struct peer *c;

	house_open(2, ONE, "max_login_clients = 4");
	c = client_connect(owner);
	house_call(owner, adopt_cancels, ends);
	say_startup(c, "user=alice,database=one");
	backend_open();
	client_welcome(c);
	for (int i = 0; i < MANY; i++)
		close(ends[i]);
}

/* Who has a long cancel key can't be cancelled with the beginning of it. */
Test(outstanding, a_cancel_key_counts_as_a_whole)
{
	static const char parameters[] = "user\0alice\0database\0one\0";
	struct peer *c, *s, *by;
	struct buffer b = BUFFER_INIT;
	size_t mark;

	house_open(1, ONE, "");
	c = client_connect(0);
	mark = writer_begin(&b, 0);
	writer_u32(&b, STARTUP_VERSION_3_2);
	writer_bytes(&b, parameters, sizeof(parameters));
	writer_end(&b, mark);
	say_bytes(c, b.data, b.len);
	buffer_release(&b);
	s = backend_open();
	client_welcome(c);
	cr_assert_eq(c->key_size, CANCEL_KEY_3_2);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	by = client_connect(0);
	say_cancel(by, c->pid, c->key, CANCEL_KEY_3_0);
	hear_end(by);
	cr_assert(backend_is_unwanted());
}

/* Many names of one text cost memory, too. */
Test(outstanding, names_have_a_budget)
{
	static char words[4000];
	struct peer *c, *s;
	int n = 0;

	house_open(1, ONE, "prepared_text_budget = 65536");
	pair_open(&c, &s);
	for (n = 0; n < 100; n++) {
		size_t at = (size_t)snprintf(words, sizeof(words), "P(%02d", n);

		memset(words + at, 'x', 3000);
		strcpy(words + at + 3000, ",select 1) S");
		say(c, words);
		if (n == 0)
			hear(s, "P(pgusher_1,select 1)");
		else if (!read_more(s) || buffer_head(&s->in)[0] == 'B')
			break;
		hear(s, "S");
		say(s, n == 0 ? "1 Z(I)" : "Z(I)");
		hear(c, "1 Z(I)");
	}
	cr_assert_lt(n, 30, "%d names", n);
	cr_assert_gt(n, 10, "%d names", n);
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(53400) Z(I)");
}

/* The pooler's own commands must not leave a transaction open. */
Test(outstanding, a_connect_query_that_opens_a_transaction)
{
	struct peer *c, *s;

	house_open(1, ONE " connect_query='begin'", "");
	c = client_open(0, "user=alice,database=one");
	s = backend_open();
	client_welcome(c);
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(s, "X");
	hear_end(s);
}

/* A reset query that leaves prepared statements alone does so to ours, too. */
Test(outstanding, a_reset_query_that_keeps_statements)
{
	struct peer *c, *s;

	house_open(1, ONE, "server_reset_query = RESET ALL\nserver_reset_query_always = 1");
	pair_open(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	hear(s, "Q(RESET ALL)");
	say(s, "C(RESET) Z(I)");
	say(c, "B(,a) E S");
	hear(s, "B(,pgusher_1) E S");
}

/* What a reset query does not clean is cleaned all the same. */
Test(outstanding, a_reset_query_that_cleans_too_little)
{
	struct peer *c, *s;

	house_open(1, ONE, "server_reset_query = SELECT 1\nserver_reset_query_always = 1");
	pair_open(&c, &s);
	say(c, "Q(PREPARE x AS SELECT 1)");
	hear(s, "Q(PREPARE x AS SELECT 1)");
	say(s, "C(PREPARE) Z(I)");
	hear(c, "C(PREPARE) Z(I)");
	hear(s, "Q(SELECT 1)");
	say(s, "C(SELECT 1) Z(I)");
	hear(s, "Q(DISCARD ALL)");
}

/* Half a message that means nothing does not keep a server. */
Test(outstanding, copy_data_outside_a_copy_keeps_no_server)
{
	struct peer *c, *d, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	d = client_open(0, "user=alice,database=one");
	client_welcome(d);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say_bytes(c, "d\0\0\0\6x", 6);
	house_settle();
	say(s, "C(SELECT 1) Z(I)");
	hear(c, "C(SELECT 1) Z(I)");
	say_bytes(c, "y", 1);
	house_settle();
	say(d, "Q(select 2)");
	hear(s, "d(xy) Q(select 2)");
}

/* A server that has not what we think it has is of no use to others. */
Test(outstanding, a_server_with_other_statements_is_closed)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "E(42P05) Z(I)");
	hear(c, "E(42P05) Z(I)");
	hear(s, "X");
	hear_end(s);
	say(c, "P(a,select 1) S");
	s = backend_open();
	hear(s, "P(pgusher_2,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	say(c, "B(,a) E S");
	hear(s, "B(,pgusher_2) E S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(26000) Z(I)");
	hear(s, "X");
	hear_end(s);
}

Test(outstanding, a_deallocated_statement_may_be_ours)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	say(c, "Q(DEALLOCATE pgusher_1)");
	hear(s, "Q(DEALLOCATE pgusher_1)");
	say(s, "C(DEALLOCATE) Z(I)");
	hear(c, "C(DEALLOCATE) Z(I)");
	hear(s, "Q(DISCARD ALL)");
	say(s, "C(DISCARD ALL) Z(I)");
	say(c, "B(,a) E S");
	hear(s, "P(pgusher_1,select 1) B(,pgusher_1) E S");
}

/* Who has proved who it is waits for PostgreSQL, not for its login. */
Test(outstanding, half_open_connections_drive_out_nobody_who_is_known)
{
	struct peer *c, *s;

	house_open(1, ONE, "max_login_clients = 2");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	house_settle();
	for (int i = 0; i < 3; i++)
		client_connect(0);
	house_settle();
	backend_let_in(s);
	client_welcome(c);
}
