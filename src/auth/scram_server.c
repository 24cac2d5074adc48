#include "auth/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/scram_message.h"
#include "base/memory.h"
#include "base/sqlstate.h"

enum server_phase {
	SERVER_STARTS, /* waits for client-first */
	SERVER_ASKED,  /* has sent server-first, waits for client-final */
	SERVER_DONE,   /* has sent server-final */
	SERVER_FAILED,
};

struct scram_server {
	enum server_phase phase;
	struct scram_verifier verifier;
	char *own_nonce;
	char *nonce;	     /* the client's and ours */
	struct scram_binding channel; /* size 0: we did not offer to bind */
	char *binding;	     /* what c= must say: of the GS2 header that the client sent */
	char *client_first;  /* without the GS2 header */
	char *first;	     /* server-first */
	char *final;	     /* server-final */
};

struct scram_server *
scram_server_new(const struct scram_verifier *v, const struct scram_binding *binding)
{
	char nonce[SCRAM_NONCE + 1];

	scram_draw_nonce(nonce);
	return scram_server_new_with(v, binding, nonce);
}

struct scram_server *
scram_server_new_with(
	const struct scram_verifier *v, const struct scram_binding *binding, const char *nonce)
{
	struct scram_server *s = memory_zalloc(sizeof(*s));

	s->phase = SERVER_STARTS;
	s->verifier = *v;
	if (binding != NULL)
		s->channel = *binding;
	s->own_nonce = memory_strdup(nonce);
	return s;
}

/* Salt and iterations stay: the client was told them. */
void
scram_server_learn(struct scram_server *s, const struct scram_verifier *v)
{
	memcpy(s->verifier.stored_key, v->stored_key, SCRAM_KEY);
	memcpy(s->verifier.server_key, v->server_key, SCRAM_KEY);
}

void
scram_server_free(struct scram_server **s)
{
	struct scram_server *old = *s;

	*s = NULL;
	if (old == NULL)
		return;
	memory_free_secret(old->own_nonce);
	memory_free_secret(old->nonce);
	memory_free_secret(old->binding);
	memory_free_secret(old->client_first);
	memory_free_secret(old->first);
	memory_free_secret(old->final);
	memory_wipe(old, sizeof(*old));
	free(old);
}

/* Step into the one phase in which a message is legal.  The exchange counts as
 * failed until the message has proved good. */
static bool
enter(struct scram_server *s, enum server_phase legal, const char *message, struct error *e)
{
	bool in_order = s->phase == legal;

	s->phase = SERVER_FAILED;
	if (!in_order)
		error_set(e, SEVERITY_FATAL, SQLSTATE_PROTOCOL_VIOLATION,
			"unexpected SCRAM %s message", message);
	return in_order;
}

/* What the client's mechanism and its flag say together, before the flag's own rules. */
static void
check_channel(struct scram_reader *r, const struct scram_server *s, bool plus, char flag)
{
	bool offered = s->channel.size > 0;

	if (plus && !offered)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The client chose a mechanism that was not offered.");
	else if (plus && flag != 'p')
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The client chose " SCRAM_MECHANISM_PLUS " and binds to no channel.");
	else if (!plus && flag == 'p')
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The client binds to a channel and chose " SCRAM_MECHANISM ".");
	else if (offered && flag == 'y')
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The client believes that channel binding is not offered, but it is.");
}

/* gs2-cbind-flag: the bytes that it takes. */
static size_t
read_channel_flag(struct scram_reader *r)
{
	static const char bound[] = "p=" SCRAM_BINDING_NAME;
	const char *comma = memchr(r->at, ',', (size_t)(r->end - r->at));
	size_t n = (size_t)((comma != NULL ? comma : r->end) - r->at);

	if (n >= 2 && r->at[0] == 'p' && r->at[1] == '=') {
		if (!span_equal((struct span){ r->at, n }, bound))
			scram_reader_refuse(r, SQLSTATE_FEATURE_NOT_SUPPORTED,
				"The only channel binding is " SCRAM_BINDING_NAME ".");
	} else if (n != 1 || (r->at[0] != 'n' && r->at[0] != 'y')) {
		scram_reader_refuse(
			r, SQLSTATE_PROTOCOL_VIOLATION, "The GS2 header is malformed.");
	}
	return n;
}

/*
 * gs2-header     = gs2-cbind-flag "," [ "a=" saslname ] ","
 * gs2-cbind-flag = ( "p=" cb-name ) / "n" / "y"
 *
 * "y" says that the client would bind if we could: where PLUS was offered,
 * somebody in the middle has taken the offer away.
 */
static void
read_gs2_header(struct scram_reader *r, struct scram_server *s, bool plus)
{
	char header[GS2_HEADER_MAX + 1];
	bool bound;
	size_t n;

	if (r->sqlstate != NULL)
		return;
	bound = r->at[0] == 'p';
	check_channel(r, s, plus, r->at[0]);
	n = read_channel_flag(r);
	if (r->sqlstate == NULL && r->end - r->at > (ptrdiff_t)n + 1 && r->at[n + 1] == 'a')
		scram_reader_refuse(r, SQLSTATE_FEATURE_NOT_SUPPORTED,
			"The client asks to act for another user.");
	if (r->sqlstate == NULL && (r->end - r->at < (ptrdiff_t)n + 2 || r->at[n + 1] != ','))
		scram_reader_refuse(
			r, SQLSTATE_PROTOCOL_VIOLATION, "The GS2 header is malformed.");
	if (r->sqlstate != NULL)
		return;
	snprintf(header, sizeof(header), "%.*s", (int)n + 2, r->at);
	s->binding = scram_bind(header, bound ? &s->channel : NULL);
	r->at += n + 2;
}

static char *
write_server_first(const struct scram_server *s)
{
	char salt[BASE64_LENGTH(SCRAM_SALT_MAX) + 1];

	base64_encode(s->verifier.salt, s->verifier.salt_size, salt);
	return scram_text("r=%s,s=%s,i=%d", s->nonce, salt, s->verifier.iterations);
}

/* client-first-message-bare = [ "m=" ... "," ] "n=" saslname "," "r=" c-nonce [ "," extensions ]
 * The startup packet has told who it is: n= is ignored, as PostgreSQL does. */
const char *
scram_server_first(struct scram_server *s, bool plus, const uint8_t *in, size_t n, struct error *e)
{
	struct scram_reader r;
	struct span bare, nonce;

	if (!enter(s, SERVER_STARTS, "client-first", e))
		return NULL;
	scram_reader_init(&r, in, n);
	read_gs2_header(&r, s, plus);
	bare = (struct span){ r.at, (size_t)(r.end - r.at) };
	scram_refuse_mandatory(&r);
	scram_read(&r, 'n');
	nonce = scram_read_nonce(&r);
	scram_skip_rest(&r);
	if (scram_reader_failed(&r, "client-first", e))
		return NULL;

	s->client_first = memory_strndup(bare.text, bare.size);
	s->nonce = scram_text("%.*s%s", (int)nonce.size, nonce.text, s->own_nonce);
	s->first = write_server_first(s);
	s->phase = SERVER_ASKED;
	return s->first;
}

/* What is read of a client-final message. */
struct client_final {
	size_t unproved_size; /* client-final-message-without-proof */
	uint8_t proof[SCRAM_KEY];
};

/* client-final-message = "c=" base64 "," "r=" nonce [ "," extensions ] "," "p=" base64 */
static void
read_client_final(struct scram_reader *r, const struct scram_server *s, struct client_final *f)
{
	const char *start = r->at, *before;
	struct span proof;
	char name;

	if (!span_equal(scram_read(r, 'c'), s->binding))
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The channel binding is not the one announced before.");
	if (!span_equal(scram_read_nonce(r), s->nonce))
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION,
			"The nonce is not the one of this exchange.");
	do {
		before = r->at;
		proof = scram_read_any(r, &name);
	} while (name != 'p' && r->sqlstate == NULL);
	scram_decode(r, proof, f->proof, sizeof(f->proof));
	if (r->more)
		scram_reader_refuse(r, SQLSTATE_PROTOCOL_VIOLATION, "Something follows the proof.");
	if (r->sqlstate == NULL)
		f->unproved_size = (size_t)(before - start) - strlen(",");
}

/* RFC 5802, section 3: ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage), and its hash is
 * StoredKey. */
static bool
recover_client_key(const struct scram_server *s, const char *auth_message,
	const uint8_t proof[SCRAM_KEY], uint8_t client_key[SCRAM_KEY])
{
	uint8_t signature[SCRAM_KEY];
	uint8_t stored[SCRAM_KEY];
	bool fits;
	size_t i;

	digest_hmac(s->verifier.stored_key, auth_message, strlen(auth_message), signature);
	for (i = 0; i < SCRAM_KEY; i++)
		client_key[i] = proof[i] ^ signature[i];
	digest_sha256(client_key, SCRAM_KEY, stored);
	fits = digest_equal(stored, s->verifier.stored_key, SCRAM_KEY);
	memory_wipe(signature, sizeof(signature));
	memory_wipe(stored, sizeof(stored));
	return fits;
}

static char *
write_server_final(const struct scram_server *s, const char *auth_message)
{
	uint8_t signature[SCRAM_KEY];
	char text[BASE64_LENGTH(SCRAM_KEY) + 1];

	digest_hmac(s->verifier.server_key, auth_message, strlen(auth_message), signature);
	return scram_text("v=%s", base64_encode(signature, sizeof(signature), text));
}

static bool
check_proof(struct scram_server *s, const char *unproved, const struct client_final *f,
	struct scram_keys *keys)
{
	char *auth_message = scram_text(
		"%s,%s,%.*s", s->client_first, s->first, (int)f->unproved_size, unproved);
	uint8_t client_key[SCRAM_KEY];
	bool fits = recover_client_key(s, auth_message, f->proof, client_key);

	if (fits) {
		s->final = write_server_final(s, auth_message);
		if (keys != NULL) {
			memcpy(keys->client_key, client_key, SCRAM_KEY);
			memcpy(keys->server_key, s->verifier.server_key, SCRAM_KEY);
		}
	}
	memory_wipe(client_key, sizeof(client_key));
	memory_free_secret(auth_message);
	return fits;
}

const char *
scram_server_final(struct scram_server *s, const uint8_t *in, size_t n, struct scram_keys *keys,
	struct error *e)
{
	struct scram_reader r;
	struct client_final f;

	if (!enter(s, SERVER_ASKED, "client-final", e))
		return NULL;
	scram_reader_init(&r, in, n);
	read_client_final(&r, s, &f);
	if (scram_reader_failed(&r, "client-final", e))
		return NULL;
	if (!check_proof(s, (const char *)in, &f, keys)) {
		error_set(
			e, SEVERITY_FATAL, SQLSTATE_INVALID_PASSWORD, "SASL authentication failed");
		return NULL;
	}
	s->phase = SERVER_DONE;
	return s->final;
}
