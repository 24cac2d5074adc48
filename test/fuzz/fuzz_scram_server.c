/* Input: client-first, a line feed, client-final. */
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - data) : size;
	struct scram_verifier v = { .iterations = 1, .salt_size = 4, .salt = { 1, 2, 3, 4 } };
	struct scram_server *s = scram_server_new_with(&v, NULL, "server-nonce");
	struct error e;

	if (scram_server_first(s, false, data, first, &e) != NULL && cut != NULL &&
		scram_server_final(s, cut + 1, size - first - 1, NULL, &e) != NULL)
		abort(); /* nothing hashes to a StoredKey of zeros */
	scram_server_free(&s);
	return 0;
}
