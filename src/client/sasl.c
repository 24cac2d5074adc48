/*
 * SCRAM, with the client's channel bound or not.
 *
 * The challenge is sent before anything is hashed, and is the same whether
 * there is such a user or not.  The keys of a plain password are needed only
 * when the client's last message is there; making them is a helper's work.
 */
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/login.h"

/* Lists end with an empty name. */
static const char offer[] = SCRAM_MECHANISM "\0";
static const char offer_plus[] = SCRAM_MECHANISM_PLUS "\0" SCRAM_MECHANISM "\0";

/* A refusal of the exchange; what makes a client fail must not show in the kind of its failure. */
static void
fail(struct client *c, const struct error *e)
{
	if (strcmp(e->sqlstate, SQLSTATE_INVALID_PASSWORD) == 0)
		login_refuse(c, NULL);
	else
		login_refuse_with(c, e, "SASL authentication failed");
}

static bool
choose_verifier(struct client *c, struct scram_verifier *v)
{
	struct login *l = c->login;

	if (l->known && l->secret.kind == SECRET_SCRAM) {
		*v = *l->secret.verifier;
		return true;
	}
	l->iterations = c->env->scram_iterations;
	verifiers_mock(l->user, l->iterations, v);
	return l->known && l->secret.kind == SECRET_PLAIN;	/* an md5 secret can't do it */
}

void
sasl_begin(struct client *c)
{
	struct login *l = c->login;
	struct scram_binding binding = { .size = 0 };
	struct scram_verifier v;

	l->known = choose_verifier(c, &v);
	if (stream_is_tls(&c->stream))
		binding.size = tls_server_end_point(&c->stream, binding.data);
	l->scram = scram_server_new(&v, &binding);
	l->scram_plus = binding.size > 0;
	memory_wipe(&v, sizeof(v));
	if (l->scram_plus)
		login_ask(c, AUTHENTICATION_SASL, offer_plus, sizeof(offer_plus));
	else
		login_ask(c, AUTHENTICATION_SASL, offer, sizeof(offer));
	login_listen(c);
}

/* --- the first answer --- */

static bool
read_mechanism(struct client *c, struct reader *r, bool *plus)
{
	const char *mechanism = reader_string(r);

	*plus = c->login->scram_plus && strcmp(mechanism, SCRAM_MECHANISM_PLUS) == 0;
	if (reader_ok(r) && (*plus || strcmp(mechanism, SCRAM_MECHANISM) == 0))
		return true;
	client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism");
	return false;
}

static bool
read_initial(struct client *c, struct reader *r, const uint8_t **data, size_t *n)
{
	uint32_t length = reader_u32(r);

	*n = length;
	*data = length == UINT32_MAX ? NULL : reader_bytes(r, length);
	if (*data != NULL && reader_done(r))
		return true;
	client_reject(c, SQLSTATE_PROTOCOL_VIOLATION, "malformed SASLInitialResponse message");
	return false;
}

static void
take_first(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	const uint8_t *data;
	const char *answer;
	struct error e;
	bool plus;
	size_t n;

	if (!read_mechanism(c, r, &plus) || !read_initial(c, r, &data, &n))
		return;
	answer = scram_server_first(l->scram, plus, data, n, &e);
	if (answer == NULL) {
		client_close(c, &e, "SASL authentication failed");
		return;
	}
	l->scram_started = true;
	login_ask(c, AUTHENTICATION_SASL_CONTINUE, answer, strlen(answer));
}

/* --- the last one --- */

static void
check_final(struct client *c, const uint8_t *data, size_t n)
{
	struct login *l = c->login;
	struct error e;
	const char *answer = scram_server_final(l->scram, data, n, &l->keys, &e);

	if (answer == NULL) {
		fail(c, &e);
	} else if (!l->known) {
		login_refuse(c, NULL);
	} else {
		l->have_keys = true;
		login_ask(c, AUTHENTICATION_SASL_FINAL, answer, strlen(answer));
		login_accept(c);
	}
}

static void
on_made(struct verifier_wait *w, const struct scram_verifier *v)
{
	struct login *l = container_of(w, struct login, verifier);

	if (v != NULL)
		scram_server_learn(l->scram, v);
	check_final(l->client, buffer_head(&l->final), buffer_left(&l->final));
}

static void
take_final(struct client *c, struct reader *r)
{
	struct login *l = c->login;
	size_t n = reader_left(r);
	const uint8_t *data = reader_bytes(r, n);
	const struct scram_verifier *v;

	if (l->known && l->secret.kind == SECRET_PLAIN) {
		l->verifier.done = on_made;
		v = verifiers_make(c->env->verifiers, l->user, l->secret.text, l->iterations, &l->verifier);
		if (v == NULL) {
			buffer_append(&l->final, data, n);
			client_enter(c, CLIENT_HELD);
			return;
		}
		scram_server_learn(l->scram, v);
	}
	check_final(c, data, n);
}

void
sasl_take(struct client *c, struct reader *r)
{
	if (c->login->scram_started)
		take_final(c, r);
	else
		take_first(c, r);
}
