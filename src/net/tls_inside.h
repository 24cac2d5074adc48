/*
 * tls_inside: what tls.c (contexts) and tls_stream.c (one stream's TLS) share.
 */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uthash.h>

#include "net/certificate.h"
#include "net/tls.h"

/* What is shown to the peer. */
struct shown {
	char *host;			/* lower case, "*.example.com" among them; NULL: to whoever asks for no other */
	struct certificate *certificate;
	STACK_OF(X509) *found;		/* the chain, if the certificate's file holds none; NULL: nothing found either */
	UT_hash_handle hh;		/* by host */
};

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ssl;
	bool verify;			/* the peer must show a good certificate */
	bool verify_name;
	struct shown *own;		/* NULL: nothing to show */
	struct shown *by_host;		/* for clients: what to show instead to who asks for it */
};

/* One stream's.  It knows no loop: whoever calls lends what a loop owns. */
struct tls {
	SSL *ssl;
	struct tls_context *context;
	struct stream *stream;
	struct buffer *out;		/* lent for the call that runs now: where ciphertext goes */
	const struct shown *shown;	/* ours; NULL: none */
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

/* Of the connection that this callback of OpenSSL is about.  NULL: no stream carries it, but libevent does
 * (net/secure_bufferevent.h). */
struct tls *tls_of_ssl(SSL *ssl);

#endif
