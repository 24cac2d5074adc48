/*
 * cancel: the keys that let a client cancel its query.
 *
 * A client's key is derived, not stored: HMAC-SHA-256 of its id under a secret
 * of the process, cut to 4 bytes for protocol 3.0 and to 32 for 3.2.  A server's key is kept
 * as it was sent (4 .. 256 bytes).
 */
#ifndef PG_CANCEL_H
#define PG_CANCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define CANCEL_KEY_MAX 256
#define CANCEL_KEY_3_0 4
#define CANCEL_KEY_3_2 32

/* Draw the secret of this process; once, before threads start. */
void cancel_init(void);

/* The key of client id, size 4 or 32. */
void cancel_client_key(uint32_t id, uint8_t *key, size_t size);

/* Is this the key of client id?  In constant time; only sizes 4 and 32 can be. */
bool cancel_client_key_matches(uint32_t id, const uint8_t *key, size_t size);

/* Append a CancelRequest for a backend. */
void cancel_write_request(struct buffer *b, uint32_t pid, const uint8_t *key, size_t size);

#endif
