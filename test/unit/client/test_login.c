/*
 * What a client has to show, what becomes of those that do not know how, and when they are told.
 */
#include "stage.h"

#include <unistd.h>

TestSuite(client_login, .init = stage_begin, .fini = stage_end);

Test(client_login, passwords)
{
	char md5[36];
	char scram[400];
	md5_encrypt("secret", "alice", md5);
	strcpy(scram, scram_secret("secret"));
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
		{ LOGIN_PLAIN, scram_secret("other"), false },
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
		/* What was made once does as well. */
		for (int again = 0; again < 2; again++) {
			ask(cases[i].method, cases[i].secret);
			cr_assert_eq(prove("secret"), cases[i].fits, "case %zu", i);
			if (!cases[i].fits)
				cr_assert_str_eq(expect_refused("28P01", "a wrong password"), "wrong");
			cr_assert_eq(seen.authenticated, cases[i].fits);
			cr_assert_eq(seen.refused, !cases[i].fits);
		}
	}
}

Test(client_login, a_password_in_clear_is_kept_for_who_is_let_in)
{
	const char *const secrets[] = { "secret", scram_secret("secret") };

	for (size_t i = 0; i < lengthof(secrets); i++) {
		ask(LOGIN_PLAIN, secrets[i]);
		cr_assert(prove("secret"));
		cr_assert_str_eq(seen.password, "secret");
	}
	ask(LOGIN_SCRAM, "secret");
	cr_assert(prove("secret"));
	cr_assert_null(client->login->password);
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

/* --- what can be told from outside --- */

/* An unknown user is asked the same as one that is known, and the same each time; nothing was hashed for that. */
Test(client_login, unknown_users_can_not_be_told)
{
	const uint8_t *data, *salt;
	uint8_t salts[3][SCRAM_SALT_MAX];
	size_t n, salt_size[3];
	int iterations;
	struct error e;

	for (int i = 0; i < 3; i++) {
		struct scram_client *sc = scram_client_new(SCRAM_NO_TLS, NULL);

		ask(LOGIN_SCRAM, i == 2 ? "secret" : NULL);
		cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL);
		answer_initial(SCRAM_MECHANISM, scram_client_first(sc));
		cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
		cr_assert(scram_client_challenge(sc, data, n, &salt, &salt_size[i], &iterations, &e));
		memcpy(salts[i], salt, salt_size[i]);
		scram_client_free(&sc);
	}
	cr_assert(salt_size[0] == salt_size[1] && salt_size[0] == salt_size[2]);
	cr_assert_eq(memcmp(salts[0], salts[1], salt_size[0]), 0);
	/* Nor can it be told from the salt that the password became known. */
	cr_assert_eq(memcmp(salts[0], salts[2], salt_size[0]), 0);
	cr_assert_eq(verifiers_hashes(env.verifiers), 0);
}

/* With all that it has: a message that has begun, and one of ours that is not out. */
Test(client_login, discarded_between_two_threads)
{
	static const char noise[4096];

	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	tell("p", 1);
	while (stream_send_bytes(&client->stream, noise, sizeof(noise)))
		;
	client_detach(client);
	client_discard(client);
	client = NULL;
	cr_assert_eq(env.nlogins, 0);
	cr_assert_eq(seen.closed, 0, "it was nobody's any more");
}

/* Where users have SCRAM verifiers, a password in clear is hashed to be checked: a stranger's, too. */
Test(client_login, a_password_of_a_stranger_takes_its_time)
{
	const struct secret none = { .kind = SECRET_NONE };
	struct login_demand d = { .method = LOGIN_PLAIN, .refusal = "no", .as_scram = true };

	for (int i = 0; i < 3; i++) {
		arrive();
		forget_failures();
		tell_startup(STARTUP_VERSION_3_0, alice);
		d.secret = i == 1 ? &none : NULL;
		d.as_scram = i < 2;
		client_authenticate(client, &d);
		try("secret");
		expect_refused("28P01", "a stranger");
		cr_assert_eq(verifiers_hashes(env.verifiers), i == 0 ? 1 : 2);
	}
	cr_assert_eq(verifiers_count(env.verifiers), 0);
	cr_assert_eq(seen.authenticated, 0);
}

Test(client_login, a_refusal_waits)
{
	static const struct {
		enum login_method method;
		const char *secret, *shown;
	} cases[] = {
		{ LOGIN_PLAIN, NULL, "secret" },
		{ LOGIN_PLAIN, "other", "secret" },
		{ LOGIN_PLAIN, "other", "" },
		{ LOGIN_MD5, NULL, "secret" },
		{ LOGIN_MD5, "other", "secret" },
		{ LOGIN_SCRAM, NULL, "secret" },
		{ LOGIN_SCRAM, "other", "secret" },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		usec_t told;

		ask(cases[i].method, cases[i].secret);
		cr_assert_not(prove(cases[i].shown), "case %zu", i);
		cr_assert_eq(seen.refused, 1);
		told = client->login->heard_at;
		buffer_clear(&in);
		clients_keep_logins(&env, told + LOGIN_REFUSAL_DELAY - 1, 0);
		cr_assert_not(listen_to_it());
		cr_assert_eq(buffer_left(&in), 0, "case %zu", i);
		/* What it says meanwhile is not heard. */
		tell("p\0\0\0\7abc", 8);
		cr_assert_eq(seen.closed, 0);
		clients_keep_logins(&env, told + LOGIN_REFUSAL_DELAY, 0);
		cr_assert_str_eq(expect_refused("28P01", "it did not fit"), "wrong");
	}
}

Test(client_login, gone_while_its_refusal_waits)
{
	ask(LOGIN_MD5, "other");
	cr_assert_not(prove("secret"));
	close(peer);
	peer = -1;
	let_time_pass(LOGIN_REFUSAL_DELAY);
	cr_assert_null(client);
	ask(LOGIN_MD5, "other");
	cr_assert_not(prove("secret"));
	client_close(client, NULL, "somebody else ends it");
}

/* --- hostile answers --- */

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
		{ "empty", LOGIN_MD5, "p\0\0\0\5\0", 6, "28P01" },
		{ "no end", LOGIN_PLAIN, "p\0\0\0\7abc", 8, "08P01" },
		{ "no end", LOGIN_MD5, "p\0\0\0\7abc", 8, "08P01" },
		{ "two", LOGIN_PLAIN, "p\0\0\0\x08" "a\0b\0", 9, "08P01" },
		{ "two", LOGIN_MD5, "p\0\0\0\x08" "a\0b\0", 9, "08P01" },
		{ "query", LOGIN_PLAIN, "Q\0\0\0\5\0", 6, "08P01" },
		{ "nothing", LOGIN_PLAIN, "p\0\0\0\4", 5, "08P01" },
		{ "nothing", LOGIN_MD5, "p\0\0\0\4", 5, "08P01" },
		{ "short md5", LOGIN_MD5, "p\0\0\0\x08md5\0", 9, "28P01" },
		{ "no mechanism", LOGIN_SCRAM, "p\0\0\0\4", 5, "08P01" },
		{ "empty mechanism", LOGIN_SCRAM, "p\0\0\0\x09\0\0\0\0\0", 10, "08P01" },
		{ "wrong mechanism", LOGIN_SCRAM, "p\0\0\0\x0d" "PLAIN\0\0\0\0", 14, "08P01" },
		{ "plus was not offered", LOGIN_SCRAM, "p\0\0\0\x1bSCRAM-SHA-256-PLUS\0\0\0\0\0", 28, "08P01" },
		{ "endless mechanism", LOGIN_SCRAM, "p\0\0\0\x11SCRAM-SHA-256", 18, "08P01" },
		{ "no length", LOGIN_SCRAM, "p\0\0\0\x15SCRAM-SHA-256\0\0\0\0", 22, "08P01" },
		{ "no data", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xff", 23, "08P01" },
		{ "data of 0 bytes", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\0\0\0\0", 23, "08P01" },
		{ "almost 4 GB", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\xff\xff\xff\xfe", 23, "08P01" },
		{ "2 GB", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\x7f\xff\xff\xff", 23, "08P01" },
		{ "too little data", LOGIN_SCRAM, "p\0\0\0\x16SCRAM-SHA-256\0\0\0\0\1", 23, "08P01" },
		{ "too much data", LOGIN_SCRAM, "p\0\0\0\x18SCRAM-SHA-256\0\0\0\0\1n,", 25, "08P01" },
		{ "garbage", LOGIN_SCRAM, "p\0\0\0\x17SCRAM-SHA-256\0\0\0\0\1n", 24, "08P01" },
	};

	for (size_t i = 0; i < lengthof(answers); i++) {
		for (int known = 0; known < 2; known++) {
			const uint8_t *data;
			size_t n;

			ask(answers[i].method, known ? "secret" : NULL);
			next_request(&data, &n);
			tell(answers[i].bytes, answers[i].n);
			expect_refused(answers[i].sqlstate, answers[i].what);
			cr_assert_eq(seen.authenticated, 0);
		}
	}
}

/* A password message of `size` bytes behind its letter, as long as it says, or only its header. */
static void
tell_length(uint32_t size, bool whole)
{
	struct buffer b = BUFFER_INIT;

	writer_u8(&b, FE_PASSWORD);
	writer_u32(&b, size);
	for (uint32_t i = 4; whole && i < size; i++)
		writer_u8(&b, i + 1 < size ? 'x' : 0);
	tell(b.data, b.len);
	buffer_release(&b);
}

Test(client_login, lengths_of_answers)
{
	/* The largest that is listened to; behind it nothing is waited for. */
	static const struct {
		enum login_method method;
		uint32_t max;
	} methods[] = {
		{ LOGIN_PLAIN, 4 + SECRET_MAX },
		{ LOGIN_MD5, 4 + SCRAM_MESSAGE_MAX },
		{ LOGIN_SCRAM, 4 + SCRAM_MESSAGE_MAX + 64 },
	};
	static const uint32_t never[] = { 0, 1, 3, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

	for (size_t i = 0; i < lengthof(methods); i++) {
		for (size_t j = 0; j < lengthof(never); j++) {
			ask(methods[i].method, "secret");
			tell_length(never[j], false);
			expect_refused("08P01", "a length that is none");
		}
		ask(methods[i].method, "secret");
		tell_length(methods[i].max + 1, false);
		expect_refused("08P01", "one byte too much");
		ask(methods[i].method, "secret");
		tell_length(methods[i].max, false);
		cr_assert_eq(seen.closed, 0, "it is waited for");
		ask(methods[i].method, "secret");
		tell_length(methods[i].max, true);
		expect_refused(methods[i].method == LOGIN_SCRAM ? "08P01" : "28P01", "the largest");
	}
}

/* As far as the challenge; returns what the client would say last. */
static const char *
come_to_the_last(struct scram_client *sc, const char *secret_text)
{
	const uint8_t *data, *salt;
	size_t n, salt_size;
	struct scram_keys keys;
	struct error e;
	int iterations;

	ask(LOGIN_SCRAM, secret_text);
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL);
	answer_initial(SCRAM_MECHANISM, scram_client_first(sc));
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_CONTINUE);
	cr_assert(scram_client_challenge(sc, data, n, &salt, &salt_size, &iterations, &e));
	scram_derive_keys("secret", salt, salt_size, iterations, &keys);
	return scram_client_final(sc, &keys);
}

/* Whoever is asked, and whether it was hashed before: a last message that is none is refused likewise, and as late. */
Test(client_login, last_messages_of_scram)
{
	static const char *const secrets[] = { NULL, "secret", "secret", "other" };

	for (size_t i = 0; i < lengthof(secrets); i++) {
		struct scram_client *sc = scram_client_new(SCRAM_NO_TLS, NULL);
		const char *last = come_to_the_last(sc, secrets[i]);
		size_t size = strlen(last);

		scram_client_free(&sc);
		for (size_t cut = 0; cut <= size + 1; cut += cut < 4 || cut > size - 4 ? 1 : 7) {
			char text[SCRAM_MESSAGE_MAX];

			sc = scram_client_new(SCRAM_NO_TLS, NULL);
			snprintf(text, sizeof(text), "%sx", come_to_the_last(sc, secrets[i]));
			if (cut == size && secrets[i] != NULL && strcmp(secrets[i], "secret") == 0) {
				scram_client_free(&sc);
				continue;
			}
			answer(text, cut);
			expect_refused(cut == size ? "28P01" : "08P01", "a last message");
			cr_assert_eq(seen.authenticated, 0);
			scram_client_free(&sc);
		}
	}
}

Test(client_login, a_malformed_last_message_is_no_quicker_refused_than_a_wrong_one)
{
	static const char *const secrets[] = { NULL, "secret" };

	for (size_t i = 0; i < lengthof(secrets); i++) {
		struct scram_client *sc = scram_client_new(SCRAM_NO_TLS, NULL);

		come_to_the_last(sc, secrets[i]);
		answer("c=biws", 6);
		clients_keep_logins(&env, client->login->heard_at + LOGIN_REFUSAL_DELAY - 1, 0);
		cr_assert_eq(seen.closed, 0);
		expect_refused("08P01", "malformed");
		scram_client_free(&sc);
	}
}

/* scram_iterations may be changed by a reload while a client thinks. */
Test(client_login, iterations_change_between_challenge_and_proof)
{
	struct scram_client *sc = scram_client_new(SCRAM_NO_TLS, NULL);
	const char *last = come_to_the_last(sc, "secret");
	const uint8_t *data;
	size_t n;

	env.scram_iterations = 5000;
	answer(last, strlen(last));
	cr_assert_eq(next_request(&data, &n), AUTHENTICATION_SASL_FINAL);
	scram_client_free(&sc);
}

/* --- secrets in memory --- */

static bool
is_in_scratch(const char *text)
{
	return memmem(loop_scratch(loop), LOOP_SCRATCH, text, strlen(text)) != NULL;
}

Test(client_login, nothing_of_a_password_stays_in_the_scratch)
{
	static const char password[] = "a password that nobody should see";
	struct buffer b = BUFFER_INIT;
	size_t mark = writer_begin(&b, FE_PASSWORD);

	writer_string(&b, password);
	writer_end(&b, mark);
	ask(LOGIN_PLAIN, password);
	cr_assert(prove(password));
	cr_assert_not(is_in_scratch(password));
	/* Nor of one that comes in two pieces, too early, or wrong. */
	ask(LOGIN_PLAIN, password);
	tell(b.data, b.len - 2);
	cr_assert_not(is_in_scratch("a password"));
	tell(b.data + b.len - 2, 2);
	cr_assert_eq(seen.authenticated, 1);
	cr_assert_not(is_in_scratch("a password"));
	arrive();
	tell_startup(STARTUP_VERSION_3_0, alice);
	tell(b.data, b.len);
	cr_assert_not(is_in_scratch("a password"));
	demand(LOGIN_PLAIN, "other");
	cr_assert_eq(seen.refused, 1);
	cr_assert_not(is_in_scratch("a password"));
	buffer_release(&b);
}

/* --- leaving --- */

/* The helper comes back and finds nobody. */
Test(client_login, gone_while_a_helper_works_for_it)
{
	for (int i = 0; i < 10; i++) {
		ask(i % 2 == 0 ? LOGIN_SCRAM : LOGIN_PLAIN, i % 2 == 0 ? "secret" : scram_secret("secret"));
		try("secret");
		close(peer);
		peer = -1;
		cr_assert(until(loop, is_freed, NULL));
	}
}

Test(client_login, deadlines)
{
	arrive();
	clients_keep_logins(&env, clock_now(), client->connected_at);
	cr_assert_eq(seen.closed, 0);
	clients_keep_logins(&env, clock_now(), client->connected_at + 1);
	cr_assert_eq(seen.closed, 1);
	turn(loop);
	expect_refused("28000", "too slow");
	cr_assert_eq(env.nlogins, 0);
	/* There need not be one. */
	arrive();
	clients_keep_logins(&env, clock_now() + 1000 * USEC_PER_SEC, 0);
	cr_assert_eq(seen.closed, 0);
}

Test(client_login, moves_to_another_loop_before_it_is_let_in)
{
	static const struct login_demand nothing = { .method = LOGIN_TRUST };
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
	client_authenticate(c, &nothing);
	cr_assert_eq(seen.authenticated, 1);
	client_close(c, NULL, "done");
	cr_assert_eq(other.nlogins, 0);
}

Test(client_login, is_welcome)
{
	struct params_table *t = params_table_new();
	const struct params *none = params_empty(t), *shown = params_with(t, none, "TimeZone", "UTC");
	static const char letters[] = "RSKNZ";

	ask(LOGIN_TRUST, NULL);
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
