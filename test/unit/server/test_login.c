/*
 * How we log in to PostgreSQL, and what we do not put up with from it.
 */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/until.h"
#include "../session/talk.h"
#include "base/memory.h"
#include "net/mailbox.h"
#include "pg/message.h"
#include "pg/startup.h"
#include "pg/writer.h"
#include "server/server.h"

static struct loop *loop;
static struct mailbox *mailbox;
static struct helpers *helpers;
static struct server_env env;
static struct server *server;	/* the present one; NULL: closed */
static struct peer postgres = { .fd = -1, .is_server = true };
static int listening, port;

static struct {
	int ready, run_failed;
	struct error error;
	bool closed;
} seen;

static void
on_ready(struct server *s)
{
	(void)s;
	seen.ready++;
}

static void
on_run_failed(struct server *s, const struct error *e)
{
	(void)s;
	seen.run_failed++;
	seen.error = *e;
}

static void
on_closed(struct server *s, const struct error *e)
{
	(void)s;
	seen.closed = true;
	seen.error = *e;
	server = NULL;
}

static const struct server_keeper keeper = { .ready = on_ready, .run_failed = on_run_failed, .closed = on_closed };

static void
on_job(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard(struct mail *m)
{
	on_job(NULL, m);
}

static void
begin(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	log_set_stderr(false);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listening, 5), 0);
	getsockname(listening, (struct sockaddr *)&a, &size);
	port = ntohs(a.sin_port);
	loop = loop_new();
	mailbox = mailbox_new(loop, on_job, NULL);
	helpers = helpers_new(1);
	env = (struct server_env){
		.loop = loop,
		.helpers = helpers,
		.mailbox = mailbox,
		.params = params_table_new(),
		.tracked = "TimeZone,DateStyle",
	};
}

static void
leave(void)
{
	if (server != NULL)
		server_close(server, NULL, "the test is over");
	turn(loop);
	hang_up(&postgres);
	memset(&seen, 0, sizeof(seen));
}

static void
end(void)
{
	leave();
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	loop_free(&loop);
	params_table_free(&env.params);
	close(listening);
}

TestSuite(server_login, .init = begin, .fini = end);

static bool
is_dialed(void *arg)
{
	(void)arg;
	return server == NULL || server->state == SERVER_LOGIN;
}

/* Another server in place of the present one, as far as its startup packet. */
static void
dial_as(const struct server_login_as *as)
{
	uint8_t body[1000];
	size_t n;

	leave();
	server = server_open(&env, "127.0.0.1", port, as, 1, &keeper, NULL);
	cr_assert(until(loop, is_dialed, NULL));
	postgres.fd = accept(listening, NULL, NULL);
	cr_assert_eq(hear_startup(&postgres, body, sizeof(body), &n), STARTUP_VERSION_3_0);
	cr_assert_geq(n, 25);
	cr_assert_eq(memcmp(body, "user\0pooler\0database\0shop\0", 26), 0);
}

static void
dial(const char *secret_text)
{
	struct server_login_as as = { .user = "pooler", .database = "shop" };
	struct secret secret;

	secret_parse(&secret, secret_text);
	as.secret = &secret;
	dial_as(&as);
	secret_release(&secret);
}

static void
tell(const char *words)
{
	say(&postgres, words);
	turn(loop);
}

/* AuthenticationXxx with data. */
static void
request(uint32_t code, const void *data, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, BE_AUTHENTICATION);

	writer_u32(&b, code);
	writer_bytes(&b, data, n);
	writer_end(&b, mark);
	say_bytes(&postgres, b.data, b.len);
	buffer_release(&b);
	turn(loop);
}

static bool
has_answered(void *arg)
{
	(void)arg;
	return server == NULL || !hears_nothing(&postgres);
}

/* The next password message's content. */
static const uint8_t *
hear_answer(size_t *n)
{
	static uint8_t answer[4000];
	const uint8_t *p;

	cr_assert(until(loop, has_answered, NULL), "no answer");
	cr_assert(server != NULL, "%s", seen.error.message);
	p = buffer_head(&postgres.in);
	cr_assert_eq(p[0], FE_PASSWORD);
	*n = ((size_t)p[3] << 8 | p[4]) - 4;
	memcpy(answer, p + 5, *n);
	buffer_consume(&postgres.in, *n + 5);
	return answer;
}

static bool
is_ready(void *arg)
{
	return seen.closed || seen.ready >= *(int *)arg;
}

static void
expect_ready(int times)
{
	cr_assert(until(loop, is_ready, &times));
	cr_assert_eq(seen.ready, times, "%s", seen.error.message);
}

static void
expect_let_in(void)
{
	tell("R(0) S(TimeZone=UTC) S(server_version=15.4) K N(00000) Z(I)");
	expect_ready(1);
	cr_assert_eq(server->state, SERVER_FREE);
	cr_assert_eq(server->backend_pid, SERVER_PID);
	cr_assert_eq(server->key_size, 4);
	cr_assert_str_eq(params_get(server->reported, "server_version"), "15.4");
	cr_assert_str_eq(params_get(server->tracked, "TimeZone"), "UTC");
	cr_assert_null(params_get(server->tracked, "server_version"));
}

static bool
is_closed(void *arg)
{
	(void)arg;
	return seen.closed;
}

static void
expect_closed(const char *what)
{
	cr_assert(until(loop, is_closed, NULL), "%s", what);
}

static void
expect_given_up(const char *sqlstate, const char *what)
{
	expect_closed(what);
	cr_assert_eq(seen.ready, 0);
	cr_assert_str_eq(seen.error.sqlstate, sqlstate, "%s: %s", what, seen.error.message);
}

Test(server_login, trust)
{
	dial(NULL);
	expect_let_in();
}

Test(server_login, further_parameters)
{
	static const char *const parameters[] = { "timezone", "UTC", "application_name", "x", NULL };
	struct server_login_as as = { .user = "pooler", .database = "shop", .parameters = parameters };

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

/* PostgreSQL's part of SCRAM, up to its last word, which the caller may spoil. */
static void
serve_scram(const char *password, char final[SCRAM_MESSAGE_MAX])
{
	static const char mechanisms[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
	struct scram_verifier v;
	struct scram_server *ss;
	struct scram_keys keys;
	const uint8_t *p;
	const char *text;
	struct error e;
	size_t n;

	scram_make_verifier(password, 4096, &v);
	ss = scram_server_new(&v);
	request(AUTHENTICATION_SASL, mechanisms, sizeof(mechanisms));
	p = hear_answer(&n);
	cr_assert_str_eq((const char *)p, "SCRAM-SHA-256");
	text = scram_server_first(ss, p + 18, n - 18, &e);
	cr_assert_not_null(text, "%s", e.message);
	request(AUTHENTICATION_SASL_CONTINUE, text, strlen(text));
	p = hear_answer(&n);
	text = scram_server_final(ss, p, n, &keys, &e);
	snprintf(final, SCRAM_MESSAGE_MAX, "%s", text != NULL ? text : "");
	scram_server_free(&ss);
}

Test(server_login, scram)
{
	char final[SCRAM_MESSAGE_MAX];

	dial("secret");
	serve_scram("secret", final);
	cr_assert_str_neq(final, "");
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_let_in();
	dial("wrong");
	serve_scram("secret", final);
	cr_assert_str_eq(final, "");
	tell("E(28P01)");
	expect_given_up("28P01", "wrong password");
}

/* With the keys that a client has proved with, if the verifiers are the same. */
Test(server_login, scram_keys)
{
	struct server_login_as as = { .user = "pooler", .database = "shop" };
	char final[SCRAM_MESSAGE_MAX];
	struct scram_keys keys;

	memset(&keys, 7, sizeof(keys));
	as.keys = &keys;
	dial_as(&as);
	serve_scram("secret", final);
	cr_assert_str_eq(final, "");
}

/* Somebody who stands between us and PostgreSQL does not know the password. */
Test(server_login, a_server_that_proves_nothing)
{
	char final[SCRAM_MESSAGE_MAX];

	dial("secret");
	serve_scram("secret", final);
	tell("R(0)");
	expect_given_up("28000", "no proof");
	dial("secret");
	serve_scram("secret", final);
	final[4] ^= 1;
	request(AUTHENTICATION_SASL_FINAL, final, strlen(final));
	expect_closed("wrong proof");
	cr_assert_eq(seen.ready, 0);
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
	struct server_login_as as = { .user = "pooler", .database = "shop" };
	int bound = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	cr_assert_eq(bind(bound, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(bound, (struct sockaddr *)&a, &size);
	server = server_open(&env, "127.0.0.1", ntohs(a.sin_port), &as, 1, &keeper, NULL);
	cr_assert(until(loop, is_dialed, NULL));
	expect_given_up("08001", "refused");
	close(bound);
	/* Given up before anything has happened. */
	server = server_open(&env, "127.0.0.1", port, &as, 1, &keeper, NULL);
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
