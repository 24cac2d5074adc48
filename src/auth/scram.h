/*
 * scram: SCRAM-SHA-256 (RFC 5802, RFC 7677), both roles, bytes in and bytes out.
 *
 *	client                                    server
 *	scram_client_first  ── client-first ──>   scram_server_first
 *	scram_client_challenge <─ server-first ──
 *	  (scram_derive_keys)
 *	scram_client_final  ── client-final ──>   scram_server_final
 *	scram_client_verify <── server-final ───
 *
 * The peer's bytes are bounded by SCRAM_MESSAGE_MAX, its iteration count by
 * SCRAM_ITERATIONS_MAX.  Any function may be called with anything; one that
 * fails leaves an exchange that only fails.  Deriving keys from a password
 * (PBKDF2) is the one slow step, and a function of its own, so that it can run
 * on a helper thread.
 *
 * As PostgreSQL does, the user name inside SCRAM is ignored, and a password
 * that SASLprep refuses is used as it is.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/secret.h"
#include "base/error.h"

#define SCRAM_MECHANISM "SCRAM-SHA-256"
#define SCRAM_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"	/* bound to the TLS channel: tls-server-end-point (RFC 5929) */
#define SCRAM_BINDING_MAX 64
#define SCRAM_MESSAGE_MAX 2048
#define SCRAM_ITERATIONS_DEFAULT 4096

/* SaltedPassword, then ClientKey and ServerKey.  Slow.  1 <= iterations; scram_client_challenge has
 * bounded a peer's wish.  If OpenSSL refuses, that is logged and the keys are random: none fit. */
void scram_derive_keys(const char *password, const uint8_t *salt, size_t salt_size, int iterations,
	struct scram_keys *keys);

/* A verifier with a fresh random salt.  Slow.  Make it once per password and process: a salt that
 * is another at every login would tell existing users from mocks. */
void scram_make_verifier(const char *password, int iterations, struct scram_verifier *v);

/* A verifier that no password fits and that looks the same at every try of this user, so that a
 * stranger can't tell a missing user from a wrong password.  secret: drawn once per process. */
void scram_mock_verifier(
	const char *user, const uint8_t secret[32], int iterations, struct scram_verifier *v);

/* The verifier of a user whose plain password is known: its salt is that of the user's mock verifier, so that the
 * two can't be told apart by their challenge.  Slow. */
void scram_make_stable_verifier(const char *password, const char *user, const uint8_t secret[32], int iterations,
				struct scram_verifier *v);

/* StoredKey and ServerKey of keys equal those of v. */
bool scram_keys_fit(const struct scram_keys *keys, const struct scram_verifier *v);

/* --- server role --- */

struct scram_server;

/* What ties an exchange to its TLS channel: the hash of the server's certificate. size 0: none. */
struct scram_binding {
	size_t size;
	uint8_t data[SCRAM_BINDING_MAX];
};

/* Copies both.  With a binding the caller has offered SCRAM_MECHANISM_PLUS too; NULL or size 0: it has not.  Never
 * NULL. */
struct scram_server *scram_server_new(const struct scram_verifier *v, const struct scram_binding *binding);

/* The keys become known after the challenge was sent: v has the salt and iterations of the first verifier.  Between
 * first and final. */
void scram_server_learn(struct scram_server *s, const struct scram_verifier *v);

void scram_server_free(struct scram_server **s); /* wipes; NULL is fine */

/* client-first (not NUL-terminated) in, server-first out (NUL-terminated, borrowed until the
 * exchange is freed).  plus: the client chose SCRAM_MECHANISM_PLUS, and must say "p=tls-server-end-point"; it must not
 * without it, nor say "y" when we had offered PLUS (somebody took the offer away).  NULL: e says why (08P01 malformed
 * or downgraded; 0A000 another kind of channel binding, another identity or an extension demanded). */
const char *
scram_server_first(struct scram_server *s, bool plus, const uint8_t *in, size_t n, struct error *e);

/* client-final in, server-final out (borrowed likewise).  NULL: e is 28P01 for a proof that does
 * not fit, 08P01 for a malformed one.  On success *keys (may be NULL) is what the client proved with:
 * enough to log in elsewhere in its name.  The caller wipes it. */
const char *scram_server_final(struct scram_server *s, const uint8_t *in, size_t n,
	struct scram_keys *keys, struct error *e);

/* --- client role --- */

struct scram_client;

enum scram_channel {
	SCRAM_NO_TLS,		/* "n" */
	SCRAM_NOT_OFFERED,	/* "y": we could bind, but the server did not offer it */
	SCRAM_BOUND,		/* "p=tls-server-end-point": SCRAM_MECHANISM_PLUS was chosen */
};

/* binding: copied; for SCRAM_BOUND only, else NULL.  Never NULL. */
struct scram_client *scram_client_new(enum scram_channel channel, const struct scram_binding *binding);
void scram_client_free(struct scram_client **c); /* wipes; NULL is fine */

/* client-first, NUL-terminated, borrowed until the exchange is freed.
 * NULL: called out of order. */
const char *scram_client_first(struct scram_client *c);

/* Read server-first: salt (borrowed until the exchange is freed) and iterations for
 * scram_derive_keys.  false: e (08P01; 0A000 an extension demanded) says why. */
bool scram_client_challenge(struct scram_client *c, const uint8_t *in, size_t n,
	const uint8_t **salt, size_t *salt_size, int *iterations, struct error *e);

/* client-final, NUL-terminated, borrowed until the exchange is freed; keys are copied.
 * NULL: called out of order. */
const char *scram_client_final(struct scram_client *c, const struct scram_keys *keys);

/* Check server-final: true means that the server knows ServerKey.
 * false: e (28000 refused or an impostor, 08P01 malformed) says why. */
bool scram_client_verify(struct scram_client *c, const uint8_t *in, size_t n, struct error *e);

#endif
