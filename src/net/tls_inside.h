/*
 * tls_inside: what tls.c (contexts) and tls_stream.c (one stream's TLS) share.
 */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "net/certificate.h"
#include "net/tls.h"

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ssl;
	bool verify;			/* the peer must show a good certificate */
	bool verify_name;
	struct certificate *own;	/* NULL: none to show */
	struct certificate *by_host;	/* for clients: what to show instead to who asks for it */
};

/* One stream's.  It knows no loop: whoever calls lends what a loop owns. */
struct tls {
	SSL *ssl;
	struct tls_context *context;
	struct stream *stream;
	struct buffer *out;		/* lent for the call that runs now: where ciphertext goes */
	const struct certificate *shown;	/* ours; NULL: none */
	char *host;			/* asked for by the client, or told to the server; NULL: none */
	uint8_t *early;			/* read before the handshake began: early_left bytes at early_at */
	size_t early_at, early_left;
	int error;			/* errno of a receive that failed; 0: none did */
	int end;			/* ended: what stream_read returns from here on */
	unsigned receives;		/* so many recv calls, for the tests */
	unsigned unasked;		/* bytes sent because of what was read, and perhaps not fetched yet */
	uint8_t receives_left;		/* in the call that runs now */
	bool only_inside;		/* the next read takes what is here, nothing from the kernel */
	bool blocked;			/* the last receive found nothing */
	bool eof;
	bool ended;
	bool inside;			/* it may hold what the kernel will not tell of */
	bool secured;			/* the handshake is over */
	bool failed;			/* it failed, or the connection broke: nothing can be sealed any more */
	bool direct;
	bool accepts;			/* with a client */
};

/* Of the connection that this callback of OpenSSL is about. */
struct tls *tls_of_ssl(SSL *ssl);

/* The certificate for this host name, in lower case; NULL: none of its own. */
const struct certificate *tls_context_find(const struct tls_context *c, const char *host);

#endif
