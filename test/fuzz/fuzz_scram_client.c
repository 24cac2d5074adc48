/* Input: how to bind ("+": to the channel, "-": we would, else not), server-first, a line feed, server-final. */
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum scram_channel
read_channel(const uint8_t *data, size_t size)
{
	if (size == 0 || (*data != '+' && *data != '-'))
		return SCRAM_NO_TLS;
	return *data == '+' ? SCRAM_BOUND : SCRAM_NOT_OFFERED;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct scram_binding binding = { .size = 3, .data = { 1, 2, 3 } };
	enum scram_channel channel = read_channel(data, size);
	size_t skip = channel != SCRAM_NO_TLS, n = size - skip;
	const uint8_t *in = data + skip, *cut = n > 0 ? memchr(in, '\n', n) : NULL, *salt;
	size_t first = cut != NULL ? (size_t)(cut - in) : n, salt_size;
	struct scram_client *c = scram_client_new_with(channel, &binding, "user", "client-nonce");
	struct scram_keys keys = { { 1 }, { 2 } };
	struct error e;
	int iterations;

	scram_client_first(c);
	if (scram_client_challenge(c, in, first, &salt, &salt_size, &iterations, &e)) {
		if (iterations < 1 || iterations > SCRAM_ITERATIONS_MAX || salt_size < 1 ||
			salt_size > SCRAM_SALT_MAX)
			abort();
		scram_client_final(c, &keys);
		if (cut != NULL)
			scram_client_verify(c, cut + 1, n - first - 1, &e);
	}
	scram_client_free(&c);
	return 0;
}
