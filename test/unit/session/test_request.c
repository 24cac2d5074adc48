/*
 * What clients ask, and what servers get to hear: pipelines in pieces, prepared
 * statements under their names on servers, errors at the place of a request.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "pg/frame.h"

#define ONE "one = PG user=pooler pool_size=1"
#define TWO_SERVERS "one = PG user=pooler pool_size=2"

TestSuite(request, .fini = house_close);

/* Say it, so many bytes at a time, and let each piece be served by itself. */
static void
say_in_pieces(struct peer *p, const char *words, size_t size)
{
	struct buffer b = BUFFER_INIT;

	compose(p, words, &b);
	while (buffer_left(&b) > 0) {
		size_t n = buffer_left(&b) < size ? buffer_left(&b) : size;

		say_bytes(p, buffer_head(&b), n);
		buffer_consume(&b, n);
		house_settle();
	}
	buffer_release(&b);
}

/* A dialogue that has all kinds of messages in it. */
static const char requests[] =
	"P(a,select 1) B(,a) D(P) E C(Sa) S Q(select 2) P(,select 3) B(p,) E(p) C(Pp) S F H S";
static const char as_sent[] =
	"P(pgusher_1,select 1) B(,pgusher_1) D(P) E S Q(select 2) P(,select 3) B(p,) E(p) C(Pp) S F H S";
static const char replies[] =
	"1 2 T D(one) C(SELECT 1) Z(I) T D(two) C(SELECT 1) Z(I) 1 2 D(three) C(SELECT 1) 3 Z(I) V Z(I) Z(I)";
static const char as_heard[] =
	"1 2 T D(one) C(SELECT 1) 3 Z(I) T D(two) C(SELECT 1) Z(I) 1 2 D(three) C(SELECT 1) 3 Z(I) V Z(I) Z(I)";

Test(request, a_pipeline_at_once)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, requests);
	hear(s, as_sent);
	say(s, replies);
	hear(c, as_heard);
}

Test(request, a_pipeline_byte_by_byte)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say_in_pieces(c, requests, 1);
	hear(s, as_sent);
	say_in_pieces(s, replies, 1);
	hear(c, as_heard);
	/* Nothing is left behind: the server goes back. */
	say(c, "Q(select 4)");
	hear(s, "Q(select 4)");
}

Test(request, a_pipeline_in_pieces_of_every_size)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	for (size_t size = 2; size < 60; size += size < 12 ? 1 : 7) {
		say_in_pieces(c, "Q(select 1) P(,select 2) B(,) E S", size);
		hear(s, "Q(select 1) P(,select 2) B(,) E S");
		say_in_pieces(s, "T D(one) C(SELECT 1) Z(I) 1 2 D(two) C(SELECT 1) Z(I)", size);
		hear(c, "T D(one) C(SELECT 1) Z(I) 1 2 D(two) C(SELECT 1) Z(I)");
	}
}

/* What names mean behind a query, or behind a Sync, is known only when they are through. */
Test(request, names_wait_for_what_is_open)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(deallocate all) P(a,select 1) S P(a,select 2) S");
	hear(s, "Q(deallocate all)");
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "C(DEALLOCATE ALL) Z(I)");
	hear(s, "P(pgusher_1,select 1) S");
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "E(42601) Z(I)");
	hear(s, "P(pgusher_2,select 2) S");
	say(s, "1 Z(I)");
	hear(c, "C(DEALLOCATE ALL) Z(I) E(42601) Z(I) 1 Z(I)");
}

/* The unnamed statement is nobody else's. */
Test(request, the_unnamed_statement)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "P(,select 1) S");
	hear(s, "P(,select 1) S");
	say(s, "1 Z(I)");
	hear(a, "1 Z(I)");
	say(b, "B(,) E S");
	hear(s, "B(,pgusher_) E S");
	say(s, "E(26000) Z(I)");
	hear(b, "E(26000) Z(I)");
	/* Its own client gets it back. */
	say(a, "B(,) E S");
	hear(s, "P(,select 1) B(,) E S");
	say(s, "1 2 C(SELECT 1) Z(I)");
	hear(a, "2 C(SELECT 1) Z(I)");
}

/* --- prepared statements --- */

/* Serve a client's Parse of `name`, which reaches the server under its own name. */
static void
prepare(struct peer *c, struct peer *s, const char *name, const char *sql, const char *on_server)
{
	char words[200];

	snprintf(words, sizeof(words), "P(%s,%s) S", name, sql);
	say(c, words);
	snprintf(words, sizeof(words), "P(%s,%s) S", on_server, sql);
	hear(s, words);
	say(s, "1 Z(I)");
	hear(c, "1 Z(I)");
}

Test(request, a_text_is_prepared_once_per_server)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	prepare(a, s, "x", "select 1", "pgusher_1");
	/* Another client, another name, the same text: answered by ourselves. */
	say(b, "P(y,select 1) B(,y) E S");
	hear(s, "B(,pgusher_1) E S");
	say(s, "2 C(SELECT 0) Z(I)");
	hear(b, "1 2 C(SELECT 0) Z(I)");
	say(a, "D(Sx) S");
	hear(s, "D(Spgusher_1) S");
	say(s, "t n Z(I)");
	hear(a, "t n Z(I)");
}

Test(request, a_server_that_has_it_not_gets_it_first)
{
	struct peer *a, *b, *s1, *s2;

	house_open(1, TWO_SERVERS, "");
	pair_open(&a, &s1);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	prepare(a, s1, "x", "select 1", "pgusher_1");
	say(b, "Q(begin)");
	hear(s1, "Q(begin)");
	say(s1, "C(BEGIN) Z(T)");
	hear(b, "C(BEGIN) Z(T)");
	/* The first is taken: the second is opened. */
	say(a, "B(,x) E S");
	s2 = backend_open();
	hear(s2, "P(pgusher_1,select 1) B(,pgusher_1) E S");
	say(s2, "1 2 C(SELECT 0) Z(I)");
	hear(a, "2 C(SELECT 0) Z(I)");
	say(a, "B(,x) E S");
	hear(s2, "B(,pgusher_1) E S");
	say(s2, "2 C(SELECT 0) Z(I)");
	hear(a, "2 C(SELECT 0) Z(I)");
}

Test(request, the_longest_unused_makes_room)
{
	struct peer *c, *s;

	house_open(1, ONE, "max_prepared_statements = 2");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	prepare(c, s, "b", "select 2", "pgusher_2");
	say(c, "B(,a) S");
	hear(s, "B(,pgusher_1) S");
	say(s, "2 Z(I)");
	hear(c, "2 Z(I)");
	say(c, "P(c,select 3) S");
	hear(s, "C(Spgusher_2) P(pgusher_3,select 3) S");
	say(s, "3 1 Z(I)");
	hear(c, "1 Z(I)");
	say(c, "B(,b) S");
	hear(s, "C(Spgusher_1) P(pgusher_2,select 2) B(,pgusher_2) S");
	say(s, "3 1 2 Z(I)");
	hear(c, "2 Z(I)");
}

Test(request, a_duplicate_name)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "P(a,select 2) B(,a) E S Q(select 3)");
	hear(s, "B(,pgusher_)");
	hear(s, "B(,pgusher_1) E S Q(select 3)");
	say(s, "E(26000) Z(I) C(SELECT 0) Z(I)");
	hear(c, "E(42P05) Z(I) C(SELECT 0) Z(I)");
	cr_assert_str_eq(c->message, "prepared statement \"a\" already exists");
	/* The first meaning stays. */
	say(c, "B(,a) S");
	hear(s, "B(,pgusher_1) S");
	say(s, "2 Z(I)");
	hear(c, "2 Z(I)");
}

Test(request, an_unknown_name)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(,select 1) B(,nope) E S");
	hear(s, "P(,select 1) B(,pgusher_) E S");
	say(s, "1 E(26000) Z(I)");
	hear(c, "1 E(26000) Z(I)");
	cr_assert_str_eq(c->message, "prepared statement \"nope\" does not exist");
	say(c, "D(Snope) S");
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(26000) Z(I)");
	/* In a transaction that failed already PostgreSQL says 25P02 before it looks at names: ours comes still. */
	say(c, "C(Snope) S");
	hear(s, "S");
	say(s, "Z(I)");
	hear(c, "3 Z(I)");
}

Test(request, a_closed_name_can_be_given_anew)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "C(Sa) P(a,select 2) S");
	hear(s, "P(pgusher_2,select 2) S");
	say(s, "1 Z(I)");
	hear(c, "3 1 Z(I)");
	say(c, "B(,a) S");
	hear(s, "B(,pgusher_2) S");
	say(s, "2 Z(I)");
	hear(c, "2 Z(I)");
}

/* What a failed pipeline skipped has not happened, the last first. */
Test(request, a_skipped_close_and_parse_leave_the_name_as_it_was)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "P(,bad) C(Sa) P(a,select 2) P(b,select 3) S");
	hear(s, "P(,bad) P(pgusher_2,select 2) P(pgusher_3,select 3) S");
	say(s, "E(42601) Z(I)");
	hear(c, "E(42601) Z(I)");
	say(c, "B(,a) S");
	hear(s, "B(,pgusher_1) S");
	say(s, "2 Z(I)");
	hear(c, "2 Z(I)");
	say(c, "B(,b) S");
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(26000) Z(I)");
}

Test(request, a_skipped_eviction_has_not_happened)
{
	struct peer *c, *s;

	house_open(1, ONE, "max_prepared_statements = 1");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "P(b,select 2) S");
	hear(s, "C(Spgusher_1) P(pgusher_2,select 2) S");
	say(s, "3 1 Z(I)");
	hear(c, "1 Z(I)");
	/* The server has b.  All of this is skipped: */
	say(c, "P(,bad) B(,a) B(,b) S");
	hear(s, "P(,bad) C(Spgusher_2) P(pgusher_1,select 1) B(,pgusher_1) C(Spgusher_1) P(pgusher_2,select 2) "
		"B(,pgusher_2) S");
	say(s, "E(42601) Z(I)");
	hear(c, "E(42601) Z(I)");
	/* ... so it has b still, and a not. */
	say(c, "B(,b) B(,a) S");
	hear(s, "B(,pgusher_2) C(Spgusher_2) P(pgusher_1,select 1) B(,pgusher_1) S");
	say(s, "2 3 1 2 Z(I)");
	hear(c, "2 2 Z(I)");
}

Test(request, a_parse_that_fails_gives_no_name)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(a,bad) S");
	hear(s, "P(pgusher_1,bad) S");
	say(s, "E(42601) Z(I)");
	hear(c, "E(42601) Z(I)");
	prepare(c, s, "a", "select 1", "pgusher_2");
}

Test(request, deallocate_all_forgets_names)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "Q(DEALLOCATE ALL)");
	hear(s, "Q(DEALLOCATE ALL)");
	say(s, "C(DEALLOCATE ALL) Z(I)");
	hear(c, "C(DEALLOCATE ALL) Z(I)");
	say(c, "B(,a) S");
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(26000) Z(I)");
	prepare(c, s, "a", "select 1", "pgusher_2");
}

/* In the extended protocol, with a name given right behind it. */
Test(request, deallocate_all_spares_what_comes_behind)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "old", "select 1", "pgusher_1");
	say(c, "P(,DEALLOCATE ALL) B(,) E P(new,select 2) S");
	hear(s, "P(,DEALLOCATE ALL) B(,) E P(pgusher_2,select 2) S");
	say(s, "1 2 C(DEALLOCATE ALL) 1 Z(I)");
	hear(c, "1 2 C(DEALLOCATE ALL) 1 Z(I)");
	say(c, "B(,new) S");
	hear(s, "B(,pgusher_2) S");
	say(s, "2 Z(I)");
	hear(c, "2 Z(I)");
	say(c, "B(,old) S");
	hear(s, "B(,pgusher_) S");
	say(s, "E(26000) Z(I)");
	hear(c, "E(26000) Z(I)");
}

/* Flush asks for what there is: our own answers, too. */
Test(request, flush_brings_our_answers)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	prepare(c, s, "a", "select 1", "pgusher_1");
	say(c, "C(Sa) P(b,select 1) H");
	hear(c, "3 1");
	hear(s, "H");
	say(c, "B(,b) H");
	hear(s, "B(,pgusher_1) H");
	say(s, "2");
	hear(c, "2");
	say(c, "S");
	hear(s, "S");
	say(s, "Z(I)");
	hear(c, "Z(I)");
}

/* In session pooling names are the client's own business. */
Test(request, session_pooling_renames_nothing)
{
	struct peer *c, *s;

	house_open(1, ONE " pool_mode=session", "");
	pair_open(&c, &s);
	say(c, "P(a,select 1) B(,a) C(Sa) D(Sa) S");
	hear(s, "P(a,select 1) B(,a) C(Sa) D(Sa) S");
}

Test(request, too_much_text)
{
	static char words[70000];
	struct peer *c, *s;

	house_open(1, ONE, "prepared_text_budget = 65536");
	pair_open(&c, &s);
	memset(words, 'x', 3000);
	memcpy(words, "P(a,", 4);
	strcpy(words + 3000, ") S");
	prepare(c, s, "b", "select 1", "pgusher_1");
	/* A text that is larger than the budget by itself is not even waited for. */
	say_bytes(c, "P\x01\x00\x00\x00" "big\0select ", 16);
	hear(c, "E(54000)");
}

/* --- copy --- */

Test(request, copy_in_of_a_simple_query)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(copy t from stdin)");
	hear(s, "Q(copy t from stdin)");
	say(s, "G");
	hear(c, "G");
	say(c, "d(1) d(2) c");
	hear(s, "d(1) d(2) c");
	say(s, "C(COPY 2) Z(I)");
	hear(c, "C(COPY 2) Z(I)");
	/* The end of a copy that failed comes late, when the server is somebody else's. */
	say(c, "Q(copy t from stdin)");
	hear(s, "Q(copy t from stdin)");
	say(s, "G E(22P02) Z(I)");
	hear(c, "G E(22P02) Z(I)");
	say(c, "d(3) c Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
}

Test(request, copy_in_of_an_extended_query)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	/* As libpq does it: a Sync in front of the data, which the server ignores, and one behind. */
	say(c, "P(,copy t from stdin) B(,) D(P) E S");
	hear(s, "P(,copy t from stdin) B(,) D(P) E S");
	say(s, "1 2 n G");
	hear(c, "1 2 n G");
	say(c, "d(1) c S");
	hear(s, "d(1) c S");
	say(s, "C(COPY 1) Z(I)");
	hear(c, "C(COPY 1) Z(I)");
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
}


/* --- long pipelines --- */

/* Answer what has come, as PostgreSQL does: all of it at the next Flush or Sync. */
static void
serve_pipeline(struct peer *s, struct buffer *owed)
{
	static const char *const answers[256] = { ['P'] = "1", ['B'] = "2", ['E'] = "C(SELECT 0)", ['S'] = "Z(I)" };
	struct frame f;

	while (frame_peek(buffer_head(&s->in), buffer_left(&s->in), &f) == FRAME_OK && f.size <= buffer_left(&s->in)) {
		buffer_consume(&s->in, f.size);
		if (answers[f.type] != NULL)
			compose(s, answers[f.type], owed);
		if (f.type != 'S' && f.type != 'H')
			continue;
		say_bytes(s, buffer_head(owed), buffer_left(owed));
		buffer_clear(owed);
	}
}

/* More requests than may be outstanding, and a Sync only behind them all. */
Test(request, a_pipeline_without_end_comes_to_its_end)
{
	enum { N = 5000 };
	struct buffer asked = BUFFER_INIT, owed = BUFFER_INIT;
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	compose(c, "P(,select 0)", &asked);
	for (int i = 0; i < N; i++)
		compose(c, "B(,) E", &asked);
	compose(c, "S", &asked);
	for (int idle = 0; idle < 100; idle++) {
		ssize_t n = send(c->fd, buffer_head(&asked), buffer_left(&asked), MSG_DONTWAIT);

		buffer_consume(&asked, n > 0 ? (size_t)n : 0);
		house_settle();
		if (hears_nothing(s))
			continue;
		serve_pipeline(s, &owed);
		idle = 0;
	}
	cr_assert_eq(buffer_left(&asked), 0);
	hear(c, "1");
	for (int i = 0; i < N; i++)
		hear(c, "2 C(SELECT 0)");
	hear(c, "Z(I)");
	buffer_release(&asked);
	buffer_release(&owed);
}
