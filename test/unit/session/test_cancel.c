/*
 * Cancel requests: of what runs, of what waits, and those that come too late.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "harness.h"
#include "pg/message.h"
#include "pg/startup.h"
#include "pg/writer.h"

#define ONE "one = PG user=pooler pool_size=1"

TestSuite(cancel_request, .fini = house_close);

static const uint8_t server_key[] = { 0, 0, SERVER_PID >> 8, SERVER_PID & 255, 1, 2, 3, 4 };

/* A cancel request reaches PostgreSQL. */
static struct peer *
hear_cancel(void)
{
	struct peer *s = backend_accept();
	uint8_t body[100];
	size_t n;

	cr_assert_eq(hear_startup(s, body, sizeof(body), &n), STARTUP_CODE_CANCEL);
	cr_assert_eq(n, sizeof(server_key));
	cr_assert_eq(memcmp(body, server_key, n), 0);
	return s;
}

Test(cancel_request, of_a_running_query)
{
	struct peer *c, *s, *by, *carrier;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select pg_sleep(1000))");
	hear(s, "Q(select pg_sleep(1000))");
	by = client_cancel(0, c);
	carrier = hear_cancel();
	house_settle();
	cr_assert(hears_nothing(by));
	hang_up(carrier);	/* PostgreSQL has done it */
	hear_end(by);
	say(s, "E(57014) Z(I)");
	hear(c, "E(57014) Z(I)");
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}

/* Its size is no number that requests could be counted against. */
Test(cancel_request, where_pool_size_is_found_out)
{
	struct peer *c, *s, *by, *carrier;

	house_open(1, "one = PG user=pooler pool_size=auto", "");
	pair_open(&c, &s);
	say(c, "Q(select pg_sleep(1000))");
	hear(s, "Q(select pg_sleep(1000))");
	by = client_cancel(0, c);
	carrier = hear_cancel();
	hang_up(carrier);
	hear_end(by);
}

Test(cancel_request, of_a_query_that_waits)
{
	struct peer *a, *b, *s, *by;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	say(b, "P(x,select 1) B(,x) E S Q(b)");
	house_settle();
	by = client_cancel(0, b);
	hear(b, "E(57014) Z(I)");
	hear_end(by);
	cr_assert(backend_is_unwanted());
	/* The next query waits in its turn. */
	say(s, "C(A) Z(I)");
	hear(a, "C(A) Z(I)");
	hear(s, "Q(b)");
	say(s, "C(B) Z(I)");
	hear(b, "C(B) Z(I)");
}

/* A large query waits, of which only the beginning has come.  (A small one does not wait before it is whole.) */
Test(cancel_request, of_half_a_query_that_waits)
{
	struct peer *a, *b, *s, *by;
	struct buffer q = BUFFER_INIT;
	size_t mark;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	mark = writer_begin(&q, FE_QUERY);
	for (int i = 0; i < 20000; i++)
		writer_u8(&q, 'y');
	writer_string(&q, "");
	writer_end(&q, mark);
	say_bytes(b, q.data, q.len - 6);
	house_settle();
	by = client_cancel(0, b);
	hear(b, "E(57014)");
	hear_end(by);
	say_bytes(b, q.data + q.len - 6, 6);
	buffer_release(&q);
	hear(b, "Z(I)");
	say(b, "Q(b)");
	say(s, "C(A) Z(I)");
	hear(s, "Q(b)");
}

/* While a request is on its way, its target is lent to nobody else. */
Test(cancel_request, that_comes_late_hits_nobody)
{
	struct peer *a, *b, *s, *by, *carrier;

	house_open(1, ONE, "");
	pair_open(&a, &s);
	b = client_open(0, "user=bob,database=one");
	client_welcome(b);
	say(a, "Q(a)");
	hear(s, "Q(a)");
	by = client_cancel(0, a);
	carrier = hear_cancel();
	say(s, "C(A) Z(I)");
	hear(a, "C(A) Z(I)");
	say(b, "Q(b)");
	house_settle();
	cr_assert(hears_nothing(s));
	hang_up(carrier);
	hear_end(by);
	hear(s, "Q(b)");
}

Test(cancel_request, with_a_wrong_key)
{
	struct peer *c, *s, *by;
	struct peer wrong;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	wrong = *c;
	wrong.key[3] ^= 1;
	by = client_cancel(0, &wrong);
	hear_end(by);
	wrong = *c;
	wrong.pid += 1000;
	by = client_cancel(0, &wrong);
	hear_end(by);
	cr_assert(backend_is_unwanted());
}

Test(cancel_request, of_a_client_that_does_nothing)
{
	struct peer *c, *s, *by;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	by = client_cancel(0, c);
	hear_end(by);
	cr_assert(backend_is_unwanted());
	say(c, "Q(begin)");
	hear(s, "Q(begin)");
	say(s, "C(BEGIN) Z(T)");
	hear(c, "C(BEGIN) Z(T)");
	by = client_cancel(0, c);
	hear_end(by);
	cr_assert(backend_is_unwanted());
}

/* Whichever worker gets it, it finds its client. */
Test(cancel_request, on_another_worker)
{
	struct peer *c, *s, *by, *carrier;

	house_open(2, ONE, "");
	c = client_open(0, "user=alice,database=one");
	s = backend_open();
	client_welcome(c);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	for (int worker = 0; worker < 2; worker++) {
		by = client_cancel(worker, c);
		carrier = hear_cancel();
		hang_up(carrier);
		hear_end(by);
	}
}

Test(cancel_request, whose_sender_does_not_wait)
{
	struct peer *c, *s, *by;

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	by = client_cancel(0, c);
	hang_up(by);
	hang_up(hear_cancel());
	say(s, "E(57014) Z(I)");
	hear(c, "E(57014) Z(I)");
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
}
