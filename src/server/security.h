/*
 * security: how a connection to PostgreSQL begins, before its first packet.
 *
 *	security_begin ── no TLS wanted, or a Unix socket ──────────────> SECURITY_PLAIN
 *	     │ └ "direct": TLS at once ─────────────────────────────────> SECURITY_HANDSHAKE
 *	     └ SSLRequest ──> SECURITY_WAIT ── readable: security_read ─┐
 *	                           'S' ─────────────────────────────────┼> SECURITY_HANDSHAKE
 *	                           'N', and the mode allows it ─────────┼> SECURITY_PLAIN
 *	                           anything else ───────────────────────┴> SECURITY_FAILED
 *
 * A handshake ends in the stream's own ops->secured; security_explain makes an
 * error for people of what went wrong there.
 *
 * What a server says before TLS stands is anybody's word: it is logged, cut
 * short, and never told to a client.  A server that agrees to TLS and then
 * fails at it is not tried in plain.
 *
 * Used by logins and by cancel requests.  One thread, that of the stream.
 */
#ifndef SERVER_SECURITY_H
#define SERVER_SECURITY_H

#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"
#include "net/address.h"
#include "net/stream.h"
#include "net/tls.h"

struct security {
	struct tls_context *tls;	/* referenced; NULL: the mode is disable */
	char *host;			/* as it was dialed: told in SNI, and what verify-full checks */
	enum tls_mode mode;
	enum tls_negotiation negotiation;
};

enum security_step {
	SECURITY_PLAIN,		/* agreed: speak */
	SECURITY_WAIT,		/* for the server's answer: security_read when there is something to read */
	SECURITY_HANDSHAKE,	/* ops->secured ends it */
	SECURITY_FAILED,	/* e says why (08001): close */
};

/* References the context and copies host. */
void security_init(struct security *y, struct tls_context *tls, enum tls_mode mode, enum tls_negotiation negotiation,
		   const char *host);

/* For another connection to where `of` leads, to be made as that one was: with TLS (is_tls), and then never without
 * it, or plain. */
void security_init_like(struct security *y, const struct security *of, bool is_tls);

void security_release(struct security *y);

/* With a stream just connected to `at` and attached to its loop. */
enum security_step security_begin(const struct security *y, struct stream *s, const struct address *at,
				  struct error *e);

/* Read the answer.  SECURITY_WAIT: it has not come yet. */
enum security_step security_read(const struct security *y, struct stream *s, const struct address *at,
				 struct error *e);

/* e: "server ADDR: TLS handshake failed: ..." from what the stream said; another struct. */
void security_explain(const struct error *of_stream, const struct address *at, struct error *e);

#endif
