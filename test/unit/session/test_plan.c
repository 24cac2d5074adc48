/*
 * How a server would run what was slow.
 */
#include "session/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "harness.h"
#include "pg/message.h"
#include "pg/writer.h"

#define ONE "one = PG user=pooler pool_size=1"
#define TWO "one = PG user=pooler pool_size=2"
#define PLANS "slow_query_plan = 1\nslow_query_plan_rate = 3\n"
#define TEXT "select a from t where b = $1"
#define BEGIN                                                                                           \
	"Q(BEGIN READ ONLY;SET LOCAL statement_timeout='2s';SET LOCAL lock_timeout='100ms';"            \
	"SET LOCAL plan_cache_mode=force_generic_plan;SET LOCAL client_encoding='UTF8') "               \
	"P(pgusher_plan," TEXT ") D(Spgusher_plan) S"
#define BEGUN "C(BEGIN) C(SET) C(SET) C(SET) C(SET) Z(T) "
#define EXPLAIN "Q(EXPLAIN (FORMAT JSON) EXECUTE pgusher_plan"
#define END "Q(ROLLBACK) C(Spgusher_plan) S"
#define ENDED "C(ROLLBACK) Z(I) 3 Z(I)"

TestSuite(plan, .fini = house_close);

/* --- asking --- */

struct request {
	const char *text;
	uint32_t types[2];	/* of its first parameters; 0: not told */
};

static void
ask(struct shard *s, void *arg)
{
	const struct request *r = arg;
	struct tenant *t = tenants_find(s->tenants, "one");
	struct slow_query *q = memory_zalloc(sizeof(*q));

	q->tenant = memory_strdup("one");
	q->text = r->text != NULL ? memory_strdup(r->text) : NULL;
	for (q->ntypes = 0; q->ntypes < 2 && r->types[q->ntypes] != 0; q->ntypes++)
		q->types[q->ntypes] = r->types[q->ntypes];
	plan_ask(s, LIST_FIRST(&t->pools), q);
}

static void
ask_for(const char *text)
{
	struct request r = { .text = text };

	house_call(0, ask, &r);
}

/* The record that the monitor gets; it has a plan or a note, and not both. */
static struct slow_query *
told(void)
{
	struct slow_query *q = NULL;

	for (int i = 0; i < 60000 && (q = house_slow_query()) == NULL; i++)
		usleep(1000);
	cr_assert_not_null(q, "nothing is told");
	cr_assert_eq((q->plan == NULL), (q->plan_note != NULL));
	return q;
}

static void
expect_plan(const char *plan)
{
	struct slow_query *q = told();

	cr_assert_not_null(q->plan, "%s", q->plan_note);
	cr_assert_str_eq(q->plan, plan);
	slow_query_free(&q);
}

static void
expect_note(const char *note)
{
	struct slow_query *q = told();

	cr_assert_null(q->plan, "%s", q->plan);
	cr_assert_not_null(strstr(q->plan_note, note), "%s", q->plan_note);
	slow_query_free(&q);
}

static void
say_parameters(struct peer *s, int n)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, BE_PARAMETER_DESCRIPTION);

	writer_u16(&b, (uint16_t)n);
	for (int i = 0; i < n; i++)
		writer_u32(&b, 23);
	writer_end(&b, m);
	say_bytes(s, b.data, b.len);
	buffer_release(&b);
}

/* A row of one column that holds n bytes of text, or as many spaces between brackets. */
static void
say_row(struct peer *s, const char *text, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, BE_DATA_ROW);

	writer_u16(&b, 1);
	writer_u32(&b, (uint32_t)n);
	if (text != NULL) {
		writer_bytes(&b, text, n);
	} else {
		writer_u8(&b, '[');
		memset(buffer_reserve(&b, n), ' ', n - 2);
		buffer_added(&b, n - 2);
		writer_u8(&b, ']');
	}
	writer_end(&b, m);
	say_bytes(s, b.data, b.len);
	buffer_release(&b);
}

/* Up to where the text is prepared. */
static void
say_prepared(struct peer *s, int nparams)
{
	hear(s, BEGIN);
	say(s, BEGUN "1");
	say_parameters(s, nparams);
	say(s, "T Z(T)");
}

static void
answer(struct peer *s, const char *plan)
{
	say(s, "T");
	say_row(s, plan, strlen(plan));
	say(s, "C(EXPLAIN) Z(T) " ENDED);
}

/* The client is served on just this server, as if nothing had been. */
static void
expect_as_before(struct peer *c, struct peer *s)
{
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "T D(1) C(SELECT 1) Z(I)");
	hear(c, "T D(1) C(SELECT 1) Z(I)");
	cr_assert(backend_is_unwanted());
}

static void
open_pair(const char *database, struct peer **c, struct peer **s)
{
	house_open(1, database, PLANS);
	pair_open(c, s);
	house_settle();
}

/* --- a plan --- */

Test(plan, of_a_statement_with_parameters)
{
	struct request r = { .text = TEXT, .types = { 23 } };
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	house_call(0, ask, &r);
	say_prepared(s, 2);
	hear(s, EXPLAIN "(NULL,NULL)) " END);
	answer(s, "[\n  {\n    \"Plan\": {\"Total Cost\": 8.17, \"Filter\": \"(b =  $1)\"}\n  }\n]");
	expect_plan("[{\"Plan\":{\"Total Cost\":8.17,\"Filter\":\"(b =  $1)\"}}]");
	expect_as_before(c, s);
}

Test(plan, of_a_statement_without_parameters)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	say_prepared(s, 0);
	hear(s, EXPLAIN ") " END);
	answer(s, "[]");
	expect_plan("[]");
	expect_as_before(c, s);
}

#define MIXED "select $3 from t where b = $2 and c = $1 and d = $2 and e = $4"

/* What Parse told of the types goes with the text, in which the parameters are numbered as they come: $4 was a
 * literal, and nothing was told of $3. */
Test(plan, with_the_types_that_were_bound)
{
	static const uint32_t expected_types[] = { 0, 25, 23, 0 };
	struct request r = { .text = MIXED, .types = { 23, 25 } };
	struct buffer expected = BUFFER_INIT;
	struct peer *c, *s;
	size_t m;

	open_pair(ONE, &c, &s);
	house_call(0, ask, &r);
	hear(s, "Q(BEGIN READ ONLY;SET LOCAL statement_timeout='2s';SET LOCAL lock_timeout='100ms';"
		"SET LOCAL plan_cache_mode=force_generic_plan;SET LOCAL client_encoding='UTF8')");
	m = writer_begin(&expected, FE_PARSE);
	writer_string(&expected, "pgusher_plan");
	writer_string(&expected, "select $1 from t where b = $2 and c = $3 and d = $2 and e = $4");
	writer_u16(&expected, lengthof(expected_types));
	for (size_t i = 0; i < lengthof(expected_types); i++)
		writer_u32(&expected, expected_types[i]);
	writer_end(&expected, m);
	while (buffer_left(&s->in) < buffer_left(&expected))
		cr_assert(read_more(s));
	cr_assert_arr_eq(buffer_head(&s->in), buffer_head(&expected), buffer_left(&expected));
	buffer_release(&expected);
	hang_up(s);
	expect_note("the server connection was lost");
}

/* It comes in pieces, and every way to cut it is the same. */
Test(plan, that_comes_byte_by_byte)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	compose(s, BEGUN "1 t T Z(T)", &b);
	for (size_t i = 0; i < buffer_left(&b); i++)
		say_bytes(s, buffer_head(&b) + i, 1);
	hear(s, EXPLAIN ") " END);
	buffer_clear(&b);
	compose(s, "T D([1, 2]) C(EXPLAIN) Z(T) " ENDED, &b);
	for (size_t i = 0; i < buffer_left(&b); i++)
		say_bytes(s, buffer_head(&b) + i, 1);
	buffer_release(&b);
	expect_plan("[1,2]");
	expect_as_before(c, s);
}

/* The server is still with the client of the slow query: it is asked when it comes back. */
Test(plan, when_the_transaction_is_over)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(c, "C(BEGIN) Z(T)");
	ask_for(TEXT);
	house_settle();
	cr_assert(hears_nothing(s));
	cr_assert(backend_is_unwanted());
	say(c, "Q(commit)");
	hear(s, "Q(commit)");
	say(s, "C(COMMIT) Z(I)");
	hear(c, "C(COMMIT) Z(I)");
	say_prepared(s, 0);
	hear(s, EXPLAIN ") " END);
	answer(s, "[]");
	expect_plan("[]");
}

/* --- none --- */

Test(plan, is_not_asked_for_by_default)
{
	struct slow_query *q;
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	ask_for(TEXT);
	while ((q = house_slow_query()) == NULL)
		usleep(1000);
	cr_assert_null(q->plan);
	cr_assert_null(q->plan_note);
	slow_query_free(&q);
	cr_assert(hears_nothing(s));
}

Test(plan, what_cant_be_asked_for)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(NULL);
	expect_note("its text is not kept");
	ask_for("vacuum t");
	expect_note("nothing that can be explained");
	ask_for("select a from t where ...");
	expect_note("its text is cut");
	house_settle();
	cr_assert(hears_nothing(s));
	expect_as_before(c, s);
}

/* The settings are those of the session that was there last, or a server that is too old. */
Test(plan, what_the_server_cant_prepare)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	say(s, BEGUN "E(42P01) Z(E)");
	hear(s, "Q(ROLLBACK)");
	say(s, "C(ROLLBACK) Z(I)");
	expect_note("with its present settings the server can't prepare it: 42P01 the server says no");
	expect_as_before(c, s);
	ask_for(TEXT);
	hear(s, BEGIN);
	say(s, "C(BEGIN) C(SET) C(SET) E(42704) Z(E) E(25P02) Z(E)");
	hear(s, "Q(ROLLBACK)");
	say(s, "C(ROLLBACK) Z(I)");
	expect_note("the server can't prepare it: 42704");
	expect_as_before(c, s);
}

Test(plan, what_the_server_cant_explain)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	say_prepared(s, 1);
	hear(s, EXPLAIN "(NULL)) " END);
	say(s, "E(57014) Z(E) " ENDED);
	expect_note("the server can't explain it: 57014 the server says no");
	expect_as_before(c, s);
}

Test(plan, with_too_many_parameters)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	say_prepared(s, 2001);
	hear(s, END);
	say(s, ENDED);
	expect_note("more than 2000 parameters");
	expect_as_before(c, s);
}

Test(plan, that_is_no_json)
{
	static const char *const rows[] = { "", "Seq Scan on t", "[1,2" };
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	for (size_t i = 0; i < lengthof(rows); i++) {
		ask_for(TEXT);
		say_prepared(s, 0);
		hear(s, EXPLAIN ") " END);
		answer(s, rows[i]);
		expect_note("no plan that can be read");
		expect_as_before(c, s);
	}
}

/* At the bound and above it, with what follows in its place. */
Test(plan, that_is_long)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	for (int more = 0; more < 3; more++) {
		size_t n = more < 2 ? (size_t)(PLAN_MAX + more) : 3 * 1024 * 1024;

		ask_for(TEXT);
		say_prepared(s, 0);
		hear(s, EXPLAIN ") " END);
		say(s, "T");
		say_row(s, NULL, n);
		say(s, "C(EXPLAIN) Z(T) " ENDED);
		if (more == 0)
			expect_plan("[]");
		else
			expect_note(more == 1 ? "no plan that can be read" : "longer than 65536 bytes");
		expect_as_before(c, s);
	}
}

/* --- whose server it is --- */

/* All are in use: nothing is opened for it, and it does not queue. */
Test(plan, waits_for_no_server_for_long)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(c, "C(BEGIN) Z(T)");
	ask_for(TEXT);
	expect_note("no server connection of its pool was idle");
	cr_assert(backend_is_unwanted());
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}

Test(plan, takes_no_server_that_somebody_waits_for)
{
	struct peer *a, *b, *s;

	open_pair(ONE, &a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(a, "C(BEGIN) Z(T)");
	say(b, "Q(select 2)");
	house_settle();
	ask_for(TEXT);
	say(a, "Q(commit)");
	hear(s, "Q(commit)");
	say(s, "C(COMMIT) Z(I)");
	hear(s, "Q(select 2)");
	say(s, "T D(2) C(SELECT 1) Z(I)");
	hear(s, BEGIN);
	hang_up(s);
	expect_note("lost");
}

/* A client that comes while it runs has it canceled, and then gets a server that is clean. */
Test(plan, makes_way)
{
	struct peer *c, *s, *k;
	uint8_t body[64];
	size_t n;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	say_prepared(s, 0);
	hear(s, EXPLAIN ") " END);
	say(c, "Q(select 1)");
	k = backend_accept();
	cr_assert_eq(hear_startup(k, body, sizeof(body), &n), 80877102);
	say(s, "E(57014) Z(E) " ENDED);
	expect_note("a client came to wait");
	house_settle();
	cr_assert(hears_nothing(s), "a cancel for it is under way");
	hang_up(k);
	hear(s, "Q(select 1)");
	say(s, "T D(1) C(SELECT 1) Z(I)");
	hear(c, "T D(1) C(SELECT 1) Z(I)");
}

/* Its answer is all the same there before the cancel request is. */
Test(plan, makes_way_and_was_faster)
{
	struct peer *c, *s, *k;
	uint8_t body[64];
	size_t n;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	say_prepared(s, 0);
	hear(s, EXPLAIN ") " END);
	say(c, "Q(select 1)");
	k = backend_accept();
	hear_startup(k, body, sizeof(body), &n);
	answer(s, "[]");
	expect_plan("[]");
	hang_up(k);
	hear(s, "Q(select 1)");
}

Test(plan, one_at_a_time_for_a_pool)
{
	struct peer *c, *s;

	open_pair(TWO, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	ask_for(TEXT);
	expect_note("another plan is being made in its pool");
	hang_up(s);
	expect_note("lost");
}

Test(plan, the_rate_is_kept)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	for (int i = 0; i < 3; i++) {
		ask_for(TEXT);
		hear(s, BEGIN);
		say(s, BEGUN "E(42P01) Z(E)");
		hear(s, "Q(ROLLBACK)");
		say(s, "C(ROLLBACK) Z(I)");
		expect_note("42P01");
	}
	ask_for(TEXT);
	expect_note("slow_query_plan_rate is reached");
	expect_as_before(c, s);
}

/* --- a server of which nobody knows what it is like --- */

Test(plan, a_server_that_is_not_as_before_is_closed)
{
	static const char *const ends[] = {
		"C(ROLLBACK) Z(T) 3 Z(T)",	/* the transaction goes on */
		"C(ROLLBACK) Z(I) E(XX000) Z(I)",	/* the statement stays */
		"C(ROLLBACK) Z(I) Z(I)",
	};
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	for (size_t i = 0; i < lengthof(ends); i++) {
		ask_for(TEXT);
		say_prepared(s, 0);
		hear(s, EXPLAIN ") " END);
		say(s, "T D([]) C(EXPLAIN) Z(T)");
		say(s, ends[i]);
		expect_plan("[]");
		hear(s, "X");
		hear_end(s);
		say(c, "Q(select 1)");
		s = backend_open();
		hear(s, "Q(select 1)");
		say(s, "T D(1) C(SELECT 1) Z(I)");
		hear(c, "T D(1) C(SELECT 1) Z(I)");
	}
}

Test(plan, what_is_no_protocol_closes_the_server)
{
	static const uint8_t broken[] = { 'C', 0, 0, 0, 1 }, endless[] = { 'C', 0x7f, 0, 0, 0 };
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	for (int i = 0; i < 2; i++) {
		ask_for(TEXT);
		hear(s, BEGIN);
		say_bytes(s, i == 0 ? broken : endless, 5);
		expect_note("the server connection was lost: malformed or too long");
		say(c, "Q(select 1)");
		s = backend_open();
		hear(s, "Q(select 1)");
		say(s, "T D(1) C(SELECT 1) Z(I)");
		hear(c, "T D(1) C(SELECT 1) Z(I)");
	}
}

/* After the deadline it is canceled and closed, not lent. */
Test(plan, a_server_that_does_not_answer)
{
	struct peer *c, *s, *k;
	uint8_t body[64];
	size_t n;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	expect_note("the server did not answer in time");
	hear(s, "X");
	hear_end(s);
	k = backend_accept();
	cr_assert_eq(hear_startup(k, body, sizeof(body), &n), 80877102);
	hang_up(k);
	say(c, "Q(select 1)");
	s = backend_open();
	hear(s, "Q(select 1)");
}

/* The settings that it reports meanwhile are those that it has when it is lent. */
Test(plan, what_the_server_reports_is_carried_on)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	say(s, "C(BEGIN) C(SET) C(SET) C(SET) S(client_encoding=UTF8) C(SET) Z(T) 1 t T Z(T)");
	hear(s, EXPLAIN ") " END);
	say(s, "T D([]) C(EXPLAIN) Z(T) C(ROLLBACK) S(client_encoding=LATIN1) Z(I) 3 Z(I)");
	expect_plan("[]");
	say(c, "Q(select 1)");
	cr_assert_not_null(strstr(hear_until(s, 'Q'), "client_encoding"), "the client has another one");
}

Test(plan, the_pool_goes_meanwhile)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
	house_configure(0, "other = PG user=pooler", PLANS);
	expect_note("lost");
}

Test(plan, the_house_is_closed_meanwhile)
{
	struct peer *c, *s;

	open_pair(TWO, &c, &s);
	ask_for(TEXT);
	hear(s, BEGIN);
}

/* What is done at the house's end sees to those that wait, too. */
Test(plan, the_house_is_closed_while_it_waits)
{
	struct peer *c, *s;

	open_pair(ONE, &c, &s);
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	ask_for(TEXT);
	house_settle();
}
