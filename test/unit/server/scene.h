/*
 * scene: one server connection of ours, and the PostgreSQL that it logs in to, in the hands of a test.
 *
 *	TestSuite(x, .init = scene_begin, .fini = scene_end);
 *	dial("secret");				as far as the startup packet
 *	request(AUTHENTICATION_MD5_PASSWORD, "salt", 4);
 *	hear_answer(&n);
 *	expect_let_in();
 *
 * Each dial is another connection in place of the one before.
 */
#ifndef TEST_SERVER_SCENE_H
#define TEST_SERVER_SCENE_H

#include "../net/until.h"
#include "../session/talk.h"
#include "server/server.h"

extern struct loop *loop;
extern struct server_env env;
extern struct server *server;	/* the present one; NULL: closed */
extern struct peer postgres;
extern int port;		/* where PostgreSQL listens, at 127.0.0.1 */

extern struct seen {
	int ready, run_failed;
	struct error error;
	bool closed;
} seen;

void scene_begin(void);
void scene_end(void);

/* Close what is there. */
void leave(void);

/* What most tests log in with: pooler at shop, any method allowed, TLS off. */
struct server_login_as login_as(void);

/* Open the connection, no more: nothing has happened yet. */
void begin_dial(const char *host, const struct server_login_as *as);

/* PostgreSQL takes it; what is said first is still to be heard. */
void accept_dial(void);

void hear_startup_packet(void);

/* All of these; with a password known in this form (NULL: none). */
void dial_as(const struct server_login_as *as);
void dial(const char *secret_text);

/* PostgreSQL says this. */
void tell(const char *words);
void tell_bytes(const void *bytes, size_t n);

/* AuthenticationXxx with data. */
void request(uint32_t code, const void *data, size_t n);

/* The next password message's content; valid up to the next. */
const uint8_t *hear_answer(size_t *n);

/* PostgreSQL's part of SCRAM, up to its last word, which the caller may spoil; "": the proof does not fit. */
struct scram_show {
	const char *password;
	const char *mechanisms;		/* with the NULs between them; NULL: scram-sha-256 and plus */
	size_t mechanisms_size;
	const char *chosen;		/* the mechanism that is to be chosen; NULL: SCRAM-SHA-256 */
	const char *gs2;		/* how the first message is to begin; NULL: any */
	const struct scram_binding *binding;
	const struct scram_verifier *verifier;	/* in place of one that is made from password */
};
void serve_scram(const struct scram_show *show, char final[SCRAM_MESSAGE_MAX]);

void expect_ready(int times);
void expect_let_in(void);
void expect_closed(const char *what);
void expect_given_up(const char *sqlstate, const char *what);

#endif
