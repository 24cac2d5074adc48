#include "net/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/tls_stream.h"

struct stream_backlog {
	struct event event;	/* write interest */
	struct buffer bytes;
	int64_t sent;		/* of it, to the kernel */
	int64_t taken;		/* what the peer had taken of it at taken_at, which may be 0: not looked yet */
	usec_t taken_at;
};

static void
drop_backlog(struct stream *s)
{
	struct stream_backlog *b = s->backlog;

	s->backlog = NULL;
	if (s->loop != NULL)
		event_del(&b->event);
	buffer_release(&b->bytes);
	free(b);
}

static bool
is_transient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR || err == ENOBUFS;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	struct buffer *b = &s->backlog->bytes;
	ssize_t n = send(s->fd, buffer_head(b), buffer_left(b), MSG_NOSIGNAL);

	(void)fd;
	(void)what;
	if (n < 0 && is_transient(errno))
		return;
	if (n < 0)
		s->broken = true;
	else
		buffer_consume(b, (size_t)n);
	if (n > 0)
		s->backlog->sent += n;
	if (n >= 0 && buffer_left(b) > 0)
		return;
	drop_backlog(s);
	s->ops->drained(s);
}

static void
watch_writable(struct stream *s)
{
	event_assign(&s->backlog->event, loop_event_base(s->loop), s->fd, EV_WRITE | EV_PERSIST, on_writable, s);
	event_add(&s->backlog->event, NULL);
}

static void
add_backlog(struct stream *s, const struct iovec *iov, int n, size_t skip)
{
	if (s->backlog == NULL) {
		s->backlog = memory_zalloc(sizeof(*s->backlog));
		watch_writable(s);
	}
	for (int i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		buffer_append(&s->backlog->bytes, (const uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);
		skip = 0;
	}
}

static ssize_t
send_now(const struct stream *s, const struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

	if (n == 1)
		return send(s->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
	return sendmsg(s->fd, &m, MSG_NOSIGNAL);
}

/* These bytes as they are. */
static bool
send_raw(struct stream *s, const struct iovec *iov, int n)
{
	size_t total = 0;
	ssize_t sent = 0;

	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (s->backlog == NULL) {
		sent = send_now(s, iov, n);
		if (sent < 0 && !is_transient(errno)) {
			s->broken = true;
			return true;
		}
		if (sent < 0)
			sent = 0;
	}
	if ((size_t)sent == total)
		return true;
	add_backlog(s, iov, n, (size_t)sent);
	return false;
}

/* --- TLS --- */

/* What TLS holds already, the kernel does not tell of: the read event is made to happen. */
static void
tell_of_inside(struct stream *s)
{
	if (s->tls != NULL && s->loop != NULL && !s->paused && tls_holds_input(s->tls))
		event_active(&s->event, EV_TIMEOUT, 0);
}

/* What TLS has to say goes out in one call, and the loop has its buffer back. */
static bool
send_sealed(struct stream *s)
{
	struct buffer *b = loop_sealed(s->loop);
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buffer_head(b), .iov_len = buffer_left(b) };

	if (iov.iov_len > 0 && !s->broken)
		send_raw(s, &iov, 1);
	loop_sealed_done(s->loop);
	return stream_is_drained(s);
}

static bool
send_tls(struct stream *s, const struct iovec *iov, int n)
{
	if (!tls_seal(s->tls, iov, n, loop_record(s->loop), loop_sealed(s->loop)))
		s->broken = true;
	return send_sealed(s);
}

static ssize_t
read_tls(struct stream *s, void *buf, size_t n)
{
	ssize_t got = tls_read(s->tls, buf, n, loop_sealed(s->loop));

	send_sealed(s);
	tell_of_inside(s);
	return got;
}

/* Last thing: the owner may close the stream, or give it to another thread. */
static void
go_on_with_handshake(struct stream *s)
{
	struct error e;
	enum tls_progress progress = tls_handshake(s->tls, loop_sealed(s->loop), &e);

	send_sealed(s);
	if (progress == TLS_WAITS)
		return;
	tell_of_inside(s);
	s->ops->secured(s, progress == TLS_FAILED ? &e : NULL);
}

/* Before the socket is closed, and as far as it goes at once. */
static void
say_goodbye(struct stream *s)
{
	struct buffer b = BUFFER_INIT;
	uint8_t trash[4096];

	if (tls_is_secured(s->tls) && !s->broken && s->backlog == NULL) {
		tls_goodbye(s->tls, &b);
		if (buffer_left(&b) > 0)
			(void)send(s->fd, buffer_head(&b), buffer_left(&b), MSG_NOSIGNAL);
		buffer_release(&b);
	}
	/* With unread bytes the socket is reset, and the peer may not see the alert that says what was wrong. */
	for (int i = 0; i < 16 && !tls_is_secured(s->tls) && recv(s->fd, trash, sizeof(trash), 0) > 0; i++)
		;
}

void
stream_accept_tls(struct stream *s, struct tls_context *c, bool direct, const void *first, size_t n)
{
	s->tls = tls_new_accept(s, c, direct, first, n);
	tell_of_inside(s);
}

void
stream_connect_tls(struct stream *s, struct tls_context *c, const char *host, bool direct)
{
	s->tls = tls_new_connect(s, c, host, direct);
	tell_of_inside(s);
}

void
stream_receive_secrets(struct stream *s, bool secret)
{
	if (s->tls != NULL)
		tls_wipe_behind(s->tls, secret);
}

/* --- life --- */

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (s->tls != NULL)
		tls_only_inside(s->tls, (what & EV_READ) == 0);
	if (s->tls != NULL && !tls_is_secured(s->tls))
		go_on_with_handshake(s);
	else
		s->ops->readable(s);
}

void
stream_open(struct stream *s, int fd, const struct stream_ops *ops)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->ops = ops;
}

void
stream_attach(struct stream *s, struct loop *l)
{
	s->loop = l;
	event_assign(&s->event, loop_event_base(l), s->fd, EV_READ | EV_PERSIST, on_readable, s);
	if (!s->paused)
		event_add(&s->event, NULL);
	if (s->backlog != NULL)
		watch_writable(s);
	tell_of_inside(s);
}

void
stream_detach(struct stream *s)
{
	event_del(&s->event);
	if (s->backlog != NULL)
		event_del(&s->backlog->event);
	s->loop = NULL;
}

/* Everything but the socket. */
static int
let_go(struct stream *s)
{
	int fd = s->fd;

	if (s->loop != NULL)
		event_del(&s->event);
	if (s->tls != NULL)
		say_goodbye(s);
	tls_free(&s->tls);
	if (s->backlog != NULL)
		drop_backlog(s);
	s->fd = -1;
	s->loop = NULL;
	return fd;
}

void
stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(let_go(s));
}

int
stream_half_close(struct stream *s)
{
	static const struct stream_options watched = {
		.keepalive = true,
		.keepcnt = 3,
		.keepidle = 10,
		.keepintvl = 5,
		.user_timeout_ms = 30000,
	};
	int fd = let_go(s);

	stream_tune(fd, &watched);
	shutdown(fd, SHUT_WR);
	return fd;
}

/* --- bytes --- */

ssize_t
stream_read(struct stream *s, void *buf, size_t n)
{
	ssize_t got;

	if (s->tls != NULL)
		return read_tls(s, buf, n);
	got = recv(s->fd, buf, n, 0);
	if (got >= 0)
		return got;
	if (is_transient(errno))
		return -1;
	return errno == EPERM ? -ECONNRESET : -errno;
}

bool
stream_send(struct stream *s, const struct iovec *iov, int n)
{
	if (s->broken || s->fd < 0)
		return true;
	return s->tls != NULL ? send_tls(s, iov, n) : send_raw(s, iov, n);
}

bool
stream_send_bytes(struct stream *s, const void *bytes, size_t n)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };

	return stream_send(s, &iov, 1);
}

size_t
stream_backlog_size(const struct stream *s)
{
	return s->backlog == NULL ? 0 : buffer_left(&s->backlog->bytes);
}

usec_t
stream_stalled(struct stream *s, usec_t now)
{
	struct stream_backlog *b = s->backlog;
	int in_kernel = 0;
	int64_t taken;

	if (b == NULL)
		return 0;
	(void)ioctl(s->fd, SIOCOUTQ, &in_kernel);
	taken = b->sent - in_kernel;
	if (b->taken_at == 0 || taken != b->taken) {
		b->taken = taken;
		b->taken_at = now;
	}
	return now - b->taken_at;
}

void
stream_pause(struct stream *s)
{
	if (s->paused)
		return;
	s->paused = true;
	if (s->loop != NULL)
		event_del(&s->event);
}

void
stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->loop != NULL)
		event_add(&s->event, NULL);
	tell_of_inside(s);
}

static short
poll_now(const struct stream *s, short events)
{
	struct pollfd p = { .fd = s->fd, .events = events };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

bool
stream_peer_gone(const struct stream *s)
{
	return s->broken || (s->tls != NULL && tls_has_ended(s->tls)) ||
	       (poll_now(s, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool
stream_has_input(const struct stream *s)
{
	return (s->tls != NULL && tls_has_plain(s->tls)) || poll_now(s, POLLIN) != 0;
}

static void
set_option(int fd, int level, int name, int value)
{
	/* Tuning: a kernel that knows an option not is no reason to refuse the connection. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void
stream_tune(int fd, const struct stream_options *o)
{
	const struct {
		int name, value;
	} keepalive[] = {
		{ TCP_KEEPCNT, o->keepcnt },
		{ TCP_KEEPIDLE, o->keepidle },
		{ TCP_KEEPINTVL, o->keepintvl },
		{ TCP_USER_TIMEOUT, o->user_timeout_ms },
	};

	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->keepalive)
		set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	for (size_t i = 0; i < lengthof(keepalive); i++) {
		if (keepalive[i].value > 0 && (o->keepalive || keepalive[i].name == TCP_USER_TIMEOUT))
			set_option(fd, IPPROTO_TCP, keepalive[i].name, keepalive[i].value);
	}
	if (o->socket_buffer > 0) {
		set_option(fd, SOL_SOCKET, SO_SNDBUF, o->socket_buffer);
		set_option(fd, SOL_SOCKET, SO_RCVBUF, o->socket_buffer);
	}
}
