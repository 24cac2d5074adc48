/*
 * digest: the primitives that SCRAM is made of, over OpenSSL's EVP.
 *
 * They fail only when OpenSSL is out of memory, has no SHA-256 or no source of
 * randomness.  No login can be right after that, so it ends the process with
 * words; nothing that a peer sends leads there.
 *
 * Private to auth/.  Pure functions, any thread.
 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

void digest_sha256(const void *in, size_t n, uint8_t out[DIGEST_SIZE]);
void
digest_hmac(const uint8_t key[DIGEST_SIZE], const void *in, size_t n, uint8_t out[DIGEST_SIZE]);

/* From the operating system's generator. */
void digest_random(void *out, size_t n);

/* Takes the same time wherever they differ. */
bool digest_equal(const void *a, const void *b, size_t n);

#endif
