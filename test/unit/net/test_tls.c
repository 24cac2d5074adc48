#include "net/tls.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/util.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "certs.h"
#include "net/certificate.h"
#include "net/gather.h"
#include "net/stream.h"
#include "net/tls_inside.h"
#include "net/tls_stream.h"
#include "until.h"

/* One side of a connection, and all that happened to it. */
struct end {
	struct stream stream;
	struct buffer got;
	struct error e;
	ssize_t last;		/* of stream_read */
	int secured, failed, drained, reads;
	size_t room;		/* a read takes so much */
};

static struct loop *loop;
static struct end client, server;

static void
on_readable(struct stream *s)
{
	struct end *at = container_of(s, struct end, stream);
	uint8_t *into = buffer_reserve(&at->got, at->room);

	at->reads++;
	at->last = stream_read(s, into, at->room);
	if (at->last > 0)
		buffer_added(&at->got, (size_t)at->last);
	if (at->last == 0 || at->last < -1)
		stream_pause(s);
}

static void
on_drained(struct stream *s)
{
	container_of(s, struct end, stream)->drained++;
}

static void
on_secured(struct stream *s, const struct error *e)
{
	struct end *at = container_of(s, struct end, stream);

	if (e == NULL) {
		at->secured++;
		return;
	}
	at->failed++;
	at->e = *e;
	stream_close(s);
}

static const struct stream_ops ops = { .readable = on_readable, .drained = on_drained, .secured = on_secured };

static void
open_end(struct end *at, int fd, struct loop *l)
{
	memset(at, 0, sizeof(*at));
	at->room = LOOP_SCRATCH;
	at->last = -1;
	stream_open(&at->stream, fd, &ops);
	stream_attach(&at->stream, l);
}

static void
connect_ends(struct end *a, struct end *b)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	open_end(a, fds[0], loop);
	open_end(b, fds[1], loop);
}

static void
close_ends(void)
{
	stream_close(&client.stream);
	stream_close(&server.stream);
	buffer_release(&client.got);
	buffer_release(&server.got);
}

static void
begin(void)
{
	loop = loop_new();
	certs_begin();
	certs_make("db", &(struct cert){ .name = "db.example", .also = "DNS:db.example, IP:127.0.0.1" });
	client.stream.fd = server.stream.fd = -1;
}

static void
end(void)
{
	close_ends();
	certs_end();
	loop_free(&loop);
}

TestSuite(tls, .init = begin, .fini = end, .timeout = 60);

/* --- contexts --- */

static struct tls_settings
settings(enum tls_mode mode)
{
	return (struct tls_settings){
		.mode = mode, .cert_file = certs_path("db.crt"), .key_file = certs_path("db.key"),
	};
}

static struct tls_context *
for_clients(struct tls_settings s)
{
	struct error e = { 0 };
	struct tls_context *c = tls_context_for_clients(&s, &e);

	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct tls_context *
for_servers(struct tls_settings s)
{
	struct error e = { 0 };
	struct tls_context *c = tls_context_for_servers(&s, &e);

	cr_assert_not_null(c, "%s", e.message);
	return c;
}

static struct tls_context *
trusting(enum tls_mode mode)
{
	return for_servers((struct tls_settings){ .mode = mode, .ca_file = certs_path("ca.crt") });
}

/* --- handshakes --- */

static bool
is_over(void *arg)
{
	(void)arg;
	return client.secured + client.failed > 0 && server.secured + server.failed > 0;
}

/* With these contexts, which are given up. */
static void
shake_hands(struct tls_context *of_server, struct tls_context *of_client, const char *host)
{
	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, of_server, false, NULL, 0);
	stream_connect_tls(&client.stream, of_client, host, false);
	tls_context_unref(&of_server);
	tls_context_unref(&of_client);
	cr_assert_eq(client.secured + client.failed + server.secured + server.failed, 0);
	until(loop, is_over, NULL);
}

static void
secure(void)
{
	shake_hands(for_clients(settings(TLS_REQUIRE)), trusting(TLS_VERIFY_FULL), "db.example");
	cr_assert_eq(client.secured, 1, "%s", client.e.message);
	cr_assert_eq(server.secured, 1, "%s", server.e.message);
}

static void
say(struct end *from, const char *text)
{
	cr_assert(stream_send_bytes(&from->stream, text, strlen(text)));
	turn(loop);
}

static void
expect(const struct end *at, const char *text)
{
	cr_assert_eq(buffer_left(&at->got), strlen(text), "%.*s", (int)buffer_left(&at->got), buffer_head(&at->got));
	cr_assert_arr_eq(buffer_head(&at->got), text, strlen(text));
}

Test(tls, talks_both_ways)
{
	secure();
	say(&client, "question");
	expect(&server, "question");
	say(&server, "answer");
	expect(&client, "answer");
	cr_assert_str_eq(tls_version(&client.stream), "TLSv1.3");
	cr_assert_str_eq(tls_cipher(&client.stream), tls_cipher(&server.stream));
	cr_assert_eq(strncmp(tls_cipher(&client.stream), "TLS_", 4), 0);
	cr_assert_str_eq(tls_host(&server.stream), "db.example");
	cr_assert(stream_is_tls(&client.stream));
	cr_assert_not(stream_peer_gone(&client.stream));
}

/* A client may send its first request right behind the handshake; OpenSSL has it then, the kernel hasn't. */
Test(tls, what_comes_with_the_handshake_is_read)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);

	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	stream_connect_tls(&client.stream, s, "db.example", false);
	tls_context_unref(&c);
	tls_context_unref(&s);
	stream_pause(&server.stream);
	turn(loop);
	stream_resume(&server.stream);
	stream_pause(&client.stream);
	turn(loop);
	stream_pause(&server.stream);
	stream_resume(&client.stream);
	turn(loop);
	cr_assert_eq(client.secured, 1);
	say(&client, "at once");
	cr_assert_eq(server.secured, 0);
	stream_resume(&server.stream);
	turn(loop);
	cr_assert_eq(server.secured, 1);
	expect(&server, "at once");
}

Test(tls, one_receive_a_record_and_one_record_a_send)
{
	struct iovec iov[3] = {
		{ .iov_base = "abc", .iov_len = 3 }, { .iov_base = "defg", .iov_len = 4 }, { .iov_base = "h", .iov_len = 1 },
	};
	unsigned before;
	int reads;

	secure();
	before = tls_receives(client.stream.tls);
	reads = client.reads;
	for (int i = 0; i < 10; i++) {
		buffer_clear(&client.got);
		cr_assert(stream_send(&server.stream, iov, 3));
		turn(loop);
		expect(&client, "abcdefgh");
	}
	cr_assert_eq(tls_receives(client.stream.tls) - before, 10);
	cr_assert_eq(client.reads - reads, 10);
}

/* The server receives the client's hello and its last word, the client a flight. */
Test(tls, a_handshake_receives_nothing_in_vain)
{
	secure();
	cr_assert_eq(tls_receives(server.stream.tls), 2);
	cr_assert_eq(tls_receives(client.stream.tls), 1);
}

/* --- bulk --- */

#define BULK (10 * 1000 * 1000)

static uint8_t *
make_bulk(void)
{
	uint8_t *p = memory_alloc(BULK);
	uint32_t x = 1;

	for (size_t i = 0; i < BULK; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
	return p;
}

struct flow {
	const uint8_t *bulk;
	size_t sent;
};

static bool
has_all(void *arg)
{
	struct flow *f = arg;

	/* Pieces of all sizes around a record's, several in one send. */
	while (f->sent < BULK && stream_is_drained(&server.stream)) {
		size_t sizes[] = { 1, 5, 20000, 16383, 3, 16384, 16385, 70000 };
		struct iovec iov[8];
		int n = 0;

		for (; n < 8 && f->sent < BULK; n++) {
			iov[n].iov_len = sizes[n] < BULK - f->sent ? sizes[n] : BULK - f->sent;
			iov[n].iov_base = (void *)(uintptr_t)(f->bulk + f->sent);
			f->sent += iov[n].iov_len;
		}
		stream_send(&server.stream, iov, n);
	}
	return buffer_left(&client.got) == BULK;
}

Test(tls, much_passes_through_a_backlog)
{
	struct flow f = { .bulk = make_bulk() };

	secure();
	cr_assert(until(loop, has_all, &f));
	cr_assert_eq(memcmp(buffer_head(&client.got), f.bulk, BULK), 0);
	cr_assert_gt(server.drained, 0);
	free((void *)(uintptr_t)f.bulk);
}

/* All at once, to one who reads later and little by little. */
Test(tls, a_slow_reader)
{
	uint8_t *bulk = make_bulk();
	struct flow f = { .bulk = bulk, .sent = BULK };

	secure();
	stream_pause(&client.stream);
	cr_assert_not(stream_send_bytes(&server.stream, bulk, BULK));
	cr_assert_gt(stream_backlog_size(&server.stream), BULK / 2);
	turn(loop);
	cr_assert_eq(client.reads, 0);
	client.room = 1000;
	stream_resume(&client.stream);
	cr_assert(until(loop, has_all, &f));
	cr_assert_eq(memcmp(buffer_head(&client.got), bulk, BULK), 0);
	cr_assert_eq(server.drained, 1);
	free(bulk);
}

/* A stream that always has more must let the loop look at the others, too. */
Test(tls, bulk_does_not_starve_the_loop)
{
	static uint8_t big[4 * 1000 * 1000];
	struct end a, b;
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);

	secure();
	connect_ends(&a, &b);
	stream_accept_tls(&b.stream, c, false, NULL, 0);
	stream_connect_tls(&a.stream, s, "", false);
	tls_context_unref(&c);
	tls_context_unref(&s);
	turn(loop);
	turn(loop);
	turn(loop);
	cr_assert_eq(a.secured, 1);
	cr_assert_eq(b.secured, 1);
	client.room = 4000;	/* many reads for what one receive brings */
	stream_send_bytes(&server.stream, big, sizeof(big));
	stream_send_bytes(&b.stream, "me", 2);
	while (a.reads == 0)
		turn(loop);
	/* One turn brings what the kernel has at most; the backlog's rest comes later. */
	cr_assert_lt(buffer_left(&client.got), sizeof(big));
	expect(&a, "me");
	stream_close(&a.stream);
	stream_close(&b.stream);
	buffer_release(&a.got);
	buffer_release(&b.got);
}

/* --- what OpenSSL holds --- */

/* 10,000 bytes are one record; who reads 100 at a time leaves the rest where no kernel sees it. */
static void
leave_some_inside(void)
{
	static uint8_t some[10000];

	secure();
	client.room = 100;
	cr_assert(stream_send_bytes(&server.stream, some, sizeof(some)));
}

static void
pause_after_one_read(struct stream *s)
{
	on_readable(s);
	stream_pause(s);
}

static const struct stream_ops once = { .readable = pause_after_one_read, .drained = on_drained };

Test(tls, the_rest_inside_is_told_of)
{
	leave_some_inside();
	turn(loop);
	cr_assert_eq(buffer_left(&client.got), 10000);
	cr_assert_leq(client.reads, 101);
}

Test(tls, the_rest_inside_after_a_pause)
{
	leave_some_inside();
	client.stream.ops = &once;
	turn(loop);
	cr_assert_eq(client.reads, 1);
	cr_assert(stream_has_input(&client.stream));
	turn(loop);
	cr_assert_eq(client.reads, 1);
	client.stream.ops = &ops;
	stream_resume(&client.stream);
	turn(loop);
	cr_assert_eq(buffer_left(&client.got), 10000);
	cr_assert_not(stream_has_input(&client.stream));
}

Test(tls, the_rest_inside_moves_along)
{
	struct loop *other = loop_new();

	leave_some_inside();
	client.stream.ops = &once;
	turn(loop);
	stream_detach(&client.stream);
	cr_assert(stream_has_input(&client.stream));
	client.stream.ops = &ops;
	stream_resume(&client.stream);
	stream_attach(&client.stream, other);
	turn(other);
	cr_assert_eq(buffer_left(&client.got), 10000);
	stream_close(&client.stream);
	loop_free(&other);
}

static void
close_after_one_read(struct stream *s)
{
	on_readable(s);
	stream_close(s);
}

Test(tls, closing_with_the_rest_inside)
{
	static const struct stream_ops closing = { .readable = close_after_one_read };

	leave_some_inside();
	client.stream.ops = &closing;
	turn(loop);
	turn(loop);
	cr_assert_eq(client.reads, 1);
}

static void
detach_after_one_read(struct stream *s)
{
	on_readable(s);
	stream_detach(s);
}

/* The event that was made to happen does not follow a stream that left. */
Test(tls, leaving_with_the_rest_inside)
{
	static const struct stream_ops leaving = { .readable = detach_after_one_read };
	struct loop *other = loop_new();

	leave_some_inside();
	client.stream.ops = &leaving;
	turn(loop);
	turn(loop);
	cr_assert_eq(client.reads, 1);
	client.stream.ops = &ops;
	stream_attach(&client.stream, other);
	turn(other);
	cr_assert_eq(buffer_left(&client.got), 10000);
	stream_close(&client.stream);
	loop_free(&other);
}

/* --- moving --- */

Test(tls, moves_in_the_middle_of_the_handshake)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_VERIFY_FULL);
	struct loop *other = loop_new();
	struct loop *of_client = loop, *of_server = loop;

	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	stream_connect_tls(&client.stream, s, "db.example", false);
	tls_context_unref(&c);
	tls_context_unref(&s);
	for (int i = 0; i < 10; i++) {
		stream_detach(&client.stream);
		of_client = of_client == loop ? other : loop;
		stream_attach(&client.stream, of_client);
		turn(of_client);
		stream_detach(&server.stream);
		of_server = of_server == loop ? other : loop;
		stream_attach(&server.stream, of_server);
		turn(of_server);
	}
	cr_assert_eq(client.secured, 1, "%s", client.e.message);
	cr_assert_eq(server.secured, 1, "%s", server.e.message);
	close_ends();
	loop_free(&other);
}

Test(tls, a_backlog_moves_along)
{
	uint8_t *bulk = make_bulk();
	struct flow f = { .bulk = bulk, .sent = BULK };
	struct loop *other = loop_new();

	secure();
	cr_assert_not(stream_send_bytes(&server.stream, bulk, BULK));
	stream_detach(&server.stream);
	stream_detach(&client.stream);
	stream_attach(&server.stream, other);
	stream_attach(&client.stream, other);
	cr_assert(until(other, has_all, &f));
	cr_assert_eq(memcmp(buffer_head(&client.got), bulk, BULK), 0);
	close_ends();
	loop_free(&other);
	free(bulk);
}

/* --- ends --- */

static bool
server_has_ended(void *arg)
{
	(void)arg;
	return server.last == 0 || server.last < -1 || server.failed > 0;
}

Test(tls, a_farewell_is_an_end_of_file)
{
	secure();
	cr_assert(stream_send_bytes(&client.stream, "bye", 3));
	stream_close(&client.stream);
	cr_assert(until(loop, server_has_ended, NULL));
	expect(&server, "bye");
	cr_assert_eq(server.last, 0);
	cr_assert(stream_peer_gone(&server.stream));
}

/* Its last words and its farewell came in one receive; the socket stays open. */
Test(tls, a_farewell_behind_data_without_a_closed_socket)
{
	secure();
	server.room = 3;
	stream_pause(&server.stream);
	cr_assert(stream_send_bytes(&client.stream, "bye", 3));
	int kept = dup(client.stream.fd);
	stream_close(&client.stream);
	stream_resume(&server.stream);
	cr_assert(until(loop, server_has_ended, NULL));
	expect(&server, "bye");
	cr_assert_eq(server.last, 0);
	close(kept);
}

Test(tls, a_peer_that_goes_without_a_farewell)
{
	secure();
	say(&client, "bye");
	shutdown(client.stream.fd, SHUT_WR);
	cr_assert(until(loop, server_has_ended, NULL));
	expect(&server, "bye");
	cr_assert_eq(server.last, 0);
	/* It may still be told something. */
	say(&server, "last words");
	expect(&client, "last words");
}

Test(tls, a_broken_record_is_an_error)
{
	static const uint8_t broken[30] = { 0x17, 3, 3, 0, 25 };

	secure();
	cr_assert_eq(send(client.stream.fd, broken, sizeof(broken), 0), sizeof(broken));
	cr_assert(until(loop, server_has_ended, NULL));
	cr_assert_eq(server.last, -EPROTO);
	/* And it stays one; what is sent is swallowed. */
	cr_assert_eq(stream_read(&server.stream, (uint8_t[10]){ 0 }, 10), -EPROTO);
	cr_assert(stream_send_bytes(&server.stream, "x", 1));
}

static void
connect_over_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listening, 1), 0);
	getsockname(listening, (struct sockaddr *)&a, &size);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	evutil_make_socket_nonblocking(fd);
	open_end(&client, fd, loop);
	open_end(&server, accept4(listening, NULL, NULL, SOCK_NONBLOCK), loop);
	close(listening);
}

static void
reset(void)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(client.stream.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	client.stream.broken = true;	/* without a farewell */
	stream_close(&client.stream);
}

/* The client writes its first request behind its last word of the handshake, and Nagle's algorithm is on. */
Test(tls, the_first_request_need_not_wait_for_a_delayed_acknowledgement)
{
	usec_t best = USEC_PER_SEC;

	/* On a machine that is busy, once in fifty times will do. */
	for (int i = 0; i < 50 && best >= 30 * USEC_PER_MSEC; i++) {
		struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);
		usec_t start;

		connect_over_tcp();
		stream_accept_tls(&server.stream, c, false, NULL, 0);
		stream_connect_tls(&client.stream, s, "db.example", false);
		tls_context_unref(&c);
		tls_context_unref(&s);
		until(loop, is_over, NULL);
		start = clock_now();
		say(&client, "first");
		while (buffer_left(&server.got) == 0)
			turn(loop);
		best = clock_now() - start < best ? clock_now() - start : best;
		close_ends();
	}
	cr_assert_lt(best, 30 * USEC_PER_MSEC);
}

Test(tls, a_reset_is_an_error)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);

	connect_over_tcp();
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	stream_connect_tls(&client.stream, s, "db.example", false);
	until(loop, is_over, NULL);
	cr_assert_eq(server.secured, 1);
	reset();
	cr_assert(until(loop, server_has_ended, NULL));
	cr_assert_eq(server.last, -ECONNRESET);
	cr_assert(stream_send_bytes(&server.stream, "x", 1));
	close_ends();

	connect_over_tcp();
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	reset();
	cr_assert(until(loop, server_has_ended, NULL));
	cr_assert_str_eq(server.e.message, "TLS handshake failed: Connection reset by peer");
	tls_context_unref(&c);
	tls_context_unref(&s);
}

Test(tls, a_peer_that_breaks_a_backlog)
{
	static uint8_t big[1000000];

	secure();
	cr_assert_not(stream_send_bytes(&server.stream, big, sizeof(big)));
	stream_close(&client.stream);
	cr_assert(until(loop, server_has_ended, NULL));
	turn(loop);
	cr_assert(server.stream.broken);
	cr_assert(stream_is_drained(&server.stream));
	cr_assert(stream_send_bytes(&server.stream, "x", 1));
}

Test(tls, a_peer_that_vanishes_in_the_handshake)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);

	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	stream_connect_tls(&client.stream, s, "db.example", false);
	tls_context_unref(&c);
	tls_context_unref(&s);
	stream_pause(&server.stream);
	turn(loop);
	stream_close(&client.stream);
	stream_resume(&server.stream);
	cr_assert(until(loop, server_has_ended, NULL));
	cr_assert_str_eq(server.e.message, "TLS handshake failed: the client closed the connection");
	cr_assert_str_eq(server.e.sqlstate, "08006");
}

static void
refuse_these_bytes(const void *bytes, size_t n, const char *words)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE));

	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	tls_context_unref(&c);
	cr_assert_eq(send(client.stream.fd, bytes, n, 0), (ssize_t)n);
	cr_assert(until(loop, server_has_ended, NULL));
	cr_assert_not_null(strstr(server.e.message, words), "%s", server.e.message);
	cr_assert_eq(strncmp(server.e.message, "TLS handshake failed: ", 22), 0);
}

Test(tls, garbage_instead_of_a_hello)
{
	refuse_these_bytes("\0\0\0\10\4\322\26\57garbage", 15, "wrong version number");
}

Test(tls, http_instead_of_a_hello)
{
	refuse_these_bytes("GET / HTTP/1.0\r\n\r\n", 18, "http request");
	cr_assert_not_null(strstr(server.e.hint, "HTTP"));
}

/* --- who wants to exhaust us --- */

/* Ask for new keys, n times or until the server has had enough; each of them asks for an answer. */
static void
ask_for_keys(int n, bool fetch_answers)
{
	struct buffer b = BUFFER_INIT;

	for (int i = 0; i < n && server.last == -1; i++) {
		client.stream.tls->out = &b;
		cr_assert_eq(SSL_key_update(client.stream.tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		cr_assert_eq(SSL_do_handshake(client.stream.tls->ssl), 1);
		if (i % 50 == 0)
			turn(loop);
		cr_assert_eq(send(client.stream.fd, buffer_head(&b), buffer_left(&b), 0), (ssize_t)buffer_left(&b));
		buffer_clear(&b);
		if (i == 0 && !fetch_answers)
			stream_pause(&client.stream);
	}
	turn(loop);
	buffer_release(&b);
}

/* Of many answers only those count that nobody has fetched. */
Test(tls, many_new_keys)
{
	secure();
	ask_for_keys(3000, true);
	cr_assert_eq(server.last, -1);
	say(&server, "still here");
	expect(&client, "still here");
}

Test(tls, answers_that_nobody_fetches_do_not_pile_up)
{
	secure();
	ask_for_keys(100000, false);
	cr_assert_eq(server.last, -EPROTO);
	cr_assert_lt(stream_backlog_size(&server.stream), 100000);
}

Test(tls, renegotiation_is_refused)
{
	struct buffer b = BUFFER_INIT;
	struct tls_settings s = settings(TLS_REQUIRE);
	SSL *ssl;

	s.protocols = "tlsv1.2";
	shake_hands(for_clients(s), trusting(TLS_REQUIRE), "db.example");
	cr_assert_eq(client.secured, 1, "%s", client.e.message);
	ssl = client.stream.tls->ssl;
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	cr_assert_eq(SSL_renegotiate(ssl), 1);
	client.stream.tls->out = &b;
	SSL_do_handshake(ssl);
	cr_assert_gt(buffer_left(&b), 0);
	cr_assert_eq(send(client.stream.fd, buffer_head(&b), buffer_left(&b), 0), (ssize_t)buffer_left(&b));
	turn(loop);
	cr_assert_eq(client.last, -EPROTO);
	buffer_release(&b);
}

/* --- certificates of servers --- */

struct trust {
	const char *name;	/* of the test case */
	enum tls_mode mode;
	const char *ca;
	struct cert cert;
	const char *host;
	const char *words;	/* of the client's error; NULL: it is content */
};

static const struct trust trusts[] = {
	{ "full", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:a.example" }, "a.example", NULL },
	{ "case", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:a.Example" }, "A.example", NULL },
	{ "common name", TLS_VERIFY_FULL, "ca.crt", { .name = "a.example" }, "a.example", NULL },
	{ "wildcard", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:*.db.example" }, "a.db.example", NULL },
	{ "wildcard, two labels", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:*.db.example" }, "a.b.db.example",
	  "hostname mismatch" },
	{ "partial wildcard", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:a*.db.example" }, "ab.db.example",
	  "hostname mismatch" },
	{ "address", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "IP:127.0.0.1" }, "127.0.0.1", NULL },
	{ "address 6", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "IP:::1" }, "::1", NULL },
	{ "other address", TLS_VERIFY_FULL, "ca.crt", { .name = "127.0.0.1", .also = "IP:127.0.0.2" }, "127.0.0.1",
	  "IP address mismatch" },
	{ "no host", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:a.example" }, "", "host name" },
	{ "wrong name", TLS_VERIFY_FULL, "ca.crt", { .name = "x", .also = "DNS:a.example" }, "b.example",
	  "certificate verify failed: hostname mismatch" },
	{ "wrong name, ca only", TLS_VERIFY_CA, "ca.crt", { .name = "x" }, "b.example", NULL },
	{ "wrong ca", TLS_VERIFY_CA, "other.crt", { .name = "x" }, "x", "certificate verify failed" },
	{ "wrong ca, require", TLS_REQUIRE, "other.crt", { .name = "x" }, "x", NULL },
	{ "itself", TLS_VERIFY_CA, "ca.crt", { .name = "x", .by = "it" }, "x",
	  "certificate verify failed: self-signed certificate" },
	{ "expired", TLS_VERIFY_CA, "ca.crt", { .name = "x", .from = -3, .to = -1 }, "x",
	  "certificate verify failed: certificate has expired" },
	{ "expired, require", TLS_REQUIRE, NULL, { .name = "x", .from = -3, .to = -1 }, "x", NULL },
	{ "not yet", TLS_VERIFY_CA, "ca.crt", { .name = "x", .from = 1, .to = 3 }, "x",
	  "certificate verify failed: certificate is not yet valid" },
	{ "intermediate", TLS_VERIFY_CA, "ca.crt", { .name = "x", .by = "middle", .with_signer = true }, "x", NULL },
	{ "intermediate missing", TLS_VERIFY_CA, "ca.crt", { .name = "x", .by = "middle" }, "x",
	  "certificate verify failed: unable to get local issuer certificate" },
};

Test(tls, servers_are_verified)
{
	certs_make("other", &(struct cert){ .name = "other authority", .by = "other", .authority = true });
	certs_make("middle", &(struct cert){ .name = "middle", .authority = true });
	for (size_t i = 0; i < lengthof(trusts); i++) {
		const struct trust *t = &trusts[i];
		struct tls_settings s = settings(TLS_REQUIRE), of_client = { .mode = t->mode };

		certs_make("it", &t->cert);
		s.cert_file = certs_path("it.crt");
		s.key_file = certs_path("it.key");
		of_client.ca_file = t->ca != NULL ? certs_path(t->ca) : NULL;
		shake_hands(for_clients(s), for_servers(of_client), t->host);
		if (t->words == NULL) {
			cr_assert_eq(client.secured, 1, "%s: %s", t->name, client.e.message);
			cr_assert_eq(server.secured, 1, "%s: %s", t->name, server.e.message);
		} else {
			cr_assert_eq(client.failed, 1, "%s", t->name);
			cr_assert_not_null(strstr(client.e.message, t->words), "%s: %s", t->name, client.e.message);
			cr_assert_str_eq(client.e.sqlstate, "08001");
			cr_assert_eq(server.failed, 1, "%s", t->name);
		}
		close_ends();
	}
}

Test(tls, who_trusts_nobody)
{
	shake_hands(for_clients(settings(TLS_REQUIRE)), tls_context_trusting_none(), "db.example");
	cr_assert_not_null(strstr(client.e.message, "certificate verify failed"), "%s", client.e.message);
	cr_assert_not_null(strstr(server.e.message, "the client refused: unknown CA"), "%s", server.e.message);
}

/* As OpenSSL does by itself, at every handshake. */
Test(tls, the_chain_is_completed_from_the_ca_file)
{
	struct tls_settings s = settings(TLS_REQUIRE);
	char both[4000] = "";
	size_t n = 0;

	certs_make("middle", &(struct cert){ .name = "middle", .authority = true });
	certs_make("it", &(struct cert){ .name = "it", .by = "middle" });
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(certs_path(i == 0 ? "middle.crt" : "ca.crt"), "r");
		n += fread(both + n, 1, sizeof(both) - 1 - n, f);
		fclose(f);
	}
	certs_write("both", both);
	s.ca_file = certs_path("both");
	s.cert_file = certs_path("it.crt");
	s.key_file = certs_path("it.key");
	shake_hands(for_clients(s), trusting(TLS_VERIFY_FULL), "it");
	cr_assert_eq(client.secured, 1, "%s", client.e.message);
	cr_assert_eq(server.secured, 1, "%s", server.e.message);
	close_ends();
	/* Authorities of others do no harm. */
	s = settings(TLS_REQUIRE);
	certs_make("other", &(struct cert){ .name = "other authority", .by = "other", .authority = true });
	s.ca_file = certs_path("other.crt");
	shake_hands(for_clients(s), trusting(TLS_VERIFY_FULL), "db.example");
	cr_assert_eq(client.secured, 1, "%s", client.e.message);
}

/* --- certificates of clients --- */

static void
shake_hands_as(enum tls_mode mode, bool with_ca, const char *who)
{
	struct tls_settings s = settings(mode), of_client = { .mode = TLS_REQUIRE };
	char cert[64], key[64];

	s.ca_file = with_ca ? certs_path("ca.crt") : NULL;
	if (who != NULL) {
		snprintf(cert, sizeof(cert), "%s.crt", who);
		snprintf(key, sizeof(key), "%s.key", who);
		of_client.cert_file = certs_path(cert);
		of_client.key_file = certs_path(key);
	}
	shake_hands(for_clients(s), for_servers(of_client), "db.example");
	turn(loop);
}

struct visitor {
	const char *name;
	enum tls_mode mode;
	bool with_ca;
	const char *who;
	const char *words;	/* of the server's error */
	const char *common_name;
};

static const struct visitor visitors[] = {
	{ "good, must", TLS_VERIFY_CA, true, "alice", NULL, "alice" },
	{ "good, must, full", TLS_VERIFY_FULL, true, "alice", NULL, "alice" },
	{ "none, must", TLS_VERIFY_CA, true, NULL, "peer did not return a certificate", NULL },
	{ "strange, must", TLS_VERIFY_CA, true, "mallory", "certificate verify failed", NULL },
	{ "good, may", TLS_REQUIRE, true, "alice", NULL, "alice" },
	{ "none, may", TLS_REQUIRE, true, NULL, NULL, NULL },
	{ "strange, may", TLS_REQUIRE, true, "mallory", NULL, NULL },
	{ "good, not asked", TLS_REQUIRE, false, "alice", NULL, NULL },
};

Test(tls, clients_are_verified)
{
	certs_make("other", &(struct cert){ .name = "other authority", .by = "other", .authority = true });
	certs_make("alice", &(struct cert){ .name = "alice" });
	certs_make("mallory", &(struct cert){ .name = "alice", .by = "other" });
	for (size_t i = 0; i < lengthof(visitors); i++) {
		const struct visitor *v = &visitors[i];
		char name[64] = "";

		shake_hands_as(v->mode, v->with_ca, v->who);
		if (v->words != NULL) {
			cr_assert_eq(server.failed, 1, "%s", v->name);
			cr_assert_not_null(strstr(server.e.message, v->words), "%s: %s", v->name, server.e.message);
		} else {
			cr_assert_eq(server.secured, 1, "%s: %s", v->name, server.e.message);
			cr_assert_eq(tls_peer_common_name(&server.stream, name, sizeof(name)), v->common_name != NULL,
				     "%s", v->name);
			cr_assert_str_eq(name, v->common_name != NULL ? v->common_name : "", "%s", v->name);
		}
		close_ends();
	}
}

Test(tls, a_common_name_that_does_not_fit)
{
	char name[6] = "";

	certs_make("alice", &(struct cert){ .name = "alices" });
	shake_hands_as(TLS_VERIFY_CA, true, "alice");
	cr_assert_eq(server.secured, 1);
	cr_assert_not(tls_peer_common_name(&server.stream, name, sizeof(name)));
}

/* --- names that clients ask for --- */

Test(tls, each_name_has_its_own_certificate)
{
	static const struct {
		const char *host, *wanted;
	} asked[] = {
		{ "a.example", "one" },	  { "A.EXAMPLE", "one" }, { "b.example", "any" },    { "c.b.example", "default" },
		{ "example", "default" }, { "", "default" },	  { "10.0.0.1", "default" }, { ".example", "default" },
		{ "r.example", "rsa" },
	};
	struct tls_certificate certs[3];
	struct tls_settings s = settings(TLS_REQUIRE);

	certs_make("one", &(struct cert){ .name = "one" });
	certs_make("any", &(struct cert){ .name = "any" });
	certs_make("rsa", &(struct cert){ .name = "rsa", .key = "RSA" });
	certs_make("default", &(struct cert){ .name = "default" });
	certs[0] = (struct tls_certificate){ "a.Example", certs_path("one.crt"), certs_path("one.key") };
	certs[1] = (struct tls_certificate){ "*.example", certs_path("any.crt"), certs_path("any.key") };
	certs[2] = (struct tls_certificate){ "r.example", certs_path("rsa.crt"), certs_path("rsa.key") };
	s.certificates = certs;
	s.ncertificates = 3;
	s.cert_file = certs_path("default.crt");
	s.key_file = certs_path("default.key");
	for (size_t i = 0; i < lengthof(asked); i++) {
		char name[64] = "";

		/* The client verifies, so that it tells the name. */
		shake_hands(for_clients(s), trusting(TLS_VERIFY_CA), asked[i].host);
		cr_assert_eq(client.secured, 1, "%s: %s", asked[i].host, client.e.message);
		cr_assert(tls_peer_common_name(&client.stream, name, sizeof(name)));
		cr_assert_str_eq(name, asked[i].wanted, "%s", asked[i].host);
		uint8_t a[TLS_BINDING_MAX], b[TLS_BINDING_MAX];
		cr_assert_eq(tls_server_end_point(&client.stream, a), 32);
		cr_assert_eq(tls_server_end_point(&server.stream, b), 32);
		cr_assert_arr_eq(a, b, 32);
		close_ends();
	}
}

/* --- channel binding --- */

Test(tls, bindings)
{
	static const struct {
		const char *key, *by, *digest;
		size_t size;
	} kinds[] = {
		{ NULL, NULL, "sha256", 32 }, { NULL, NULL, "sha384", 48 }, { NULL, NULL, "sha512", 64 },
		{ "RSA", NULL, "sha256", 32 }, { "ED25519", NULL, "sha384", 48 },
		{ "ED25519", "it", NULL, 0 },
	};

	for (size_t i = 0; i < lengthof(kinds); i++) {
		uint8_t a[TLS_BINDING_MAX], b[TLS_BINDING_MAX];
		struct tls_settings s = settings(TLS_REQUIRE);

		certs_make("it", &(struct cert){ .name = "it", .key = kinds[i].key, .by = kinds[i].by,
						 .digest = kinds[i].digest });
		s.cert_file = certs_path("it.crt");
		s.key_file = certs_path("it.key");
		shake_hands(for_clients(s), trusting(TLS_REQUIRE), "it");
		cr_assert_eq(client.secured, 1, "%zu: %s", i, client.e.message);
		cr_assert_eq(tls_server_end_point(&client.stream, a), kinds[i].size, "%zu", i);
		cr_assert_eq(tls_server_end_point(&server.stream, b), kinds[i].size, "%zu", i);
		cr_assert_eq(memcmp(a, b, kinds[i].size), 0);
		close_ends();
	}
}

/* RFC 5929: no binding is made of a broken hash. */
Test(tls, the_binding_of_a_certificate_signed_with_sha1)
{
	uint8_t ours[TLS_BINDING_MAX], sha256[TLS_BINDING_MAX];
	struct error e = { 0 };
	struct certificate *c;

	certs_make("it", &(struct cert){ .name = "it", .digest = "sha1" });
	c = certificate_load(certs_path("it.crt"), certs_path("it.key"), &e);
	cr_assert_not_null(c, "%s", e.message);
	cr_assert_eq(certificate_end_point(c->leaf, ours), 32);
	X509_digest(c->leaf, EVP_sha256(), sha256, NULL);
	cr_assert_arr_eq(ours, sha256, 32);
	certificate_unref(&c);
}

/* --- direct TLS --- */

/* The client's first flight, taken off the wire. */
static size_t
take_hello(bool direct, uint8_t *hello, size_t size)
{
	struct tls_context *s = trusting(TLS_REQUIRE);
	ssize_t n;

	connect_ends(&client, &server);
	stream_pause(&server.stream);
	stream_connect_tls(&client.stream, s, "db.example", direct);
	tls_context_unref(&s);
	turn(loop);
	n = recv(server.stream.fd, hello, size, 0);
	cr_assert_gt(n, 100);
	return (size_t)n;
}

Test(tls, direct_with_the_hello_cut_anywhere)
{
	uint8_t hello[4096];

	for (size_t cut = 1;; cut += cut < 12 ? 1 : 50) {
		struct tls_context *c = for_clients(settings(TLS_REQUIRE));
		size_t n = take_hello(true, hello, sizeof(hello));

		cut = cut < n ? cut : n;
		stream_resume(&server.stream);
		stream_accept_tls(&server.stream, c, true, hello, cut);
		tls_context_unref(&c);
		turn(loop);
		cr_assert_eq(send(client.stream.fd, hello + cut, n - cut, 0), (ssize_t)(n - cut));
		until(loop, is_over, NULL);
		cr_assert_eq(server.secured, 1, "%zu: %s", cut, server.e.message);
		cr_assert_eq(client.secured, 1, "%zu: %s", cut, client.e.message);
		say(&client, "question");
		expect(&server, "question");
		close_ends();
		if (cut == n)
			break;
	}
}

Test(tls, direct_without_the_protocols_name)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE));
	uint8_t hello[4096];
	size_t n = take_hello(false, hello, sizeof(hello));

	stream_resume(&server.stream);
	stream_accept_tls(&server.stream, c, true, hello, n);
	tls_context_unref(&c);
	cr_assert_eq(server.failed, 0);	/* not from within */
	until(loop, is_over, NULL);
	cr_assert_not_null(strstr(server.e.message, "no application protocol"), "%s", server.e.message);
	cr_assert_not_null(strstr(client.e.message, "the server refused: no application protocol"), "%s",
			   client.e.message);
}

/* The client insists as well. */
Test(tls, a_server_that_knows_no_direct_tls)
{
	struct tls_context *c = for_clients(settings(TLS_REQUIRE)), *s = trusting(TLS_REQUIRE);

	connect_ends(&client, &server);
	stream_accept_tls(&server.stream, c, false, NULL, 0);
	stream_connect_tls(&client.stream, s, "db.example", true);
	tls_context_unref(&c);
	tls_context_unref(&s);
	until(loop, is_over, NULL);
	cr_assert_eq(client.secured, 1);	/* ours knows it by any way */
	cr_assert_eq(server.secured, 1);
}

/* --- rules --- */

struct rule {
	const char *protocols, *ciphers, *ciphers13, *curve, *dh;	/* of the server; the client takes all */
	const char *client_protocols;
	const char *version, *cipher;	/* NULL: no handshake; cipher NULL: any */
	const char *key;		/* of the server; NULL: EC */
};

#define OLD "tlsv1.0,tlsv1.1,tlsv1.2,tlsv1.3"

static const struct rule rules[] = {
	{ NULL, NULL, NULL, NULL, NULL, NULL, "TLSv1.3", NULL, NULL },
	{ "secure", "", "", "auto", "auto", OLD, "TLSv1.3", NULL, NULL },
	{ "tlsv1.2", NULL, NULL, NULL, NULL, OLD, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", NULL },
	{ "tlsv1.2", "secure", NULL, "P-384", "none", OLD, "TLSv1.2", NULL, NULL },
	{ "tlsv1.2", "fast", NULL, "none", NULL, "tlsv1.2", NULL, NULL, NULL },	/* the key is for ECDSA */
	{ "tlsv1.2", "fast", NULL, "none", NULL, "tlsv1.2", "TLSv1.2", "DHE-RSA-AES256-GCM-SHA384", "RSA" },
	{ "tlsv1.2", "DHE-RSA-AES128-GCM-SHA256", NULL, NULL, "auto", NULL, "TLSv1.2", NULL, "RSA" },
	{ "tlsv1.2", "DHE-RSA-AES128-GCM-SHA256", NULL, NULL, "none", NULL, NULL, NULL, "RSA" },
	{ "secure", NULL, NULL, NULL, NULL, "tlsv1.0,tlsv1.1", NULL, NULL, NULL },
	{ "all", NULL, NULL, NULL, NULL, "tlsv1.1", "TLSv1.1", NULL, NULL },
	{ "tlsv1.0", NULL, NULL, NULL, NULL, OLD, "TLSv1", NULL, NULL },
	{ "!tlsv1.3", NULL, NULL, NULL, NULL, OLD, "TLSv1.2", NULL, NULL },
	{ "all, !tlsv1.3 : !tlsv1.2", NULL, NULL, NULL, NULL, OLD, "TLSv1.1", NULL, NULL },
	{ "tlsv1.3", NULL, "TLS_CHACHA20_POLY1305_SHA256", NULL, NULL, NULL, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256",
	  NULL },
	{ "tlsv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, NULL, NULL, "TLSv1.2",
	  "ECDHE-ECDSA-AES128-GCM-SHA256", NULL },
	{ "tlsv1.2", "all", NULL, "prime256v1", "legacy", NULL, "TLSv1.2", NULL, NULL },
};

Test(tls, protocols_and_ciphers)
{
	certs_make("rsa", &(struct cert){ .name = "rsa", .key = "RSA" });
	for (size_t i = 0; i < lengthof(rules); i++) {
		const struct rule *r = &rules[i];
		struct tls_settings s = settings(TLS_REQUIRE), of_client = { .mode = TLS_REQUIRE };

		if (r->key != NULL) {
			s.cert_file = certs_path("rsa.crt");
			s.key_file = certs_path("rsa.key");
		}
		s.protocols = r->protocols;
		s.ciphers = r->ciphers;
		s.ciphers13 = r->ciphers13;
		s.ecdhcurve = r->curve;
		s.dheparams = r->dh;
		of_client.protocols = r->client_protocols;
		shake_hands(for_clients(s), for_servers(of_client), "db.example");
		cr_assert_eq(client.secured, r->version != NULL, "%zu: %s", i, client.e.message);
		if (r->version != NULL) {
			cr_assert_str_eq(tls_version(&server.stream), r->version, "%zu", i);
			if (r->cipher != NULL)
				cr_assert_str_eq(tls_cipher(&server.stream), r->cipher, "%zu", i);
		}
		close_ends();
	}
}

/* What a client that can do anything is offered in TLS 1.2: nothing without forward secrecy and authentication. */
Test(tls, weak_ciphers_are_refused)
{
	static const char *const weak[] = {
		"AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES256-SHA256",
		"DHE-RSA-AES256-GCM-SHA384", "AES256-SHA", "aNULL:eNULL:@SECLEVEL=0",
	};

	certs_make("rsa", &(struct cert){ .name = "rsa", .key = "RSA" });
	for (size_t i = 0; i < lengthof(weak); i++) {
		struct tls_settings s = settings(TLS_REQUIRE);
		struct tls_settings of_client = { .mode = TLS_REQUIRE, .protocols = "tlsv1.2", .ciphers = weak[i] };

		s.cert_file = certs_path("rsa.crt");
		s.key_file = certs_path("rsa.key");
		shake_hands(for_clients(s), for_servers(of_client), "db.example");
		cr_assert_eq(client.failed, 1, "%s", weak[i]);
		cr_assert_not_null(strstr(server.e.message, "no shared cipher"), "%s", server.e.message);
		close_ends();
	}
}

/* --- bad settings --- */

static void
expect_bad(const struct tls_settings *s, const char *words, const char *more)
{
	struct error e = { 0 };
	struct tls_context *c = tls_context_for_clients(s, &e);

	cr_assert_null(c, "%s", words);
	cr_assert_str_eq(e.sqlstate, "F0000");
	cr_assert_not_null(strstr(e.message, words), "%s", e.message);
	cr_assert_not_null(strstr(e.message, more), "%s", e.message);
}

Test(tls, settings_that_are_words_of_no_meaning)
{
	struct tls_settings s = settings(TLS_REQUIRE);

	s.ciphers13 = "unknown";
	expect_bad(&s, "failed to set the TLSv1.3 cipher suites", "unknown");
	s = settings(TLS_REQUIRE);
	s.ciphers = "nothing-like-it";
	expect_bad(&s, "failed to set the ciphers", "nothing-like-it");
	s = settings(TLS_REQUIRE);
	s.ecdhcurve = "round";
	expect_bad(&s, "failed to set the elliptic curves", "round");
	s = settings(TLS_REQUIRE);
	s.dheparams = "4096";
	expect_bad(&s, "invalid DHE parameters", "4096");
	s = settings(TLS_REQUIRE);
	s.protocols = "tlsv1.2,sslv3";
	expect_bad(&s, "invalid list of TLS protocols", "sslv3");
	s.protocols = "!all";
	expect_bad(&s, "invalid list of TLS protocols", "!all");
}

Test(tls, files_that_do_not_do)
{
	struct tls_settings s = settings(TLS_REQUIRE);

	certs_make("other", &(struct cert){ .name = "other" });
	certs_make("weak", &(struct cert){ .name = "weak", .key = "RSA-1024" });
	certs_write("empty", "");
	certs_write("secret.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
				  "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgQbBrWVTTPdgICCAAw\n"
				  "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGmzrtQ8F3sUmvdxrWFKdXkEQB6S\n"
				  "V3F6Cj5RfVk9Tyf6Z6k1YIXyCFl8JvZ2MNxV1S4pYIXyCFl8JvZ2MNxV1S4pYIXy\n"
				  "CFl8JvZ2MNxV1S4pYIXyCA==\n"
				  "-----END ENCRYPTED PRIVATE KEY-----\n");
	s.key_file = certs_path("other.key");
	expect_bad(&s, "db.crt", "other.key");
	s.key_file = certs_path("missing.key");
	expect_bad(&s, "missing.key", "No such file");
	s.key_file = certs_path("empty");
	expect_bad(&s, "could not load private key file", "empty");
	s.key_file = certs_path("secret.key");
	expect_bad(&s, "secret.key", "passphrase");
	s = settings(TLS_REQUIRE);
	s.cert_file = certs_path("empty");
	expect_bad(&s, "could not load certificate file", "no start line");
	s.cert_file = certs_path("missing.crt");
	expect_bad(&s, "missing.crt", "No such file");
	s.cert_file = certs_path("weak.crt");
	s.key_file = certs_path("weak.key");
	expect_bad(&s, "weak.crt", "ee key too small");
	s.cert_file = NULL;
	expect_bad(&s, "certificate file", "private key file");
	s = settings(TLS_VERIFY_CA);
	expect_bad(&s, "CA file", "");
	s.ca_file = certs_path("missing.crt");
	expect_bad(&s, "missing.crt", "No such file");
	s.ca_file = certs_path("empty");
	expect_bad(&s, "CA file", "empty");
}

Test(tls, a_bad_certificate_of_one_host)
{
	struct tls_settings s = settings(TLS_REQUIRE);
	struct tls_certificate two[2];

	two[0] = (struct tls_certificate){ "a.example", certs_path("db.crt"), certs_path("db.key") };
	two[1] = (struct tls_certificate){ "A.example", certs_path("db.crt"), certs_path("db.key") };
	s.certificates = two;
	s.ncertificates = 2;
	expect_bad(&s, "a.example", "two certificates");
	two[1] = (struct tls_certificate){ "b.example", certs_path("missing.crt"), certs_path("db.key") };
	expect_bad(&s, "missing.crt", "No such file");
}

/* Read once; read again when it has changed, while who has the old one keeps it. */
Test(tls, a_certificate_is_shared_until_its_file_changes)
{
	struct certificate *a, *b, *changed, *again;
	struct error e = { 0 };

	a = certificate_load(certs_path("db.crt"), certs_path("db.key"), &e);
	b = certificate_load(certs_path("db.crt"), certs_path("db.key"), &e);
	cr_assert_not_null(a);
	cr_assert_eq(a, b);
	certs_make("db", &(struct cert){ .name = "renewed" });
	changed = certificate_load(certs_path("db.crt"), certs_path("db.key"), &e);
	cr_assert_not_null(changed);
	cr_assert_neq(changed, a);
	certificate_unref(&b);
	cr_assert_neq(X509_cmp(a->leaf, changed->leaf), 0);
	again = certificate_load(certs_path("db.crt"), certs_path("db.key"), &e);
	cr_assert_eq(again, changed);
	certificate_unref(&again);
	certificate_unref(&a);
	again = certificate_load(certs_path("db.crt"), certs_path("db.key"), &e);
	cr_assert_eq(again, changed);
	unlink(certs_path("db.key"));
	cr_assert_null(certificate_load(certs_path("db.crt"), certs_path("db.key"), &e));
	certificate_unref(&again);
	certificate_unref(&changed);
	certificate_unref(&changed);
}

/* --- what it costs --- */

#define MANY 200

static size_t
heap_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static size_t
measure(const char *protocols)
{
	static struct end clients[MANY], servers[MANY];
	struct tls_settings s = settings(TLS_REQUIRE), of_client = { .mode = TLS_REQUIRE, .protocols = protocols };
	struct tls_context *c = for_clients(s), *cc = for_servers(of_client);
	size_t before = 0;

	/* The first ones make what all share. */
	for (int i = 0; i < MANY; i++) {
		if (i == 10)
			before = heap_in_use();
		connect_ends(&clients[i], &servers[i]);
		stream_accept_tls(&servers[i].stream, c, false, NULL, 0);
		stream_connect_tls(&clients[i].stream, cc, "db.example", false);
		while (clients[i].secured + servers[i].secured < 2)
			turn(loop);
		cr_assert(stream_send_bytes(&servers[i].stream, "hello", 5));
		cr_assert(stream_send_bytes(&clients[i].stream, "hello", 5));
		turn(loop);
		buffer_release(&clients[i].got);
		buffer_release(&servers[i].got);
	}
	size_t both = (heap_in_use() - before) / (MANY - 10), between;
	before = heap_in_use();
	for (int i = 0; i < MANY; i++)
		stream_close(&servers[i].stream);
	between = (before - heap_in_use()) / MANY;
	for (int i = 0; i < MANY; i++)
		stream_close(&clients[i].stream);
	tls_context_unref(&c);
	tls_context_unref(&cc);
	cr_log_info("%s: %zu bytes an idle client, %zu a server", protocols, between, both - between);
	return between;
}

/* Of ours and OpenSSL's; a sanitizer's heap tells nothing. */
Test(tls, memory_of_an_idle_client)
{
	if (heap_in_use() == 0)
		cr_skip_test("this heap does not count");
	cr_assert_lt(measure("tlsv1.3"), 15000);
	cr_assert_lt(measure("tlsv1.2"), 15000);
}
