/*
 * Sessions as their clients and servers see them: queries, pipelines, pools,
 * and what happens when somebody dies.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"
#include "pg/frame.h"
#include "session/link.h"

#define ONE "one = PG user=pooler pool_size=1"
#define TWO_SERVERS "one = PG user=pooler pool_size=2"

TestSuite(session, .fini = house_close);

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

/* Inside a transaction they stay together. */
Test(session, a_transaction_keeps_its_server)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(a, "C(BEGIN) Z(T)");
	say(b, "Q(b)");
	house_settle();
	cr_assert(hears_nothing(s));
	say(a, "Q(a)");
	hear(s, "Q(a)");
	say(s, "E(42601) Z(E)");
	hear(a, "E(42601) Z(E)");
	say(a, "Q(rollback)");
	hear(s, "Q(rollback)");
	say(s, "C(ROLLBACK) Z(I)");
	hear(a, "C(ROLLBACK) Z(I)");
	hear(s, "Q(b)");
}

Test(session, leaving_rolls_back)
{
	struct peer *a, *b, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(a, "C(BEGIN) Z(T)");
	say(a, "X");
	hear_end(a);
	hear(s, "Q(ROLLBACK)");
	say(b, "Q(b)");
	house_settle();
	cr_assert(hears_nothing(s));
	say(s, "C(ROLLBACK) Z(I)");
	hear(s, "Q(b)");
}

/* PostgreSQL reads Terminate when what was asked before is done. */
Test(session, terminate_waits_for_the_answer)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1) X");
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 0)");
	hear(c, "C(SELECT 0)");
	say(s, "Z(I)");
	hear(c, "Z(I)");
	hear_end(c);
}

Test(session, statement_pooling_has_no_transactions)
{
	struct peer *c, *s;

	house_open(1, ONE " pool_mode=statement", "");
	pair_open(&c, &s);
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(c, "E(0A000)");
	hear_end(c);
	hear(s, "Q(ROLLBACK)");
}

Test(session, session_pooling_resets_behind_a_client)
{
	struct peer *a, *b, *s;

	house_open(1, ONE " pool_mode=session", "");
	pair_open(&a, &s);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	say(s, "C(A) Z(I)");
	hear(a, "C(A) Z(I)");
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(b, "Q(b)");
	house_settle();
	cr_assert(hears_nothing(s));
	say(a, "X");
	hear(s, "Q(DISCARD ALL)");
	say(s, "C(DISCARD ALL) Z(I)");
	hear(s, "Q(b)");
}

/* --- what a server may do --- */

Test(session, messages_that_nobody_asked_for)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	/* Idle: they are for nobody. */
	say(s, "N(00000) A(news)");
	house_settle();
	cr_assert(hears_nothing(c));
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "N(01000) C(BEGIN) A(news) Z(T)");
	hear(c, "N(01000) C(BEGIN) A(news) Z(T)");
	/* Between two queries of a transaction. */
	say(s, "A(more) S(TimeZone=CET)");
	hear(c, "A(more) S(TimeZone=CET)");
}

/* Our own answers wait for the end of the message in front of them. */
Test(session, an_answer_behind_a_message_in_two_pieces)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(,select 1) B(,) D(P) C(Sx) E S");
	hear(s, "P(,select 1) B(,) D(P) E S");
	compose(s, "1 2 T C(SELECT 0) Z(I)", &b);
	for (size_t i = 0; i < b.len; i++) {
		say_bytes(s, b.data + i, 1);
		house_settle();
	}
	hear(c, "1 2 T 3 C(SELECT 0) Z(I)");
	buffer_release(&b);
}

/* The half of a notification behind ReadyForQuery must not keep the server with its client. */
Test(session, a_notification_in_two_pieces_behind_ready)
{
	struct buffer b = BUFFER_INIT;
	struct peer *a, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	c = client_open(0, "user=carol,database=one");
	client_welcome(c);
	say(a, "Q(listen news)");
	hear(s, "Q(listen news)");
	compose(s, "C(SELECT 0) Z(I) A(news)", &b);
	say_bytes(s, buffer_head(&b), buffer_left(&b) - 4);
	hear(a, "C(SELECT 0) Z(I)");
	house_settle();
	say_bytes(s, buffer_head(&b) + buffer_left(&b) - 4, 4);
	hear(a, "A(news)");
	buffer_release(&b);
	say(c, "Q(c)");
	hear(s, "Q(c)");
}

Test(session, a_server_that_talks_nonsense)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "T D(1)");
	hear(c, "T D(1)");
	say_bytes(s, "Z\0\0\0\1", 5);
	hear(c, "E(08006)");
	hear_end(c);
}

/* --- what a client may do --- */

Test(session, a_client_that_talks_nonsense)
{
	static const struct {
		const char *bytes;
		size_t n;
	} nonsense[] = {
		{ "y\0\0\0\4", 5 }, { "Q\0\0\0\3", 5 }, { "p\0\0\0\4", 5 }, { "\0\0\0\0\0", 5 },
	};
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		say_bytes(c, nonsense[i].bytes, nonsense[i].n);
		hear(c, "E(08P01)");
		hear_end(c);
		c = client_open(0, "user=alice,database=one");
		client_welcome(c);
	}
	/* The server has heard nothing of it. */
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}

/* Nonsense behind a good query: nobody else gets the answer. */
Test(session, a_client_that_talks_nonsense_in_the_middle)
{
	struct peer *a, *b, *s, *canceller;
	uint8_t body[100];
	size_t n;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	say_bytes(a, "y\0\0\0\4", 5);
	hear(a, "E(08P01)");
	hear_end(a);
	canceller = backend_accept();
	cr_assert_eq(hear_startup(canceller, body, sizeof(body), &n), 80877102);
	say(b, "Q(b)");
	s = backend_open();
	hear(s, "Q(b)");
	say(s, "C(B) Z(I)");
	hear(b, "C(B) Z(I)");
}

/* --- when a server dies --- */

Test(session, a_server_dies_in_a_result)
{
	struct peer *a, *b, *s1, *s2;

	house_open(1, TWO_SERVERS, "");
	pair_open(&a, &s1);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a)");
	hear(s1, "Q(a)");
	say(b, "Q(b)");
	s2 = backend_open();
	hear(s2, "Q(b)");
	say(s1, "T D(1)");
	hang_up(s1);
	hear(a, "T D(1) E(08006)");
	hear_end(a);
	say(s2, "C(B) Z(I)");
	hear(b, "C(B) Z(I)");
}

/* An error in the middle of a row would be taken for the rest of the row. */
Test(session, a_server_dies_in_a_row)
{
	struct buffer b = BUFFER_INIT;
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	compose(s, "T D(a row of some length)", &b);
	say_bytes(s, buffer_head(&b), buffer_left(&b) - 5);
	house_settle();
	hang_up(s);
	hear(c, "T");
	hear_end(c);
	cr_assert_eq(buffer_left(&c->in), FRAME_HEADER + 6 + strlen("a row of some length") - 5);
	buffer_release(&b);
}

Test(session, last_words_of_a_server_are_told_once)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	say(s, "E(57P01)");
	hang_up(s);
	hear(c, "E(57P01)");
	hear_end(c);
}

static bool
has_no_server(struct shard *s, void *arg)
{
	return session_of(s, arg)->pool->count[PLACE_IDLE] == 0;
}

/* Its client is idle: it does not even notice. */
Test(session, an_idle_server_dies)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(s, "E(57P01)");
	hang_up(s);
	house_until(0, has_no_server, c);
	say(c, "Q(select 1)");
	s = backend_open();
	hear(s, "Q(select 1)");
	say(s, "C(SELECT 0) Z(I)");
	hear(c, "C(SELECT 0) Z(I)");
}

Test(session, a_server_dies_in_a_transaction)
{
	struct peer *c, *s;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(c, "C(BEGIN) Z(T)");
	hang_up(s);
	hear(c, "E(08006)");
	hear_end(c);
}

/* --- when a client dies --- */

Test(session, a_client_dies_in_a_query)
{
	struct peer *c, *s, *canceller;
	usec_t start;
	uint8_t body[100];
	size_t n;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select pg_sleep(1000))");
	hear(s, "Q(select pg_sleep(1000))");
	start = clock_now();
	hang_up(c);
	canceller = backend_accept();
	cr_assert_eq(hear_startup(canceller, body, sizeof(body), &n), 80877102);
	cr_assert_lt(clock_now() - start, 10 * USEC_PER_SEC);
	cr_assert_eq(n, 8);
	cr_assert_eq(memcmp(body, (const uint8_t[]){ 0, 0, 0x12, 0x67, 1, 2, 3, 4 }, 8), 0);
	hear(s, "X");
	hear_end(s);
}

/* Its server is busy with others: it is forgotten in the queue. */
Test(session, a_client_dies_while_it_waits)
{
	struct peer *a, *b, *c, *s;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	c = client_open(0, "user=carol,database=one");
	client_welcome(c);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	say(b, "Q(b)");
	house_settle();
	say(c, "Q(c)");
	house_settle();
	hang_up(b);
	house_settle();
	say(s, "C(A) Z(I)");
	hear(s, "Q(c)");
}

/* --- when a reader is slow --- */

#define BOUND (256 * 1024)	/* that a stalled client may cost */

struct sizes {
	struct peer *client;
	size_t backlog, kept, outstanding;
	bool server_paused;
};

static void
measure(struct shard *s, void *arg)
{
	struct sizes *z = arg;
	struct session *session = session_of(s, z->client);

	cr_assert_not_null(session);
	z->backlog = stream_backlog_size(&session->client->stream);
	z->kept = session->client->inbox.kept == NULL ? 0 : session->client->inbox.kept->cap;
	z->outstanding = session->link == NULL ? 0 : session->link->pipeline.size;
	z->server_paused = session->link != NULL && session->link->server->stream.paused;
}

static struct sizes
sizes_of(struct peer *c)
{
	struct sizes z = { .client = c };

	house_call(0, measure, &z);
	return z;
}

/* The same words again and again. */
struct flood {
	struct buffer words;
	size_t at;
	size_t total;
};

#define FLOOD_MAX (40 * 1024 * 1024)

/* Say them until nobody takes any more, or it is too much. */
static void
flood(struct peer *p, struct flood *f)
{
	int refused = 0;

	while (refused < 10 && f->total < FLOOD_MAX) {
		ssize_t n = send(p->fd, f->words.data + f->at, f->words.len - f->at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			refused++;
			house_settle();
			continue;
		}
		refused = 0;
		f->total += (size_t)n;
		f->at = (f->at + (size_t)n) % f->words.len;
	}
}

/* Say the rest of the words that were begun. */
static void
end_flood(struct peer *p, struct flood *f)
{
	if (f->at > 0)
		say_bytes(p, f->words.data + f->at, f->words.len - f->at);
}

/* Messages of this letter up to the first ReadyForQuery. */
static size_t
count_messages(struct peer *p, uint8_t letter)
{
	size_t count = 0;
	struct frame f;

	for (;;) {
		while (frame_peek(buffer_head(&p->in), buffer_left(&p->in), &f) != FRAME_OK ||
		       f.size > buffer_left(&p->in))
			cr_assert(read_more(p), "no more than %zu came", count);
		buffer_consume(&p->in, f.size);
		count += f.type == letter;
		if (f.type == 'Z')
			return count;
	}
}

static bool
can_be_told(struct peer *p)
{
	struct pollfd ready = { .fd = p->fd, .events = POLLOUT };

	house_settle();
	return poll(&ready, 1, 0) == 1;
}

Test(session, a_reader_that_stalls_in_a_large_result)
{
	struct flood rows = { .words = BUFFER_INIT };
	struct peer *c, *s;
	struct sizes z;
	size_t n;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select)");
	hear(s, "Q(select)");
	for (int i = 0; i < 100; i++)
		compose(s, "D(a row that has got some length, so that not too many of them are needed)", &rows.words);
	flood(s, &rows);
	cr_assert_lt(rows.total, FLOOD_MAX);
	z = sizes_of(c);
	cr_assert(z.server_paused);
	cr_assert_gt(z.backlog, 0);
	cr_assert_lt(z.backlog + z.kept, BOUND);
	/* It wakes up, and nothing is missing. */
	while (!can_be_told(s))
		cr_assert(read_more(c));
	n = rows.total + (rows.at > 0 ? rows.words.len - rows.at : 0);
	end_flood(s, &rows);
	say(s, "C(SELECT) Z(I)");
	cr_assert_eq(count_messages(c, 'D'), n / rows.words.len * 100);
	buffer_release(&rows.words);
}

/* Each result is complete, and the server free again: the client could go on asking for ever. */
Test(session, a_reader_that_stalls_over_many_results)
{
	enum { QUERIES = 100, ROWS = 10 };	/* a result fits into one read */
	struct buffer result = BUFFER_INIT;
	struct peer *c, *s;
	char row[3000];
	struct sizes z;
	int asked = 0, answered = 0;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	snprintf(row, sizeof(row), "D(%02900d)", 0);
	for (int i = 0; i < ROWS; i++)
		compose(s, row, &result);
	compose(s, "C(SELECT) Z(I)", &result);
	while (asked < QUERIES && asked < answered + 5) {
		say(c, "Q(select)");
		asked++;
		house_settle();
		if (hears_nothing(s))
			continue;
		hear(s, "Q(select)");
		say_bytes(s, result.data, result.len);
		house_settle();
		answered++;
	}
	cr_assert_lt(answered, asked);
	z = sizes_of(c);
	cr_assert_lt(z.backlog + z.kept, BOUND, "%zu bytes wait", z.backlog + z.kept);
	for (int i = 0; i < asked; i++) {
		if (i >= answered) {
			hear(s, "Q(select)");
			say_bytes(s, result.data, result.len);
		}
		cr_assert_eq(count_messages(c, 'D'), ROWS);
	}
	buffer_release(&result);
}

/* What we answer ourselves costs the client nothing but its patience. */
Test(session, a_reader_that_stalls_over_our_own_answers)
{
	static const char *const words[] = { "C(Sx)", "C(Sx) H" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct flood closes = { .words = BUFFER_INIT };
		struct peer *c, *s;
		struct sizes z;

		house_open(1, ONE, "");
		pair_open(&c, &s);
		for (int j = 0; j < 1000; j++)
			compose(c, words[i], &closes.words);
		flood(c, &closes);
		z = sizes_of(c);
		cr_assert_lt(closes.total, FLOOD_MAX, "%s: %zu bytes wait, %zu entries", words[i], z.backlog + z.kept,
			     z.outstanding);
		cr_assert_lt(z.backlog + z.kept + z.outstanding * sizeof(struct pipeline_entry), BOUND);
		end_flood(c, &closes);
		buffer_release(&closes.words);
		house_close();
	}
	house_open(1, ONE, "");
}

/* The server is busy with the first request, and has no thought of the others. */
Test(session, a_client_that_closes_without_end_behind_a_long_query)
{
	struct flood closes = { .words = BUFFER_INIT };
	struct peer *c, *s;
	struct sizes z;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "P(,select pg_sleep(1000)) B(,) E");
	hear(s, "P(,select pg_sleep(1000)) B(,) E");
	for (int j = 0; j < 1000; j++)
		compose(c, "C(Sx)", &closes.words);
	flood(c, &closes);
	z = sizes_of(c);
	cr_assert_lt(closes.total, FLOOD_MAX);
	cr_assert_lt(z.backlog + z.kept + z.outstanding * sizeof(struct pipeline_entry), BOUND);
	buffer_release(&closes.words);
}
