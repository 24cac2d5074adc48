/*
 * A client's way in: startup packets, requests for encryption, passwords, and
 * what becomes of those that do not know how.
 */
#include "client/client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../net/until.h"
#include "base/memory.h"
#include "net/mailbox.h"
#include "pg/cancel.h"
#include "pg/message.h"
#include "pg/response.h"
#include "pg/writer.h"

static struct loop *loop;
static struct mailbox *mailbox;
static struct helpers *helpers;
static struct client_env env;
static struct client *client;	/* the present one; NULL: freed */
static int peer;
static struct buffer in;	/* what the peer was told */

static struct {
	int startups, cancels, authenticated, closed;
	char user[100], database[100];
	uint32_t cancel_pid;
	char input[100];
} seen;

static void
on_startup(struct client *c)
{
	seen.startups++;
	snprintf(seen.user, sizeof(seen.user), "%s", c->login->user);
	snprintf(seen.database, sizeof(seen.database), "%s", c->login->database);
}

static void
on_cancel(struct client *c)
{
	seen.cancels++;
	seen.cancel_pid = c->login->startup.cancel_pid;
}

static void
on_authenticated(struct client *c)
{
	(void)c;
	seen.authenticated++;
}

static size_t
on_input(struct client *c, const uint8_t *p, size_t n)
{
	(void)c;
	snprintf(seen.input, sizeof(seen.input), "%.*s", (int)n, (const char *)p);
	return n;
}

static void
on_drained(struct client *c)
{
	(void)c;
}

static void
on_closed(struct client *c)
{
	(void)c;
	seen.closed++;
}

static void
on_freed(struct client *c)
{
	(void)c;
	client = NULL;
}

static const struct client_ops ops = {
	.startup = on_startup,
	.cancel = on_cancel,
	.authenticated = on_authenticated,
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.freed = on_freed,
};

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
	cancel_init();
	log_set_stderr(false);
	loop = loop_new();
	mailbox = mailbox_new(loop, on_job, NULL);
	helpers = helpers_new(1);
	env = (struct client_env){ .loop = loop, .helpers = helpers, .mailbox = mailbox, .scram_iterations = 4096 };
	TAILQ_INIT(&env.logins);
	peer = -1;
}

static void
leave(void)
{
	if (client != NULL)
		client_close(client, NULL, "the test is over");
	turn(loop);
	cr_assert_null(client);
	if (peer >= 0)
		close(peer);
	peer = -1;
	buffer_release(&in);
	memset(&seen, 0, sizeof(seen));
}

static void
end(void)
{
	leave();
	cr_assert_eq(env.nlogins, 0);
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	loop_free(&loop);
}

TestSuite(client_login, .init = begin, .fini = end);

/* Another client in place of the present one. */
static void
arrive(void)
{
	int fds[2];

	leave();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[0];
	client = client_new(&env, fds[1], 4711, &ops);
}

static void
tell(const void *bytes, size_t n)
{
	cr_assert_eq(send(peer, bytes, n, 0), n);
	turn(loop);
}

/* What there is to be read; true: and the connection is closed. */
static bool
listen_to_it(void)
{
	ssize_t n;

	while ((n = recv(peer, buffer_reserve(&in, 4096), 4096, 0)) > 0)
		buffer_added(&in, (size_t)n);
	return n == 0;
}

/* It was closed with an error of this SQLSTATE. */
static void
expect_refused(const char *sqlstate, const char *what)
{
	struct error e = { .sqlstate = "" };

	cr_assert(listen_to_it(), "%s: not closed", what);
	cr_assert_null(client);
	while (buffer_left(&in) > 0 && *buffer_head(&in) != BE_ERROR_RESPONSE)
		buffer_consume(&in, *buffer_head(&in) == 'N' ? 1 : 1 + buffer_head(&in)[4]);
	cr_assert_gt(buffer_left(&in), 5, "%s: no error", what);
	response_parse(buffer_head(&in) + 5, buffer_left(&in) - 5, &e);
	cr_assert_str_eq(e.sqlstate, sqlstate, "%s: %s", what, e.message);
	cr_assert_eq(e.severity, SEVERITY_FATAL);
}

static void
write_startup(struct buffer *b, uint32_t version, const char *const *pairs)
{
	size_t mark = writer_begin(b, 0);

	writer_u32(b, version);
	for (; pairs != NULL && *pairs != NULL; pairs++)
		writer_string(b, *pairs);
	if (pairs != NULL)
		writer_u8(b, 0);
	writer_end(b, mark);
}

static void
tell_startup(uint32_t version, const char *const *pairs)
{
	struct buffer b = BUFFER_INIT;

	write_startup(&b, version, pairs);
	tell(b.data, b.len);
	buffer_release(&b);
}

static const char *const alice[] = { "user", "alice", "database", "shop", NULL };

/* --- startup packets --- */

Test(client_login, a_startup_packet_split_at_every_byte)
{
	struct buffer b = BUFFER_INIT;

	write_startup(&b, STARTUP_VERSION_3_0, alice);
	for (size_t split = 0; split <= b.len; split++) {
		arrive();
		if (split > 0)
			tell(b.data, split);
		cr_assert_eq(seen.startups, split == b.len);
		if (split < b.len)
			tell(b.data + split, b.len - split);
		cr_assert_eq(seen.startups, 1);
		cr_assert_str_eq(seen.user, "alice");
		cr_assert_str_eq(seen.database, "shop");
		cr_assert_eq(client->state, CLIENT_HELD);
	}
	buffer_release(&b);
}

Test(client_login, the_database_is_named_like_the_user)
{
	static const char *const without[] = { "user", "bob", NULL }, *const empty[] = { "user", "bob", "database", "", NULL };

	arrive();
	tell_startup(STARTUP_VERSION_3_0, without);
	cr_assert_str_eq(seen.database, "bob");
	arrive();
	tell_startup(STARTUP_VERSION_3_0, empty);
	cr_assert_str_eq(seen.database, "bob");
}

Test(client_login, packets_that_are_none)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
		const char *sqlstate;
	} packets[] = {
		{ "no length", "\0\0\0\0", 4, "08P01" },
		{ "short", "\0\0\0\7\0\3\0", 7, "08P01" },
		{ "long", "\0\0\x27\x11\0\3\0\0", 8, "08P01" },
		{ "huge", "\x7f\xff\xff\xff\0\3\0\0", 8, "08P01" },
		{ "negative", "\xff\xff\xff\xff\0\3\0\0", 8, "08P01" },
		{ "HTTP", "GET / HTTP/1.1\r\n\r\n", 18, "08P01" },
		{ "version 2", "\0\0\0\x09\0\2\0\0\0", 9, "0A000" },
		{ "version 4", "\0\0\0\x09\0\4\0\0\0", 9, "0A000" },
		{ "no terminator", "\0\0\0\x0d\0\3\0\0user\0", 13, "08P01" },
		{ "no value", "\0\0\0\x0e\0\3\0\0user\0\0", 14, "08P01" },
		{ "no user", "\0\0\0\x09\0\3\0\0\0", 9, "28000" },
		{ "short cancel key", "\0\0\0\x0f\x04\xd2\x16\x2e\0\0\0\1\0\0\0", 15, "08P01" },
	};

	for (size_t i = 0; i < lengthof(packets); i++) {
		arrive();
		tell(packets[i].bytes, packets[i].n);
		expect_refused(packets[i].sqlstate, packets[i].what);
		cr_assert_eq(seen.startups, 0);
		cr_assert_eq(seen.closed, 1);
	}
}

static const uint8_t ssl_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f };
static const uint8_t gss_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x30 };

Test(client_login, encryption_is_declined_once_each)
{
	arrive();
	tell(ssl_request, 8);
	tell(gss_request, 8);
	listen_to_it();
	cr_assert_eq(buffer_left(&in), 2);
	cr_assert_eq(memcmp(buffer_head(&in), "NN", 2), 0);
	tell_startup(STARTUP_VERSION_3_0, alice);
	cr_assert_eq(seen.startups, 1);
	arrive();
	tell(ssl_request, 8);
	tell(ssl_request, 8);
	expect_refused("08P01", "SSL twice");
	arrive();
	tell(gss_request, 8);
	tell(gss_request, 8);
	expect_refused("08P01", "GSS twice");
}

/* Sent by somebody who hopes that we take it for encrypted. */
Test(client_login, nothing_may_stand_behind_a_request_for_encryption)
{
	struct buffer b = BUFFER_INIT;

	arrive();
	buffer_append(&b, ssl_request, 8);
	write_startup(&b, STARTUP_VERSION_3_0, alice);
	tell(b.data, b.len);
	expect_refused("08P01", "startup packet behind SSL request");
	cr_assert_eq(seen.startups, 0);
	buffer_release(&b);
}

Test(client_login, cancel_requests)
{
	static const size_t sizes[] = { 4, 32, CANCEL_KEY_MAX };
	uint8_t key[CANCEL_KEY_MAX] = { 7 };

	for (size_t i = 0; i < lengthof(sizes); i++) {
		struct buffer b = BUFFER_INIT;

		arrive();
		cancel_write_request(&b, 815, key, sizes[i]);
		tell(b.data, b.len);
		cr_assert_eq(seen.cancels, 1);
		cr_assert_eq(seen.cancel_pid, 815);
		cr_assert_eq(client->login->startup.cancel_key_size, sizes[i]);
		buffer_release(&b);
	}
}

Test(client_login, versions_are_negotiated_once)
{
	static const char *const pq[] = { "user", "a", "_pq_.x", "1", "_pq_.y", "", NULL };
	static const struct {
		uint32_t version;
		const char *const *pairs;
		bool told;
		uint32_t ours, unknown;
		bool long_key;
	} cases[] = {
		{ 0x30000, alice, false, 0, 0, false },
		{ 0x30002, alice, false, 0, 0, true },
		{ 0x30003, alice, true, 0x30002, 0, true },
		{ 0x3270f, alice, true, 0x30002, 0, true },
		{ 0x30000, pq, true, 0x30000, 2, false },
		{ 0x30002, pq, true, 0x30002, 2, true },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct reader r;

		arrive();
		tell_startup(cases[i].version, cases[i].pairs);
		listen_to_it();
		cr_assert_eq(buffer_left(&in) > 0, cases[i].told, "case %zu", i);
		cr_assert_eq(client->protocol_3_2, cases[i].long_key);
		if (!cases[i].told)
			continue;
		reader_init(&r, buffer_head(&in), buffer_left(&in));
		cr_assert_eq(reader_u8(&r), BE_NEGOTIATE_PROTOCOL_VERSION);
		cr_assert_eq(reader_u32(&r), buffer_left(&in) - 1);
		cr_assert_eq(reader_u32(&r), cases[i].ours);
		cr_assert_eq(reader_u32(&r), cases[i].unknown);
		if (cases[i].unknown > 0) {
			cr_assert_str_eq(reader_string(&r), "_pq_.x");
			cr_assert_str_eq(reader_string(&r), "_pq_.y");
		}
		cr_assert(reader_done(&r));
	}
}

/* --- passwords --- */

static bool
has_news(void *arg)
{
	size_t before = buffer_left(&in);

	(void)arg;
	return listen_to_it() || buffer_left(&in) > before;
}

/* The next request for a password; its data are put into *data. */
static uint32_t
next_request(const uint8_t **data, size_t *n)
{
	struct reader r;
	uint32_t request, size;

	if (buffer_left(&in) == 0)
		cr_assert(until(loop, has_news, NULL), "it asks for nothing");
	reader_init(&r, buffer_head(&in), buffer_left(&in));
	if (reader_u8(&r) != BE_AUTHENTICATION)
		return UINT32_MAX;
	size = reader_u32(&r);
	request = reader_u32(&r);
	*n = size - 8;
	*data = reader_bytes(&r, *n);
	buffer_consume(&in, size + 1);
	return request;
}

static void
answer(const void *bytes, size_t n)
{
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_bytes(&b, bytes, n);
	writer_end(&b, mark);
	tell(b.data, b.len);
	buffer_release(&b);
}

/* Ask alice by this method; she has this secret (NULL: nobody knows her). */
static void
ask(enum login_method method, const char *secret_text)
{
	struct secret secret;

	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	secret_parse(&secret, secret_text);
	client_authenticate(client, method, secret_text != NULL ? &secret : NULL);
	secret_release(&secret);
}

static void
answer_scram(const char *password)
{
	struct scram_client *sc = scram_client_new();
	const char *first = scram_client_first(sc), *final;
	const uint8_t *data, *salt;
	size_t n, salt_size;
	struct scram_keys keys;
	struct buffer b = BUFFER_INIT;
	struct error e;
	int iterations;

	writer_string(&b, SCRAM_MECHANISM);
	writer_u32(&b, (uint32_t)strlen(first));
	writer_bytes(&b, first, strlen(first));
	answer(b.data, b.len);
	buffer_release(&b);
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
	cr_assert(scram_client_challenge(sc, data, n, &salt, &salt_size, &iterations, &e), "%s", e.message);
	scram_derive_keys(password, salt, salt_size, iterations, &keys);
	final = scram_client_final(sc, &keys);
	answer(final, strlen(final));
	scram_client_free(&sc);
}

/* Answer whatever is asked for; true: it let us in. */
static bool
prove(const char *password)
{
	const uint8_t *data;
	char text[36], stored[36];
	size_t n;

	for (;;) {
		switch (next_request(&data, &n)) {
		case AUTHENTICATION_CLEARTEXT_PASSWORD:
			answer(password, strlen(password) + 1);
			break;
		case AUTHENTICATION_MD5_PASSWORD:
			md5_encrypt(password, "alice", stored);
			md5_answer(stored, data, text);
			answer(text, sizeof(text));
			break;
		case AUTHENTICATION_SASL:
			answer_scram(password);
			break;
		case AUTHENTICATION_SASL_FINAL:
			break;
		case AUTHENTICATION_OK:
			return seen.authenticated == 1;
		default:
			return false;
		}
	}
}

static char *
scram_secret(const char *password)
{
	static char text[400];
	struct scram_verifier v;

	scram_make_verifier(password, 4096, &v);
	secret_format_scram(&v, text, sizeof(text));
	return text;
}

Test(client_login, passwords)
{
	char md5[36];
	const char *scram = scram_secret("secret");
	md5_encrypt("secret", "alice", md5);
	const struct {
		enum login_method method;
		const char *secret;
		bool fits;
	} cases[] = {
		{ LOGIN_TRUST, NULL, true },
		{ LOGIN_PLAIN, "secret", true },
		{ LOGIN_PLAIN, md5, true },
		{ LOGIN_PLAIN, scram, true },
		{ LOGIN_PLAIN, "other", false },
		{ LOGIN_PLAIN, "", false },
		{ LOGIN_PLAIN, NULL, false },
		{ LOGIN_MD5, "secret", true },
		{ LOGIN_MD5, md5, true },
		{ LOGIN_MD5, "other", false },
		{ LOGIN_MD5, NULL, false },
		{ LOGIN_SCRAM, "secret", true },
		{ LOGIN_SCRAM, scram, true },
		{ LOGIN_SCRAM, md5, false },
		{ LOGIN_SCRAM, "other", false },
		{ LOGIN_SCRAM, NULL, false },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		ask(cases[i].method, cases[i].secret);
		cr_assert_eq(prove("secret"), cases[i].fits, "case %zu", i);
		turn(loop);
		if (!cases[i].fits)
			expect_refused("28P01", "a wrong password");
		cr_assert_eq(seen.authenticated, cases[i].fits);
	}
}

Test(client_login, a_scram_client_leaves_keys_that_log_in_elsewhere)
{
	const char *text = scram_secret("secret");
	struct secret secret;

	secret_parse(&secret, text);
	ask(LOGIN_SCRAM, text);
	cr_assert(prove("secret"));
	cr_assert(client->login->have_keys);
	cr_assert(scram_keys_fit(&client->login->keys, secret.verifier));
	secret_release(&secret);
}

/* An unknown user is asked the same as one that is known, and the same each time. */
Test(client_login, unknown_users_can_not_be_told)
{
	const uint8_t *data, *salt;
	uint8_t salts[3][SCRAM_SALT_MAX];
	size_t n, salt_size[3];
	int iterations;
	struct error e;

	for (int i = 0; i < 3; i++) {
		struct scram_client *sc = scram_client_new();
		const char *first = scram_client_first(sc);
		struct buffer b = BUFFER_INIT;

		ask(LOGIN_SCRAM, i == 2 ? "secret" : NULL);
		cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL);
		writer_string(&b, SCRAM_MECHANISM);
		writer_u32(&b, (uint32_t)strlen(first));
		writer_bytes(&b, first, strlen(first));
		answer(b.data, b.len);
		buffer_release(&b);
		cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
		cr_assert(scram_client_challenge(sc, data, n, &salt, &salt_size[i], &iterations, &e));
		memcpy(salts[i], salt, salt_size[i]);
		scram_client_free(&sc);
	}
	cr_assert(salt_size[0] == salt_size[1] && salt_size[0] == salt_size[2]);
	cr_assert_eq(memcmp(salts[0], salts[1], salt_size[0]), 0);
	/* Nor can it be told from the salt that the password became known. */
	cr_assert_eq(memcmp(salts[0], salts[2], salt_size[0]), 0);
}

Test(client_login, answers_that_are_none)
{
	static const struct {
		const char *what;
		enum login_method method;
		const char *bytes;
		size_t n;
		const char *sqlstate;
	} answers[] = {
		{ "empty", LOGIN_PLAIN, "p\0\0\0\5\0", 6, "28P01" },
		{ "no end", LOGIN_PLAIN, "p\0\0\0\7abc", 8, "08P01" },
		{ "two", LOGIN_PLAIN, "p\0\0\0\x08" "a\0b\0", 9, "08P01" },
		{ "query", LOGIN_PLAIN, "Q\0\0\0\5\0", 6, "08P01" },
		{ "invalid length", LOGIN_PLAIN, "p\0\0\0\3", 5, "08P01" },
		{ "large", LOGIN_PLAIN, "p\x00\x01\x00\x04", 5, "08P01" },
		{ "huge", LOGIN_MD5, "p\x7f\xff\xff\xff", 5, "08P01" },
		{ "nothing", LOGIN_MD5, "p\0\0\0\4", 5, "08P01" },
		{ "huge", LOGIN_SCRAM, "p\0\1\0\0", 5, "08P01" },
		{ "no mechanism", LOGIN_SCRAM, "p\0\0\0\4", 5, "08P01" },
		{ "wrong mechanism", LOGIN_SCRAM, "p\0\0\0\x0d" "PLAIN\0\0\0\0", 14, "08P01" },
		{ "no data", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xff", 23, "08P01" },
		{ "too little data", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\0\0\0\1", 23, "08P01" },
		{ "garbage", LOGIN_SCRAM, "p\0\0\0\x17SCRAM-SHA-256\0\0\0\0\1n", 24, "08P01" },
	};

	for (size_t i = 0; i < lengthof(answers); i++) {
		const uint8_t *data;
		size_t n;

		ask(answers[i].method, "secret");
		next_request(&data, &n);
		tell(answers[i].bytes, answers[i].n);
		expect_refused(answers[i].sqlstate, answers[i].what);
		cr_assert_eq(seen.authenticated, 0);
	}
}

/* --- leaving --- */

/* The helper comes back and finds nobody. */
Test(client_login, gone_while_a_helper_works_for_it)
{
	for (int i = 0; i < 10; i++) {
		ask(i % 2 == 0 ? LOGIN_SCRAM : LOGIN_PLAIN, i % 2 == 0 ? "secret" : scram_secret("secret"));
		if (i % 2 != 0)
			answer("secret", 7);
		close(peer);
		peer = -1;
		turn(loop);
		cr_assert_null(client);
	}
}

Test(client_login, deadlines)
{
	arrive();
	tell(ssl_request, 8);
	clients_expire_logins(&env, client->connected_at);
	cr_assert_eq(seen.closed, 0);
	clients_expire_logins(&env, client->connected_at + 1);
	cr_assert_eq(seen.closed, 1);
	turn(loop);
	expect_refused("28000", "too slow");
	cr_assert_eq(env.nlogins, 0);
}

Test(client_login, moves_to_another_loop_before_it_is_let_in)
{
	struct client_env other = env;
	struct client *c;

	TAILQ_INIT(&other.logins);
	other.nlogins = 0;
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	tell("Q\0\0\0\6x\0", 7);
	c = client;
	client_detach(c);
	cr_assert_eq(env.nlogins, 0);
	client_attach(c, &other, &ops);
	cr_assert_eq(other.nlogins, 1);
	client_authenticate(c, LOGIN_TRUST, NULL);
	cr_assert_eq(seen.authenticated, 1);
	client_close(c, NULL, "done");
	cr_assert_eq(other.nlogins, 0);
}

Test(client_login, is_welcome)
{
	struct params_table *t = params_table_new();
	const struct params *none = params_empty(t), *shown = params_with(t, none, "TimeZone", "UTC");
	static const char letters[] = "RSKNZ";

	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	client_authenticate(client, LOGIN_TRUST, NULL);
	tell("too early", 9);
	cr_assert_str_eq(seen.input, "");
	client_welcome(client, shown, "be nice");
	cr_assert_null(client->login);
	client_resume(client);
	cr_assert_str_eq(seen.input, "too early");
	listen_to_it();
	for (const char *l = letters; *l != '\0'; l++) {
		cr_assert_eq(*buffer_head(&in), *l);
		buffer_consume(&in, 1u + ((unsigned)buffer_head(&in)[3] << 8 | buffer_head(&in)[4]));
	}
	cr_assert_eq(buffer_left(&in), 0);
	params_unref(t, &shown);
	params_unref(t, &none);
	params_table_free(&t);
}
