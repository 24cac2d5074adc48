/*
 * login: what a server asks before it lets us in (private to server/).
 *
 * Handles Authentication*, ParameterStatus, BackendKeyData, NegotiateProtocolVersion,
 * Notice and Error up to ReadyForQuery.  A server is trusted less than it
 * seems: it may not have us hash without end (SCRAM_ITERATIONS_MAX), nor talk
 * without end, and what it asks for is another file's business
 * (server/authentication.h).
 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include "base/buffer.h"
#include "server/authentication.h"
#include "server/server.h"

struct server_login {
	enum login_step step;
	unsigned demands;		/* enum auth_demand: what it may ask for */
	unsigned messages;		/* that have come */
	unsigned parameters_set;	/* by them */
	size_t bytes;			/* of them */
	char *user;
	char *database;
	struct buffer parameters;	/* name NUL value NUL ... */
	struct secret secret;
	bool have_secret;
	bool have_keys;
	struct scram_keys keys;
	struct scram_client *scram;
	struct known_keys **known;	/* the pool's; NULL: none */
	struct keys_origin origin;	/* of the keys that we prove with, if they came from the password */
	struct helper_job *job;		/* that makes these keys; NULL: none is under way */
};

struct server_login *server_login_new(const struct server_login_as *as);
void server_login_free(struct server_login **l);	/* wipes; NULL is fine */

/* Send the startup message. */
void server_login_start(struct server *s);

/* One whole message of the login dialogue.  May close s.  Returns true when the server is ready for queries. */
bool server_login_message(struct server *s, uint8_t type, const uint8_t *body, size_t n);

/* End the login, and the connection; the message is "server login failed: ...". */
void server_login_fail(struct server *s, const char *sqlstate, const char *message);

/* Likewise, because of what the protocol does not allow: "AuthenticationOk" "out of order". */
void server_login_violated(struct server *s, const char *name, const char *fault);

/* Send b, and wipe it. */
void server_login_send(struct server *s, struct buffer *b);

/* A helper works for it: no message is looked at until server_resume. */
bool server_login_waits(const struct server *s);

#endif
