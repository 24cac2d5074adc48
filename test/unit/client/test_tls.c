/*
 * Clients that speak TLS: asked for or direct, with their channel bound or not, and those that only begin it.
 */
#include "stage.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/certs.h"

static const uint8_t ssl_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f };
static const uint8_t gss_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x30 };
static const unsigned char postgresql[] = "\012postgresql", http[] = "\002h2";

/* --- the application's end: OpenSSL between two memories, which are emptied into the socket and filled from it --- */

static SSL_CTX *ctx;
static SSL *ssl;
static size_t at_once = SIZE_MAX;	/* so many bytes are sent in a turn of the loop */

static void
send_outgoing(void)
{
	char bytes[16384];
	int n = at_once < sizeof(bytes) ? (int)at_once : (int)sizeof(bytes);

	n = BIO_read(SSL_get_wbio(ssl), bytes, n);
	if (n > 0)
		cr_assert_eq(send(peer, bytes, (size_t)n, MSG_NOSIGNAL), n);
}

/* true: the other side has closed its end. */
static bool
receive_incoming(void)
{
	char bytes[16384];
	ssize_t n;

	while ((n = recv(peer, bytes, sizeof(bytes), 0)) > 0)
		BIO_write(SSL_get_rbio(ssl), bytes, (int)n);
	return n == 0;
}

static ssize_t
send_tls(const void *bytes, size_t n)
{
	int sent = SSL_write(ssl, bytes, (int)n);

	send_outgoing();
	return sent;
}

static ssize_t
recv_tls(void *bytes, size_t n)
{
	bool closed = receive_incoming();
	int got = SSL_read(ssl, bytes, (int)n);

	if (got > 0)
		return got;
	return closed || SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ ? 0 : -1;
}

/* Is the handshake over, well or not? */
static bool
is_over(void *arg)
{
	bool *well = arg, closed = receive_incoming();
	int rc = SSL_do_handshake(ssl);

	send_outgoing();
	*well = rc == 1;
	return rc == 1 ? BIO_pending(SSL_get_wbio(ssl)) == 0 && client != NULL && client->state != CLIENT_SECURING :
			 closed || SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ;
}

static bool
shake_hands(void)
{
	bool well;

	cr_assert(until(loop, is_over, &well), "the handshake has no end");
	wire.send = send_tls;
	wire.recv = recv_tls;
	return well;
}

static void
new_ssl(void)
{
	SSL_free(ssl);
	ssl = SSL_new(ctx);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	at_once = SIZE_MAX;
}

static void
arrive_with_ssl(void)
{
	arrive_by_tcp();
	new_ssl();
}

/* As far as a handshake that may begin. */
static void
request_tls(void)
{
	char c;

	arrive_with_ssl();
	tell(ssl_request, sizeof(ssl_request));
	cr_assert_eq(recv(peer, &c, 1, 0), 1);
	cr_assert_eq(c, 'S');
	cr_assert_eq(client->state, CLIENT_SECURING);
}

static void
arrive_in_tls(void)
{
	request_tls();
	cr_assert(shake_hands());
	cr_assert_eq(client->state, CLIENT_STARTUP);
}

static void
use_certificate(const struct cert *cert)
{
	struct tls_settings s = { .mode = TLS_PREFER };
	struct error e;

	certs_make("pooler", cert);
	s.cert_file = certs_path("pooler.crt");
	s.key_file = certs_path("pooler.key");
	tls_context_unref(&env.tls);
	env.tls = tls_context_for_clients(&s, &e);
	cr_assert_not_null(env.tls, "%s", e.message);
}

static void
begin(void)
{
	stage_begin();
	certs_begin();
	use_certificate(&(struct cert){ .name = "pooler.example" });
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
}

static void
end(void)
{
	stage_end();
	certs_end();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

TestSuite(client_tls, .init = begin, .fini = end);

static void
bind_to_certificate(void)
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	unsigned size = 0;

	cr_assert_eq(X509_digest(x, EVP_sha256(), binding.data, &size), 1);
	binding.size = size;
	X509_free(x);
}

/* --- ways in --- */

Test(client_tls, is_spoken_when_it_is_asked_for)
{
	env.tls_mode = TLS_REQUIRE;
	arrive_in_tls();
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	cr_assert_str_eq(seen.user, "alice");
	cr_assert_str_eq(tls_version(&client->stream), "TLSv1.3");
	demand(LOGIN_PLAIN, "secret");
	cr_assert(prove("secret"));
	cr_assert_null(memmem(loop_scratch(loop), LOOP_SCRATCH, "secret", 6));
}

Test(client_tls, behind_a_request_for_gss)
{
	char c;

	arrive_with_ssl();
	tell(gss_request, sizeof(gss_request));
	cr_assert_eq(recv(peer, &c, 1, 0), 1);
	cr_assert_eq(c, 'N');
	tell(ssl_request, sizeof(ssl_request));
	cr_assert_eq(recv(peer, &c, 1, 0), 1);
	cr_assert_eq(c, 'S');
	cr_assert(shake_hands());
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
}

Test(client_tls, is_not_spoken_over_unix_sockets)
{
	arrive();
	tell(ssl_request, sizeof(ssl_request));
	listen_to_it();
	cr_assert_eq(buffer_left(&in), 1);
	cr_assert_eq(*buffer_head(&in), 'N');
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	arrive();
	tell("\x16\3\1\2\0\1", 6);
	cr_assert(listen_to_it());
	cr_assert_eq(buffer_left(&in), 0);
}

Test(client_tls, without_being_asked_for)
{
	arrive_with_ssl();
	SSL_set_alpn_protos(ssl, postgresql, sizeof(postgresql) - 1);
	cr_assert(shake_hands());
	cr_assert_eq(client->state, CLIENT_STARTUP);
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
}

/* In pieces, each of which is another read: the first byte alone says what it will be. */
Test(client_tls, comes_in_pieces)
{
	static const size_t pieces[] = { 1, 2, 5, 100 };

	for (size_t i = 0; i < lengthof(pieces); i++) {
		arrive_with_ssl();
		at_once = pieces[i];
		SSL_set_alpn_protos(ssl, postgresql, sizeof(postgresql) - 1);
		cr_assert(shake_hands());
		at_once = SIZE_MAX;
		tell_startup(STARTUP_VERSION_3_0, alice);
		cr_assert_eq(seen.startups, 1);
	}
}

/* Then somebody may have led another protocol's client here. */
Test(client_tls, without_being_asked_for_it_must_be_meant_for_us)
{
	static const struct {
		const unsigned char *protocols;
		unsigned size;
	} wrong[] = { { NULL, 0 }, { http, sizeof(http) - 1 } };

	for (size_t i = 0; i < lengthof(wrong); i++) {
		arrive_with_ssl();
		if (wrong[i].protocols != NULL)
			SSL_set_alpn_protos(ssl, wrong[i].protocols, wrong[i].size);
		cr_assert_not(shake_hands());
		cr_assert(until(loop, is_freed, NULL));
		cr_assert_eq(seen.closed, 1);
		cr_assert_eq(seen.startups, 0);
	}
}

/* --- ways that lead nowhere --- */

Test(client_tls, nothing_may_stand_behind_the_request)
{
	struct buffer b = BUFFER_INIT;

	arrive_with_ssl();
	buffer_append(&b, ssl_request, sizeof(ssl_request));
	buffer_append(&b, "\x16", 1);
	tell(b.data, b.len);
	expect_refused("08P01", "it came before we had said yes");
	buffer_release(&b);
}

Test(client_tls, no_more_requests_inside)
{
	static const uint8_t *const requests[] = { ssl_request, gss_request };

	for (size_t i = 0; i < lengthof(requests); i++) {
		arrive_in_tls();
		tell(requests[i], 8);
		expect_refused("08P01", "encryption inside encryption");
		arrive_in_tls();
		tell("\x16\3\1\2\0\1\0\1", 8);
		expect_refused("08P01", "TLS inside TLS");
	}
}

/* Nothing in plain text may come where TLS is spoken. */
static void
expect_no_error_in_plain_text(void)
{
	uint8_t bytes[4096];
	ssize_t n = recv(peer, bytes, sizeof(bytes), 0);

	cr_assert(n <= 0 || bytes[0] == 0x15, "only an alert may come, and 0x%02x did", n > 0 ? bytes[0] : 0);
}

Test(client_tls, handshakes_that_are_none)
{
	static const struct {
		const char *bytes;
		size_t n;
	} first[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "\0\0\0\x08\0\3\0\0", 8 },
		{ "\x16\3\1\0\0", 5 },
		{ "\x16\3\1\0\4\1\0\0\0", 9 },
		{ "\x16\3\1\xff\xff\1\0\0\0", 9 },
		{ "\x15\3\1\0\2\2\x28", 7 },
	};

	for (size_t i = 0; i < lengthof(first); i++) {
		request_tls();
		tell(first[i].bytes, first[i].n);
		shutdown(peer, SHUT_WR);
		cr_assert(until(loop, is_freed, NULL), "case %zu", i);
		cr_assert_eq(seen.closed, 1);
		cr_assert_eq(seen.startups, 0);
		expect_no_error_in_plain_text();
	}
}

Test(client_tls, a_handshake_is_a_login_with_a_deadline)
{
	request_tls();
	cr_assert_eq(env.nlogins, 1);
	clients_keep_logins(&env, clock_now(), client->connected_at + 1);
	cr_assert_eq(seen.closed, 1);
	turn(loop);
	cr_assert_null(client);
	cr_assert_eq(env.nlogins, 0);
	expect_no_error_in_plain_text();
}

Test(client_tls, gone_in_a_handshake)
{
	request_tls();
	close(peer);
	peer = -1;
	cr_assert(until(loop, is_freed, NULL));
}

/* --- what is known of a channel --- */

Test(client_tls, moves_to_another_loop)
{
	struct client_env other = env;
	struct client *c;

	TAILQ_INIT(&other.logins);
	other.nlogins = 0;
	request_tls();
	SSL_set_tlsext_host_name(ssl, "Shop.Example");
	cr_assert(shake_hands());
	tell_startup(STARTUP_VERSION_3_0, alice);
	c = client;
	client_detach(c);
	client_attach(c, &other, &ops);
	cr_assert_eq(env.nlogins, 0);
	cr_assert_eq(other.nlogins, 1);
	cr_assert_str_eq(tls_host(&c->stream), "shop.example");
	bind_to_certificate();
	demand(LOGIN_SCRAM, "secret");
	cr_assert(prove("secret"));
	client_close(c, NULL, "done");
	cr_assert_eq(other.nlogins, 0);
}

/* As far as the offer, with what this client binds to. */
static void
hear_offer(const char *secret_text, const char *expected, size_t size)
{
	const uint8_t *data;
	size_t n;

	arrive_in_tls();
	forget_failures();
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(LOGIN_SCRAM, secret_text);
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL);
	cr_assert_eq(n, size);
	cr_assert_eq(memcmp(data, expected, n), 0);
	bind_to_certificate();
}

static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0", one[] = "SCRAM-SHA-256\0";

Test(client_tls, channels_are_bound)
{
	const char *const secrets[] = { "secret", scram_secret("secret"), "other", NULL };

	for (size_t i = 0; i < lengthof(secrets); i++) {
		arrive_in_tls();
		forget_failures();
		bind_to_certificate();
		tell_startup(STARTUP_VERSION_3_0, alice);
		demand(LOGIN_SCRAM, secrets[i]);
		cr_assert_eq(prove("secret"), i < 2, "case %zu", i);
		if (i >= 2)
			expect_refused("28P01", "wrong");
	}
	/* Who can't, need not. */
	arrive_in_tls();
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(LOGIN_SCRAM, "secret");
	cr_assert(prove("secret"));
}

/* Somebody in the middle, who has another certificate. */
Test(client_tls, a_channel_that_is_another_is_refused)
{
	arrive_in_tls();
	bind_to_certificate();
	binding.data[0] ^= 1;
	tell_startup(STARTUP_VERSION_3_0, alice);
	demand(LOGIN_SCRAM, "secret");
	cr_assert_not(prove("secret"));
	expect_refused("08P01", "bound to another channel");
}

Test(client_tls, offers)
{
	static const char first[] = "n=,r=abcdefghijklmnopqrstuvwx";
	static const struct {
		const char *mechanism, *gs2, *sqlstate;
	} choices[] = {
		{ SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,,", NULL },
		{ SCRAM_MECHANISM, "n,,", NULL },
		{ SCRAM_MECHANISM, "y,,", "08P01" },	/* it believes that we did not offer it: somebody lied to it */
		{ SCRAM_MECHANISM, "p=tls-server-end-point,,", "08P01" },
		{ SCRAM_MECHANISM_PLUS, "n,,", "08P01" },
		{ SCRAM_MECHANISM_PLUS, "y,,", "08P01" },
		{ SCRAM_MECHANISM_PLUS, "p=tls-unique,,", "0A000" },
		{ "SCRAM-SHA-256-PLUS-", "n,,", "08P01" },
	};

	for (size_t i = 0; i < lengthof(choices); i++) {
		for (int known = 0; known < 2; known++) {
			char text[100];
			const uint8_t *data;
			size_t n;

			hear_offer(known ? "secret" : NULL, both, sizeof(both));
			snprintf(text, sizeof(text), "%s%s", choices[i].gs2, first);
			answer_initial(choices[i].mechanism, text);
			if (choices[i].sqlstate != NULL)
				expect_refused(choices[i].sqlstate, choices[i].gs2);
			else
				cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
		}
	}
}

/* An Ed25519 signature has no hash that could be bound to. */
Test(client_tls, what_can_not_be_bound_is_not_offered)
{
	use_certificate(&(struct cert){ .name = "pooler.example", .key = "ED25519", .by = "pooler" });
	hear_offer("secret", one, sizeof(one));
	answer_initial(SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,,n=,r=abcdefghijklmnopqrstuvwx");
	expect_refused("08P01", "it was not offered");
}
