/*
 * How a connection to PostgreSQL begins: TLS as the mode wants it, and nobody between us and the server.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "front.h"
#include "net/tls.h"
#include "pg/message.h"
#include "pg/startup.h"
#include "scene.h"

static struct front front;

static void
finish(void)
{
	scene_end();
	if (front.ctx != NULL)
		front_close(&front);
}

TestSuite(server_security, .init = scene_begin, .fini = finish);

static struct tls_context *
make_context(enum tls_mode mode, const char *ca_file)
{
	struct tls_settings settings = { .mode = mode, .ca_file = ca_file };
	struct tls_context *c;
	struct error e;

	c = tls_context_for_servers(&settings, &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

/* Open a connection that wants TLS like this. */
static void
begin_secure(const char *host, enum tls_mode mode, enum tls_negotiation negotiation, const char *ca_file)
{
	struct server_login_as as = login_as();
	struct secret secret;

	secret_parse(&secret, "secret");
	as.secret = &secret;
	as.tls = make_context(mode, ca_file);
	as.tls_mode = mode;
	as.tls_negotiation = negotiation;
	begin_dial(host, &as);
	tls_context_unref(&as.tls);
	secret_release(&secret);
}

static void
hear_tls_request(void)
{
	uint8_t body[100];
	size_t n;

	accept_dial();
	cr_assert_eq(hear_startup(&postgres, body, sizeof(body), &n), STARTUP_CODE_SSL);
	cr_assert_eq(n, 0);
	cr_assert(hears_nothing(&postgres));
}

static void
begin_asking(enum tls_mode mode)
{
	begin_secure("127.0.0.1", mode, TLS_NEGOTIATION_POSTGRES, NULL);
	hear_tls_request();
}

static bool
is_secure(void *arg)
{
	(void)arg;
	return server == NULL || server->state == SERVER_LOGIN;
}

/* PostgreSQL's side of the handshake; the rest of the talk goes through the front. */
static void
shake_hands(void)
{
	postgres.fd = front_serve(&front, postgres.fd);
	cr_assert(until(loop, front_is_done, &front));
}

static void
expect_secured(void)
{
	cr_assert(until(loop, is_secure, NULL));
	cr_assert_not_null(server, "%s", seen.error.message);
	cr_assert(front.secured);
	cr_assert(stream_is_tls(&server->stream));
	hear_startup_packet();
}

static void
expect_handshake_failed(const char *words)
{
	char wanted[100];

	expect_given_up("08001", "handshake");
	snprintf(wanted, sizeof(wanted), "server 127.0.0.1:%d: TLS handshake failed: ", port);
	cr_assert_eq(strncmp(seen.error.message, wanted, strlen(wanted)), 0, "%s", seen.error.message);
	cr_assert_not_null(strstr(seen.error.message, words), "%s", seen.error.message);
}

static void
open_front(const struct front_rules *rules)
{
	front_open(&front, rules);
}

static void
open_usual_front(void)
{
	open_front(&(struct front_rules){ .name = NULL });
}

/* As far as the startup packet, over TLS. */
static void
dial_secure_as(struct server_login_as *as)
{
	as->tls = make_context(TLS_REQUIRE, NULL);
	as->tls_mode = TLS_REQUIRE;
	begin_dial("127.0.0.1", as);
	tls_context_unref(&as->tls);
	hear_tls_request();
	tell_bytes("S", 1);
	shake_hands();
	expect_secured();
}

static void
dial_secure_demanding(unsigned demands)
{
	struct server_login_as as = login_as();
	struct secret secret;

	secret_parse(&secret, "secret");
	as.secret = &secret;
	as.demands = demands;
	dial_secure_as(&as);
	secret_release(&secret);
}

static void
dial_secure(void)
{
	dial_secure_demanding(DEMAND_ANY);
}

/* --- the modes --- */

Test(server_security, off)
{
	dial("secret");
	expect_let_in();
	cr_assert_not(stream_is_tls(&server->stream));
}

/* Even if there is a context: somebody may have switched it off. */
Test(server_security, disable)
{
	begin_secure("127.0.0.1", TLS_DISABLE, TLS_NEGOTIATION_POSTGRES, NULL);
	accept_dial();
	hear_startup_packet();
	expect_let_in();
}

/* However that came about, it does not end in plain. */
Test(server_security, without_a_context)
{
	struct server_login_as as = login_as();

	as.tls_mode = TLS_REQUIRE;
	begin_dial("127.0.0.1", &as);
	expect_given_up("08001", "no context");
}

Test(server_security, goes_on_in_plain_where_that_is_allowed)
{
	static const enum tls_mode modes[] = { TLS_ALLOW, TLS_PREFER };

	for (size_t i = 0; i < lengthof(modes); i++) {
		begin_asking(modes[i]);
		tell_bytes("N", 1);
		hear_startup_packet();
		cr_assert_not(stream_is_tls(&server->stream));
		expect_let_in();
	}
}

Test(server_security, needs_tls_where_it_is_demanded)
{
	begin_asking(TLS_REQUIRE);
	tell_bytes("N", 1);
	expect_given_up("08001", "require");
	cr_assert_str_eq(seen.error.message, "server refused TLS (server_tls_sslmode=require)");
	cr_assert_neq(seen.error.hint[0], '\0');
	hear_end(&postgres);
}

Test(server_security, needs_tls_where_certificates_are_checked)
{
	static const struct {
		enum tls_mode mode;
		const char *message;
	} modes[] = {
		{ TLS_VERIFY_CA, "server refused TLS (server_tls_sslmode=verify-ca)" },
		{ TLS_VERIFY_FULL, "server refused TLS (server_tls_sslmode=verify-full)" },
	};

	open_usual_front();
	for (size_t i = 0; i < lengthof(modes); i++) {
		begin_secure("127.0.0.1", modes[i].mode, TLS_NEGOTIATION_POSTGRES, front.ca_file);
		hear_tls_request();
		tell_bytes("N", 1);
		expect_given_up("08001", "no TLS");
		cr_assert_str_eq(seen.error.message, modes[i].message);
	}
}

Test(server_security, speaks_tls)
{
	static const enum tls_mode modes[] = { TLS_ALLOW, TLS_PREFER, TLS_REQUIRE };

	open_usual_front();
	for (size_t i = 0; i < lengthof(modes); i++) {
		begin_asking(modes[i]);
		tell_bytes("S", 1);
		shake_hands();
		expect_secured();
		cr_assert_str_eq(front.host, "");	/* an address is no host name */
		expect_let_in();
		server_run(server, "select 1");
		hear(&postgres, "Q(select 1)");
		tell("T D(1) C(SELECT 1) Z(I)");
		expect_ready(2);
		server_close(server, NULL, "done");
		hear(&postgres, "X");
	}
}

Test(server_security, direct)
{
	open_usual_front();
	begin_secure("127.0.0.1", TLS_REQUIRE, TLS_NEGOTIATION_DIRECT, NULL);
	accept_dial();
	shake_hands();
	expect_secured();
	cr_assert_str_eq(front.protocol, "postgresql");
	expect_let_in();
}

/* There is nobody who could read along. */
Test(server_security, not_over_a_unix_socket)
{
	char folder[] = "/tmp/pgusher-security-XXXXXX";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert_not_null(mkdtemp(folder));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.%d", folder, port);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	begin_secure(folder, TLS_REQUIRE, TLS_NEGOTIATION_DIRECT, NULL);
	cr_assert(until(loop, is_secure, NULL));
	postgres.fd = accept(fd, NULL, NULL);
	hear_startup_packet();
	expect_let_in();
	close(fd);
	unlink(a.sun_path);
	rmdir(folder);
}

/* --- certificates --- */

Test(server_security, checks_who_signed_the_certificate)
{
	static const enum tls_mode modes[] = { TLS_VERIFY_CA, TLS_VERIFY_FULL };

	open_usual_front();
	for (size_t i = 0; i < lengthof(modes); i++) {
		begin_secure("127.0.0.1", modes[i], TLS_NEGOTIATION_POSTGRES, front.wrong_ca_file);
		hear_tls_request();
		tell_bytes("S", 1);
		shake_hands();
		expect_handshake_failed("certificate verify failed");
	}
	begin_secure("127.0.0.1", TLS_VERIFY_CA, TLS_NEGOTIATION_POSTGRES, front.ca_file);
	hear_tls_request();
	tell_bytes("S", 1);
	shake_hands();
	expect_secured();
	expect_let_in();
}

/* The name that was dialed is told to the server, and has to be that of the certificate. */
Test(server_security, checks_the_name_that_was_dialed)
{
	open_usual_front();
	begin_secure("localhost", TLS_VERIFY_FULL, TLS_NEGOTIATION_POSTGRES, front.ca_file);
	hear_tls_request();
	tell_bytes("S", 1);
	shake_hands();
	expect_secured();
	cr_assert_str_eq(front.host, "localhost");
	expect_let_in();
	/* What it resolves to is not in the certificate. */
	begin_secure("127.0.0.1", TLS_VERIFY_FULL, TLS_NEGOTIATION_POSTGRES, front.ca_file);
	hear_tls_request();
	tell_bytes("S", 1);
	shake_hands();
	expect_handshake_failed("certificate verify failed");
	cr_assert_not_null(strstr(seen.error.detail, "127.0.0.1"), "%s", seen.error.detail);
}

Test(server_security, refuses_the_certificate_of_another_host)
{
	open_front(&(struct front_rules){ .name = "elsewhere.example" });
	begin_secure("localhost", TLS_VERIFY_FULL, TLS_NEGOTIATION_POSTGRES, front.ca_file);
	hear_tls_request();
	tell_bytes("S", 1);
	shake_hands();
	expect_handshake_failed("certificate verify failed");
}

/* --- what must not be taken for an answer --- */

/* Who agreed to TLS and can't speak it is not spoken to in plain. */
Test(server_security, nonsense_in_place_of_a_handshake)
{
	static const enum tls_mode modes[] = { TLS_ALLOW, TLS_PREFER, TLS_REQUIRE };

	open_front(&(struct front_rules){ .speaks_plain = true });
	for (size_t i = 0; i < lengthof(modes); i++) {
		begin_asking(modes[i]);
		tell_bytes("S", 1);
		shake_hands();
		expect_handshake_failed("");
	}
	begin_secure("127.0.0.1", TLS_REQUIRE, TLS_NEGOTIATION_DIRECT, NULL);
	accept_dial();
	shake_hands();
	expect_handshake_failed("");
}

/* CVE-2021-23222: what somebody put behind the S would be taken for what came encrypted. */
Test(server_security, bytes_behind_the_answer)
{
	static const struct {
		const char *bytes;
		size_t n;
	} answers[] = {
		{ "SR\0\0\0\x08\0\0\0\0", 10 },
		{ "Sx", 2 },
		{ "S\0", 2 },
		{ "SS", 2 },
		{ "NR\0\0\0\x08\0\0\0\0", 10 },
		{ "NN", 2 },
	};

	for (size_t i = 0; i < lengthof(answers); i++) {
		begin_asking(TLS_PREFER);
		tell_bytes(answers[i].bytes, answers[i].n);
		expect_given_up("08001", answers[i].bytes);
		cr_assert_str_eq(seen.error.message,
				 "server sent unencrypted data behind its answer to the request for TLS");
	}
}

Test(server_security, no_answer_at_all)
{
	static const char *const answers[] = { "s", "n", "R", "G", "\x15\3\1", "HTTP/1.1 400 Bad Request\r\n\r\n", "" };

	for (size_t i = 0; i < lengthof(answers); i++) {
		begin_asking(TLS_PREFER);
		tell_bytes(answers[i], strlen(answers[i]) + 1);
		expect_given_up("08001", answers[i]);
	}
	begin_asking(TLS_PREFER);
	hang_up(&postgres);
	expect_given_up("08001", "end");
}

static void
read_log(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, size - 1);

	cr_assert_geq(n, 0);
	text[n] = '\0';
	close(fd);
}

/* Anybody can say what comes in plain: operators see it, in the log; clients do not. */
Test(server_security, an_error_before_tls_is_logged_and_not_told)
{
	static char huge[600] = "Efatal lie";
	static const struct {
		const char *what, *bytes;
		size_t n;
		const char *logged;	/* behind what we say of it */
	} errors[] = {
		{ "an error", "E\0\0\0\x1eSFATAL\0C53300\0Mfatal lie\0\0", 31, "fatal lie\n" },
		{ "an error of wrong length", "E\0\0\0\x1dSFATAL\0C53300\0Mfatal lie\0\0", 31, "\n" },
		{ "the beginning of an error", "E\0\1\0\x1eSFATAL\0C53300\0Mfatal lie\0\0", 31, "\n" },
		{ "the text of an old server", "Efatal lie\n\0", 12, "fatal lie\\x0a\n" },
		{ "text without an end", "Efatal lie", 10, "fatal lie\n" },
		{ "one that forges a line", "Elie\r\n2026-01-01 00:00:00.000 UTC [1] LOG forged", 49, "lie\\x0d\\x0a2026" },
		{ "nothing but the letter", "E", 1, "\n" },
		{ "length 0", "E\0\0\0\0", 5, "\n" },
		{ "length -1", "E\xff\xff\xff\xff", 5, "\xff\xff\xff\xff\n" },
		{ "empty", "E\0\0\0\4", 5, "\n" },
		{ "much", huge, sizeof(huge), "fatal lieyyyyyyyy" },
	};
	static const char said[] = "answered the request for TLS with an error (not authenticated): ";
	char path[] = "/tmp/pgusher-log-XXXXXX", text[20000];
	const char *p;
	struct error e;

	memset(huge + 10, 'y', sizeof(huge) - 10);
	close(mkstemp(path));
	for (size_t i = 0; i < lengthof(errors); i++) {
		cr_assert(log_open_file(path, &e));
		begin_asking(TLS_PREFER);
		tell_bytes(errors[i].bytes, errors[i].n);
		expect_given_up("08001", errors[i].what);
		cr_assert_str_eq(seen.error.message, "server answered the request for TLS with an error", "%s",
				 errors[i].what);
		cr_assert_null(strstr(seen.error.detail, "lie"));
		log_open_file("", &e);
		read_log(path, text, sizeof(text));
		p = strstr(text, said);
		cr_assert_not_null(p, "%s: %s", errors[i].what, text);
		p += strlen(said);
		cr_assert_eq(strncmp(p, errors[i].logged, strlen(errors[i].logged)), 0, "%s: %s", errors[i].what, p);
		cr_assert_lt(strcspn(p, "\n"), 520);
		cr_assert_eq(truncate(path, 0), 0);
	}
	unlink(path);
}

Test(server_security, closed_at_any_moment)
{
	open_usual_front();
	begin_asking(TLS_PREFER);
	server_close(server, NULL, "changed our mind");
	begin_asking(TLS_PREFER);
	tell_bytes("S", 1);
	server_close(server, NULL, "changed our mind");
	begin_asking(TLS_PREFER);
	tell_bytes("S", 1);
	hang_up(&postgres);
	expect_given_up("08001", "end in the handshake");
	dial_secure();
	server_close(server, NULL, "changed our mind");
	dial_secure();
	hang_up(&postgres);
	expect_given_up("08006", "end in the login");
	begin_secure("127.0.0.1", TLS_REQUIRE, TLS_NEGOTIATION_DIRECT, NULL);
	server_close(server, NULL, "changed our mind");
}

/* --- channel binding --- */

static const char only_plain[] = "SCRAM-SHA-256\0";
static const char only_plus[] = "SCRAM-SHA-256-PLUS\0";

static void
take_binding(struct scram_binding *b)
{
	b->size = front.end_point_size;
	memcpy(b->data, front.end_point, b->size);
}

static void
finish_scram(const char *final)
{
	cr_assert_str_neq(final, "");
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_let_in();
}

Test(server_security, scram_is_bound_to_the_channel)
{
	struct scram_binding binding;
	struct scram_show show = {
		.password = "secret", .chosen = SCRAM_MECHANISM_PLUS, .gs2 = "p=tls-server-end-point,,",
		.binding = &binding,
	};
	char final[SCRAM_MESSAGE_MAX];

	open_usual_front();
	take_binding(&binding);
	dial_secure();
	serve_scram(&show, final);
	finish_scram(final);
	dial_secure();
	show.mechanisms = only_plus;
	show.mechanisms_size = sizeof(only_plus);
	serve_scram(&show, final);
	finish_scram(final);
}

/* The client proved with them on its side; the two channels have nothing to do with each other. */
Test(server_security, scram_with_keys_of_a_client)
{
	struct server_login_as as = login_as();
	struct scram_verifier v;
	struct scram_binding binding;
	struct scram_keys keys;
	struct scram_show show = { .chosen = SCRAM_MECHANISM_PLUS, .binding = &binding, .verifier = &v };
	char final[SCRAM_MESSAGE_MAX];

	open_usual_front();
	take_binding(&binding);
	scram_make_verifier("secret", 4096, &v);
	scram_derive_keys("secret", v.salt, v.salt_size, v.iterations, &keys);
	as.keys = &keys;
	dial_secure_as(&as);
	serve_scram(&show, final);
	finish_scram(final);
	show = (struct scram_show){ .verifier = &v };
	as.tls_mode = TLS_DISABLE;
	dial_as(&as);
	serve_scram(&show, final);
	finish_scram(final);
}

/* Somebody between us and PostgreSQL has another certificate. */
Test(server_security, scram_bound_to_another_channel)
{
	struct scram_binding binding;
	struct scram_show show = { .password = "secret", .chosen = SCRAM_MECHANISM_PLUS, .binding = &binding };
	char final[SCRAM_MESSAGE_MAX];

	open_usual_front();
	take_binding(&binding);
	binding.data[0] ^= 1;
	dial_secure();
	serve_scram(&show, final);
	cr_assert_str_eq(final, "");
}

/* "y" lets PostgreSQL notice that somebody took its offer away. */
Test(server_security, scram_without_an_offer_to_bind)
{
	struct scram_show show = {
		.password = "secret", .mechanisms = only_plain, .mechanisms_size = sizeof(only_plain), .gs2 = "y,,",
	};
	char final[SCRAM_MESSAGE_MAX];

	open_usual_front();
	dial_secure();
	serve_scram(&show, final);
	finish_scram(final);
}

Test(server_security, scram_with_a_certificate_that_nothing_binds_to)
{
	struct scram_show show = { .password = "secret", .gs2 = "n,," };
	char final[SCRAM_MESSAGE_MAX];

	open_front(&(struct front_rules){ .unhashed = true });
	dial_secure();
	serve_scram(&show, final);
	finish_scram(final);
}

Test(server_security, scram_in_plain)
{
	struct scram_show show = { .password = "secret", .gs2 = "n,," };
	char final[SCRAM_MESSAGE_MAX];

	dial("secret");
	serve_scram(&show, final);
	finish_scram(final);
}

/* --- server_require_auth = scram-sha-256-plus --- */

Test(server_security, demands_channel_binding)
{
	struct scram_binding binding;
	struct scram_show show = { .password = "secret", .chosen = SCRAM_MECHANISM_PLUS, .binding = &binding };
	static const unsigned demands[] = { DEMAND_SCRAM_PLUS, DEMAND_SCRAM, DEMAND_SCRAM | DEMAND_SCRAM_PLUS };
	char final[SCRAM_MESSAGE_MAX];

	open_usual_front();
	take_binding(&binding);
	for (size_t i = 0; i < lengthof(demands); i++) {
		dial_secure_demanding(demands[i]);
		serve_scram(&show, final);
		finish_scram(final);
	}
}

static void
expect_refusal(void)
{
	expect_given_up("28000", "less than channel binding");
	cr_assert_not_null(strstr(seen.error.message, "server_require_auth"), "%s", seen.error.message);
	hear_end(&postgres);
}

Test(server_security, is_offered_less_than_channel_binding)
{
	open_usual_front();
	dial_secure_demanding(DEMAND_SCRAM_PLUS);
	request(AUTHENTICATION_SASL, only_plain, sizeof(only_plain));
	expect_refusal();
	dial_secure_demanding(DEMAND_SCRAM_PLUS);
	request(AUTHENTICATION_OK, NULL, 0);
	expect_refusal();
	dial_secure_demanding(DEMAND_SCRAM_PLUS);
	request(AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
	expect_refusal();
}

Test(server_security, has_nothing_to_bind_to)
{
	static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";

	open_front(&(struct front_rules){ .unhashed = true });
	dial_secure_demanding(DEMAND_SCRAM_PLUS);
	request(AUTHENTICATION_SASL, both, sizeof(both));
	expect_refusal();
}
