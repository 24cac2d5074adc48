/* Input: server-first, a line feed, server-final. */
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, '\n', size) : NULL, *salt;
	size_t first = cut != NULL ? (size_t)(cut - data) : size, salt_size;
	struct scram_client *c = scram_client_new_with(SCRAM_NO_TLS, NULL, "user", "client-nonce");
	struct scram_keys keys = { { 1 }, { 2 } };
	struct error e;
	int iterations;

	scram_client_first(c);
	if (scram_client_challenge(c, data, first, &salt, &salt_size, &iterations, &e)) {
		if (iterations < 1 || iterations > SCRAM_ITERATIONS_MAX ||
			salt_size > SCRAM_SALT_MAX)
			abort();
		scram_client_final(c, &keys);
		if (cut != NULL)
			scram_client_verify(c, cut + 1, size - first - 1, &e);
	}
	scram_client_free(&c);
	return 0;
}
