/*
 * fingerprint: 32 bytes that stand for some pieces of text, to find them again.
 *
 * HMAC-SHA256 under a key that was drawn when the process began: who sees a
 * fingerprint learns nothing about a password in it, and nobody can choose
 * texts with the fingerprints he likes.
 *
 * Private to client/.  Any thread.
 */
#ifndef CLIENT_FINGERPRINT_H
#define CLIENT_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_SIZE 32

struct fingerprint_piece {
	const void *bytes;
	size_t size;
};

/* Pieces that are cut elsewhere have another fingerprint. */
void fingerprint_take(const struct fingerprint_piece *pieces, size_t n, uint8_t out[FINGERPRINT_SIZE]);

#endif
