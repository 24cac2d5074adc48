/*
 * What servers say, and what is concluded from it: session state that must not
 * be seen by the next client.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(reply, .fini = house_close);

/* A query of one client, and the server's words for it. */
struct step {
	const char *query, *reply;
};

/* What PostgreSQL reports of a SET comes behind its tag since version 14, in front of it before. */
static const struct {
	const char *name;
	struct step steps[6];
	bool leaves_something;
} scripts[] = {
	{ "nothing", { { "select 1", "C(SELECT 1) Z(I)" } }, false },
	{ "carried parameter", { { "set timezone to cet", "C(SET) S(TimeZone=CET) Z(I)" } }, false },
	{ "carried parameter, old server", { { "set timezone to cet", "S(TimeZone=CET) C(SET) Z(I)" } }, false },
	{ "other setting", { { "set work_mem to '1MB'", "C(SET) Z(I)" } }, true },
	{ "both", { { "set timezone to cet; set work_mem to '1MB'", "C(SET) C(SET) S(TimeZone=CET) Z(I)" } }, true },
	{ "one after the other",
	  { { "set timezone to cet", "C(SET) S(TimeZone=CET) Z(I)" }, { "set work_mem to '1MB'", "C(SET) Z(I)" } },
	  true },
	{ "in a transaction",
	  { { "begin", "C(BEGIN) Z(T)" },
	    { "set timezone to cet", "C(SET) S(TimeZone=CET) Z(T)" },
	    { "commit", "C(COMMIT) Z(I)" } },
	  false },
	{ "rolled back",
	  { { "begin", "C(BEGIN) Z(T)" },
	    { "set timezone to cet", "C(SET) S(TimeZone=CET) Z(T)" },
	    { "rollback", "C(ROLLBACK) S(TimeZone=UTC) Z(I)" } },
	  false },
	{ "local",
	  { { "begin", "C(BEGIN) Z(T)" },
	    { "SET LOCAL work_mem to '1MB'", "C(SET) Z(T)" },
	    { "commit", "C(COMMIT) Z(I)" } },
	  false },
	{ "local, then another",
	  { { "begin", "C(BEGIN) Z(T)" },
	    { "set local timezone to cet", "C(SET) S(TimeZone=CET) Z(T)" },
	    { "set work_mem to '1MB'", "C(SET) Z(T)" },
	    { "commit", "C(COMMIT) S(TimeZone=UTC) Z(I)" } },
	  true },
	{ "with the end of a transaction that reports",
	  { { "begin", "C(BEGIN) Z(T)" },
	    { "set local timezone to cet", "C(SET) S(TimeZone=CET) Z(T)" },
	    { "commit; set work_mem to '1MB'", "C(COMMIT) C(SET) S(TimeZone=UTC) Z(I)" } },
	  true },
	{ "listen", { { "listen news", "C(LISTEN) Z(I)" } }, true },
	{ "prepare", { { "prepare p as select 1", "C(PREPARE) Z(I)" } }, true },
	{ "table", { { "create temp table t ()", "C(CREATE TABLE) Z(I)" } }, true },
};

static void
run_steps(struct peer *c, struct peer *s, const struct step *steps)
{
	for (size_t i = 0; i < 6 && steps[i].query != NULL; i++) {
		char words[200];

		snprintf(words, sizeof(words), "Q(%s)", steps[i].query);
		say(c, words);
		hear(s, words);
		say(s, steps[i].reply);
		hear(c, steps[i].reply);
	}
}

Test(reply, what_is_left_behind_is_cleaned)
{
	house_open(1, ONE, "");
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct peer *a, *s;
		bool cleaned;

		house_close();
		house_open(1, ONE, "");
		pair_open(&a, &s);
		run_steps(a, s, scripts[i].steps);
		house_settle();
		cleaned = !hears_nothing(s);
		cr_expect_eq(cleaned, scripts[i].leaves_something, "%s", scripts[i].name);
	}
}

Test(reply, a_server_that_is_being_cleaned_is_not_lent)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(listen news)");
	hear(s, "Q(listen news)");
	say(b, "Q(b)");
	say(s, "C(LISTEN) Z(I)");
	hear(a, "C(LISTEN) Z(I)");
	hear_until(s, 'Q');
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "C(CLOSE) C(SET) C(RESET) C(UNLISTEN) T D() C(SELECT 1) C(DISCARD) C(DISCARD) A(news) Z(I)");
	hear(s, "Q(b)");
	say(s, "C(B) Z(I)");
	hear(b, "C(B) Z(I)");
}
