/*
 * Sessions as their clients and servers see them: queries, pipelines, pools,
 * and what happens when somebody dies.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(session, .fini = house_close, .timeout = 30);

Test(session, login_and_a_simple_query)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one");
	s = backend_open();
	hear(c, "R(0) S(application_name=) S(client_encoding=UTF8) S(DateStyle=ISO, MDY) "
		"S(server_version=15.4) S(standard_conforming_strings=on) S(TimeZone=UTC) K Z(I)");
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "T D(1) C(SELECT 1) Z(I)");
	hear(c, "T D(1) C(SELECT 1) Z(I)");
	say(c, "X");
	hear_end(c);
}

Test(session, an_unknown_database)
{
	struct peer *c;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=two");
	hear(c, "R(0) E(3D000)");
	hear_end(c);
}

/* The server goes to whoever asked first. */
Test(session, two_clients_over_one_server)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a1)");
	hear(s, "Q(a1)");
	say(b, "Q(b1)");
	say(a, "Q(a2)");
	house_settle();
	say(s, "C(A) Z(I)");
	hear(a, "C(A) Z(I)");
	hear(s, "Q(a2)");
	say(s, "C(A2) Z(I)");
	hear(a, "C(A2) Z(I)");
	hear(s, "Q(b1)");
	say(s, "C(B) Z(I)");
	hear(b, "C(B) Z(I)");
	cr_assert(hears_nothing(a));
	cr_assert(backend_is_unwanted());
}
