#include "pg/cancel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/log.h"
#include "base/memory.h"
#include "pg/startup.h"
#include "pg/writer.h"

#define MAC_SIZE 32

static uint8_t secret[MAC_SIZE];

void
cancel_init(void)
{
	if (RAND_bytes(secret, sizeof(secret)) != 1) {
		log_fatal("no random bytes for the cancel keys");
		abort();
	}
}

void
cancel_client_key(uint32_t id, uint8_t *key, size_t size)
{
	uint8_t text[4] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
		(uint8_t)id };
	uint8_t mac[MAC_SIZE];

	assert(size == CANCEL_KEY_3_0 || size == CANCEL_KEY_3_2);
	if (HMAC(EVP_sha256(), secret, sizeof(secret), text, sizeof(text), mac, NULL) == NULL) {
		log_fatal("HMAC-SHA-256 does not work");
		abort();
	}
	memcpy(key, mac, size);
	memory_wipe(mac, sizeof(mac));
}

bool
cancel_client_key_matches(uint32_t id, const uint8_t *key, size_t size)
{
	uint8_t right[CANCEL_KEY_3_2];

	if (size != CANCEL_KEY_3_0 && size != CANCEL_KEY_3_2)
		return false;
	cancel_client_key(id, right, size);
	bool matches = CRYPTO_memcmp(right, key, size) == 0;
	memory_wipe(right, sizeof(right));
	return matches;
}

void
cancel_write_request(struct buffer *b, uint32_t pid, const uint8_t *key, size_t size)
{
	size_t m = writer_begin(b, 0);

	writer_u32(b, STARTUP_CODE_CANCEL);
	writer_u32(b, pid);
	writer_bytes(b, key, size);
	writer_end(b, m);
}
