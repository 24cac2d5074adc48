/*
 * Sessions and servers that move between two shards, whose loops run in two threads.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "session/move.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(move, .fini = house_close);

/* The worker that owns database "one", and the other. */
static int home, away;

static void
open_two(struct peer **c, struct peer **s)
{
	house_open(2, ONE, "");
	home = tenant_worker("one", 2);
	away = 1 - home;
	pair_open(c, s);
}

static void
find(struct shard *s, void *arg)
{
	struct peer **p = arg;

	if (session_of(s, *p) == NULL)
		*p = NULL;
}

static bool
is_on(const struct peer *c, int worker)
{
	const struct peer *p = c;

	house_call(worker, find, &p);
	return p != NULL;
}

static bool
has_session(struct shard *s, void *arg)
{
	return session_of(s, arg) != NULL;
}

/* A query, by whichever server there is; a new one of the pool if need be. */
static void
ask(struct peer *c, struct peer *s, const char *sql)
{
	char words[100];

	snprintf(words, sizeof(words), "Q(%s)", sql);
	say(c, words);
	hear(s, words);
	say(s, "T D(1) C(SELECT 1) Z(I)");
	hear(c, "T D(1) C(SELECT 1) Z(I)");
}

/* Whoever accepts it, a client is brought to its tenant's worker. */
Test(move, a_client_in_login)
{
	struct peer *a, *b, *s;

	open_two(&a, &s);
	for (int worker = 0; worker < 2; worker++) {
		b = client_open(worker, "user=bob,database=one");
		client_welcome(b);
		cr_assert(is_on(b, home));
		ask(b, s, "select 1");
	}
}

Test(move, an_idle_session)
{
	struct peer *c, *s, *s2;

	open_two(&c, &s);
	ask(c, s, "select 1");
	move_client(c, home, away);
	house_until(away, has_session, c);
	cr_assert_not(is_on(c, home));
	say(c, "Q(select 2)");
	s2 = backend_open();
	hear(s2, "Q(select 2)");
	say(s2, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
	/* And back, where its first server waits. */
	move_client(c, away, home);
	house_until(home, has_session, c);
	ask(c, s, "select 3");
	say(c, "X");
	hear_end(c);
}

Test(move, an_idle_server)
{
	struct peer *c, *s;

	open_two(&c, &s);
	ask(c, s, "select 1");
	move_client(c, home, away);
	cr_assert(move_server("one", home, away));
	cr_assert_not(move_server("one", home, away));
	ask(c, s, "select 2");
	cr_assert(backend_is_unwanted());
}

Test(move, statements_and_parameters_go_along)
{
	struct peer *c, *s;

	house_open(2, ONE, "");
	home = tenant_worker("one", 2);
	away = 1 - home;
	c = client_open(home, "user=alice,database=one,timezone=CET");
	s = backend_open();
	client_welcome(c);
	say(c, "P(a,select 1) P(b,select 2) S");
	hear(s, "Q(SET TimeZone='CET';) P(pgusher_1,select 1) P(pgusher_2,select 2) S");
	say(s, "C(SET) S(TimeZone=CET) Z(I) 1 1 Z(I)");
	hear(c, "1 1 Z(I)");
	move_client(c, home, away);
	house_until(away, has_session, c);
	say(c, "B(,a) E B(,b) E S");
	s = backend_open();
	/* The texts are the same, their names on servers others: the tables are the workers' own. */
	hear(s, "Q(SET TimeZone='CET';) P(pgusher_3,select 1) B(,pgusher_3) E P(pgusher_4,select 2) B(,pgusher_4) E S");
	say(s, "C(SET) S(TimeZone=CET) Z(I) 1 2 C(SELECT 1) 1 2 C(SELECT 1) Z(I)");
	hear(c, "2 C(SELECT 1) 2 C(SELECT 1) Z(I)");
	say(c, "P(a,select 3) S");
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(42P05) Z(I)");
}

/* One that was prepared and not bound yet. */
Test(move, the_unnamed_statement_goes_along)
{
	struct peer *c, *s;

	open_two(&c, &s);
	say(c, "P(,select 1) S");
	hear(s, "P(,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	move_client(c, home, away);
	house_until(away, has_session, c);
	say(c, "B(,) E S");
	s = backend_open();
	hear(s, "P(,select 1) B(,) E S");
	say(s, "1 2 C(SELECT 1) Z(I)");
	hear(c, "2 C(SELECT 1) Z(I)");
}

/* A server keeps its parameters, and forgets what it has prepared. */
Test(move, a_server_with_statements_and_parameters)
{
	struct peer *c, *s;

	house_open(2, ONE, "");
	home = tenant_worker("one", 2);
	away = 1 - home;
	c = client_open(home, "user=alice,database=one,timezone=CET");
	s = backend_open();
	client_welcome(c);
	say(c, "P(a,select 1) S");
	hear(s, "Q(SET TimeZone='CET';) P(pgusher_1,select 1) S");
	say(s, "C(SET) S(TimeZone=CET) Z(I) 1 Z(I)");
	hear(c, "1 Z(I)");
	cr_assert(move_server("one", home, away));
	move_client(c, home, away);
	hear(s, "Q(DEALLOCATE ALL)");
	say(c, "B(,a) S");
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "C(DEALLOCATE ALL) Z(I)");
	hear(s, "P(pgusher_2,select 1) B(,pgusher_2) S");
	say(s, "1 2 Z(I)");
	hear(c, "2 Z(I)");
}

/* Half a message is kept, and its rest comes after the move. */
Test(move, half_a_request_goes_along)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;

	open_two(&c, &s);
	/* A named Parse is needed whole, so what has come of it is kept. */
	compose(c, "P(name,select a long text) S", &b);
	for (size_t i = 1; i < b.len - 6; i++) {
		int from = i % 2 ? home : away, to = i % 2 ? away : home;

		say_bytes(c, b.data + i - 1, 1);
		house_settle();
		move_client(c, from, to);
		house_until(to, has_session, c);
	}
	say_bytes(c, b.data + b.len - 7, 7);
	if (is_on(c, away))
		s = backend_open();
	hear(s, "P(pgusher_1,select a long text) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	buffer_release(&b);
}

/* --- in motion --- */

/* The client talks all the time while it and the server move to and fro. */
Test(move, a_client_that_does_not_wait)
{
	enum { ROUNDS = 200 };
	struct peer *c, *s;
	char words[100];

	open_two(&c, &s);
	say(c, "P(a,select 1) S");
	hear(s, "P(pgusher_1,select 1) S");
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	for (int i = 0; i < ROUNDS; i++) {
		int from = i % 2 ? away : home, to = 1 - from;

		/* Said in front of the move, under way, or behind it. */
		snprintf(words, sizeof(words), "Q(select %d)", i);
		if (i % 3 == 0)
			move_client(c, from, to);
		say(c, words);
		if (i % 3 != 0)
			house_settle();
		if (i % 3 == 0)
			cr_assert(move_server("one", from, to));
		while (strcmp(words, hear_until(s, 'Q')) != 0)
			say(s, "C(DEALLOCATE ALL) Z(I)");
		say(s, "C(SELECT 1) Z(I)");
		hear(c, "C(SELECT 1) Z(I)");
		if (i % 3 != 0) {
			house_settle();
			move_client(c, from, to);
			house_settle();
			cr_assert(move_server("one", from, to));
		}
	}
	say(c, "B(,a) S");
	cr_assert_eq(strncmp("B(,pgusher_", hear_until(s, 'B'), 11), 0);
	say(s, "1 2 Z(I)");
	hear(c, "2 Z(I)");
}

/* Both leave while they are on their way. */
Test(move, a_client_that_hangs_up_on_its_way)
{
	struct peer *c, *s;

	open_two(&c, &s);
	for (int i = 0; i < 20; i++) {
		move_client(c, home, away);
		hang_up(c);
		c = client_open(home, "user=alice,database=one");
		client_welcome(c);
		ask(c, s, "select 1");
	}
}

Test(move, a_server_that_dies_on_its_way)
{
	struct peer *c, *s;

	open_two(&c, &s);
	for (int i = 0; i < 10; i++) {
		ask(c, s, "select 1");
		cr_assert(move_server("one", home, away));
		hang_up(s);
		say(c, "Q(select 2)");
		s = backend_open();
		hear(s, "Q(select 2)");
		say(s, "C(SELECT 0) Z(I)");
		hear(c, "C(SELECT 0) Z(I)");
	}
}

Test(move, a_database_that_is_gone_meanwhile)
{
	struct peer *c, *s;

	open_two(&c, &s);
	house_configure(away, "two = PG user=pooler", "");
	move_client(c, home, away);
	hear(c, "E(3D000)");
	hear_end(c);
	cr_assert(move_server("one", home, away));
	hear(s, "X");
	hear_end(s);
}

Test(move, cancel_finds_it)
{
	struct peer *c, *s, *by;
	uint8_t body[100];
	size_t n;

	open_two(&c, &s);
	move_client(c, home, away);
	cr_assert(move_server("one", home, away));
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	for (int worker = 0; worker < 2; worker++) {
		by = client_cancel(worker, c);
		s = backend_accept();
		hear_startup(s, body, sizeof(body), &n);
		hang_up(s);
		hear_end(by);
	}
}

#define CLASSES "[limits]\nclass:large = query_length=1000\nclass:small = query_length=10\n"

/* Two workers' parts of a tenant count the changes of its class each for itself; to this one it comes with a number that
 * means another class there. */
Test(move, the_class_of_its_limits_is_looked_at_anew)
{
	static const char large[] = ONE " limits=large", none[] = ONE, small[] = ONE " limits=small";
	struct peer *c, *d, *s;

	house_open(2, large, CLASSES);
	home = tenant_worker("one", 2);
	away = 1 - home;
	pair_open(&c, &s);
	d = client_open(home, "user=bob,database=one");
	client_welcome(d);
	move_client(d, home, away);
	house_until(away, has_session, d);
	house_configure(home, none, CLASSES);
	ask(c, s, "select 12345678");
	house_configure(home, small, CLASSES);
	house_configure(away, small, CLASSES);
	move_client(c, home, away);
	house_until(away, has_session, c);
	say(c, "Q(select 12345678)");
	hear(c, "E(54000) Z(I)");
}
