#include "auth/digest.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/log.h"

static void
insist(bool worked, const char *what)
{
	if (worked)
		return;
	log_fatal("OpenSSL refuses %s: no login can be checked", what);
	abort();
}

void
digest_sha256(const void *in, size_t n, uint8_t out[DIGEST_SIZE])
{
	insist(EVP_Digest(in, n, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void
digest_hmac(const uint8_t key[DIGEST_SIZE], const void *in, size_t n, uint8_t out[DIGEST_SIZE])
{
	insist(HMAC(EVP_sha256(), key, DIGEST_SIZE, in, n, out, NULL) != NULL, "HMAC-SHA-256");
}

void
digest_random(void *out, size_t n)
{
	insist(RAND_bytes(out, (int)n) == 1, "random bytes");
}

bool
digest_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
