/*
 * login: what a server asks before it lets us in (private to server/).
 *
 * Handles Authentication*, ParameterStatus, BackendKeyData, NegotiateProtocolVersion,
 * Notice and Error up to ReadyForQuery.  A server is trusted less than it
 * seems: it may not have us hash without end (SCRAM_ITERATIONS_MAX).
 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include "server/server.h"

struct server_login;

struct server_login *server_login_new(const struct server_login_as *as);
void server_login_free(struct server_login **l);	/* wipes; NULL is fine */

/* Send the startup message. */
void server_login_start(struct server *s);

/* One whole message of the login dialogue.  May close s.  Returns true when the server is ready for queries. */
bool server_login_message(struct server *s, uint8_t type, const uint8_t *body, size_t n);

/* A helper works for it: no message is looked at until server_resume. */
bool server_login_waits(const struct server *s);

#endif
