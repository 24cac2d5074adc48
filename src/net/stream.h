/*
 * stream: one connected socket on one loop.
 *
 *	attach ── readable ──> stream_read
 *	       <─ stream_send ── (sink full: the rest waits in the backlog, then `drained`)
 *	pause / resume          the source waits while its sink is full
 *	detach ... attach       the stream moves to another loop, idle or not
 *	close
 *
 * Steady state: a read event that is armed once and stays armed.  There is no
 * epoll_ctl, no allocation and no timer per message.  A backlog exists only
 * while the kernel's buffer is full.
 *
 * A stream that the peer broke (reset, gone) swallows what is sent to it; its
 * owner learns of it by reading, where a last message of the peer may still be.
 *
 * TLS stands behind the same functions (stream_accept_tls, stream_connect_tls):
 * what is read is plain, and what is sent is encrypted at once, so a backlog
 * holds what goes to the socket in both cases.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"
#include "net/loop.h"

struct stream;
struct stream_backlog;
struct tls;
struct tls_context;

struct stream_ops {
	void (*readable)(struct stream *s);	/* read once with stream_read, then return */
	void (*drained)(struct stream *s);	/* the backlog is out */
	/* The handshake that stream_accept_tls or stream_connect_tls began is over; e: why it failed (08006, or 08001
	 * of a server; the message says what is wrong, e.g. "certificate verify failed"), and the owner is to
	 * close.  Never called from within these two.  NULL where TLS is never spoken. */
	void (*secured)(struct stream *s, const struct error *e);
};

struct stream {
	struct event event;			/* read interest */
	struct loop *loop;			/* NULL while detached */
	const struct stream_ops *ops;
	struct stream_backlog *backlog;		/* NULL: everything is out */
	struct tls *tls;			/* NULL: plain */
	int fd;					/* -1: closed */
	bool paused;				/* no read interest */
	bool broken;				/* a send failed; sends are swallowed */
};

/* Take a connected, non-blocking socket. The caller owns s and keeps it in place until close. */
void stream_open(struct stream *s, int fd, const struct stream_ops *ops);

/* Join a loop (on the loop's own thread) and start reading, unless it was paused. */
void stream_attach(struct stream *s, struct loop *l);

/* Leave the loop; the socket, the backlog and the paused state stay. From here the stream may change threads. */
void stream_detach(struct stream *s);

void stream_close(struct stream *s);	/* closed already: fine */

/* Say goodbye and stop sending, but leave the socket open: it is the caller's, to read from it until the peer has closed
 * its side, too.  A peer that does not answer any more is given up by the kernel in half a minute.  s is closed. */
int stream_half_close(struct stream *s);

/* Up to n bytes.  > 0: so many; 0: the peer closed; -1: nothing there now; < -1: -errno, the connection is dead. */
ssize_t stream_read(struct stream *s, void *buf, size_t n);

/* Send these pieces, in one call if the kernel takes them; what it doesn't take now is copied to the backlog.
 * Returns false if there is a backlog now: stop the source. */
bool stream_send(struct stream *s, const struct iovec *iov, int n);
bool stream_send_bytes(struct stream *s, const void *bytes, size_t n);

static inline bool
stream_is_drained(const struct stream *s)
{
	return s->backlog == NULL;
}

size_t stream_backlog_size(const struct stream *s);

/* For how long the peer has taken nothing of what waits for it, as far as is known from calling this again and again
 * while there is a backlog; 0: it took some, or nothing waits.  What its kernel has acknowledged is taken: the kernel
 * here asks for more only when a third of its buffer is out, which may last minutes. */
usec_t stream_stalled(struct stream *s, usec_t now);

/* Stop and start reading. Nothing happens if it is so already. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Speak TLS from here on; ends in ops->secured.  Until then nothing may be read or sent.  The context is referenced.
 * Accept, with a client: `first` are n bytes of its first message that were read already (direct TLS; copied).
 * direct: the client must offer the protocol "postgresql" (ALPN), as there was no SSLRequest.
 * Connect, to a server: host is told to it (SNI), unless it is an address, and checked if the context says
 * verify-full. */
void stream_accept_tls(struct stream *s, struct tls_context *c, bool direct, const void *first, size_t n);
void stream_connect_tls(struct stream *s, struct tls_context *c, const char *host, bool direct);

/* Is what is received a secret?  Then TLS, which decrypts in its own buffers, wipes them behind each read.  That costs
 * a little: for logins, not for queries.  At first it is none. */
void stream_receive_secrets(struct stream *s, bool secret);

static inline bool
stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

/* Has the peer gone, as far as the kernel knows?  For streams that are not being read. */
bool stream_peer_gone(const struct stream *s);

/* Is there something to read, right now? */
bool stream_has_input(const struct stream *s);

/* Socket options that apply to every TCP connection, clients' and servers'. */
struct stream_options {
	bool keepalive;
	int keepcnt, keepidle, keepintvl;	/* 0: the system's */
	int socket_buffer;			/* bytes; 0: the system's */
	int user_timeout_ms;			/* 0: the system's */
};

void stream_tune(int fd, const struct stream_options *o);

#endif
