#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "auth/scram.h"
#include "auth/secret.h"
#include "base/memory.h"

#define SALT "VJP/j10yV1fV4PF3W2NODQ=="
#define STORED "jFQt4IaaHt3hFVdf8rXhyyFPm9/jNKuFnYPq92LfEK4="
#define SERVER "MNDh1VD2S2mblHeFAAZXT/xhDtrGr250CuWpjUoJ6yM="

/* Made by PostgreSQL 15: of "pencil"; of a Roman nine, " geheim", a soft hyphen and "e". */
#define PENCIL "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER
#define GEHEIM                                         \
	"SCRAM-SHA-256$4096:YFO5Pe6FMSRw9E595CXkVw==$" \
	"fbuTEvFRZqhosDbP6LEu+O7iee6w0A4JLvg+/6LOk0Y=:tmG6Mj76qQUylwOLFcngkIYXAgOimkkn6oGF+z7pbbQ="

static const struct {
	const char *text;
	enum secret_kind kind;
} forms[] = {
	{ NULL, SECRET_NONE },
	{ "", SECRET_NONE },
	{ "x", SECRET_PLAIN },
	{ "md5", SECRET_PLAIN },
	{ "md520c46e3762c864548e296b33c3406aa9", SECRET_MD5 },
	{ "md520C46E3762C864548E296B33C3406AA9", SECRET_PLAIN },
	{ "MD520c46e3762c864548e296b33c3406aa9", SECRET_PLAIN },
	{ "md520c46e3762c864548e296b33c3406aa", SECRET_PLAIN },
	{ "md520c46e3762c864548e296b33c3406aa90", SECRET_PLAIN },
	{ "md520c46e3762c864548e296b33c3406aag", SECRET_PLAIN },
	{ PENCIL, SECRET_SCRAM },
	{ GEHEIM, SECRET_SCRAM },
	{ "SCRAM-SHA-256$1:" SALT "$" STORED ":" SERVER, SECRET_SCRAM },
	{ "SCRAM-SHA-256$2147483647:" SALT "$" STORED ":" SERVER, SECRET_SCRAM },
	{ "SCRAM-SHA-256$4096:AA==$" STORED ":" SERVER, SECRET_SCRAM },
	{ "scram-sha-256$4096:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-1$4096:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256", SECRET_PLAIN },
	{ "SCRAM-SHA-256$", SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096", SECRET_PLAIN },
	{ "SCRAM-SHA-256$:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$0:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$-1:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$+1:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$ 1:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$1x:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$2147483648:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$18446744073709551617:" SALT "$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:$" STORED ":" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$:" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$" STORED ":", SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$" STORED ":AAAA", SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$AAAA:" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT ":" STORED "$" SERVER, SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER " ", SECRET_PLAIN },
	{ "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER ":", SECRET_PLAIN },
};

Test(secret, is_told_by_its_form)
{
	for (size_t i = 0; i < lengthof(forms); i++) {
		struct secret s, copy;

		secret_parse(&s, forms[i].text);
		secret_copy(&copy, &s);
		cr_expect_eq(s.kind, forms[i].kind, "%s", forms[i].text);
		cr_expect_eq(copy.kind, forms[i].kind, "%s", forms[i].text);
		cr_expect_eq(s.verifier != NULL, s.kind == SECRET_SCRAM);
		if (s.kind != SECRET_NONE) {
			cr_expect_str_eq(s.text, forms[i].text);
			cr_expect_str_eq(copy.text, forms[i].text);
			cr_expect_neq(copy.text, s.text);
		}
		secret_release(&s);
		cr_expect_eq(s.kind, SECRET_NONE);
		secret_release(&s);
		secret_release(&copy);
	}
}

Test(secret, every_cut_of_a_verifier_is_a_plain_password)
{
	for (size_t n = 1; n < strlen(PENCIL); n++) {
		char text[sizeof(PENCIL)];
		struct secret s;

		memcpy(text, PENCIL, n);
		text[n] = '\0';
		secret_parse(&s, text);
		cr_expect_eq(s.kind, SECRET_PLAIN, "%s", text);
		secret_release(&s);
	}
}

/* A verifier with a salt of this many bytes. */
static void
write_verifier(size_t salt_bytes, char *out, size_t size)
{
	size_t full = salt_bytes / 3 * 4, odd = salt_bytes % 3;
	char salt[1024];

	memset(salt, 'A', full);
	strcpy(salt + full, odd == 0 ? "" : odd == 1 ? "AA==" : "AAA=");
	snprintf(out, size, "SCRAM-SHA-256$4096:%s$" STORED ":" SERVER, salt);
}

Test(secret, bounds_the_salt)
{
	char text[2048];
	struct secret s;

	for (size_t n = 1; n < 300; n++) {
		write_verifier(n, text, sizeof(text));
		secret_parse(&s, text);
		cr_expect_eq(s.kind, n <= SCRAM_SALT_MAX ? SECRET_SCRAM : SECRET_PLAIN, "%zu", n);
		secret_release(&s);
	}
}

Test(secret, formats_what_it_parsed)
{
	char text[400];
	struct secret s;

	secret_parse(&s, PENCIL);
	secret_format_scram(s.verifier, text, sizeof(text));
	cr_expect_str_eq(text, PENCIL);
	secret_release(&s);
}

Test(secret, formats_the_largest_verifier)
{
	struct scram_verifier v = { .iterations = 2147483647, .salt_size = SCRAM_SALT_MAX };
	char text[400];
	struct secret s;

	memset(v.salt, 0xff, sizeof(v.salt));
	memset(v.stored_key, 0xee, sizeof(v.stored_key));
	secret_format_scram(&v, text, sizeof(text));
	secret_parse(&s, text);
	cr_assert_eq(s.kind, SECRET_SCRAM);
	cr_expect_eq(memcmp(s.verifier->salt, v.salt, sizeof(v.salt)), 0);
	cr_expect_eq(memcmp(s.verifier->stored_key, v.stored_key, SCRAM_KEY), 0);
	secret_release(&s);
}

/* --- md5 --- */

static const uint8_t salt[4] = { 1, 2, 0, 255 };

static const struct {
	const char *password, *user, *stored;
} md5_known[] = {
	{ "pencil", "user", "md520c46e3762c864548e296b33c3406aa9" },
	{ "", "user", "md5ee11cbb19052e40b07aac0ca060c23ee" },
	{ "p\xc3\xa4ssword", "b\xc3\xa4r", "md5c6f5c21f4585a25126eeb27c02d9c009" },
};

Test(md5, has_known_answers)
{
	char out[36];

	for (size_t i = 0; i < lengthof(md5_known); i++) {
		cr_expect(md5_encrypt(md5_known[i].password, md5_known[i].user, out));
		cr_expect_str_eq(out, md5_known[i].stored);
	}
	cr_expect(md5_answer(md5_known[0].stored, salt, out));
	cr_expect_str_eq(out, "md5f790fd9f5108035e0651fcfd0a60a89b");
	cr_expect_not(md5_answer("md5", salt, out), "not a stored form");
	cr_expect_str_eq(out, "");
}

#define RIGHT "md5f790fd9f5108035e0651fcfd0a60a89b"

static const struct {
	const char *secret, *user, *answer;
	bool fits;
} md5_answers[] = {
	{ "pencil", "user", RIGHT, true },
	{ "md520c46e3762c864548e296b33c3406aa9", "user", RIGHT, true },
	{ "md520c46e3762c864548e296b33c3406aa9", "another", RIGHT,
		true }, /* the name is in the hash */
	{ "pencil", "another", RIGHT, false },
	{ "Pencil", "user", RIGHT, false },
	{ "md520c46e3762c864548e296b33c3406aa8", "user", RIGHT, false },
	{ "pencil", "user", "", false },
	{ "pencil", "user", "md5", false },
	{ "pencil", "user", "pencil", false },
	{ "pencil", "user", "md5f790fd9f5108035e0651fcfd0a60a89", false },
	{ "pencil", "user", RIGHT "b", false },
	{ "pencil", "user", "md5F790FD9F5108035E0651FCFD0A60A89B", false },
	{ "md520c46e3762c864548e296b33c3406aa9", "user", "md520c46e3762c864548e296b33c3406aa9",
		false },
	{ PENCIL, "user", RIGHT, false },
	{ "", "user", RIGHT, false },
};

Test(md5, is_verified)
{
	for (size_t i = 0; i < lengthof(md5_answers); i++) {
		struct secret s;

		secret_parse(&s, md5_answers[i].secret);
		cr_expect_eq(md5_verify(&s, md5_answers[i].user, salt, md5_answers[i].answer),
			md5_answers[i].fits, "row %zu", i);
		secret_release(&s);
	}
}

/* As in FIPS mode.  Criterion runs each test in a process of its own. */
Test(md5, fails_cleanly_where_openssl_has_none)
{
	struct secret s;
	char out[36] = "x";

	secret_parse(&s, "pencil");
	cr_assert(md5_verify(&s, "user", salt, RIGHT));
	cr_assert_eq(EVP_set_default_properties(NULL, "fips=yes"), 1);
	cr_expect_not(md5_encrypt("pencil", "user", out));
	cr_expect_str_eq(out, "");
	cr_expect_not(md5_answer(md5_known[0].stored, salt, out));
	cr_expect_not(md5_verify(&s, "user", salt, RIGHT));
	cr_expect_not(md5_verify(&s, "user", salt, ""));
	cr_expect_eq(ERR_peek_error(), 0, "an error was left for the next TLS call");
	secret_release(&s);
}

/* --- cleartext --- */

static const struct {
	const char *secret, *user, *password;
	bool fits;
} passwords[] = {
	{ "pencil", "user", "pencil", true },
	{ "pencil", "user", "pencil ", false },
	{ "pencil", "user", "penci", false },
	{ "pencil", "user", "", false },
	{ "md520c46e3762c864548e296b33c3406aa9", "user", "pencil", true },
	{ "md520c46e3762c864548e296b33c3406aa9", "user", "pen", false },
	{ "md520c46e3762c864548e296b33c3406aa9", "other", "pencil", false },
	{ "md520c46e3762c864548e296b33c3406aa9", "user", "md520c46e3762c864548e296b33c3406aa9",
		false },
	{ PENCIL, "user", "pencil", true },
	{ PENCIL, "anyone", "pencil", true },
	{ PENCIL, "user", "Pencil", false },
	{ PENCIL, "user", "", false },
	{ PENCIL, "user", PENCIL, false },
	{ GEHEIM, "user",
		"\xe2\x85\xa8 geheim\xc2\xad"
		"e",
		true },
	{ GEHEIM, "user", "IX geheime", true },
	{ GEHEIM, "user", "\xe2\x85\xa8 geheim\xc2\xad", false },
	{ "", "user", "", false },
	{ "SCRAM-SHA-256$1000001:" SALT "$" STORED ":" SERVER, "user", "pencil", false },
	{ "SCRAM-SHA-256$2147483647:" SALT "$" STORED ":" SERVER, "user", "pencil", false },
};

Test(password, is_verified, .timeout = 120)
{
	for (size_t i = 0; i < lengthof(passwords); i++) {
		struct secret s;

		secret_parse(&s, passwords[i].secret);
		cr_expect_eq(password_verify(&s, passwords[i].user, passwords[i].password),
			passwords[i].fits, "row %zu", i);
		secret_release(&s);
	}
}

Test(password, may_be_as_long_as_a_packet, .timeout = 120)
{
	char *text = memory_zalloc(SECRET_MAX);
	struct scram_verifier v;
	struct secret plain, scram;
	char verifier[400];

	memset(text, 'x', SECRET_MAX - 1);
	scram_make_verifier(text, 10, &v);
	secret_format_scram(&v, verifier, sizeof(verifier));
	secret_parse(&plain, text);
	secret_parse(&scram, verifier);
	cr_expect(password_verify(&plain, "u", text));
	cr_expect(password_verify(&scram, "u", text));
	text[SECRET_MAX - 2] = 'y';
	cr_expect_not(password_verify(&plain, "u", text));
	cr_expect_not(password_verify(&scram, "u", text));
	secret_release(&plain);
	secret_release(&scram);
	memory_free_secret(text);
}
