#include "server/known_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FINGERPRINT 32

struct known_keys {
	uint8_t fingerprint[FINGERPRINT];	/* of what they were derived from */
	struct scram_keys keys;
};

/* false: OpenSSL refused; then nothing is known. */
static bool
take_fingerprint(const struct keys_origin *from, uint8_t out[FINGERPRINT])
{
	uint8_t text[SCRAM_SALT_MAX + sizeof(from->iterations)];
	unsigned size = 0;

	if (from->salt_size > SCRAM_SALT_MAX)
		return false;
	memcpy(text, &from->iterations, sizeof(from->iterations));
	memcpy(text + sizeof(from->iterations), from->salt, from->salt_size);
	return HMAC(EVP_sha256(), from->password, (int)strlen(from->password), text,
		    sizeof(from->iterations) + from->salt_size, out, &size) != NULL &&
	       size == FINGERPRINT;
}

bool
known_keys_find(const struct known_keys *k, const struct keys_origin *from, struct scram_keys *keys)
{
	uint8_t fingerprint[FINGERPRINT];

	if (k == NULL || !take_fingerprint(from, fingerprint) ||
	    CRYPTO_memcmp(k->fingerprint, fingerprint, FINGERPRINT) != 0)
		return false;
	*keys = k->keys;
	return true;
}

void
known_keys_keep(struct known_keys **k, const struct keys_origin *from, const struct scram_keys *keys)
{
	uint8_t fingerprint[FINGERPRINT];

	if (!take_fingerprint(from, fingerprint))
		return;
	if (*k == NULL)
		*k = memory_zalloc(sizeof(**k));
	memcpy((*k)->fingerprint, fingerprint, FINGERPRINT);
	(*k)->keys = *keys;
}

void
known_keys_free(struct known_keys **k)
{
	if (*k == NULL)
		return;
	memory_wipe(*k, sizeof(**k));
	free(*k);
	*k = NULL;
}
