/*
 * Passwords that a database knows: auth_query.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "pg/message.h"
#include "pg/writer.h"

#define TWO "one = PG auth_dbname=keys\nkeys = PG\nother = PG auth_dbname=keys"
#define ASK "auth_type = plain\nauth_user = checker\nauth_query = select me($1)\n"
#define QUERY "P(,select me($1)) B(,) E S"

TestSuite(lookup, .fini = house_close);

static void
write_column(struct buffer *b, const char *text)
{
	writer_u32(b, text == NULL ? UINT32_MAX : (uint32_t)strlen(text));
	if (text != NULL)
		writer_bytes(b, text, strlen(text));
}

/* A row of the name and the password; either may be NULL. */
static void
say_row(struct peer *s, const char *name, const char *password)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, BE_DATA_ROW);

	writer_u16(&b, 2);
	write_column(&b, name);
	write_column(&b, password);
	writer_end(&b, m);
	say_bytes(s, b.data, b.len);
	buffer_release(&b);
}

static void
say_found(struct peer *s, const char *name, const char *password)
{
	say(s, "1 2");
	say_row(s, name, password);
	say(s, "C(SELECT 1) Z(I)");
}

static void
say_unknown(struct peer *s)
{
	say(s, "1 2 C(SELECT 0) Z(I)");
}

/* The next connection to PostgreSQL is of this user and database. */
static struct peer *
backend_open_as(const char *user, const char *database)
{
	struct peer *s = backend_accept();
	char expected[200];
	uint8_t startup[1000];
	size_t n;
	int size = snprintf(expected, sizeof(expected), "user%c%s%cdatabase%c%s", 0, user, 0, 0, database);

	hear_startup(s, startup, sizeof(startup), &n);
	cr_assert(n > (size_t)size && memcmp(startup, expected, (size_t)size + 1) == 0, "it is %s", startup + 5);
	say(s, "R(0) S(server_version=15.4) S(client_encoding=UTF8) S(DateStyle=ISO, MDY) S(TimeZone=UTC) "
	       "S(standard_conforming_strings=on) S(application_name=) K Z(I)");
	return s;
}

static void
expect_refusal(struct peer *c)
{
	hear(c, "E(28P01)");
	hear_end(c);
}

Test(lookup, a_password_that_fits)
{
	struct peer *c, *k, *s;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_found(k, "alice", "secret");
	hear(c, "R(3)");
	say(c, "p(secret)");
	hear(c, "R(0)");
	s = backend_open_as("alice", "one");
	client_welcome(c);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}

/* And the server of the lookup is used again. */
Test(lookup, one_that_does_not)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	for (int i = 0; i < 2; i++) {
		hear(k, QUERY);
		say_found(k, "alice", "secret");
		hear(c, "R(3)");
		say(c, "p(Secret)");
		expect_refusal(c);
		if (i == 0)
			c = client_open(0, "user=alice,database=other");
	}
	cr_assert(backend_is_unwanted());
}

/* Expired, or no password at all: nothing fits, and the answer is that to a wrong password. */
Test(lookup, what_nothing_fits)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_found(k, "alice", NULL);
	hear(c, "R(3)");
	say(c, "p(secret)");
	expect_refusal(c);
}

/* Believed for a moment, asked for again after it. */
Test(lookup, a_stranger)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=eve,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_unknown(k);
	for (int i = 0; i < 2; i++) {
		hear(c, "R(3)");
		say(c, "p(secret)");
		expect_refusal(c);
		if (i == 0)
			c = client_open(0, "user=eve,database=one");
	}
	cr_assert(hears_nothing(k));
	c = client_open(0, "user=alice,database=one");
	hear(k, QUERY);
	say_found(k, "alice", "secret");
	hear(c, "R(3)");
}

/* What a function with OUT parameters returns when it finds nobody. */
Test(lookup, a_row_of_nulls_is_nobody)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=eve,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_found(k, NULL, NULL);
	hear(c, "R(3)");
	say(c, "p(secret)");
	expect_refusal(c);
}

/* Whoever asks for the same name meanwhile shares the answer. */
Test(lookup, two_at_once)
{
	struct peer *a, *b, *k;

	house_open(1, TWO, ASK);
	a = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	b = client_open(0, "user=alice,database=other");
	house_settle();
	say_found(k, "alice", "secret");
	hear(a, "R(3)");
	hear(b, "R(3)");
	cr_assert(hears_nothing(k));
}

Test(lookup, the_client_leaves_meanwhile)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	hang_up(c);
	house_settle();
	say_found(k, "alice", "secret");
	c = client_open(0, "user=bob,database=one");
	hear(k, QUERY);
	say_found(k, "bob", "secret");
	hear(c, "R(3)");
}

Test(lookup, answers_that_are_none)
{
	static const struct {
		const char *name;
		const char *words;
	} answers[] = {
		{ "bob", "1 2" },		/* another one's row */
		{ NULL, "E(42P01)" },		/* the query is wrong */
		{ NULL, "1 2 D(alice)" },	/* one column */
	};
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		c = client_open(0, "user=alice,database=one");
		if (i == 0)
			k = backend_open_as("checker", "keys");
		hear(k, QUERY);
		say(k, answers[i].words);
		if (answers[i].name != NULL)
			say_row(k, answers[i].name, "secret");
		say(k, "Z(I)");
		hear(c, "E(F0000)");
		hear_end(c);
	}
}

Test(lookup, two_rows_are_none)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say(k, "1 2");
	say_row(k, "alice", "secret");
	say_row(k, "alice", "other");
	say(k, "s Z(I)");
	hear(c, "E(F0000)");
	hear_end(c);
}

/* An idle connection that has died is no reason to refuse anybody. */
Test(lookup, a_server_that_was_gone)
{
	struct peer *c, *k;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=alice,database=one");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	hang_up(k);
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	hang_up(k);
	hear(c, "E(F0000)");
	hear_end(c);
}

/* No session is ever lent what runs the query. */
Test(lookup, connections_of_its_own)
{
	struct peer *c, *k, *s;

	house_open(1, TWO, ASK);
	c = client_open(0, "user=checker,database=keys");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_found(k, "checker", "secret");
	hear(c, "R(3)");
	say(c, "p(secret)");
	s = backend_open_as("checker", "keys");
	hear(c, "R(0)");
	client_welcome(c);
	say(c, "Q(set search_path = evil)");
	hear(s, "Q(set search_path = evil)");
	cr_assert(hears_nothing(k));
}

/* The database is another worker's. */
Test(lookup, across_workers)
{
	struct peer *c, *k;
	int asked = 0;

	house_open(2, "a = PG auth_dbname=keys\nb = PG auth_dbname=keys\nc = PG auth_dbname=keys\nkeys = PG", ASK);
	c = client_open(0, "user=alice,database=a");
	k = backend_open_as("checker", "keys");
	for (const char *db = "abc"; *db != '\0'; db++) {
		char parameters[64];

		if (asked++ > 0) {
			snprintf(parameters, sizeof(parameters), "user=alice,database=%c", *db);
			c = client_open(0, parameters);
		}
		hear(k, QUERY);
		say_found(k, "alice", "secret");
		hear(c, "R(3)");
	}
	cr_assert(backend_is_unwanted());
}

Test(lookup, a_database_that_is_not_there)
{
	struct peer *c;

	house_open(1, "one = PG auth_dbname=nowhere", ASK);
	c = client_open(0, "user=alice,database=one");
	hear(c, "E(F0000)");
	hear_end(c);
}

/* A forced user's password is looked up too. */
Test(lookup, the_password_of_a_forced_user)
{
	struct peer *c, *k, *s;
	uint8_t startup[1000];
	size_t n;

	house_open(1, "one = PG user=pooler auth_dbname=keys\nkeys = PG", "auth_user = checker\nauth_query = select me($1)\n");
	c = client_open(0, "user=alice,database=one");
	hear(c, "R(0)");
	k = backend_open_as("checker", "keys");
	hear(k, QUERY);
	say_found(k, "pooler", "theirs");
	s = backend_accept();
	hear_startup(s, startup, sizeof(startup), &n);
	say(s, "R(3)");
	hear(s, "p(theirs)");
	say(s, "R(0) S(server_version=15.4) K Z(I)");
	client_welcome(c);
}
