/*
 * base64: strict base64 (RFC 4648, section 4) of keys, salts and nonces.
 *
 * There is exactly one accepted text for given bytes: no white space, full
 * padding, no stray bits under it.  So two texts of one verifier are equal
 * exactly when the verifiers are, and nothing hides in an encoding.
 *
 * Private to auth/.  Pure functions, any thread.
 */
#ifndef AUTH_BASE64_H
#define AUTH_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of n bytes, without the NUL. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

#define BASE64_BYTES_MAX 128 /* neither function takes or gives more bytes */

/* Write n <= BASE64_BYTES_MAX bytes as text; out holds BASE64_LENGTH(n) + 1.  Returns out. */
char *base64_encode(const uint8_t *in, size_t n, char *out);

/* Read size characters.  false: not strict base64, or more than max bytes; *n and out stay. */
bool base64_decode(const char *text, size_t size, uint8_t *out, size_t max, size_t *n);

/* The same for what must be n bytes, no more and no less. */
bool base64_decode_exact(const char *text, size_t size, uint8_t *out, size_t n);

#endif
