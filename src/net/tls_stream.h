/*
 * tls_stream: the TLS of one stream, for stream.c.
 *
 * Ciphertext is received from the stream's socket in here, one recv a record.
 * Ciphertext to be sent is appended to `out`, which the caller lends for the
 * call and sends: so nothing in here ever waits for a full socket.
 */
#ifndef NET_TLS_STREAM_H
#define NET_TLS_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "net/tls.h"

#define TLS_RECORD (16 * 1024)

struct stream;
struct tls;

enum tls_progress {
	TLS_WAITS,	/* for the peer */
	TLS_SECURED,
	TLS_FAILED,	/* e says why */
};

struct tls *tls_new_accept(struct stream *s, struct tls_context *c, bool direct, const void *first, size_t n);
struct tls *tls_new_connect(struct stream *s, struct tls_context *c, const char *host, bool direct);
void tls_free(struct tls **t);

/* Is there something in here that the kernel will not tell of? */
bool tls_holds_input(const struct tls *t);

/* Is there a byte to read in here, now? */
bool tls_has_plain(struct tls *t);

/* Has the peer said that it is done? */
bool tls_has_ended(const struct tls *t);

/* The next handshake step or read takes only what is in here: it was not the kernel that told of it.  Whoever always
 * has more to say must not keep the others waiting. */
void tls_only_inside(struct tls *t, bool only);

/* See stream_receive_secrets. */
void tls_wipe_behind(struct tls *t, bool wipe);

bool tls_is_secured(const struct tls *t);
enum tls_progress tls_handshake(struct tls *t, struct buffer *out, struct error *e);

/* As stream_read; nothing before the handshake is over. */
ssize_t tls_read(struct tls *t, void *buf, size_t n, struct buffer *out);

/* Encrypt these pieces; `record`: TLS_RECORD bytes to put small ones together in.  false: the connection is broken. */
bool tls_seal(struct tls *t, const struct iovec *iov, int n, uint8_t *record, struct buffer *out);

/* The peer is to know that nothing was cut off; nothing is appended if it would not get through. */
void tls_goodbye(struct tls *t, struct buffer *out);

/* How many recv calls there were. */
unsigned tls_receives(const struct tls *t);

#endif
