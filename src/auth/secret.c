#include "auth/secret.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "auth/base64.h"
#include "auth/digest.h"
#include "auth/scram.h"
#include "auth/scram_message.h"
#include "base/memory.h"

#define MD5_SIZE 16
#define MD5_TEXT 35 /* "md5" and 32 hex digits */
#define SCRAM_PREFIX SCRAM_MECHANISM "$"

static bool
is_md5(const char *text)
{
	return strlen(text) == MD5_TEXT && strncmp(text, "md5", 3) == 0 &&
		strspn(text + 3, "0123456789abcdef") == MD5_TEXT - 3;
}

/* Move what stands before stop from rest to field. */
static bool
cut(struct span *rest, char stop, struct span *field)
{
	const char *end = memchr(rest->text, stop, rest->size);

	if (end == NULL)
		return false;
	field->text = rest->text;
	field->size = (size_t)(end - rest->text);
	rest->text = end + 1;
	rest->size -= field->size + 1;
	return true;
}

/* "SCRAM-SHA-256$" iterations ":" salt "$" StoredKey ":" ServerKey */
static bool
parse_verifier(const char *text, struct scram_verifier *v)
{
	struct span rest, iterations, salt, stored;

	if (strncmp(text, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) != 0)
		return false;
	rest.text = text + strlen(SCRAM_PREFIX);
	rest.size = strlen(rest.text);
	return cut(&rest, ':', &iterations) && cut(&rest, '$', &salt) && cut(&rest, ':', &stored) &&
		scram_parse_count(iterations, INT_MAX, &v->iterations) &&
		base64_decode(salt.text, salt.size, v->salt, sizeof(v->salt), &v->salt_size) &&
		v->salt_size > 0 &&
		base64_decode_exact(stored.text, stored.size, v->stored_key, SCRAM_KEY) &&
		base64_decode_exact(rest.text, rest.size, v->server_key, SCRAM_KEY);
}

static void
free_verifier(struct scram_verifier *v)
{
	if (v == NULL)
		return;
	memory_wipe(v, sizeof(*v));
	free(v);
}

void
secret_parse(struct secret *s, const char *text)
{
	struct scram_verifier *v;

	memset(s, 0, sizeof(*s));
	s->kind = SECRET_NONE;
	if (text == NULL || *text == '\0')
		return;
	s->text = memory_strdup(text);
	s->kind = is_md5(text) ? SECRET_MD5 : SECRET_PLAIN;
	v = memory_zalloc(sizeof(*v));
	if (parse_verifier(text, v)) {
		s->kind = SECRET_SCRAM;
		s->verifier = v;
	} else {
		free_verifier(v);
	}
}

void
secret_copy(struct secret *dst, const struct secret *src)
{
	secret_parse(dst, src->text);
}

void
secret_release(struct secret *s)
{
	memory_free_secret(s->text);
	free_verifier(s->verifier);
	memset(s, 0, sizeof(*s));
	s->kind = SECRET_NONE;
}

void
secret_format_scram(const struct scram_verifier *v, char *out, size_t size)
{
	char salt[BASE64_LENGTH(SCRAM_SALT_MAX) + 1];
	char stored[BASE64_LENGTH(SCRAM_KEY) + 1];
	char server[BASE64_LENGTH(SCRAM_KEY) + 1];

	snprintf(out, size, SCRAM_PREFIX "%d:%s$%s:%s", v->iterations,
		base64_encode(v->salt, v->salt_size, salt),
		base64_encode(v->stored_key, SCRAM_KEY, stored),
		base64_encode(v->server_key, SCRAM_KEY, server));
	memory_wipe(stored, sizeof(stored));
	memory_wipe(server, sizeof(server));
}

/* A FIPS provider has no MD5; its error must not stay in the thread's queue,
 * where the next TLS call would find it. */
static bool
hash_md5(const char *text, const void *salt, size_t salt_size, uint8_t out[MD5_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
		EVP_DigestUpdate(ctx, text, strlen(text)) == 1 &&
		EVP_DigestUpdate(ctx, salt, salt_size) == 1 &&
		EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	if (!done)
		ERR_clear_error();
	return done;
}

static bool
write_md5(const char *text, const void *salt, size_t salt_size, char out[36])
{
	uint8_t hash[MD5_SIZE];
	size_t i;

	out[0] = '\0';
	if (!hash_md5(text, salt, salt_size, hash))
		return false;
	memcpy(out, "md5", 3);
	for (i = 0; i < MD5_SIZE; i++)
		snprintf(out + 3 + 2 * i, 3, "%02x", hash[i]);
	memory_wipe(hash, sizeof(hash));
	return true;
}

bool
md5_encrypt(const char *password, const char *user, char out[36])
{
	return write_md5(password, user, strlen(user), out);
}

bool
md5_answer(const char *stored, const uint8_t salt[4], char out[36])
{
	out[0] = '\0';
	return strlen(stored) == MD5_TEXT && write_md5(stored + 3, salt, 4, out);
}

/* The "md5..." text of a secret that has one. */
static bool
store_md5(const struct secret *s, const char *user, char out[36])
{
	if (s->kind == SECRET_PLAIN)
		return md5_encrypt(s->text, user, out);
	if (s->kind != SECRET_MD5)
		return false;
	memcpy(out, s->text, MD5_TEXT + 1);
	return true;
}

/* expected has MD5_TEXT characters; given may be anything. */
static bool
equal_md5(const char *expected, const char *given)
{
	return strnlen(given, MD5_TEXT + 1) == MD5_TEXT && digest_equal(expected, given, MD5_TEXT);
}

bool
md5_verify(const struct secret *s, const char *user, const uint8_t salt[4], const char *answer)
{
	char stored[36], expected[36];
	bool fits;

	fits = store_md5(s, user, stored) && md5_answer(stored, salt, expected) &&
		equal_md5(expected, answer);
	memory_wipe(stored, sizeof(stored));
	memory_wipe(expected, sizeof(expected));
	return fits;
}

static bool
verify_plain(const struct secret *s, const char *user, const char *password)
{
	uint8_t expected[DIGEST_SIZE], given[DIGEST_SIZE];
	bool fits;

	(void)user;
	digest_sha256(s->text, strlen(s->text), expected);
	digest_sha256(password, strlen(password), given);
	fits = digest_equal(expected, given, DIGEST_SIZE);
	memory_wipe(expected, sizeof(expected));
	memory_wipe(given, sizeof(given));
	return fits;
}

static bool
verify_md5(const struct secret *s, const char *user, const char *password)
{
	char given[36];
	bool fits = md5_encrypt(password, user, given) && equal_md5(s->text, given);

	memory_wipe(given, sizeof(given));
	return fits;
}

static bool
verify_scram(const struct secret *s, const char *user, const char *password)
{
	const struct scram_verifier *v = s->verifier;
	struct scram_keys keys;
	bool fits;

	(void)user;
	if (v->iterations > SCRAM_ITERATIONS_MAX)
		return false;
	scram_derive_keys(password, v->salt, v->salt_size, v->iterations, &keys);
	fits = scram_keys_fit(&keys, v);
	memory_wipe(&keys, sizeof(keys));
	return fits;
}

bool
password_verify(const struct secret *s, const char *user, const char *password)
{
	static bool (*const verify[])(const struct secret *, const char *, const char *) = {
		[SECRET_NONE] = NULL,
		[SECRET_PLAIN] = verify_plain,
		[SECRET_MD5] = verify_md5,
		[SECRET_SCRAM] = verify_scram,
	};

	return verify[s->kind] != NULL && verify[s->kind](s, user, password);
}
