#include "auth/scram.h"

#include <stdlib.h>
#include <string.h>

#include "auth/scram_message.h"
#include "base/memory.h"
#include "base/sqlstate.h"

/* What we say about channel binding; no other identity. */
static const char *const gs2_headers[] = {
	[SCRAM_NO_TLS] = "n,,",
	[SCRAM_NOT_OFFERED] = "y,,",
	[SCRAM_BOUND] = "p=" SCRAM_BINDING_NAME ",,",
};

enum client_phase {
	CLIENT_STARTS,
	CLIENT_GREETED,	   /* has sent client-first, waits for server-first */
	CLIENT_CHALLENGED, /* has read server-first, waits for the keys */
	CLIENT_PROVED,	   /* has sent client-final, waits for server-final */
	CLIENT_DONE,	   /* the server is who it should be */
	CLIENT_FAILED,
};

struct scram_client {
	enum client_phase phase;
	const char *gs2_header;
	char *binding; /* what c= says */
	char *own_nonce;
	char *first; /* client-first, with the GS2 header */
	char *server_first;
	char *nonce; /* ours and the server's */
	int iterations;
	size_t salt_size;
	uint8_t salt[SCRAM_SALT_MAX];
	char *auth_message;
	char *final; /* client-final */
	uint8_t server_key[SCRAM_KEY];
};

struct scram_client *
scram_client_new(enum scram_channel channel, const struct scram_binding *binding)
{
	char nonce[SCRAM_NONCE + 1];

	scram_draw_nonce(nonce);
	return scram_client_new_with(channel, binding, "", nonce);
}

struct scram_client *
scram_client_new_with(enum scram_channel channel, const struct scram_binding *binding,
	const char *user, const char *nonce)
{
	struct scram_client *c = memory_zalloc(sizeof(*c));

	c->phase = CLIENT_STARTS;
	c->gs2_header = gs2_headers[channel];
	c->binding = scram_bind(c->gs2_header, channel == SCRAM_BOUND ? binding : NULL);
	c->own_nonce = memory_strdup(nonce);
	c->first = scram_text("%sn=%s,r=%s", c->gs2_header, user, nonce);
	return c;
}

void
scram_client_free(struct scram_client **c)
{
	struct scram_client *old = *c;

	*c = NULL;
	if (old == NULL)
		return;
	memory_free_secret(old->binding);
	memory_free_secret(old->own_nonce);
	memory_free_secret(old->first);
	memory_free_secret(old->server_first);
	memory_free_secret(old->nonce);
	memory_free_secret(old->auth_message);
	memory_free_secret(old->final);
	memory_wipe(old, sizeof(*old));
	free(old);
}

/* Leave the one phase in which a step is legal; the exchange counts as failed
 * until the step has proved good. */
static bool
leave(struct scram_client *c, enum client_phase legal)
{
	bool in_order = c->phase == legal;

	c->phase = CLIENT_FAILED;
	return in_order;
}

static bool
leave_for(struct scram_client *c, enum client_phase legal, const char *message, struct error *e)
{
	if (leave(c, legal))
		return true;
	error_set(e, SEVERITY_FATAL, SQLSTATE_PROTOCOL_VIOLATION, "unexpected SCRAM %s message",
		message);
	return false;
}

const char *
scram_client_first(struct scram_client *c)
{
	if (!leave(c, CLIENT_STARTS))
		return NULL;
	c->phase = CLIENT_GREETED;
	return c->first;
}

static void
read_salt(struct scram_reader *r, struct scram_client *c)
{
	struct span text = scram_read(r, 's');

	if (!base64_decode(text.text, text.size, c->salt, sizeof(c->salt), &c->salt_size) ||
		c->salt_size == 0)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The salt is not the base64 of 1 to %d bytes.", SCRAM_SALT_MAX);
}

/* server-first-message = [ "m=" ... "," ] "r=" nonce "," "s=" base64 "," "i=" posit-number
 *                        [ "," extensions ] */
static struct span
read_server_first(struct scram_reader *r, struct scram_client *c)
{
	struct span nonce;
	size_t own = strlen(c->own_nonce);

	scram_refuse_mandatory(r);
	nonce = scram_read_nonce(r);
	if (nonce.size <= own || memcmp(nonce.text, c->own_nonce, own) != 0)
		scram_reader_refuse(
			r, SQLSTATE_PROTOCOL_VIOLATION, "The nonce does not continue ours.");
	read_salt(r, c);
	if (!scram_parse_count(scram_read(r, 'i'), SCRAM_ITERATIONS_MAX, &c->iterations))
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The iteration count is not a number from 1 to %d.", SCRAM_ITERATIONS_MAX);
	scram_skip_rest(r);
	return nonce;
}

bool
scram_client_challenge(struct scram_client *c, const uint8_t *in, size_t n, const uint8_t **salt,
	size_t *salt_size, int *iterations, struct error *e)
{
	struct scram_reader r;
	struct span nonce;

	if (!leave_for(c, CLIENT_GREETED, "server-first", e))
		return false;
	scram_reader_init(&r, in, n);
	nonce = read_server_first(&r, c);
	if (scram_reader_failed(&r, "server-first", e))
		return false;
	c->server_first = memory_strndup((const char *)in, n);
	c->nonce = memory_strndup(nonce.text, nonce.size);
	*salt = c->salt;
	*salt_size = c->salt_size;
	*iterations = c->iterations;
	c->phase = CLIENT_CHALLENGED;
	return true;
}

/* RFC 5802, section 3: ClientProof = ClientKey XOR HMAC(H(ClientKey), AuthMessage). */
static void
prove(const struct scram_client *c, const uint8_t client_key[SCRAM_KEY], uint8_t proof[SCRAM_KEY])
{
	uint8_t stored[SCRAM_KEY];
	size_t i;

	digest_sha256(client_key, SCRAM_KEY, stored);
	digest_hmac(stored, c->auth_message, strlen(c->auth_message), proof);
	for (i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= client_key[i];
	memory_wipe(stored, sizeof(stored));
}

const char *
scram_client_final(struct scram_client *c, const struct scram_keys *keys)
{
	uint8_t proof[SCRAM_KEY];
	char text[BASE64_LENGTH(SCRAM_KEY) + 1];

	if (!leave(c, CLIENT_CHALLENGED))
		return NULL;
	memcpy(c->server_key, keys->server_key, SCRAM_KEY);
	c->auth_message = scram_text("%s,%s,c=%s,r=%s", c->first + strlen(c->gs2_header),
		c->server_first, c->binding, c->nonce);
	prove(c, keys->client_key, proof);
	c->final = scram_text("c=%s,r=%s,p=%s", c->binding, c->nonce,
		base64_encode(proof, sizeof(proof), text));
	c->phase = CLIENT_PROVED;
	return c->final;
}

/* The server's own words reach a log and perhaps a client: only what is printable. */
static bool
refuse_by_server(struct span reason, struct error *e)
{
	bool fit = reason.size <= 64 && scram_is_printable(reason);

	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
		"server refused the SCRAM exchange: %.*s", fit ? (int)reason.size : 0, reason.text);
	if (!fit)
		error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
			"server refused the SCRAM exchange");
	return false;
}

static bool
check_signature(const struct scram_client *c, const uint8_t signature[SCRAM_KEY], struct error *e)
{
	uint8_t expected[SCRAM_KEY];
	bool fits;

	digest_hmac(c->server_key, c->auth_message, strlen(c->auth_message), expected);
	fits = digest_equal(expected, signature, SCRAM_KEY);
	memory_wipe(expected, sizeof(expected));
	if (!fits) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION,
			"server could not prove that it knows the password");
		error_hint(e, "Check that this is the right server: another may be in its place.");
	}
	return fits;
}

/* server-final-message = ( "e=" server-error-value / "v=" base64 ) [ "," extensions ] */
bool
scram_client_verify(struct scram_client *c, const uint8_t *in, size_t n, struct error *e)
{
	struct scram_reader r;
	struct span refusal = { NULL, 0 };
	uint8_t signature[SCRAM_KEY] = { 0 };

	if (!leave_for(c, CLIENT_PROVED, "server-final", e))
		return false;
	scram_reader_init(&r, in, n);
	if (n >= 2 && in[0] == 'e')
		refusal = scram_read(&r, 'e');
	else
		scram_decode(&r, scram_read(&r, 'v'), signature, sizeof(signature));
	scram_skip_rest(&r);
	if (scram_reader_failed(&r, "server-final", e))
		return false;
	if (refusal.text != NULL)
		return refuse_by_server(refusal, e);
	if (!check_signature(c, signature, e))
		return false;
	c->phase = CLIENT_DONE;
	return true;
}
