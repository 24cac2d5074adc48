#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"
#include "base/memory.h"

/* RFC 7677, section 3: user "user", password "pencil". */
#define RFC_C_NONCE "rOprNGfwEbeRWgbNEkqO"
#define RFC_S_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_NONCE RFC_C_NONCE RFC_S_NONCE
#define RFC_CLIENT_FIRST "n,,n=user,r=" RFC_C_NONCE
#define RFC_SERVER_FIRST "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_CLIENT_FINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
#define RFC_VERIFIER                                   \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static const uint8_t *
bytes(const char *text)
{
	return (const uint8_t *)text;
}

static void
parse_rfc_verifier(struct scram_verifier *v)
{
	struct secret s;

	secret_parse(&s, RFC_VERIFIER);
	cr_assert_eq(s.kind, SECRET_SCRAM);
	*v = *s.verifier;
	secret_release(&s);
}

static void
derive_rfc_keys(struct scram_keys *keys)
{
	struct scram_verifier v;

	parse_rfc_verifier(&v);
	scram_derive_keys("pencil", v.salt, v.salt_size, v.iterations, keys);
}

Test(scram, keys_fit_the_verifier)
{
	struct scram_verifier v;
	struct scram_keys keys;

	parse_rfc_verifier(&v);
	derive_rfc_keys(&keys);
	cr_expect(scram_keys_fit(&keys, &v));
	keys.client_key[31] ^= 1;
	cr_expect_not(scram_keys_fit(&keys, &v));
	keys.client_key[31] ^= 1;
	keys.server_key[0] ^= 128;
	cr_expect_not(scram_keys_fit(&keys, &v));
}

Test(scram, nothing_fits_where_keys_cannot_be_derived)
{
	struct scram_verifier v;
	struct scram_keys one, two;

	parse_rfc_verifier(&v);
	scram_derive_keys("pencil", v.salt, v.salt_size, 0, &one);
	scram_derive_keys("pencil", v.salt, v.salt_size, -1, &two);
	cr_expect_not(scram_keys_fit(&one, &v));
	cr_expect_neq(memcmp(&one, &two, sizeof(one)), 0);
}

/* --- the RFC's exchange --- */

Test(scram_client, speaks_the_rfc_exchange)
{
	struct scram_client *c = scram_client_new_with(SCRAM_NO_TLS, NULL, "user", RFC_C_NONCE);
	struct scram_keys keys;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
	struct error e;

	cr_assert_str_eq(scram_client_first(c), RFC_CLIENT_FIRST);
	cr_assert(scram_client_challenge(c, bytes(RFC_SERVER_FIRST), strlen(RFC_SERVER_FIRST),
		&salt, &salt_size, &iterations, &e));
	cr_assert_eq(salt_size, 16);
	cr_assert_eq(iterations, 4096);
	scram_derive_keys("pencil", salt, salt_size, iterations, &keys);
	cr_assert_str_eq(scram_client_final(c, &keys), RFC_CLIENT_FINAL);
	cr_expect(scram_client_verify(c, bytes(RFC_SERVER_FINAL), strlen(RFC_SERVER_FINAL), &e));
	scram_client_free(&c);
	cr_expect_null(c);
	scram_client_free(&c);
}

Test(scram_server, speaks_the_rfc_exchange)
{
	struct scram_verifier v;
	struct scram_server *s;
	struct scram_keys keys, expected;
	struct error e;

	parse_rfc_verifier(&v);
	s = scram_server_new_with(&v, NULL, RFC_S_NONCE);
	cr_assert_str_eq(
		scram_server_first(s, false, bytes(RFC_CLIENT_FIRST), strlen(RFC_CLIENT_FIRST), &e),
		RFC_SERVER_FIRST);
	cr_assert_str_eq(
		scram_server_final(s, bytes(RFC_CLIENT_FINAL), strlen(RFC_CLIENT_FINAL), &keys, &e),
		RFC_SERVER_FINAL);
	derive_rfc_keys(&expected);
	cr_expect_eq(memcmp(&keys, &expected, sizeof(keys)), 0);
	scram_server_free(&s);
	cr_expect_null(s);
	scram_server_free(&s);
}

/* --- client against server --- */

/* Run an exchange with what the client derives from its password, or with keys that are given. */
static bool
exchange(const struct scram_verifier *v, const char *password, const struct scram_keys *given,
	struct scram_keys *proved, struct error *e)
{
	struct scram_client *c = scram_client_new(SCRAM_NO_TLS, NULL);
	struct scram_server *s = scram_server_new(v, NULL);
	struct scram_keys keys;
	const char *text;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
	bool good = false;

	text = scram_client_first(c);
	text = scram_server_first(s, false, bytes(text), strlen(text), e);
	cr_assert_not_null(text);
	cr_assert(scram_client_challenge(
		c, bytes(text), strlen(text), &salt, &salt_size, &iterations, e));
	cr_assert_eq(iterations, v->iterations);
	if (given == NULL)
		scram_derive_keys(password, salt, salt_size, iterations, &keys);
	text = scram_client_final(c, given != NULL ? given : &keys);
	text = scram_server_final(s, bytes(text), strlen(text), proved, e);
	if (text != NULL) {
		good = scram_client_verify(c, bytes(text), strlen(text), e);
		cr_expect(good, "%s", e->message);
	}
	scram_client_free(&c);
	scram_server_free(&s);
	return good;
}

static const struct {
	const char *server, *client;
	bool fits;
} logins[] = {
	{ "pencil", "pencil", true },
	{ "pencil", "pencil ", false },
	{ "pencil", "Pencil", false },
	{ "pencil", "", false },
	{ "", "", true },
	{ ",=n=a", ",=n=a", true },
	{ "\xe2\x85\xa8", "IX", true },
	{ "I\xc2\xadX", "\xe2\x85\xa8", true },
	{ "\xff\xfe", "\xff\xfe", true },
	{ "\xff\xfe", "\xff", false },
};

Test(scram, client_logs_in_to_server)
{
	struct scram_verifier v;
	struct error e;

	for (size_t i = 0; i < lengthof(logins); i++) {
		scram_make_verifier(logins[i].server, 3, &v);
		cr_expect_eq(exchange(&v, logins[i].client, NULL, NULL, &e), logins[i].fits,
			"row %zu", i);
		if (!logins[i].fits) {
			cr_expect_str_eq(e.sqlstate, "28P01");
			cr_expect_eq(e.severity, SEVERITY_FATAL);
			cr_expect_str_eq(e.message, "SASL authentication failed");
		}
	}
}

Test(scram, proved_keys_log_in_elsewhere)
{
	struct scram_verifier v, other;
	struct scram_keys keys;
	struct error e;

	scram_make_verifier("pencil", 7, &v);
	cr_assert(exchange(&v, "pencil", NULL, &keys, &e));
	cr_expect(exchange(&v, NULL, &keys, NULL, &e));
	scram_make_verifier("pencil", 7, &other);
	cr_expect_not(exchange(&other, NULL, &keys, NULL, &e), "another salt");
}

Test(scram, keys_stay_when_the_proof_does_not_fit)
{
	struct scram_keys keys, before;
	struct scram_verifier v;
	struct error e;

	memset(&keys, 0x5a, sizeof(keys));
	before = keys;
	scram_make_verifier("pencil", 2, &v);
	cr_expect_not(exchange(&v, "wrong", NULL, &keys, &e));
	cr_expect_eq(memcmp(&keys, &before, sizeof(keys)), 0);
}

Test(scram, salts_of_every_size_work)
{
	struct scram_keys keys;
	struct error e;

	for (size_t n = 1; n <= SCRAM_SALT_MAX; n++) {
		struct scram_verifier v = { .iterations = 2, .salt_size = n };

		memset(v.salt, (int)n, n);
		scram_derive_keys("pencil", v.salt, n, 2, &keys);
		digest_sha256(keys.client_key, SCRAM_KEY, v.stored_key);
		memcpy(v.server_key, keys.server_key, SCRAM_KEY);
		cr_expect(exchange(&v, "pencil", NULL, NULL, &e), "%zu: %s", n, e.detail);
	}
}

Test(scram, verifiers_and_nonces_are_fresh)
{
	struct scram_verifier one, two;
	char first[SCRAM_NONCE + 1], second[SCRAM_NONCE + 1];

	scram_make_verifier("pencil", 2, &one);
	scram_make_verifier("pencil", 2, &two);
	cr_expect_eq(one.salt_size, 16);
	cr_expect_neq(memcmp(one.salt, two.salt, 16), 0);
	cr_expect_neq(memcmp(one.stored_key, two.stored_key, SCRAM_KEY), 0);
	scram_draw_nonce(first);
	scram_draw_nonce(second);
	cr_expect_eq(strlen(first), SCRAM_NONCE);
	cr_expect_str_neq(first, second);
}

/* --- mocks --- */

Test(scram_mock, is_stable_for_a_user_and_a_process)
{
	static const uint8_t secret[32] = "one", other_secret[32] = "two";
	struct scram_verifier v, again, other, other_process;

	scram_mock_verifier("bob", secret, 4096, &v);
	scram_mock_verifier("bob", secret, 4096, &again);
	scram_mock_verifier("eve", secret, 4096, &other);
	scram_mock_verifier("bob", other_secret, 4096, &other_process);
	cr_expect_eq(memcmp(&v, &again, sizeof(v)), 0);
	cr_expect_eq(v.iterations, 4096);
	cr_expect_eq(v.salt_size, 16, "as long as a real one");
	cr_expect_neq(memcmp(v.salt, other.salt, 16), 0);
	cr_expect_neq(memcmp(v.salt, other_process.salt, 16), 0);
}

Test(scram_mock, fits_nobody)
{
	static const uint8_t secret[32] = "one";
	static const char *const guesses[] = { "", "bob", "one", "pencil" };
	struct scram_verifier v;
	struct error e;

	scram_mock_verifier("bob", secret, 2, &v);
	for (size_t i = 0; i < lengthof(guesses); i++) {
		cr_expect_not(exchange(&v, guesses[i], NULL, NULL, &e));
		cr_expect_str_eq(e.sqlstate, "28P01", "not told apart from a wrong password");
		cr_expect_str_eq(e.message, "SASL authentication failed");
	}
}

/* --- hostile clients --- */

#define LITERAL(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t size;
	const char *sqlstate; /* NULL: accepted */
} client_firsts[] = {
	{ LITERAL("n,,n=,r=abc"), NULL },
	{ LITERAL("y,,n=,r=abc"), NULL },
	{ LITERAL("n,,n=*,r=abc"), NULL },
	{ LITERAL("n,,n=a=2Cb=3D,r=abc"), NULL },
	{ LITERAL("n,,n=\xc3\xa4,r=abc"), NULL },
	{ LITERAL("n,,n=,r=abc,x=1"), NULL },
	{ LITERAL("n,,n=,r=abc,x=,Y==,"
		  "z=r=p"),
		NULL },
	{ LITERAL("n,,n=,r=!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~"), NULL },
	{ LITERAL(""), "08P01" },
	{ LITERAL("n"), "08P01" },
	{ LITERAL("n,"), "08P01" },
	{ LITERAL("n,,"), "08P01" },
	{ LITERAL("n,,n"), "08P01" },
	{ LITERAL("n,,n="), "08P01" },
	{ LITERAL("n,,n=,"), "08P01" },
	{ LITERAL("n,,n=,r"), "08P01" },
	{ LITERAL("n,,n=,r="), "08P01" },
	{ LITERAL("n,,n=,r=,x=1"), "08P01" },
	{ LITERAL("n,,n=,r=abc,"), "08P01" },
	{ LITERAL("n,,n=,r=abc,x"), "08P01" },
	{ LITERAL("n,,n=,r=abc,1=x"), "08P01" },
	{ LITERAL("n,,n=,r=abc,,x=1"), "08P01" },
	{ LITERAL("n,,r=abc"), "08P01" },
	{ LITERAL("n,,r=abc,n="), "08P01" },
	{ LITERAL("n,,n=,n=,r=abc"), "08P01" },
	{ LITERAL("n,,N=,r=abc"), "08P01" },
	{ LITERAL("n=,r=abc"), "08P01" },
	{ LITERAL("N,,n=,r=abc"), "08P01" },
	{ LITERAL("x,,n=,r=abc"), "08P01" },
	{ LITERAL(",,n=,r=abc"), "08P01" },
	{ LITERAL("nn,,n=,r=abc"), "08P01" },
	{ LITERAL("n,x,n=,r=abc"), "08P01" },
	{ LITERAL("n,,n=,r=a bc"), "08P01" },
	{ LITERAL("n,,n=,r=a\tbc"), "08P01" },
	{ LITERAL("n,,n=,r=a\x7f"), "08P01" },
	{ LITERAL("n,,n=,r=a\xc3\xa4"), "08P01" },
	{ LITERAL("n,,n=,r=abc\0"), "08P01" },
	{ LITERAL("n,,n=\0,r=abc"), "08P01" },
	{ LITERAL("\0"), "08P01" },
	{ LITERAL("p=tls-server-end-point,,n=,r=abc"), "08P01" },
	{ LITERAL("p=,,n=,r=abc"), "08P01" },
	{ LITERAL("p"), "08P01" },
	{ LITERAL("n,a=bob,n=,r=abc"), "0A000" },
	{ LITERAL("n,a=,n=,r=abc"), "0A000" },
	{ LITERAL("n,,m=x,n=,r=abc"), "0A000" },
	{ LITERAL("n,,m=,n=,r=abc"), "0A000" },
};

/* From memory of the exact size, so that a sanitizer sees every read behind the end. */
static const char *
feed_server(struct scram_server *s, bool first, const char *text, size_t n, struct error *e)
{
	uint8_t *exact = memory_alloc(n);
	const char *answer;

	memcpy(exact, text, n);
	answer = first ? scram_server_first(s, false, exact, n, e)
		       : scram_server_final(s, exact, n, NULL, e);
	free(exact);
	return answer;
}

Test(scram_server, reads_client_first)
{
	struct scram_verifier v;
	struct error e;

	parse_rfc_verifier(&v);
	for (size_t i = 0; i < lengthof(client_firsts); i++) {
		struct scram_server *s = scram_server_new(&v, NULL);
		const char *answer =
			feed_server(s, true, client_firsts[i].text, client_firsts[i].size, &e);

		if (client_firsts[i].sqlstate == NULL) {
			cr_expect_not_null(answer, "row %zu: %s", i, e.detail);
		} else {
			cr_expect_null(answer, "row %zu: %s", i, answer);
			cr_expect_str_eq(e.sqlstate, client_firsts[i].sqlstate, "row %zu", i);
			cr_expect_str_neq(e.detail, "");
			cr_expect_null(
				feed_server(s, true, LITERAL("n,,n=,r=abc"), &e), "only fails now");
			cr_expect_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e));
		}
		scram_server_free(&s);
	}
}

Test(scram_server, bounds_client_first)
{
	struct scram_verifier v;
	char text[SCRAM_MESSAGE_MAX * 2];
	struct error e;

	parse_rfc_verifier(&v);
	memset(text, 'x', sizeof(text));
	memcpy(text, "n,,n=,r=", 8);
	for (size_t n = 9; n <= sizeof(text); n += n < SCRAM_MESSAGE_MAX - 2 ? 97 : 1) {
		struct scram_server *s = scram_server_new(&v, NULL);

		cr_expect_eq(feed_server(s, true, text, n, &e) != NULL, n <= SCRAM_MESSAGE_MAX,
			"%zu", n);
		scram_server_free(&s);
	}
}

/* A server of the RFC's verifier that has sent server-first to this client-first. */
static struct scram_server *
start_server(const char *client_first)
{
	struct scram_verifier v;
	struct scram_server *s;
	struct error e;

	parse_rfc_verifier(&v);
	s = scram_server_new_with(&v, NULL, RFC_S_NONCE);
	cr_assert_not_null(scram_server_first(s, false, bytes(client_first), strlen(client_first), &e));
	return s;
}

/* client-final with the right proof for what stands before it: not by the client's code. */
static void
write_final(const char *client_first, const char *unproved, char *out, size_t size)
{
	struct scram_keys keys;
	uint8_t stored[SCRAM_KEY], proof[SCRAM_KEY];
	char auth[4096], text[64];

	derive_rfc_keys(&keys);
	snprintf(auth, sizeof(auth), "%s,%s,%s", client_first + 3, RFC_SERVER_FIRST, unproved);
	digest_sha256(keys.client_key, SCRAM_KEY, stored);
	digest_hmac(stored, auth, strlen(auth), proof);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= keys.client_key[i];
	snprintf(out, size, "%s,p=%s", unproved, base64_encode(proof, SCRAM_KEY, text));
}

static const struct {
	const char *client_first, *unproved, *sqlstate;
} proved_finals[] = {
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE, NULL },
	{ "y,,n=user,r=" RFC_C_NONCE, "c=eSws,r=" RFC_NONCE, NULL },
	{ RFC_CLIENT_FIRST ",x=1", "c=biws,r=" RFC_NONCE, NULL },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE ",x=1,y=,z=,P=p", NULL },
	{ RFC_CLIENT_FIRST, "c=eSws,r=" RFC_NONCE, "08P01" },
	{ "y,,n=user,r=" RFC_C_NONCE, "c=biws,r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=,r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biw,r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biwsbiws,r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE "x", "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_C_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_S_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=", "08P01" },
	{ RFC_CLIENT_FIRST, "r=" RFC_NONCE ",c=biws", "08P01" },
	{ RFC_CLIENT_FIRST, "r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws", "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,x=1,r=" RFC_NONCE, "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE ",", "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE ",x", "08P01" },
	{ RFC_CLIENT_FIRST, "c=biws,r=" RFC_NONCE ",p=AAAA", "08P01" },
};

Test(scram_server, reads_client_final_with_a_right_proof)
{
	for (size_t i = 0; i < lengthof(proved_finals); i++) {
		struct scram_server *s = start_server(proved_finals[i].client_first);
		char text[4096];
		struct error e;
		const char *answer;

		write_final(proved_finals[i].client_first, proved_finals[i].unproved, text,
			sizeof(text));
		answer = feed_server(s, false, text, strlen(text), &e);
		if (proved_finals[i].sqlstate == NULL) {
			cr_expect_not_null(answer, "row %zu: %s %s", i, e.message, e.detail);
		} else {
			cr_expect_null(answer, "row %zu", i);
			cr_expect_str_eq(e.sqlstate, proved_finals[i].sqlstate, "row %zu", i);
		}
		scram_server_free(&s);
	}
}

#define UNPROVED "c=biws,r=" RFC_NONCE
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static const struct {
	const char *text;
	size_t size;
	const char *sqlstate;
} finals[] = {
	{ LITERAL(""), "08P01" },
	{ LITERAL(UNPROVED ",p="), "08P01" },
	{ LITERAL(UNPROVED ",p=AAAA"), "08P01" },
	{ LITERAL(UNPROVED ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="), "08P01" }, /* 31 bytes */
	{ LITERAL(UNPROVED ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "08P01" }, /* 33 */
	{ LITERAL("p=" PROOF "," UNPROVED), "08P01" },
	{ LITERAL("p=" PROOF), "08P01" },
	{ LITERAL(UNPROVED "," UNPROVED ",p=" PROOF), "28P01" }, /* as extensions, which the proof knows nothing of */
	{ LITERAL("m=x," UNPROVED ",p=" PROOF), "08P01" },
	{ LITERAL(UNPROVED ",m=x,p=" PROOF), "28P01" },
	{ LITERAL(UNPROVED ",p=" PROOF PROOF), "08P01" },
	{ LITERAL(UNPROVED ",p=" PROOF ","), "08P01" },
	{ LITERAL(UNPROVED ",p=" PROOF ",x=1"), "08P01" },
	{ LITERAL(UNPROVED ",p=" PROOF ",p=" PROOF), "08P01" },
	{ LITERAL(UNPROVED ",p=" PROOF " "), "08P01" },
	{ LITERAL(UNPROVED ",p= " PROOF), "08P01" },
	{ LITERAL(UNPROVED ",p=" PROOF "\0"), "08P01" },
	{ LITERAL(UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR="), "08P01" },
	{ LITERAL(UNPROVED ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ"), "08P01" },
	{ LITERAL(UNPROVED ",p=dHzbZapWIk4jUhN-Ute9ytag9zjfMHgsqmmiz7AndVQ="), "08P01" },
	{ LITERAL(UNPROVED ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "28P01" },
	{ LITERAL(UNPROVED ",x=1,p=" PROOF), "28P01" },
};

Test(scram_server, reads_client_final)
{
	for (size_t i = 0; i < lengthof(finals); i++) {
		struct scram_server *s = start_server(RFC_CLIENT_FIRST);
		struct error e;

		cr_expect_null(
			feed_server(s, false, finals[i].text, finals[i].size, &e), "row %zu", i);
		cr_expect_str_eq(e.sqlstate, finals[i].sqlstate, "row %zu", i);
		cr_expect_null(
			feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e), "only fails now");
		scram_server_free(&s);
	}
}

Test(scram_server, refuses_every_cut_and_every_flipped_bit)
{
	size_t n = strlen(RFC_CLIENT_FINAL);
	struct error e;

	for (size_t i = 0; i < n; i++) {
		struct scram_server *cut = start_server(RFC_CLIENT_FIRST);

		cr_expect_null(feed_server(cut, false, RFC_CLIENT_FINAL, i, &e), "cut at %zu", i);
		scram_server_free(&cut);
		for (int bit = 0; bit < 8; bit++) {
			struct scram_server *s = start_server(RFC_CLIENT_FIRST);
			char text[] = RFC_CLIENT_FINAL;

			text[i] = (char)(text[i] ^ (1 << bit));
			cr_expect_null(
				feed_server(s, false, text, n, &e), "byte %zu bit %d", i, bit);
			scram_server_free(&s);
		}
	}
}

Test(scram_server, refuses_a_replay)
{
	struct scram_verifier v;
	struct scram_server *s;
	struct error e;

	parse_rfc_verifier(&v);
	s = scram_server_new(&v, NULL); /* draws its own nonce */
	cr_assert_not_null(feed_server(s, true, LITERAL(RFC_CLIENT_FIRST), &e));
	cr_expect_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e));
	cr_expect_str_eq(e.sqlstate, "08P01");
	scram_server_free(&s);
}

Test(scram_server, refuses_messages_out_of_order)
{
	struct scram_verifier v;
	struct scram_server *s;
	struct error e;

	parse_rfc_verifier(&v);
	s = scram_server_new_with(&v, NULL, RFC_S_NONCE);
	cr_expect_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e), "final before first");
	cr_expect_str_eq(e.sqlstate, "08P01");
	cr_expect_null(feed_server(s, true, LITERAL(RFC_CLIENT_FIRST), &e), "only fails now");
	scram_server_free(&s);

	s = start_server(RFC_CLIENT_FIRST);
	cr_expect_null(feed_server(s, true, LITERAL(RFC_CLIENT_FIRST), &e), "first twice");
	cr_expect_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e));
	scram_server_free(&s);

	s = start_server(RFC_CLIENT_FIRST);
	cr_expect_not_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e));
	cr_expect_null(feed_server(s, false, LITERAL(RFC_CLIENT_FINAL), &e), "final twice");
	scram_server_free(&s);
}

/* --- hostile servers --- */

#define SALT ",s=W22ZaJ0SNY7soEsUEjb6gQ=="
#define A4 "AAAA"
#define A16 A4 A4 A4 A4
#define A160 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16

static const struct {
	const char *text;
	size_t size;
	const char *sqlstate;
	int iterations;
} server_firsts[] = {
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096"), NULL, 4096 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=1"), NULL, 1 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=1000000"), NULL, 1000000 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096,x=1,y="), NULL, 4096 },
	{ LITERAL("r=" RFC_C_NONCE "x,s=AA==,i=4096"), NULL, 4096 },
	{ LITERAL("r=" RFC_NONCE ",s=" A160 A4 A4 "AAA=,i=4096"), NULL, 4096 }, /* 128 bytes */
	{ LITERAL("r=" RFC_NONCE ",s=" A160 A4 A4 "AAAA,i=4096"), "08P01", 0 }, /* 129 */
	{ LITERAL("r=" RFC_NONCE ",s=" A160 A160 A160 ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=W22Za,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=W22 ZaJ0=,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ","), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i="), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=0"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=-1"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=+1"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i= 1"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=1 "), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=01"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=0x10"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=1000001"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=2147483647"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=2147483648"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=-2147483648"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4294967296"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=99999999999999999999999999999999999999999"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096x"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4e3"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4,096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=\xd9\xa4"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",r=" RFC_NONCE SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096,i=1"), NULL, 4096 }, /* what follows is an extension */
	{ LITERAL("s=W22ZaJ0SNY7soEsUEjb6gQ==,r=" RFC_NONCE ",i=4096"), "08P01", 0 },
	{ LITERAL("i=4096,r=" RFC_NONCE SALT), "08P01", 0 },
	{ LITERAL("x=1,r=" RFC_NONCE SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",x" SALT ",i=4096"), "08P01", 0 }, /* a nonce with a comma */
	{ LITERAL("r=" RFC_NONCE ",s=====,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gR==,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",s=W22Z_J0SNY7soEsUEjb6gQ==,i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4294967297"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=18446744073709551617"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096,"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096,x"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE SALT ",i=4096\0"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE ",i=4096" SALT), "08P01", 0 },
	{ LITERAL("r=" RFC_C_NONCE SALT ",i=4096"), "08P01", 0 }, /* the server added nothing */
	{ LITERAL("r=" RFC_S_NONCE SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=x" RFC_NONCE SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=rOprNGfwEbeRWgbNEkq" SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE " " SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" RFC_NONCE "\xff" SALT ",i=4096"), "08P01", 0 },
	{ LITERAL("r=" SALT ",i=4096"), "08P01", 0 },
	{ LITERAL(""), "08P01", 0 },
	{ LITERAL("r"), "08P01", 0 },
	{ LITERAL("e=other-error"), "08P01", 0 },
	{ LITERAL("m=x,r=" RFC_NONCE SALT ",i=4096"), "0A000", 0 },
};

static bool
feed_challenge(struct scram_client *c, const char *text, size_t n, int *iterations, struct error *e)
{
	uint8_t *exact = memory_alloc(n);
	const uint8_t *salt;
	size_t salt_size;
	bool good;

	memcpy(exact, text, n);
	good = scram_client_challenge(c, exact, n, &salt, &salt_size, iterations, e);
	free(exact);
	return good;
}

static struct scram_client *
greet(void)
{
	struct scram_client *c = scram_client_new_with(SCRAM_NO_TLS, NULL, "user", RFC_C_NONCE);

	cr_assert_not_null(scram_client_first(c));
	return c;
}

Test(scram_client, reads_server_first)
{
	struct scram_keys keys = { { 0 }, { 0 } };
	struct error e;

	for (size_t i = 0; i < lengthof(server_firsts); i++) {
		struct scram_client *c = greet();
		int iterations = 0;
		bool good = feed_challenge(
			c, server_firsts[i].text, server_firsts[i].size, &iterations, &e);

		cr_expect_eq(good, server_firsts[i].sqlstate == NULL, "row %zu", i);
		cr_expect_eq(iterations, server_firsts[i].iterations, "row %zu", i);
		if (!good && server_firsts[i].sqlstate != NULL) {
			cr_expect_str_eq(e.sqlstate, server_firsts[i].sqlstate, "row %zu", i);
			cr_expect_not(
				feed_challenge(c, LITERAL(RFC_SERVER_FIRST), &iterations, &e));
			cr_expect_null(scram_client_final(c, &keys), "only fails now");
		}
		scram_client_free(&c);
	}
}

Test(scram_client, bounds_server_first)
{
	char text[SCRAM_MESSAGE_MAX * 2];
	size_t n = strlen(RFC_SERVER_FIRST ",x=");
	struct error e;
	int iterations;

	memset(text, 'x', sizeof(text));
	memcpy(text, RFC_SERVER_FIRST ",x=", n);
	for (; n <= sizeof(text); n += n < SCRAM_MESSAGE_MAX - 2 ? 97 : 1) {
		struct scram_client *c = greet();

		cr_expect_eq(feed_challenge(c, text, n, &iterations, &e), n <= SCRAM_MESSAGE_MAX,
			"%zu", n);
		scram_client_free(&c);
	}
}

/* A client that has sent client-final, with the RFC's keys. */
static struct scram_client *
prove_rfc(void)
{
	struct scram_client *c = greet();
	struct scram_keys keys;
	struct error e;
	int iterations;

	derive_rfc_keys(&keys);
	cr_assert(feed_challenge(c, LITERAL(RFC_SERVER_FIRST), &iterations, &e));
	cr_assert_str_eq(scram_client_final(c, &keys), RFC_CLIENT_FINAL);
	return c;
}

static bool
feed_verify(struct scram_client *c, const char *text, size_t n, struct error *e)
{
	uint8_t *exact = memory_alloc(n);
	bool good;

	memcpy(exact, text, n);
	good = scram_client_verify(c, exact, n, e);
	free(exact);
	return good;
}

static const struct {
	const char *text;
	size_t size;
	const char *sqlstate, *message;
} server_finals[] = {
	{ LITERAL(RFC_SERVER_FINAL), NULL, NULL },
	{ LITERAL(RFC_SERVER_FINAL ",x=1"), NULL, NULL },
	{ LITERAL("e=invalid-proof"), "28000", "server refused the SCRAM exchange: invalid-proof" },
	{ LITERAL("e=invalid-proof,x=1"), "28000",
		"server refused the SCRAM exchange: invalid-proof" },
	{ LITERAL("e="), "28000", NULL },
	{ LITERAL("e=\x1b[31mred"), "28000", "server refused the SCRAM exchange" },
	{ LITERAL("e=" A160), "28000", "server refused the SCRAM exchange" },
	{ LITERAL("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "28000", NULL },
	{ LITERAL("v="), "08P01", NULL },
	{ LITERAL("v=AAAA"), "08P01", NULL },
	{ LITERAL("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="), "08P01", NULL }, /* 31 bytes */
	{ LITERAL("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "08P01", NULL }, /* 33 */
	{ LITERAL("v=" A160), "08P01", NULL },
	{ LITERAL("e=x," RFC_SERVER_FINAL), "28000", "server refused the SCRAM exchange: x" },
	{ LITERAL("v=,e=x"), "08P01", NULL },
	{ LITERAL("p=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "08P01", NULL },
	{ LITERAL(""), "08P01", NULL },
	{ LITERAL("e"), "08P01", NULL },
	{ LITERAL("e,"), "08P01", NULL },
	{ LITERAL("e=x,"), "08P01", NULL },
	{ LITERAL("x=1," RFC_SERVER_FINAL), "08P01", NULL },
	{ LITERAL(RFC_SERVER_FINAL ","), "08P01", NULL },
	{ LITERAL(RFC_SERVER_FINAL " "), "08P01", NULL },
	{ LITERAL(RFC_SERVER_FINAL "\0"), "08P01", NULL },
	{ LITERAL(RFC_CLIENT_FINAL), "08P01", NULL },
};

Test(scram_client, reads_server_final)
{
	for (size_t i = 0; i < lengthof(server_finals); i++) {
		struct scram_client *c = prove_rfc();
		struct error e;
		bool good = feed_verify(c, server_finals[i].text, server_finals[i].size, &e);

		cr_expect_eq(good, server_finals[i].sqlstate == NULL, "row %zu", i);
		if (!good && server_finals[i].sqlstate != NULL) {
			cr_expect_str_eq(e.sqlstate, server_finals[i].sqlstate, "row %zu", i);
			cr_expect_eq(e.severity, SEVERITY_FATAL);
		}
		if (!good && server_finals[i].message != NULL)
			cr_expect_str_eq(e.message, server_finals[i].message, "row %zu", i);
		cr_expect_not(feed_verify(c, LITERAL(RFC_SERVER_FINAL), &e), "only once");
		scram_client_free(&c);
	}
}

Test(scram_client, refuses_every_cut_and_every_flipped_bit)
{
	size_t n = strlen(RFC_SERVER_FINAL);
	struct error e;

	for (size_t i = 0; i < n; i++) {
		struct scram_client *cut = prove_rfc();

		cr_expect_not(feed_verify(cut, RFC_SERVER_FINAL, i, &e), "cut at %zu", i);
		scram_client_free(&cut);
	}
	for (size_t i = 0; i < n; i += 3) {
		struct scram_client *c = prove_rfc();
		char text[] = RFC_SERVER_FINAL;

		text[i] ^= 4;
		cr_expect_not(feed_verify(c, text, n, &e), "byte %zu", i);
		scram_client_free(&c);
	}
}

/* It may know StoredKey, which is enough to check us; only ServerKey proves who it is. */
Test(scram_client, refuses_a_server_without_the_server_key)
{
	struct scram_verifier v;
	struct scram_keys keys;
	struct scram_server *s;
	struct scram_client *c = greet();
	struct error e;
	const char *text;
	int iterations;

	parse_rfc_verifier(&v);
	memset(v.server_key, 0, SCRAM_KEY);
	s = scram_server_new_with(&v, NULL, RFC_S_NONCE);
	derive_rfc_keys(&keys);
	text = scram_server_first(s, false, bytes(RFC_CLIENT_FIRST), strlen(RFC_CLIENT_FIRST), &e);
	cr_assert(feed_challenge(c, text, strlen(text), &iterations, &e));
	text = scram_client_final(c, &keys);
	text = scram_server_final(s, bytes(text), strlen(text), NULL, &e);
	cr_assert_not_null(text);
	cr_expect_not(feed_verify(c, text, strlen(text), &e));
	cr_expect_str_eq(e.sqlstate, "28000");
	scram_server_free(&s);
	scram_client_free(&c);
}

Test(scram_client, refuses_steps_out_of_order)
{
	struct scram_keys keys = { { 0 }, { 0 } };
	struct scram_client *c = scram_client_new(SCRAM_NO_TLS, NULL);
	struct error e;
	int iterations;

	cr_expect_not(feed_challenge(c, LITERAL(RFC_SERVER_FIRST), &iterations, &e));
	cr_expect_str_eq(e.sqlstate, "08P01");
	cr_expect_null(scram_client_first(c), "only fails now");
	scram_client_free(&c);

	c = greet();
	cr_expect_null(scram_client_final(c, &keys), "final before the challenge");
	cr_expect_not(feed_challenge(c, LITERAL(RFC_SERVER_FIRST), &iterations, &e));
	scram_client_free(&c);

	c = greet();
	cr_expect_not(
		feed_verify(c, LITERAL(RFC_SERVER_FINAL), &e), "verified before it was asked");
	cr_expect_str_eq(e.sqlstate, "08P01");
	scram_client_free(&c);

	c = greet();
	cr_expect(feed_challenge(c, LITERAL(RFC_SERVER_FIRST), &iterations, &e));
	cr_expect_not(feed_verify(c, LITERAL(RFC_SERVER_FINAL), &e), "signature without a proof");
	cr_expect_null(scram_client_final(c, &keys));
	scram_client_free(&c);
}
