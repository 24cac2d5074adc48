/*
 * login: from the first packet to a proven password (private to client/).
 *
 *	startup.c	startup packets, and encryption before them
 *	login.c		struct login; the dialogue's frame: whose turn it is, what is
 *			accepted, refused and when
 *	password.c	what is answered by one message: md5, and passwords in clear,
 *			which we, PAM or LDAP can check
 *	sasl.c		SCRAM
 *
 * One step a message; what is legal now is the client's state.  All lengths
 * are bounded before anything is kept: STARTUP_MAX for startup packets,
 * SCRAM_MESSAGE_MAX or SECRET_MAX for answers.
 */
#ifndef CLIENT_LOGIN_H
#define CLIENT_LOGIN_H

#include "client/client.h"
#include "pg/message.h"
#include "pg/reader.h"

/* --- life --- */

struct login *login_new(struct client *c);

/* Wipe and free; NULL is fine. Whoever works for it is let go of. */
void login_free(struct login **l);

/* Into env->logins, unless it is proven, and out of them; out twice, and NULL, are fine. */
void login_arrive(struct login *l);
void login_leave(struct login *l);

/* Do what is due at `now`. */
void login_tick(struct client *c, usec_t now);

/* --- input: bytes for CLIENT_PROXIED, CLIENT_STARTUP and CLIENT_PASSWORD.  Return how many were used. --- */

size_t login_proxy_input(struct client *c, const uint8_t *p, size_t n);
size_t login_startup_input(struct client *c, const uint8_t *p, size_t n);
size_t login_password_input(struct client *c, const uint8_t *p, size_t n);

/* The end of CLIENT_SECURING; e: the handshake failed. */
void login_secured(struct client *c, const struct error *e);

/* --- for the parts of a dialogue --- */

/* Send a request (Authentication message). */
void login_ask(struct client *c, enum authentication_request request, const void *data, size_t n);

/* The client's turn: from CLIENT_HELD to CLIENT_PASSWORD. */
void login_listen(struct client *c);

/* It is in; c->login may be gone behind the call. */
void login_accept(struct client *c);

/* What it showed does not fit.  reason: for the log; NULL: the demand's. */
void login_refuse(struct client *c, const char *reason);

/* Something else is wrong; told at the same time as if it did not fit. */
void login_refuse_with(struct client *c, const struct error *e, const char *reason);

/* --- the dialogues (password.c, sasl.c): begin, then take an answer --- */

void password_begin(struct client *c);
void password_take(struct client *c, struct reader *r);
void md5_begin(struct client *c);
void md5_take(struct client *c, struct reader *r);
void sasl_begin(struct client *c);
void sasl_take(struct client *c, struct reader *r);

/* --- client.c --- */

void client_enter(struct client *c, enum client_state state);

/* May a client of this address connect now?  false: it was logged why not. */
bool client_is_welcome(struct client_env *env, const struct address *a);

/* Close without a word, for a peer that could not read it.  Logged like an error. */
void client_drop(struct client *c, const char *reason);

#endif
