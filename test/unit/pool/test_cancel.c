/*
 * Cancel requests travel as safely as the connection that they are about.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "../server/front.h"
#include "../session/harness.h"
#include "pg/startup.h"

#define ONE "one = PG user=pooler pool_size=1"

static struct front of_server, of_cancel;

static void
begin(void)
{
	front_open(&of_server, &(struct front_rules){ .name = NULL });
	front_open(&of_cancel, &(struct front_rules){ .name = NULL });
}

static void
end(void)
{
	house_close();
	front_close(&of_server);
	front_close(&of_cancel);
}

TestSuite(pool_cancel, .init = begin, .fini = end);

/* PostgreSQL takes a connection that asks for TLS. */
static struct peer *
accept_asking(void)
{
	struct peer *s = backend_accept();
	uint8_t body[100];
	size_t n;

	cr_assert_eq(hear_startup(s, body, sizeof(body), &n), STARTUP_CODE_SSL);
	return s;
}

static void
secure(struct peer *s, struct front *f)
{
	say_bytes(s, "S", 1);
	s->fd = front_serve(f, s->fd);
}

static void
hear_cancel(struct peer *carrier)
{
	uint8_t body[100];
	size_t n;

	cr_assert_eq(hear_startup(carrier, body, sizeof(body), &n), STARTUP_CODE_CANCEL);
	cr_assert_eq(n, 8);
}

/* A client whose query runs on a server with TLS. */
static void
open_secure_pair(const char *settings, struct peer **c, struct peer **s)
{
	house_open(1, ONE, settings);
	*c = client_open(0, "user=alice,database=one");
	*s = accept_asking();
	secure(*s, &of_server);
	backend_let_in(*s);
	client_welcome(*c);
	say(*c, "Q(select pg_sleep(1000))");
	hear(*s, "Q(select pg_sleep(1000))");
}

static void
finish_query(struct peer *c, struct peer *s)
{
	say(s, "E(57014) Z(I)");
	hear(c, "E(57014) Z(I)");
}

Test(pool_cancel, over_tls)
{
	struct peer *c, *s, *by, *carrier;

	open_secure_pair("server_tls_sslmode = require", &c, &s);
	by = client_cancel(0, c);
	carrier = accept_asking();
	secure(carrier, &of_cancel);
	hear_cancel(carrier);
	cr_assert(front_is_done(&of_cancel));
	cr_assert(of_cancel.secured);
	hang_up(carrier);
	hear_end(by);
	finish_query(c, s);
}

/* Its key would tell whoever listens how to cancel, although prefer lets a login go on in plain. */
Test(pool_cancel, never_in_plain_where_its_target_has_tls)
{
	struct peer *c, *s, *by, *carrier;

	open_secure_pair("server_tls_sslmode = prefer", &c, &s);
	by = client_cancel(0, c);
	carrier = accept_asking();
	say_bytes(carrier, "N", 1);
	hear_end(carrier);
	hear_end(by);
	finish_query(c, s);
}

Test(pool_cancel, directly_over_tls)
{
	struct peer *c, *s, *by, *carrier;

	house_open(1, ONE, "server_tls_sslmode = require\nserver_tls_negotiation = direct");
	c = client_open(0, "user=alice,database=one");
	s = backend_accept();
	s->fd = front_serve(&of_server, s->fd);
	backend_let_in(s);
	client_welcome(c);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	by = client_cancel(0, c);
	carrier = backend_accept();
	carrier->fd = front_serve(&of_cancel, carrier->fd);
	hear_cancel(carrier);
	cr_assert_str_eq(of_cancel.protocol, "postgresql");
	hang_up(carrier);
	hear_end(by);
	finish_query(c, s);
}

/* The server said no to TLS, so the request is not asked for with it either. */
Test(pool_cancel, in_plain_where_its_target_is)
{
	struct peer *c, *s, *by, *carrier;

	house_open(1, ONE, "server_tls_sslmode = prefer");
	c = client_open(0, "user=alice,database=one");
	s = accept_asking();
	say_bytes(s, "N", 1);
	backend_let_in(s);
	client_welcome(c);
	say(c, "Q(select 1)");
	hear(s, "Q(select 1)");
	by = client_cancel(0, c);
	carrier = backend_accept();
	hear_cancel(carrier);
	hang_up(carrier);
	hear_end(by);
	finish_query(c, s);
}

/* A handshake that fails ends the request, and its target can be lent again. */
Test(pool_cancel, that_fails_at_tls)
{
	struct peer *c, *s, *by, *carrier;

	open_secure_pair("server_tls_sslmode = require", &c, &s);
	by = client_cancel(0, c);
	carrier = accept_asking();
	say(s, "C(A) Z(I)");
	hear(c, "C(A) Z(I)");
	say_bytes(carrier, "Soh no", 6);
	hear_end(by);
	say(c, "Q(b)");
	hear(s, "Q(b)");
	say(s, "C(B) Z(I)");
	hear(c, "C(B) Z(I)");
	by = client_cancel(0, c);
	hear_end(by);
	say(c, "Q(c)");
	hear(s, "Q(c)");
	by = client_cancel(0, c);
	carrier = accept_asking();
	say_bytes(carrier, "S", 1);
	hang_up(carrier);
	hear_end(by);
	finish_query(c, s);
}

/* The answer comes while the request shakes hands: nobody is canceled any more. */
Test(pool_cancel, that_is_too_late_when_tls_stands)
{
	struct peer *c, *s, *by, *carrier;

	open_secure_pair("server_tls_sslmode = require", &c, &s);
	by = client_cancel(0, c);
	carrier = accept_asking();
	say(s, "C(A) Z(I)");
	hear(c, "C(A) Z(I)");
	secure(carrier, &of_cancel);
	hear_end(carrier);
	hear_end(by);
}

/* Of a pool of one, one request at a time: the next when that has ended. */
Test(pool_cancel, one_after_the_other)
{
	enum { MANY = 20 };
	struct peer *c, *s, *by[MANY];

	house_open(1, ONE, "");
	pair_open(&c, &s);
	say(c, "Q(a)");
	hear(s, "Q(a)");
	for (int i = 0; i < MANY; i++)
		by[i] = client_cancel(0, c);
	for (int i = 0; i < MANY; i++) {
		struct peer *carrier = backend_accept();

		hear_cancel(carrier);
		cr_assert(backend_is_unwanted());
		hang_up(carrier);
	}
	for (int i = 0; i < MANY; i++)
		hear_end(by[i]);
	finish_query(c, s);
}
