/* SCRAM-SHA-256-PLUS: what ties an exchange to its TLS channel, and who tries to untie it. */
#include <criterion/criterion.h>
#include <string.h>

#include "auth/scram.h"
#include "auth/scram_message.h"
#include "base/memory.h"

static const uint8_t *
bytes(const char *text)
{
	return (const uint8_t *)text;
}

static struct scram_binding
make_binding(size_t size, uint8_t fill)
{
	struct scram_binding b = { .size = size };

	memset(b.data, fill, size);
	return b;
}

struct attempt {
	const struct scram_verifier *verifier;
	struct scram_binding offered; /* by the server */
	enum scram_channel channel;   /* what the client says */
	struct scram_binding seen;    /* by the client */
	bool plus;
};

/* Run an exchange.  NULL: both sides are content; else the SQLSTATE of who refused. */
static const char *
attempt(const struct attempt *a, struct error *e)
{
	struct scram_server *s = scram_server_new(a->verifier, &a->offered);
	struct scram_client *c = scram_client_new(a->channel, &a->seen);
	const char *text = scram_client_first(c);
	struct scram_keys keys;
	const uint8_t *salt;
	size_t salt_size;
	int iterations;
	bool good = false;

	text = scram_server_first(s, a->plus, bytes(text), strlen(text), e);
	if (text != NULL) {
		cr_assert(scram_client_challenge(
			c, bytes(text), strlen(text), &salt, &salt_size, &iterations, e));
		scram_derive_keys("pencil", salt, salt_size, iterations, &keys);
		text = scram_client_final(c, &keys);
		text = scram_server_final(s, bytes(text), strlen(text), NULL, e);
		good = text != NULL && scram_client_verify(c, bytes(text), strlen(text), e);
	}
	scram_client_free(&c);
	scram_server_free(&s);
	return good ? NULL : e->sqlstate;
}

static const struct {
	size_t offered, seen;
	uint8_t seen_fill; /* the server's is 7 */
	enum scram_channel channel;
	bool plus;
	const char *sqlstate;
} attempts[] = {
	{ 32, 32, 7, SCRAM_BOUND, true, NULL },
	{ 1, 1, 7, SCRAM_BOUND, true, NULL },
	{ 48, 48, 7, SCRAM_BOUND, true, NULL },
	{ 64, 64, 7, SCRAM_BOUND, true, NULL },
	{ 32, 32, 8, SCRAM_BOUND, true, "08P01" }, /* another channel: somebody in the middle */
	{ 32, 31, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 33, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 0, 7, SCRAM_BOUND, true, "08P01" },
	{ 64, 32, 7, SCRAM_BOUND, true, "08P01" },
	{ 32, 32, 7, SCRAM_BOUND, false, "08P01" },
	{ 32, 0, 0, SCRAM_NO_TLS, true, "08P01" },
	{ 32, 0, 0, SCRAM_NOT_OFFERED, true, "08P01" },
	{ 32, 0, 0, SCRAM_NO_TLS, false, NULL }, /* a client that can't bind */
	{ 32, 0, 0, SCRAM_NOT_OFFERED, false, "08P01" }, /* the offer was taken away */
	{ 0, 0, 0, SCRAM_NO_TLS, false, NULL },
	{ 0, 0, 0, SCRAM_NOT_OFFERED, false, NULL },
	{ 0, 32, 7, SCRAM_BOUND, true, "08P01" }, /* we offered nothing */
	{ 0, 32, 7, SCRAM_BOUND, false, "08P01" },
	{ 0, 0, 0, SCRAM_NO_TLS, true, "08P01" },
};

Test(scram_plus, binds_both_sides_to_one_channel)
{
	struct scram_verifier v;
	struct error e;

	scram_make_verifier("pencil", 2, &v);
	for (size_t i = 0; i < lengthof(attempts); i++) {
		struct attempt a = {
			.verifier = &v,
			.offered = make_binding(attempts[i].offered, 7),
			.channel = attempts[i].channel,
			.seen = make_binding(attempts[i].seen, attempts[i].seen_fill),
			.plus = attempts[i].plus,
		};
		const char *got = attempt(&a, &e);

		if (attempts[i].sqlstate == NULL)
			cr_expect_null(got, "row %zu: %s", i, e.detail);
		else
			cr_expect(got != NULL && strcmp(got, attempts[i].sqlstate) == 0,
				"row %zu: %s", i, got);
	}
}
