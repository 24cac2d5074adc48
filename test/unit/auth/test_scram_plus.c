/* SCRAM-SHA-256-PLUS: what ties an exchange to its TLS channel, and who tries to untie it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"
#include "base/memory.h"

static const uint8_t *
bytes(const char *text)
{
	return (const uint8_t *)text;
}

static struct scram_binding
make_binding(size_t size, uint8_t fill)
{
	struct scram_binding b = { .size = size };

	memset(b.data, fill, size);
	return b;
}

struct attempt {
	const struct scram_verifier *verifier;
	struct scram_binding offered; /* by the server */
	enum scram_channel channel;   /* what the client says */
	struct scram_binding seen;    /* by the client */
	bool plus;
};

/* Run an exchange.  NULL: both sides are content; else the SQLSTATE of who refused. */
static const char *
attempt(const struct attempt *a, struct error *e)
{
	struct scram_server *s = scram_server_new(a->verifier, &a->offered);
	struct scram_client *c = scram_client_new(a->channel, &a->seen);
	const char *text = scram_client_first(c);
	struct scram_keys keys;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
	bool good = false;

	text = scram_server_first(s, a->plus, bytes(text), strlen(text), e);
	if (text != NULL) {
		cr_assert(scram_client_challenge(
			c, bytes(text), strlen(text), &salt, &salt_size, &iterations, e));
		scram_derive_keys("pencil", salt, salt_size, iterations, &keys);
		text = scram_client_final(c, &keys);
		text = scram_server_final(s, bytes(text), strlen(text), NULL, e);
		good = text != NULL && scram_client_verify(c, bytes(text), strlen(text), e);
	}
	scram_client_free(&c);
	scram_server_free(&s);
	return good ? NULL : e->sqlstate;
}

static const struct {
	size_t offered, seen;
	uint8_t seen_fill; /* the server's is 7 */
	enum scram_channel channel;
	bool plus;
	const char *sqlstate;
} attempts[] = {
	{ 32, 32, 7, SCRAM_BOUND, true, NULL },
	{ 1, 1, 7, SCRAM_BOUND, true, NULL },
	{ 48, 48, 7, SCRAM_BOUND, true, NULL },
	{ 64, 64, 7, SCRAM_BOUND, true, NULL },
	{ 32, 32, 8, SCRAM_BOUND, true, "08P01" }, /* another channel: somebody in the middle */
	{ 32, 31, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 33, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 0, 7, SCRAM_BOUND, true, "08P01" },
	{ 64, 32, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 32, 7, SCRAM_BOUND, false, "08P01" },
	{ 32, 0, 0, SCRAM_NO_TLS, true, "08P01" },
	{ 32, 0, 0, SCRAM_NOT_OFFERED, true, "08P01" },
	{ 32, 0, 0, SCRAM_NO_TLS, false, NULL }, /* a client that can't bind */
	{ 32, 0, 0, SCRAM_NOT_OFFERED, false, "08P01" }, /* the offer was taken away */
	{ 0, 0, 0, SCRAM_NO_TLS, false, NULL },
	{ 0, 0, 0, SCRAM_NOT_OFFERED, false, NULL },
	{ 0, 32, 7, SCRAM_BOUND, true, "08P01" }, /* we offered nothing */
	{ 0, 32, 7, SCRAM_BOUND, false, "08P01" },
	{ 0, 0, 0, SCRAM_NO_TLS, true, "08P01" },
};

Test(scram_plus, binds_both_sides_to_one_channel)
{
	struct scram_verifier v;
	struct error e;

	scram_make_verifier("pencil", 2, &v);
	for (size_t i = 0; i < lengthof(attempts); i++) {
		struct attempt a = {
			.verifier = &v,
			.offered = make_binding(attempts[i].offered, 7),
			.channel = attempts[i].channel,
			.seen = make_binding(attempts[i].seen, attempts[i].seen_fill),
			.plus = attempts[i].plus,
		};
		const char *got = attempt(&a, &e);

		if (attempts[i].sqlstate == NULL)
			cr_expect_null(got, "row %zu: %s", i, e.detail);
		else
			cr_expect(got != NULL && strcmp(got, attempts[i].sqlstate) == 0,
				"row %zu: %s", i, got);
	}
}

/* --- hostile clients --- */

#define BIND "p=tls-server-end-point"

static const struct {
	bool offered, plus;
	const char *text;
	const char *sqlstate; /* NULL: accepted */
} client_firsts[] = {
	{ true, true, BIND ",,n=,r=abc", NULL },
	{ true, true, BIND ",,n=,r=abc,x=1", NULL },
	{ true, false, "n,,n=,r=abc", NULL },
	{ false, false, "y,,n=,r=abc", NULL },
	/* the mechanism and the flag do not fit together, or not to what was offered */
	{ true, true, "n,,n=,r=abc", "08P01" },
	{ true, true, "y,,n=,r=abc", "08P01" },
	{ true, false, BIND ",,n=,r=abc", "08P01" },
	{ true, false, "y,,n=,r=abc", "08P01" },
	{ true, false, "y", "08P01" },
	{ false, true, BIND ",,n=,r=abc", "08P01" },
	{ false, true, "n,,n=,r=abc", "08P01" },
	{ false, true, "y,,n=,r=abc", "08P01" },
	{ false, false, BIND ",,n=,r=abc", "08P01" },
	{ false, false, "p=tls-unique,,n=,r=abc", "08P01" },
	/* another kind of binding */
	{ true, true, "p=tls-unique,,n=,r=abc", "0A000" },
	{ true, true, "p=tls-exporter,,n=,r=abc", "0A000" },
	{ true, true, "p=tls-server-end-poin,,n=,r=abc", "0A000" },
	{ true, true, BIND "s,,n=,r=abc", "0A000" },
	{ true, true, BIND " ,,n=,r=abc", "0A000" },
	{ true, true, "p=TLS-SERVER-END-POINT,,n=,r=abc", "0A000" },
	{ true, true, "p=,,n=,r=abc", "0A000" },
	/* another identity */
	{ true, true, BIND ",a=bob,n=,r=abc", "0A000" },
	{ true, true, BIND ",a=,n=,r=abc", "0A000" },
	/* malformed */
	{ true, true, "", "08P01" },
	{ true, true, "p", "08P01" },
	{ true, true, "p,,n=,r=abc", "08P01" },
	{ true, true, "p:tls-server-end-point,,n=,r=abc", "08P01" },
	{ true, true, "P=tls-server-end-point,,n=,r=abc", "08P01" },
	{ true, true, BIND, "08P01" },
	{ true, true, BIND ",", "08P01" },
	{ true, true, BIND ",,", "08P01" },
	{ true, true, BIND ",x,n=,r=abc", "08P01" },
	{ true, true, BIND ",n=,r=abc", "08P01" },
	{ true, true, BIND ",,r=abc,n=", "08P01" },
	{ true, true, BIND ",,n=,r=", "08P01" },
	{ true, true, BIND ",,n=,r=a bc", "08P01" },
	{ true, true, BIND ",,m=1,n=,r=abc", "0A000" },
};

/* From memory of the exact size, so that a sanitizer sees every read behind the end. */
static const char *
feed_first(struct scram_server *s, bool plus, const char *text, size_t n, struct error *e)
{
	uint8_t *exact = memory_alloc(n);
	const char *answer;

	memcpy(exact, text, n);
	answer = scram_server_first(s, plus, exact, n, e);
	free(exact);
	return answer;
}

static void
expect_first(struct scram_server *s, size_t i)
{
	struct error e = { .sqlstate = "" };
	const char *answer =
		feed_first(s, client_firsts[i].plus, client_firsts[i].text, strlen(client_firsts[i].text), &e);

	if (client_firsts[i].sqlstate == NULL) {
		cr_expect_not_null(answer, "row %zu: %s", i, e.detail);
		return;
	}
	cr_expect_null(answer, "row %zu", i);
	cr_expect_str_eq(e.sqlstate, client_firsts[i].sqlstate, "row %zu: %s", i, e.detail);
	cr_expect_str_neq(e.detail, "");
	cr_expect_null(feed_first(s, true, BIND ",,n=,r=abc", strlen(BIND ",,n=,r=abc"), &e), "only fails now");
}

Test(scram_plus, reads_client_first)
{
	struct scram_binding channel = make_binding(32, 7);
	struct scram_verifier v;

	scram_make_verifier("pencil", 2, &v);
	for (size_t i = 0; i < lengthof(client_firsts); i++) {
		struct scram_server *s = scram_server_new(&v, client_firsts[i].offered ? &channel : NULL);

		expect_first(s, i);
		scram_server_free(&s);
	}
}

Test(scram_plus, refuses_every_cut_of_client_first)
{
	static const char text[] = BIND ",,n=,r=a";
	struct scram_binding channel = make_binding(32, 7);
	struct scram_verifier v;
	struct error e;

	scram_make_verifier("pencil", 2, &v);
	for (size_t n = 0; n <= strlen(text); n++) {
		struct scram_server *s = scram_server_new(&v, &channel);

		cr_expect_eq(feed_first(s, true, text, n, &e) != NULL, n == strlen(text), "%zu", n);
		scram_server_free(&s);
	}
}

/* A server that offered to bind to "abc" and was told client_first; and the nonce of the two. */
static struct scram_server *
start_server(const struct scram_verifier *v, bool plus, const char *client_first)
{
	struct scram_binding channel = { .size = 3, .data = "abc" };
	struct scram_server *s = scram_server_new_with(v, &channel, "def");
	struct error e;

	cr_assert_not_null(scram_server_first(s, plus, bytes(client_first), strlen(client_first), &e), "%s", e.detail);
	return s;
}

/* client-final with the right proof for what it says: not by the client's code. */
static void
write_final(const struct scram_verifier *v, const char *bare, const char *c, char *out, size_t size)
{
	struct scram_keys keys;
	uint8_t stored[SCRAM_KEY], proof[SCRAM_KEY];
	char auth[1024], salt[64], text[64];

	scram_derive_keys("pencil", v->salt, v->salt_size, v->iterations, &keys);
	base64_encode(v->salt, v->salt_size, salt);
	snprintf(auth, sizeof(auth), "%s,r=abcdef,s=%s,i=%d,c=%s,r=abcdef", bare, salt, v->iterations, c);
	digest_sha256(keys.client_key, SCRAM_KEY, stored);
	digest_hmac(stored, auth, strlen(auth), proof);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= keys.client_key[i];
	snprintf(out, size, "c=%s,r=abcdef,p=%s", c, base64_encode(proof, SCRAM_KEY, text));
}

#define HEADER64 "cD10bHMtc2VydmVyLWVuZC1wb2ludCws" /* of BIND ",," */

static const struct {
	bool plus;
	const char *c;
	const char *sqlstate;
} finals[] = {
	{ true, HEADER64 "YWJj", NULL },
	{ false, "biws", NULL },
	{ true, HEADER64, "08P01" },	 /* bound to nothing */
	{ true, HEADER64 "YWJk", "08P01" }, /* to another channel */
	{ true, HEADER64 "YWI=", "08P01" }, /* to less of it */
	{ true, HEADER64 "YWJjAA==", "08P01" },
	{ true, HEADER64 "YWJjYWJj", "08P01" },
	{ true, HEADER64 "YWJj ", "08P01" },
	{ true, HEADER64 "YWJj=", "08P01" },
	{ true, "cD10bHMtdW5pcXVlLCxhYmM=", "08P01" }, /* tls-unique */
	{ true, "YWJj", "08P01" },
	{ true, "biws", "08P01" },
	{ true, "biwsYWJj", "08P01" },
	{ true, "eSws", "08P01" },
	{ true, "", "08P01" },
	{ false, HEADER64 "YWJj", "08P01" },
	{ false, "eSws", "08P01" },
	{ false, "biwsYWJj", "08P01" },
};

Test(scram_plus, reads_client_final_with_a_right_proof)
{
	struct scram_verifier v;

	scram_make_verifier("pencil", 2, &v);
	for (size_t i = 0; i < lengthof(finals); i++) {
		struct scram_server *s =
			start_server(&v, finals[i].plus, finals[i].plus ? BIND ",,n=u,r=abc" : "n,,n=u,r=abc");
		struct error e = { .sqlstate = "" };
		char text[512];
		const char *answer;

		write_final(&v, "n=u,r=abc", finals[i].c, text, sizeof(text));
		answer = scram_server_final(s, bytes(text), strlen(text), NULL, &e);
		cr_expect_eq(answer != NULL, finals[i].sqlstate == NULL, "row %zu: %s", i, e.detail);
		if (answer == NULL && finals[i].sqlstate != NULL)
			cr_expect_str_eq(e.sqlstate, finals[i].sqlstate, "row %zu", i);
		scram_server_free(&s);
	}
}

Test(scram_plus, bounds_client_first)
{
	struct scram_binding channel = make_binding(SCRAM_BINDING_MAX, 7);
	char text[SCRAM_MESSAGE_MAX + 2];
	struct scram_verifier v;
	struct error e;

	scram_make_verifier("pencil", 2, &v);
	memset(text, 'x', sizeof(text));
	memcpy(text, BIND ",,n=,r=", strlen(BIND ",,n=,r="));
	for (size_t n = strlen(BIND); n <= sizeof(text); n += n < SCRAM_MESSAGE_MAX - 2 ? 101 : 1) {
		struct scram_server *s = scram_server_new(&v, &channel);

		cr_expect_eq(feed_first(s, true, text, n, &e) != NULL,
			n > strlen(BIND ",,n=,r=") && n <= SCRAM_MESSAGE_MAX, "%zu", n);
		scram_server_free(&s);
	}
}

/* --- keys that come late --- */

static const struct {
	const char *known_first, *learnt, *client;
	bool fits;
} lessons[] = {
	{ "pencil", "pencil", "pencil", true },
	{ "other", "pencil", "pencil", true },
	{ "pencil", "other", "pencil", false },
	{ "pencil", NULL, "pencil", true },
	{ "other", NULL, "pencil", false },
};

static bool
log_in_late(const struct scram_verifier *first, const struct scram_verifier *learnt, const char *password)
{
	struct scram_server *s = scram_server_new(first, NULL);
	struct scram_client *c = scram_client_new(SCRAM_NO_TLS, NULL);
	const char *text = scram_client_first(c);
	struct scram_keys keys;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
	struct error e;
	bool fits;

	text = scram_server_first(s, false, bytes(text), strlen(text), &e);
	cr_assert(scram_client_challenge(c, bytes(text), strlen(text), &salt, &salt_size, &iterations, &e));
	scram_derive_keys(password, salt, salt_size, iterations, &keys);
	text = scram_client_final(c, &keys);
	if (learnt != NULL)
		scram_server_learn(s, learnt);
	text = scram_server_final(s, bytes(text), strlen(text), NULL, &e);
	fits = text != NULL && scram_client_verify(c, bytes(text), strlen(text), &e);
	scram_client_free(&c);
	scram_server_free(&s);
	return fits;
}

Test(scram_learn, replaces_the_keys_of_the_challenge)
{
	static const uint8_t secret[32] = "one";

	for (size_t i = 0; i < lengthof(lessons); i++) {
		struct scram_verifier first, learnt;

		scram_make_stable_verifier(lessons[i].known_first, "user", secret, 2, &first);
		if (lessons[i].learnt != NULL)
			scram_make_stable_verifier(lessons[i].learnt, "user", secret, 2, &learnt);
		cr_expect_eq(log_in_late(&first, lessons[i].learnt != NULL ? &learnt : NULL, lessons[i].client),
			lessons[i].fits, "row %zu", i);
	}
}

/* Keys of another salt fit nobody who was asked with the first one. */
Test(scram_learn, keeps_salt_and_iterations)
{
	struct scram_verifier first, other;

	scram_make_verifier("pencil", 2, &first);
	scram_make_verifier("pencil", 2, &other);
	cr_expect_not(log_in_late(&first, &other, "pencil"));
}
