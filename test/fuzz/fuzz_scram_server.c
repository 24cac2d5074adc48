/* Input: how to bind ("+": PLUS is offered and chosen, "-": offered, not chosen, else neither), client-first, a
 * line feed, client-final. */
#include <stdlib.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct scram_binding binding = { .size = 3, .data = { 1, 2, 3 } };
	bool plus = size > 0 && *data == '+', offered = plus || (size > 0 && *data == '-');
	const uint8_t *in = data + offered, *cut = size > offered ? memchr(in, '\n', size - offered) : NULL;
	size_t n = size - offered, first = cut != NULL ? (size_t)(cut - in) : n;
	struct scram_verifier v = { .iterations = 1, .salt_size = 4, .salt = { 1, 2, 3, 4 } };
	struct scram_server *s = scram_server_new_with(&v, offered ? &binding : NULL, "server-nonce");
	struct error e;

	if (scram_server_first(s, plus, in, first, &e) != NULL && cut != NULL) {
		scram_server_learn(s, &v);
		if (scram_server_final(s, cut + 1, n - first - 1, NULL, &e) != NULL)
			abort(); /* nothing hashes to a StoredKey of zeros */
	}
	scram_server_free(&s);
	return 0;
}
