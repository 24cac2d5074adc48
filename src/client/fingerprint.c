#include "client/fingerprint.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"

static uint8_t key[FINGERPRINT_SIZE];

static void __attribute__((constructor))
draw_key(void)
{
	if (RAND_bytes(key, sizeof(key)) != 1)
		abort();
}

void
fingerprint_take(const struct fingerprint_piece *pieces, size_t n, uint8_t out[FINGERPRINT_SIZE])
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < n; i++) {
		buffer_append(&text, &pieces[i].size, sizeof(pieces[i].size));
		buffer_append(&text, pieces[i].bytes, pieces[i].size);
	}
	if (HMAC(EVP_sha256(), key, sizeof(key), text.data, text.len, out, NULL) == NULL) {
		log_fatal("OpenSSL refuses HMAC-SHA-256: no login can be checked");
		abort();
	}
	buffer_wipe(&text);
}
