/* Keys and verifiers.  The roles are in scram_server.c and scram_client.c. */
#include "auth/scram.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "auth/digest.h"
#include "auth/saslprep.h"
#include "base/log.h"
#include "base/memory.h"

/* PostgreSQL's choice, too. */
#define SALT_SIZE 16

static bool
salt_password(const char *password, const uint8_t *salt, size_t salt_size, int iterations,
	uint8_t salted[SCRAM_KEY])
{
	char *prepared;
	int ok;

	if (iterations < 1 || salt_size > INT_MAX)
		return false;
	prepared = saslprep(password);
	ok = PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), salt, (int)salt_size, iterations,
		EVP_sha256(), SCRAM_KEY, salted);
	memory_free_secret(prepared);
	return ok == 1;
}

/* RFC 5802, section 3: ClientKey and ServerKey are HMACs of these words. */
void
scram_derive_keys(const char *password, const uint8_t *salt, size_t salt_size, int iterations,
	struct scram_keys *keys)
{
	uint8_t salted[SCRAM_KEY];

	if (!salt_password(password, salt, salt_size, iterations, salted)) {
		log_error("cannot derive SCRAM keys: OpenSSL refuses PBKDF2");
		ERR_clear_error();
		digest_random(salted, sizeof(salted));
	}
	digest_hmac(salted, "Client Key", strlen("Client Key"), keys->client_key);
	digest_hmac(salted, "Server Key", strlen("Server Key"), keys->server_key);
	memory_wipe(salted, sizeof(salted));
}

/* The keys of a verifier that has its salt and iterations. */
static void
fill_keys(const char *password, struct scram_verifier *v)
{
	struct scram_keys keys;

	scram_derive_keys(password, v->salt, v->salt_size, v->iterations, &keys);
	digest_sha256(keys.client_key, SCRAM_KEY, v->stored_key);
	memcpy(v->server_key, keys.server_key, SCRAM_KEY);
	memory_wipe(&keys, sizeof(keys));
}

void
scram_make_verifier(const char *password, int iterations, struct scram_verifier *v)
{
	memset(v, 0, sizeof(*v));
	v->iterations = iterations;
	v->salt_size = SALT_SIZE;
	digest_random(v->salt, v->salt_size);
	fill_keys(password, v);
}

void
scram_make_stable_verifier(const char *password, const char *user, const uint8_t secret[32], int iterations,
			   struct scram_verifier *v)
{
	scram_mock_verifier(user, secret, iterations, v);
	fill_keys(password, v);
}

/* The stored key is no SHA-256 of anything that anybody knows. */
void
scram_mock_verifier(
	const char *user, const uint8_t secret[32], int iterations, struct scram_verifier *v)
{
	uint8_t seed[DIGEST_SIZE];
	uint8_t salt[DIGEST_SIZE];

	memset(v, 0, sizeof(*v));
	v->iterations = iterations;
	v->salt_size = SALT_SIZE;
	digest_hmac(secret, user, strlen(user), seed);
	digest_hmac(seed, "salt", strlen("salt"), salt);
	memcpy(v->salt, salt, SALT_SIZE);
	digest_hmac(seed, "stored key", strlen("stored key"), v->stored_key);
	digest_hmac(seed, "server key", strlen("server key"), v->server_key);
	memory_wipe(seed, sizeof(seed));
}

bool
scram_keys_fit(const struct scram_keys *keys, const struct scram_verifier *v)
{
	uint8_t stored[SCRAM_KEY];
	bool client, server;

	digest_sha256(keys->client_key, SCRAM_KEY, stored);
	client = digest_equal(stored, v->stored_key, SCRAM_KEY);
	server = digest_equal(keys->server_key, v->server_key, SCRAM_KEY);
	memory_wipe(stored, sizeof(stored));
	return client && server;
}
