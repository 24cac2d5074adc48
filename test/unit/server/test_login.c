/*
 * How we log in to PostgreSQL, and what we do not put up with from it.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "scene.h"

TestSuite(server_login, .init = scene_begin, .fini = scene_end);

Test(server_login, trust)
{
	dial(NULL);
	expect_let_in();
}

Test(server_login, further_parameters)
{
	static const char *const parameters[] = { "timezone", "UTC", "application_name", "x", NULL };
	struct server_login_as as = login_as();

	as.parameters = parameters;
	dial_as(&as);
	expect_let_in();
}

Test(server_login, plain)
{
	size_t n;

	dial("secret");
	request(AUTHENTICATION_CLEARTEXT_PASSWORD, NULL, 0);
	cr_assert_str_eq((const char *)hear_answer(&n), "secret");
	expect_let_in();
}

Test(server_login, md5)
{
	char stored[36], wanted[36];
	const char *secrets[] = { "secret", stored };
	size_t n;

	md5_encrypt("secret", "pooler", stored);
	md5_answer(stored, (const uint8_t *)"salt", wanted);
	for (int i = 0; i < 2; i++) {
		dial(secrets[i]);
		request(AUTHENTICATION_MD5_PASSWORD, "salt", 4);
		cr_assert_str_eq((const char *)hear_answer(&n), wanted);
		expect_let_in();
	}
}

Test(server_login, scram)
{
	char final[SCRAM_MESSAGE_MAX];

	dial("secret");
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	cr_assert_str_neq(final, "");
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_let_in();
	dial("wrong");
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	cr_assert_str_eq(final, "");
	tell("E(28P01)");
	expect_given_up("28P01", "wrong password");
}

/* A pool's second connection does not hash again; its first has to have been a good one. */
Test(server_login, scram_with_known_keys)
{
	struct server_login_as as = login_as();
	struct known_keys *known = NULL;
	char final[SCRAM_MESSAGE_MAX];
	struct secret secret;

	secret_parse(&secret, "secret");
	as.secret = &secret;
	as.known_keys = &known;
	dial_as(&as);
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	cr_assert_null(known);
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_let_in();
	cr_assert_not_null(known);
	env.helpers = NULL;	/* nobody is there who could hash */
	dial_as(&as);
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_let_in();
	known_keys_free(&known);
	secret_release(&secret);
}

/* With the keys that a client has proved with, if the verifiers are the same. */
Test(server_login, scram_keys)
{
	struct server_login_as as = login_as();
	char final[SCRAM_MESSAGE_MAX];
	struct scram_keys keys;

	memset(&keys, 7, sizeof(keys));
	as.keys = &keys;
	dial_as(&as);
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	cr_assert_str_eq(final, "");
}

/* Somebody who stands between us and PostgreSQL does not know the password. */
Test(server_login, a_server_that_proves_nothing)
{
	char final[SCRAM_MESSAGE_MAX];

	dial("secret");
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	tell("R(0)");
	expect_given_up("28000", "no proof");
	dial("secret");
	serve_scram(&(struct scram_show){ .password = "secret" }, final);
	final[4] = final[4] == 'A' ? 'B' : 'A';	/* still base64 */
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_closed("wrong proof");
	cr_assert_eq(seen.ready, 0);
	cr_assert_str_neq(seen.error.hint, "", "what to do");
}

Test(server_login, without_a_password)
{
	static const struct {
		uint32_t code;
		const char *data;
		size_t n;
	} requests[] = {
		{ AUTHENTICATION_CLEARTEXT_PASSWORD, "", 0 },
		{ AUTHENTICATION_MD5_PASSWORD, "salt", 4 },
		{ AUTHENTICATION_SASL, "SCRAM-SHA-256\0", 15 },
	};

	for (size_t i = 0; i < lengthof(requests); i++) {
		dial(NULL);
		request(requests[i].code, requests[i].data, requests[i].n);
		expect_closed("no password");
		cr_assert_eq(strncmp(seen.error.sqlstate, "28", 2), 0, "%s %s", seen.error.sqlstate, seen.error.message);
	}
}

Test(server_login, what_it_must_not_say)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
		const char *sqlstate;
	} words[] = {
		{ "ready too early", "Z\0\0\0\5I", 6, "08P01" },
		{ "a row", "D\0\0\0\6\0\0", 7, "08P01" },
		{ "unknown method", "R\0\0\0\x08\0\0\0\x07", 9, "0A000" },
		{ "no method", "R\0\0\0\4", 5, NULL },
		{ "no salt", "R\0\0\0\x08\0\0\0\5", 9, NULL },
		{ "no mechanism", "R\0\0\0\x0a\0\0\0\x0aX\0", 11, "08P01" },
		{ "SASL data out of order", "R\0\0\0\x09\0\0\0\x0bx", 10, "08P01" },
		{ "SASL end out of order", "R\0\0\0\x09\0\0\0\x0cx", 10, "08P01" },
		{ "short key", "K\0\0\0\x0b\0\0\0\1abc", 12, "08P01" },
		{ "invalid length", "R\0\0\0\3", 5, NULL },
		{ "huge", "R\x7f\0\0\0", 5, NULL },
		{ "its error", "E\0\0\0\x0e" "C53300\0\0\0", 15, NULL },
		{ "an empty error", "E\0\0\0\5\0", 6, NULL },
		{ "a malformed error", "E\0\0\0\6CX", 7, NULL },
	};

	for (size_t i = 0; i < lengthof(words); i++) {
		dial("secret");
		say_bytes(&postgres, words[i].bytes, words[i].n);
		expect_closed(words[i].what);
		cr_assert_eq(seen.ready, 0);
		if (words[i].sqlstate != NULL)
			cr_assert_str_eq(seen.error.sqlstate, words[i].sqlstate, "%s: %s", words[i].what,
					 seen.error.message);
	}
}

Test(server_login, iterations_without_end)
{
	static const char mechanisms[] = "SCRAM-SHA-256\0";
	static const char *const iterations[] = { "2000000000", "0", "-1", "x" };

	for (size_t i = 0; i < lengthof(iterations); i++) {
		char challenge[200], nonce[200];
		const uint8_t *p;
		size_t n;

		dial("secret");
		request(AUTHENTICATION_SASL, mechanisms, sizeof(mechanisms));
		p = hear_answer(&n);
		snprintf(nonce, sizeof(nonce), "%.*s", (int)(n - 18), (const char *)p + 18);
		snprintf(challenge, sizeof(challenge), "r=%s0123,s=c2FsdA==,i=%s", strstr(nonce, "r=") + 2,
			 iterations[i]);
		request(AUTHENTICATION_SASL_CONTINUE, challenge, strlen(challenge));
		expect_closed("iterations");
		cr_assert_str_eq(seen.error.detail, "The iteration count is not a number from 1 to 1000000.");
	}
}

Test(server_login, gone_while_a_helper_works_for_it)
{
	static const char mechanisms[] = "SCRAM-SHA-256\0";
	char challenge[200], nonce[200];
	const uint8_t *p;
	size_t n;

	for (int i = 0; i < 5; i++) {
		dial("secret");
		request(AUTHENTICATION_SASL, mechanisms, sizeof(mechanisms));
		p = hear_answer(&n);
		snprintf(nonce, sizeof(nonce), "%.*s", (int)(n - 18), (const char *)p + 18);
		snprintf(challenge, sizeof(challenge), "r=%s0123,s=c2FsdA==,i=20000", strstr(nonce, "r=") + 2);
		request(AUTHENTICATION_SASL_CONTINUE, challenge, strlen(challenge));
		if (i % 2 == 0)
			hang_up(&postgres);
		else if (server != NULL)
			server_close(server, NULL, "changed our mind");
	}
}

Test(server_login, nobody_is_there)
{
	struct server_login_as as = login_as();
	int bound = socket(AF_INET, SOCK_STREAM, 0), postgres_port = port;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	cr_assert_eq(bind(bound, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(bound, (struct sockaddr *)&a, &size);
	port = ntohs(a.sin_port);
	begin_dial("127.0.0.1", &as);
	expect_given_up("08001", "refused");
	close(bound);
	/* Given up before anything has happened. */
	port = postgres_port;
	begin_dial("127.0.0.1", &as);
	server_close(server, NULL, "changed our mind");
	cr_assert(seen.closed);
}

/* --- free, and with a command of ours --- */

Test(server_login, runs_commands_of_ours)
{
	dial(NULL);
	expect_let_in();
	server_run(server, "select 1");
	hear(&postgres, "Q(select 1)");
	tell("T D(1) C(SELECT 1) S(TimeZone=CET) N(00000)");
	cr_assert_eq(seen.ready, 1);
	tell("Z(I)");
	expect_ready(2);
	cr_assert_str_eq(params_get(server->tracked, "TimeZone"), "CET");
	server_run(server, "");
	hear(&postgres, "Q()");
	tell("I Z(I)");
	expect_ready(3);
	server_run(server, "nonsense");
	hear(&postgres, "Q(nonsense)");
	tell("E(42601) Z(I)");
	expect_ready(4);
	cr_assert_eq(seen.run_failed, 1);
	cr_assert_str_eq(seen.error.sqlstate, "42601");
}

static bool
is_told_of_cet(void *arg)
{
	const char *zone = params_get(server->tracked, "TimeZone");

	(void)arg;
	return zone != NULL && strcmp(zone, "CET") == 0;
}

Test(server_login, byte_by_byte)
{
	struct buffer b = BUFFER_INIT;

	dial(NULL);
	compose(&postgres, "R(0) S(TimeZone=UTC) S(server_version=15.4) K Z(I) S(TimeZone=CET) N(00000) A(news)", &b);
	for (size_t i = 0; i < b.len; i++) {
		say_bytes(&postgres, b.data + i, 1);
		turn(loop);
	}
	expect_ready(1);
	cr_assert(until(loop, is_told_of_cet, NULL));
	turn(loop);
	cr_assert_not(seen.closed);
	cr_assert_null(server->inbox.kept);
	buffer_release(&b);
}

Test(server_login, a_free_server_that_speaks)
{
	static const char *const words[] = { "D(1)", "Z(I)", "1", "E(57P01)" };

	for (size_t i = 0; i < lengthof(words); i++) {
		dial(NULL);
		expect_let_in();
		tell(words[i]);
		expect_closed(words[i]);
	}
}

Test(server_login, says_goodbye)
{
	dial(NULL);
	expect_let_in();
	server_close(server, NULL, "done");
	turn(loop);
	hear(&postgres, "X");
	hear_end(&postgres);
}
