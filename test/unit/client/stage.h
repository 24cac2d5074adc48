/*
 * stage: one client of ours, and the application at its other end, in the hands of a test.
 *
 *	TestSuite(x, .init = stage_begin, .fini = stage_end);
 *	ask(LOGIN_MD5, "secret");	as far as the request for a password
 *	prove("secret")			answer whatever is asked; let in?
 *	expect_refused("28P01", "why");
 *
 * Each arrive() is another connection in place of the one before.
 */
#ifndef TEST_CLIENT_STAGE_H
#define TEST_CLIENT_STAGE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/until.h"
#include "base/memory.h"
#include "client/client.h"
#include "net/mailbox.h"
#include "pg/message.h"
#include "pg/response.h"
#include "pg/writer.h"

extern struct loop *loop;
extern struct client_env env;
extern struct client *client;	/* the present one; NULL: freed */
extern const struct client_ops ops;
extern int peer;		/* the application's socket */
extern struct buffer in;	/* what it was told, as far as it was not looked at */

extern struct seen {
	int startups, cancels, authenticated, refused, closed;
	char user[100], database[100];
	uint32_t cancel_pid;
	char input[100];
	char password[100];	/* login->password when it was let in */
} seen;

/* How the application speaks over its socket: with send and recv, or as a test says (TLS). */
extern struct wire {
	ssize_t (*send)(const void *bytes, size_t n);
	ssize_t (*recv)(void *bytes, size_t n);
} wire;

extern const char *const alice[];	/* parameters: alice wants shop */

void stage_begin(void);
void stage_end(void);

/* Another client in place of the present one, over a Unix socket or TCP. */
void arrive(void);
void arrive_by_tcp(void);

/* Nobody has failed yet. */
void forget_failures(void);

/* The application says this, and is heard. */
void tell(const void *bytes, size_t n);
void tell_startup(uint32_t version, const char *const *pairs);

/* Read what there is; true: and the connection is closed. */
bool listen_to_it(void);

/* Something was said since, or the connection was closed: for until(). */
bool has_news(void *arg);

/* Serve the loop until the client has been freed. */
bool is_freed(void *arg);

/* The time has come for what waits: refusals, next attempts. */
void let_time_pass(usec_t time);

/* It is closed, at once or after the time that refusals take, with an error of this SQLSTATE.  Returns its message. */
const char *expect_refused(const char *sqlstate, const char *what);

void write_startup(struct buffer *b, uint32_t version, const char *const *pairs);

/* The next request for a password (AUTHENTICATION_...); its data are put into *data.  UINT32_MAX: something else. */
uint32_t next_request(const uint8_t **data, size_t *n);

/* A password message. */
void answer(const void *bytes, size_t n);

/* SASLInitialResponse. */
void answer_initial(const char *mechanism, const char *first);

/* Demand of alice a password of this kind, as somebody who has this secret (NULL: nobody knows her). */
void demand(enum login_method method, const char *secret_text);

/* Likewise, of another one who arrives and says who she is; failures are forgotten. */
void ask(enum login_method method, const char *secret_text);

/* Answer whatever is asked for; true: it let us in. */
bool prove(const char *password);

/* Answer whatever is asked for, the last time too, and look no further. */
void try(const char *password);

/* For SCRAM over TLS: what to bind to; size 0: nothing. */
extern struct scram_binding binding;

/* A SCRAM verifier of a password, as text in a static place. */
char *scram_secret(const char *password);

#endif
