/*
 * Logging in, and the parameters that a session carries from server to server.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "pg/startup.h"
#include "pg/writer.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(login, .fini = house_close);

Test(login, byte_by_byte)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;
	size_t mark;

	house_open(1, ONE, "");
	c = client_connect(0);
	mark = writer_begin(&b, 0);
	writer_u32(&b, STARTUP_CODE_SSL);
	writer_end(&b, mark);
	for (size_t i = 0; i < b.len; i++) {
		say_bytes(c, b.data + i, 1);
		house_settle();
	}
	cr_assert(read_more(c));
	cr_assert_eq(buffer_left(&c->in), 1);
	cr_assert_eq(*buffer_head(&c->in), 'N');
	buffer_clear(&b);
	buffer_clear(&c->in);
	mark = writer_begin(&b, 0);
	writer_u32(&b, STARTUP_VERSION_3_0);
	writer_string(&b, "user");
	writer_string(&b, "alice");
	writer_string(&b, "database");
	writer_string(&b, "one");
	writer_u8(&b, 0);
	writer_end(&b, mark);
	for (size_t i = 0; i < b.len; i++) {
		say_bytes(c, b.data + i, 1);
		house_settle();
	}
	buffer_release(&b);
	s = backend_open();
	client_welcome(c);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}

/* Whoever does not wait for our answer: its first queries come with the startup packet. */
Test(login, queries_that_come_too_early)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one");
	say(c, "Q(select 1) Q(select 2)");
	s = backend_open();
	client_welcome(c);
	hear(s, "Q(select 1) Q(select 2)");
}

Test(login, a_client_that_leaves_before_it_is_welcome)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	hang_up(c);
	house_settle();
	backend_let_in(s);
	c = client_open(0, "user=bob,database=one");
	client_welcome(c);
}

Test(login, what_the_server_refuses_is_told)
{
	struct peer *c, *s;
	uint8_t startup[1000];
	size_t n;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	cr_assert_eq(hear_startup(s, startup, sizeof(startup), &n), STARTUP_VERSION_3_0);
	cr_assert_eq(memcmp(startup, "user\0pooler\0database\0one\0", n < 25 ? n : 25), 0);
	say(s, "E(3D000)");
	hear(c, "R(0) E(3D000)");
	hear_end(c);
}

/* A server that is full says something else soon: the client waits for it. */
Test(login, what_will_pass_is_not_told)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	say(s, "E(53300)");
	hang_up(s);
	hear(c, "R(0)");
	s = backend_open();
	client_welcome(c);
}

Test(login, a_server_that_does_not_speak_the_protocol)
{
	static const char *const nonsense[] = { "Z(I)", "D(1)", "R(77)", "R(0) 1" };
	struct peer *c, *s;

	house_open(1, ONE, "");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		c = client_open(0, "user=alice,database=one");
		s = backend_accept();
		say(s, nonsense[i]);
		hear(c, "R(0)");
		hear_until(c, 'E');
		hear_end(c);
		hang_up(s);
		house_close();
		house_open(1, ONE, "");
	}
}

Test(login, too_many)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "max_client_conn = 1");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	hear(b, "R(0) E(53300)");
	hear_end(b);
	say(a, "X");
	hear_end(a);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
}

/* --- parameters --- */

Test(login, parameters_follow_their_client)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one,application_name=it's b\\,timezone=CET,datestyle=German");
	hear(b, "R(0) S(application_name=it's b\\) S(client_encoding=UTF8) S(DateStyle=German) "
		"S(server_version=15.4) S(standard_conforming_strings=on) S(TimeZone=CET) K Z(I)");
	say(b, "Q(select 1)");
	hear(s, "Q(SET application_name=E'it''s b\\\\';SET DateStyle='German';SET TimeZone='CET';) Q(select 1)");
	say(s, "C(SET) C(SET) C(SET) S(application_name=it's b\\) S(DateStyle=German, DMY) S(TimeZone=CET) Z(I) "
	       "C(SELECT 0) Z(I)");
	hear(b, "C(SELECT 0) Z(I)");
	/* Again: nothing to be set. */
	say(b, "Q(select 2)");
	hear(s, "Q(select 2)");
	say(s, "C(SELECT 0) Z(I)");
	hear(b, "C(SELECT 0) Z(I)");
	/* The other one has its own back. */
	say(a, "Q(select 3)");
	hear(s, "Q(SET application_name='';SET DateStyle='ISO, MDY';SET TimeZone='UTC';) Q(select 3)");
	say(s, "C(SET) C(SET) C(SET) S(application_name=) S(DateStyle=ISO, MDY) S(TimeZone=UTC) Z(I) "
	       "C(SELECT 0) Z(I)");
	hear(a, "C(SELECT 0) Z(I)");
}

Test(login, parameters_that_a_client_sets_follow_it)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(set timezone to cet)");
	hear(s, "Q(set timezone to cet)");
	say(s, "C(SET) S(TimeZone=CET) Z(I)");
	hear(a, "C(SET) S(TimeZone=CET) Z(I)");
	say(b, "Q(select 1)");
	hear(s, "Q(SET TimeZone='UTC';) Q(select 1)");
	say(s, "C(SET) S(TimeZone=UTC) Z(I) C(SELECT 0) Z(I)");
	hear(b, "C(SELECT 0) Z(I)");
	say(a, "Q(select 2)");
	hear(s, "Q(SET TimeZone='CET';) Q(select 2)");
}

/* Nobody can tell whose session this would be. */
Test(login, a_parameter_that_the_server_does_not_take)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one,timezone=Mars");
	client_welcome(b);
	say(b, "Q(select 1)");
	hear(s, "Q(SET TimeZone='Mars';) Q(select 1)");
	say(s, "E(22023) Z(I) C(SELECT 0) Z(I)");
	hear(b, "E(22023)");
	hear_end(b);
	s = backend_accept();	/* the cancel request */
	hang_up(s);
	say(a, "Q(select 2)");
	s = backend_open();
	hear(s, "Q(select 2)");
}

Test(login, parameters_in_options)
{
	struct peer *a, *b, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one,options=-c timezone=CET --datestyle=German\\ ");
	hear(b, "R(0) S(application_name=) S(client_encoding=UTF8) S(DateStyle=German ) "
		"S(server_version=15.4) S(standard_conforming_strings=on) S(TimeZone=CET) K Z(I)");
	c = client_open(0, "user=carol,database=one,options=-c work_mem=1");
	hear(c, "E(08P01)");
	hear_end(c);
}
