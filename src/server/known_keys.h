/*
 * known_keys: what a password came to at the last SCRAM login, so that the next one need not hash again.
 *
 * A pool opens many connections with one password to one role, and the role's
 * salt stays the same until its password is set anew.  Keys are kept only when
 * the server has proved that it knows them too.  A password, salt or iteration
 * count that is another one finds nothing.
 *
 * One per pool, on its worker's thread.
 */
#ifndef SERVER_KNOWN_KEYS_H
#define SERVER_KNOWN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/secret.h"

struct known_keys;

/* What scram_derive_keys takes. */
struct keys_origin {
	const char *password;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
};

/* k may be NULL: nothing is known. */
bool known_keys_find(const struct known_keys *k, const struct keys_origin *from, struct scram_keys *keys);

/* Keep these, in place of others; *k is made if it is NULL. */
void known_keys_keep(struct known_keys **k, const struct keys_origin *from, const struct scram_keys *keys);

void known_keys_free(struct known_keys **k);	/* wipes; NULL is fine */

#endif
