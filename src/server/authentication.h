/*
 * authentication: how we answer what a server asks for at login (private to server/).
 *
 *	STEP_STARTED
 *	  │── Ok ─────────────────────────────────────────────────> STEP_AUTHENTICATED
 *	  │── plain, md5 ──> STEP_PASSWORD_SENT ── Ok ────────────────┤
 *	  └── SASL ──> STEP_SCRAM_BEGUN                               │
 *	                  └── Continue ──> STEP_SCRAM_PROVING         │
 *	                         └── Final ──> STEP_SCRAM_VERIFIED ── Ok
 *
 * Anything else that comes, or comes at another time, ends the login.  Nothing
 * is answered that server_require_auth does not allow, and a server that began
 * SCRAM is believed only after it has proved that it knows the password.
 */
#ifndef SERVER_AUTHENTICATION_H
#define SERVER_AUTHENTICATION_H

#include "pg/reader.h"
#include "server/server.h"

enum login_step {
	STEP_STARTED,		/* the startup packet is out */
	STEP_PASSWORD_SENT,	/* in plain or hashed with md5 */
	STEP_SCRAM_BEGUN,	/* our first message is out */
	STEP_SCRAM_PROVING,	/* our final message is out, or a helper makes its keys */
	STEP_SCRAM_VERIFIED,	/* the server has proved that it knows the password */
	STEP_AUTHENTICATED,
};

/* One Authentication message, from its code on.  May close s. */
void authentication_request(struct server *s, struct reader *r);

#endif
