/*
 * What is counted of queries as they pass: on which statement, and how much.
 */
#include "session/timing.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/link.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(timing, .fini = house_close);

/* What was counted of a text: all of a tenant's if it is NULL. */
struct asked {
	const char *text;
	bool found;
	int running;
	struct query_counters n;
	uint64_t samples;
};

static void
copy_counts(struct asked *a, const struct query_sum *sum)
{
	a->n = sum->n;
	a->samples = sum->latency.total;
}

static void
look(struct shard *s, void *arg)
{
	struct tenant *t = tenants_find(s->tenants, "one");
	struct asked *a = arg;
	struct query_entry *e;
	struct sql_digest d;

	if (t == NULL || t->queries == NULL)
		return;
	if (a->text == NULL) {
		copy_counts(a, &t->queries->sum);
		return;
	}
	sql_digest(a->text, strlen(a->text), &d);
	e = query_find(t->queries, d.hash);
	a->found = e != NULL;
	if (e == NULL)
		return;
	query_abandon(e);
	a->running = e->running;
	copy_counts(a, &e->sum);
}

static struct asked
counted(const char *text)
{
	struct asked a = { .text = text };

	house_settle();
	house_call(0, look, &a);
	return a;
}

static void
expect(const char *text, uint64_t calls, uint64_t errors, uint64_t rows)
{
	struct asked a = counted(text);

	cr_assert_eq(a.n.calls, calls, "%s: %lu calls, not %lu", text, (unsigned long)a.n.calls, (unsigned long)calls);
	cr_assert_eq(a.n.errors, errors, "%s: %lu errors, not %lu", text, (unsigned long)a.n.errors,
		     (unsigned long)errors);
	cr_assert_eq(a.n.rows, rows, "%s: %lu rows, not %lu", text, (unsigned long)a.n.rows, (unsigned long)rows);
	cr_assert_eq(a.samples, calls);
}

/* c says, s hears just that and answers, c hears the answer. */
static void
round_trip(struct peer *c, struct peer *s, const char *request, const char *reply)
{
	say(c, request);
	hear(s, request);
	say(s, reply);
	hear(c, reply);
}

/* Likewise; no part of it can have taken longer than is told, however slow all is today. */
static usec_t
timed_round_trip(struct peer *c, struct peer *s, const char *request, const char *reply)
{
	usec_t start = clock_now();

	round_trip(c, s, request, reply);
	return clock_now() - start;
}

Test(timing, literals_do_not_matter_but_rows_do)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select a from t where b = 1)", "T D(1) D(2) C(SELECT 2) Z(I)");
	round_trip(c, s, "Q(SELECT a FROM t WHERE b = 'x')", "T D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "Q(insert into t values (1))", "C(INSERT 0 12) Z(I)");
	expect("select a from t where b = $1", 2, 0, 3);
	expect("insert into t values ($1)", 1, 0, 12);
	expect(NULL, 3, 0, 15);
}

Test(timing, errors_are_counted_where_they_belong)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select broken)", "E(42703) Z(I)");
	round_trip(c, s, "P(,select bad syntax) B(,) E S", "E(42601) Z(I)");
	round_trip(c, s, "P(,select 1/0 as x) B(,) E S", "1 2 E(22012) Z(I)");
	expect("select broken", 1, 1, 0);
	expect("select bad syntax", 1, 1, 0);
	expect("select 1/0 as x", 1, 1, 0);
	expect(NULL, 3, 3, 0);
}

/* Of several that were sent together, those behind an error never ran. */
Test(timing, what_an_error_skips_is_not_counted)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "P(,select f1()) B(,) E P(,select f2()) B(,) E P(,select f3()) B(,) E S",
		   "1 2 D(1) C(SELECT 1) 1 2 E(22012) Z(I)");
	expect("select f1()", 1, 0, 1);
	expect("select f2()", 1, 1, 0);
	expect("select f3()", 0, 0, 0);
	cr_assert_eq(counted("select f3()").running, 0);
}

Test(timing, a_named_statement_is_counted_at_each_execute)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select g(1)) S");
	hear_until(s, 'S');
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	for (int i = 0; i < 3; i++) {
		say(c, "B(,a) E S");
		hear_until(s, 'S');
		say(s, "2 D(x) C(SELECT 1) Z(I)");
		hear(c, "2 D(x) C(SELECT 1) Z(I)");
	}
	expect("select g($1)", 3, 0, 3);
	cr_assert_eq(counted("select g($1)").running, 0);
}

Test(timing, portals_have_names_too)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "P(,select p()) B(one,) P(,select q()) B(two,) E(one) E(two) E(two) S",
		   "1 2 1 2 C(SELECT 0) C(SELECT 0) C(SELECT 0) Z(I)");
	expect("select p()", 1, 0, 0);
	expect("select q()", 2, 0, 0);
}

/* A cursor that is read in parts is one call with all its rows. */
Test(timing, a_suspended_portal_goes_on)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "P(,select r()) B(cur,) E(cur) H", "1 2 D(1) D(2) s");
	round_trip(c, s, "E(cur) H", "D(3) D(4) s");
	round_trip(c, s, "E(cur) S", "D(5) C(SELECT 1) Z(I)");
	expect("select r()", 1, 0, 5);
}

/* Execute with a limit, then Sync: the portal is gone, but what it took was not the next query's. */
Test(timing, a_suspended_portal_that_does_not_go_on)
{
	struct peer *c, *s;
	struct asked a;
	usec_t took;

	house_open(1, ONE, "pool_mode = session");
	pair_open(&c, &s);
	say(c, "P(,select r()) B(,) E S");
	hear_until(s, 'S');
	usleep(30000);
	say(s, "1 2 D(1) D(2) s Z(I)");
	hear(c, "1 2 D(1) D(2) s Z(I)");
	took = timed_round_trip(c, s, "Q(select quick())", "T D(1) C(SELECT 1) Z(I)");
	expect("select r()", 1, 0, 2);
	expect("select quick()", 1, 0, 1);
	a = counted("select quick()");
	cr_assert_leq(a.n.total, took);
	a = counted("select r()");
	cr_assert_geq(a.n.total, 30000);
	cr_assert_eq(a.running, 0);
}

/* In a transaction, others run between the parts of a cursor. */
Test(timing, a_suspended_portal_goes_on_behind_others)
{
	struct peer *c, *s;
	struct asked a;
	usec_t took;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(begin)", "C(BEGIN) Z(T)");
	say(c, "P(,select r()) B(one,) E(one) S");
	hear_until(s, 'S');
	usleep(30000);
	say(s, "1 2 D(1) D(2) s Z(T)");
	hear(c, "1 2 D(1) D(2) s Z(T)");
	round_trip(c, s, "P(,select t()) B(two,) E(two) S", "1 2 D(1) s Z(T)");
	took = timed_round_trip(c, s, "Q(select quick())", "T D(1) C(SELECT 1) Z(T)");
	round_trip(c, s, "E(one) S", "D(3) C(SELECT 1) Z(T)");
	expect("select r()", 1, 0, 3);
	expect("select quick()", 1, 0, 1);
	a = counted("select quick()");
	cr_assert_leq(a.n.total, took);
	a = counted("select r()");
	cr_assert_geq(a.n.total, 30000);
	cr_assert_eq(counted("select t()").n.calls, 0);
	round_trip(c, s, "Q(commit)", "C(COMMIT) Z(I)");
	expect("select t()", 1, 0, 1);
	cr_assert_eq(counted("select t()").running, 0);
}

/* The end of a transaction in front of it is none of its own. */
Test(timing, a_portal_that_is_bound_ahead)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select quick()) P(,select r()) B(one,) H");
	hear(s, "Q(select quick()) P(,select r()) B(one,) H");
	say(s, "C(SELECT 0) Z(I) 1 2");
	hear(c, "C(SELECT 0) Z(I) 1 2");
	round_trip(c, s, "E(one) S", "D(1) C(SELECT 1) Z(I)");
	expect("select r()", 1, 0, 1);
	cr_assert(hears_nothing(s));
}

/* A portal's name is another's now. */
Test(timing, a_suspended_portal_that_is_bound_anew)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(begin)", "C(BEGIN) Z(T)");
	round_trip(c, s, "P(,select r()) B(,) E S", "1 2 D(1) D(2) s Z(T)");
	round_trip(c, s, "P(,select t()) B(,) E S", "1 2 D(1) C(SELECT 1) Z(T)");
	expect("select t()", 1, 0, 1);
	round_trip(c, s, "Q(rollback)", "C(ROLLBACK) Z(I)");
	expect("select r()", 1, 0, 2);
}

Test(timing, a_statement_in_session_mode_keeps_its_label)
{
	struct peer *c, *s;

	house_open(1, ONE, "pool_mode = session");
	pair_open(&c, &s);
	round_trip(c, s, "P(a,select h()) P(b,select k()) S", "1 1 Z(I)");
	round_trip(c, s, "B(,b) E S", "2 C(SELECT 0) Z(I)");
	round_trip(c, s, "B(,a) E S", "2 C(SELECT 0) Z(I)");
	round_trip(c, s, "B(,a) E S", "2 C(SELECT 0) Z(I)");
	expect("select h()", 2, 0, 0);
	expect("select k()", 1, 0, 0);
}

Test(timing, bytes_in_and_out_are_exact)
{
	struct peer *c, *s;
	struct asked a;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select 1)", "T D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "Q(select 1)", "T D(1) C(SELECT 1) Z(I)");
	a = counted("select 1");
	cr_assert_eq(a.n.bytes_in, 2 * (5 + sizeof("select 1")));
	cr_assert_eq(a.n.bytes_out % 2, 0);
	cr_assert_gt(a.n.bytes_out, 2 * (6 + 5 + sizeof("SELECT 1")));
}

static bool
has_long_text(struct shard *s, void *arg)
{
	look(s, arg);
	return ((struct asked *)arg)->n.calls == 1;
}

/* Longer than what one read brings: its text is put together, and the literal in it means nothing. */
Test(timing, a_text_that_comes_in_pieces)
{
	static char text[40000];
	struct asked a = { .text = "select 'x' as long_one" };
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;
	size_t mark;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	memset(text, 'y', sizeof(text));
	mark = writer_begin(&b, FE_QUERY);
	buffer_append(&b, "select '", strlen("select '"));
	buffer_append(&b, text, sizeof(text));
	buffer_append(&b, "' as long_one", sizeof("' as long_one"));
	writer_end(&b, mark);
	for (size_t at = 0; at < buffer_left(&b); at += 9973) {
		size_t n = buffer_left(&b) - at < 9973 ? buffer_left(&b) - at : 9973;

		say_bytes(c, buffer_head(&b) + at, n);
		house_settle();
	}
	buffer_release(&b);
	hear_until(s, 'Q');
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
	house_until(0, has_long_text, &a);
}

Test(timing, nothing_is_counted_when_it_is_off)
{
	struct peer *c, *s;

	house_open(1, ONE, "query_stats = 0");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select 1)", "T D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "P(,select 2) B(,) E S", "1 2 D(1) C(SELECT 1) Z(I)");
	cr_assert_not(counted("select 1").found);
	expect(NULL, 0, 0, 0);
}

static struct slow_query *
wait_for_slow(void)
{
	struct slow_query *q;

	for (int i = 0; i < 30000; i++) {
		q = house_slow_query();
		if (q != NULL)
			return q;
		usleep(1000);
	}
	cr_assert_fail("no slow query was told");
	return NULL;
}

Test(timing, who_dies_leaves_nothing_running)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select forever())");
	hear(s, "Q(select forever())");
	cr_assert_eq(counted("select forever()").running, 1);
	hang_up(s);
	hear_until(c, 'E');
	hear_end(c);
	expect("select forever()", 1, 1, 0);
	cr_assert_eq(counted("select forever()").running, 0);
}

/* It ran until its client had enough of waiting: that is what people have to see. */
Test(timing, a_query_whose_client_left)
{
	struct slow_query *q;
	struct peer *c, *s;

	house_open(1, ONE, "slow_query_threshold = 20");
	pair_open(&c, &s);
	say(c, "P(,select slow()) B(,) E P(,select never()) B(,) E S");
	hear_until(s, 'S');
	say(s, "1 2 D(1)");
	hear(c, "1 2 D(1)");
	usleep(30000);
	hang_up(c);
	q = wait_for_slow();
	cr_assert_str_eq(q->text, "select slow()");
	cr_assert_str_eq(q->sqlstate, "08006");
	cr_assert_geq(q->sample.total, 30000);
	slow_query_free(&q);
	expect("select slow()", 1, 1, 1);
	expect("select never()", 0, 0, 0);
	cr_assert_eq(counted("select never()").running, 0);
}

/* --- what a text leaves behind --- */

static void
answer_the_cleaning(struct peer *s)
{
	const char *sent = hear_until(s, 'Q');

	cr_assert_not_null(strstr(sent, "pg_advisory_unlock_all"), "%s", sent);
	say(s, "C(RESET) Z(I)");
}

Test(timing, set_config_does_not_reach_the_next_client)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select set_config('a.b', 'x', false))", "T D(x) C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
	round_trip(c, s, "P(,select pg_advisory_lock(1)) B(,) E S", "1 2 D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
	round_trip(c, s, "Q(select pg_advisory_xact_lock(1))", "T D() C(SELECT 1) Z(I)");
	house_settle();
	cr_assert(hears_nothing(s));
}

/* A lock of the session survives what fails behind it. */
Test(timing, a_lock_stays_though_its_query_fails)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select pg_advisory_lock(1), 1/0)", "E(22012) Z(I)");
	answer_the_cleaning(s);
	round_trip(c, s, "P(,select pg_advisory_lock(1), 1/0) B(,) E S", "1 2 E(22012) Z(I)");
	answer_the_cleaning(s);
	round_trip(c, s, "Q(select 1/0, 'pg_advisory_lock(1)')", "E(22012) Z(I)");
	house_settle();
	cr_assert(hears_nothing(s));
}

/* Sync closes its portal, and no command is ever complete. */
Test(timing, a_lock_stays_of_a_portal_that_was_suspended)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "P(,select pg_advisory_lock(n) from t) B(,) E S", "1 2 D() s Z(I)");
	answer_the_cleaning(s);
}

/* Where a backslash escapes a quote, nobody here knows what is a literal: it is not shown. */
Test(timing, literals_with_escapes_of_old)
{
	struct peer *c, *s;

	house_open(1, ONE, "pool_mode = session");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select 'x\\' y ')", "T D(1) C(SELECT 1) Z(I)");
	cr_assert(counted("select 'x\\' y '").found);
	round_trip(c, s, "Q(set standard_conforming_strings = off)", "C(SET) S(standard_conforming_strings=off) Z(I)");
	round_trip(c, s, "Q(select 'a\\' secret ')", "T D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "P(,select 'b\\' secret ') B(,) E S", "1 2 D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "Q(select 'c' as plain)", "T D(1) C(SELECT 1) Z(I)");
	expect(NULL, 5, 0, 4);
	expect("select 'c' as plain", 1, 0, 1);
	cr_assert_not(counted("select 'a\\' secret '").found);
}

/* What it is about is not known: somebody's cursor, perhaps. */
Test(timing, a_portal_that_nobody_has_seen_may_do_anything)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	round_trip(c, s, "E(c) S", "D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
}

Test(timing, a_cycle_that_is_repeated_leaves_behind_what_it_would_have)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,select set_config('a.b', 'c', false)) S");
	hear_until(s, 'S');
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
	say(c, "B(,a) E S");
	hear_until(s, 'S');
	say(s, "E(0A000) Z(I)");
	hear_until(s, 'S');
	say(s, "3 1 2 D() C(SELECT 1) Z(I)");
	hear(c, "2 D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
}

static void
call_function(struct peer *c, struct peer *s, uint32_t oid, const char *reply)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_FUNCTION_CALL);

	writer_u32(&b, oid);
	writer_u16(&b, 0);
	writer_u16(&b, 0);
	writer_u16(&b, 0);
	writer_end(&b, mark);
	say_bytes(c, buffer_head(&b), buffer_left(&b));
	buffer_release(&b);
	hear_until(s, 'F');
	say(s, reply);
	hear(c, reply);
}

Test(timing, functions_that_are_called_by_number_leave_something_too)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	call_function(c, s, 2880, "V Z(I)");
	answer_the_cleaning(s);
	call_function(c, s, 2886, "E(22012) Z(I)");
	answer_the_cleaning(s);
	call_function(c, s, 2078, "V Z(I)");
	answer_the_cleaning(s);
	call_function(c, s, 952, "V Z(I)");	/* lo_open */
	house_settle();
	cr_assert(hears_nothing(s));
}

/* A message that begins so, with a text of this many bytes in between; in several reads. */
static void
say_long(struct peer *c, uint8_t type, const char *name, const char *begin, size_t n, const char *end)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, type);

	if (name != NULL)
		writer_string(&b, name);
	buffer_append(&b, begin, strlen(begin));
	for (size_t i = 0; i < n; i++)
		writer_u8(&b, 'y');
	writer_string(&b, end);
	if (name != NULL)
		writer_u16(&b, 0);
	writer_end(&b, mark);
	for (size_t at = 0; at < buffer_left(&b); at += 9973) {
		size_t left = buffer_left(&b) - at;

		say_bytes(c, buffer_head(&b) + at, left < 9973 ? left : 9973);
		house_settle();
	}
	buffer_release(&b);
}

/* Of what is longer than what is read, nobody knows. */
Test(timing, the_end_of_a_very_long_text_may_do_anything)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say_long(c, FE_QUERY, NULL, "select '", 100000, "', set_config('a.b', 'c', false)");
	hear_until(s, 'Q');
	say(s, "D() C(SELECT 1) Z(I)");
	hear(c, "D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
	say_long(c, FE_PARSE, "a", "select '", 100000, "', set_config('a.b', 'c', false)");
	say(c, "B(,a) E S");
	hear_until(s, 'S');
	say(s, "1 2 D() C(SELECT 1) Z(I)");
	hear(c, "1 2 D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
}

/* Nothing of it is renamed, so it need not be there at once. */
Test(timing, a_named_text_that_comes_in_pieces)
{
	struct peer *c, *s;

	house_open(1, ONE, "max_prepared_statements = 0");
	pair_open(&c, &s);
	say_long(c, FE_PARSE, "a", "select '", 30000, "', set_config('a.b', 'c', false)");
	say(c, "B(,a) E S");
	hear_until(s, 'S');
	say(s, "1 2 D() C(SELECT 1) Z(I)");
	hear(c, "1 2 D() C(SELECT 1) Z(I)");
	answer_the_cleaning(s);
	expect("select 'y', set_config('a.b', 'c', false)", 1, 0, 1);
}

/* Of before it was switched on, nothing is counted: not even on what comes next. */
Test(timing, what_ran_while_it_was_off_is_nobodys)
{
	struct peer *c, *s;
	struct asked a;

	house_open(1, ONE, "query_stats = 0\npool_mode = session");
	pair_open(&c, &s);
	round_trip(c, s, "P(,select 2) B(,) E S", "1 2 D(1) C(SELECT 1) Z(I)");
	round_trip(c, s, "Q(select 1)", "T D(1) D(2) D(3) C(SELECT 3) Z(I)");
	house_configure(0, ONE, "pool_mode = session");
	round_trip(c, s, "Q(select 1)", "T D(1) C(SELECT 1) Z(I)");
	expect("select 1", 1, 0, 1);
	a = counted("select 1");
	cr_assert_eq(a.n.bytes_in, 5 + sizeof("select 1"));
	cr_assert_lt(a.n.bytes_out, 100, "%lu", (unsigned long)a.n.bytes_out);
}

/* --- slow queries --- */

Test(timing, a_slow_query_is_told_with_all_that_is_known)
{
	struct slow_query *q;
	struct peer *c, *s;

	house_open(1, ONE, "slow_query_threshold = 60000\nslow_query_log_values = 1");
	pair_open(&c, &s);
	round_trip(c, s, "Q(select quick())", "C(SELECT 0) Z(I)");
	house_settle();
	cr_assert_null(house_slow_query());
	house_configure(0, ONE, "slow_query_threshold = 20\nslow_query_log_values = 1");
	say(c, "P(,select slow($1) /*application='shop',route='%2Fa'*/) B(,) E S");
	hear_until(s, 'S');
	usleep(30000);
	say(s, "1 2 D(1) D(2) C(SELECT 2) Z(I)");
	hear(c, "1 2 D(1) D(2) C(SELECT 2) Z(I)");
	q = wait_for_slow();
	cr_assert_str_eq(q->tenant, "one");
	cr_assert_str_eq(q->user, "alice");
	cr_assert_str_eq(q->text, "select slow($1)");
	cr_assert_str_eq(q->trace.application, "shop");
	cr_assert_str_eq(q->trace.route, "/a");
	cr_assert_str_eq(q->sqlstate, "");
	cr_assert_str_eq(q->values, "[]");
	cr_assert_eq(q->sample.rows, 2);
	cr_assert_eq(q->threshold, 20000);
	cr_assert_geq(q->sample.total, 30000);
	cr_assert_geq(q->sample.first_byte, 30000);
	cr_assert_leq(q->sample.first_byte, q->sample.total);
	slow_query_free(&q);
}

Test(timing, waiting_for_a_server_is_no_fault_of_the_query)
{
	struct peer *a, *b, *s;
	struct asked counts;
	usec_t freed_at, took;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(select holds())");
	hear(s, "Q(select holds())");
	say(b, "Q(select waits())");
	house_settle();
	usleep(150000);
	freed_at = clock_now();
	say(s, "C(SELECT 0) Z(I)");
	hear(a, "C(SELECT 0) Z(I)");
	hear(s, "Q(select waits())");
	say(s, "C(SELECT 0) Z(I)");
	hear(b, "C(SELECT 0) Z(I)");
	took = clock_now() - freed_at;
	counts = counted("select waits()");
	cr_assert_geq(counts.n.wait, 150000);
	cr_assert_leq(counts.n.total, took);
	cr_assert_eq(counted("select holds()").n.wait, 0);
}

/* Our own SET in front of it is neither its first byte nor its time. */
Test(timing, bringing_parameters_is_not_the_query)
{
	struct peer *c, *s;
	struct asked a;
	usec_t brought_at, took;

	house_open(1, ONE, "");
	c = client_open(0, "user=alice,database=one,application_name=till");
	s = backend_open();
	client_welcome(c);
	say(c, "Q(select late())");
	hear_until(s, 'Q');
	hear(s, "Q(select late())");
	usleep(200000);
	brought_at = clock_now();
	say(s, "S(application_name=till) C(SET) Z(I)");
	house_settle();
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
	took = clock_now() - brought_at;
	a = counted("select late()");
	cr_assert_eq(a.n.calls, 1);
	cr_assert_leq(a.n.total, took);
	cr_assert_leq(a.n.first_byte, a.n.total);
}
