#include "net/tls_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "net/stream.h"
#include "net/tls_inside.h"

#define HANDSHAKE_RECEIVES 8

/* What a peer makes us send by what it sends, alerts and new keys, is a few bytes.  One that asks for so many and does
 * not fetch them wants our memory. */
#define UNASKED_MAX (16 * 1024)

/* --- the socket, as OpenSSL sees it --- */

static BIO_METHOD *method;
static int method_type;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int
take_early(struct tls *t, char *buf, int n)
{
	size_t take = t->early_left < (size_t)n ? t->early_left : (size_t)n;

	memcpy(buf, t->early + t->early_at, take);
	t->early_at += take;
	t->early_left -= take;
	if (t->early_left == 0) {
		free(t->early);
		t->early = NULL;
	}
	return (int)take;
}

static int
block(struct tls *t, BIO *b)
{
	t->blocked = true;
	BIO_set_retry_read(b);
	return -1;
}

static int
on_bio_read(BIO *b, char *buf, int n)
{
	struct tls *t = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	if (t->early_left > 0)
		return take_early(t, buf, n);
	if (t->receives_left == 0)
		return block(t, b);
	t->receives_left--;
	t->receives++;
	got = recv(t->stream->fd, buf, (size_t)n, 0);
	if (got > 0)
		return (int)got;
	if (got == 0)
		t->eof = true;
	else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
		return block(t, b);
	else
		t->error = errno == EPERM ? ECONNRESET : errno;
	return (int)got;
}

static int
on_bio_write(BIO *b, const char *buf, int n)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	buffer_append(t->out, buf, (size_t)n);
	/* The answer to a flight of the handshake can't be there before it is sent. */
	if (!t->secured)
		t->receives_left = 0;
	return n;
}

static long
on_bio_ctrl(BIO *b, int command, long number, void *arg)
{
	struct tls *t = BIO_get_data(b);

	(void)number;
	(void)arg;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	return command == BIO_CTRL_EOF && t->eof;
}

static int
on_bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static void
make_method(void)
{
	method_type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
	method = BIO_meth_new(method_type, "stream");
	if (method == NULL) {
		log_fatal("OpenSSL cannot be used");
		abort();
	}
	BIO_meth_set_read(method, on_bio_read);
	BIO_meth_set_write(method, on_bio_write);
	BIO_meth_set_ctrl(method, on_bio_ctrl);
	BIO_meth_set_create(method, on_bio_create);
}

struct tls *
tls_of_ssl(SSL *ssl)
{
	BIO *b = SSL_get_rbio(ssl);

	pthread_once(&method_once, make_method);
	return BIO_method_type(b) == method_type ? BIO_get_data(b) : NULL;
}

/* --- life --- */

static struct tls *
new_tls(struct stream *s, struct tls_context *c, bool direct)
{
	struct tls *t = memory_zalloc(sizeof(*t));
	BIO *b;

	pthread_once(&method_once, make_method);
	t->context = tls_context_ref(c);
	t->stream = s;
	t->shown = c->own;
	t->direct = direct;
	t->inside = true;
	t->ssl = SSL_new(c->ssl);
	b = BIO_new(method);
	if (t->ssl == NULL || b == NULL) {
		log_fatal("out of memory");
		abort();
	}
	BIO_set_data(b, t);
	SSL_set_bio(t->ssl, b, b);
	return t;
}

struct tls *
tls_new_accept(struct stream *s, struct tls_context *c, bool direct, const void *first, size_t n)
{
	struct tls *t = new_tls(s, c, direct);

	t->accepts = true;
	SSL_set_accept_state(t->ssl);
	if (n > 0) {
		t->early = memory_alloc(n);
		t->early_left = n;
		memcpy(t->early, first, n);
	}
	return t;
}

static bool
is_address(const char *host)
{
	uint8_t in6[16];

	return inet_pton(AF_INET, host, in6) == 1 || inet_pton(AF_INET6, host, in6) == 1;
}

static bool
expect_name(struct tls *t, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);

	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	return host[0] != '\0' && X509_VERIFY_PARAM_set1_host(p, host, 0) == 1;
}

struct tls *
tls_new_connect(struct stream *s, struct tls_context *c, const char *host, bool direct)
{
	static const unsigned char protocols[] = "\012postgresql";
	struct tls *t = new_tls(s, c, direct);

	SSL_set_connect_state(t->ssl);
	t->host = memory_strdup(host);
	/* A name that cannot be told or checked (too long) fails the handshake. */
	if (!is_address(host) && host[0] != '\0' && SSL_set_tlsext_host_name(t->ssl, host) != 1)
		t->failed = true;
	if (c->verify_name && !expect_name(t, host))
		t->failed = true;
	if (direct)
		SSL_set_alpn_protos(t->ssl, protocols, sizeof(protocols) - 1);
	return t;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	SSL_free(t->ssl);
	tls_context_unref(&t->context);
	free(t->host);
	free(t->early);
	free(t);
}

/* --- what is inside --- */

bool
tls_holds_input(const struct tls *t)
{
	return t->inside;
}

void
tls_only_inside(struct tls *t, bool only)
{
	t->only_inside = only;
}

void
tls_wipe_behind(struct tls *t, bool wipe)
{
	if (wipe)
		SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else
		SSL_clear_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

static void
begin_call(struct tls *t, size_t receives, struct buffer *out)
{
	t->out = out;
	t->receives_left = t->only_inside ? 0 : (uint8_t)receives;
	t->only_inside = false;
	t->blocked = false;
}

bool
tls_has_plain(struct tls *t)
{
	struct buffer out = BUFFER_INIT;
	char c;
	bool has;

	if (t->ended || !t->secured || !t->inside)
		return t->ended;
	t->only_inside = true;
	begin_call(t, 0, &out);
	has = SSL_peek(t->ssl, &c, 1) > 0;
	ERR_clear_error();
	buffer_release(&out);	/* an alert: the next read says so again */
	return has;
}

bool
tls_has_ended(const struct tls *t)
{
	return t->ended;
}

bool
tls_is_secured(const struct tls *t)
{
	return t->secured;
}

unsigned
tls_receives(const struct tls *t)
{
	return t->receives;
}

/* --- handshake --- */

struct words {
	int reason;
	const char *hint;
};

static const struct words hints[] = {
	{ SSL_R_HTTP_REQUEST, "The peer speaks HTTP; this port is for PostgreSQL clients." },
	{ SSL_R_NO_SHARED_CIPHER, "Compare the ciphers and the kind of key of both sides." },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "The peer knows only TLS versions that are not allowed here." },
	{ SSL_R_NO_APPLICATION_PROTOCOL, "Direct TLS needs the protocol \"postgresql\" (ALPN)." },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "The client must show a certificate here." },
};

/* The first reason that the TLS library itself gave: before it are details, behind it consequences. */
static unsigned long
take_reason(void)
{
	unsigned long code, found = 0;

	while ((code = ERR_get_error()) != 0) {
		if (found == 0 || (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_LIB(found) != ERR_LIB_SSL))
			found = code;
	}
	return found;
}

static const char *
find_hint(int reason)
{
	for (size_t i = 0; i < lengthof(hints); i++) {
		if (hints[i].reason == reason)
			return hints[i].hint;
	}
	return NULL;
}

/* What OpenSSL calls "sslv3 alert bad certificate" is the peer's word, of any version. */
static void
word_reason(const struct tls *t, unsigned long code, char out[300])
{
	int reason = ERR_GET_REASON(code);
	const char *text = ERR_reason_error_string(code);

	if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(out, 300, "certificate verify failed: %s",
			 X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
	else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
		snprintf(out, 300, "the %s refused: %s", t->accepts ? "client" : "server",
			 SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	else
		snprintf(out, 300, "%s", text != NULL ? text : "unknown error");
}

static enum tls_progress
fail(struct tls *t, struct error *e, const char *why)
{
	error_set(e, SEVERITY_FATAL, t->accepts ? SQLSTATE_CONNECTION_FAILURE : SQLSTATE_CANNOT_ESTABLISH,
		  "TLS handshake failed: %s", why);
	t->failed = true;
	return TLS_FAILED;
}

static enum tls_progress
fail_with_reason(struct tls *t, struct error *e)
{
	unsigned long code = take_reason();
	const char *hint = ERR_GET_LIB(code) == ERR_LIB_SSL ? find_hint(ERR_GET_REASON(code)) : NULL;
	char why[300];

	word_reason(t, code, why);
	fail(t, e, why);
	if (hint != NULL)
		error_hint(e, "%s", hint);
	if (SSL_get_verify_result(t->ssl) == X509_V_ERR_HOSTNAME_MISMATCH ||
	    SSL_get_verify_result(t->ssl) == X509_V_ERR_IP_ADDRESS_MISMATCH)
		error_detail(e, "The server's certificate is not for \"%s\".", t->host);
	return TLS_FAILED;
}

/* With TLS 1.3 the handshake ends with the client's word, and we say nothing.  A client that has not switched off
 * Nagle's algorithm keeps its first message until that is acknowledged, which the kernel puts off by 40 ms. */
static void
acknowledge(const struct tls *t)
{
	int yes = 1;

	if (t->accepts)
		(void)setsockopt(t->stream->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
}

static enum tls_progress
finish(struct tls *t, struct error *e)
{
	const unsigned char *protocol;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &protocol, &n);
	if (t->direct && n == 0)
		return fail(t, e, "the server did not confirm the protocol \"postgresql\" (ALPN)");
	acknowledge(t);
	t->secured = true;
	t->inside = t->early_left > 0 || SSL_has_pending(t->ssl);
	return TLS_SECURED;
}

enum tls_progress
tls_handshake(struct tls *t, struct buffer *out, struct error *e)
{
	if (t->failed)
		return fail(t, e, "the host name cannot be used for TLS");
	t->inside = false;
	begin_call(t, HANDSHAKE_RECEIVES, out);
	ERR_clear_error();
	if (SSL_do_handshake(t->ssl) == 1)
		return finish(t, e);
	if (t->blocked)
		return TLS_WAITS;
	if (t->error != 0)
		return fail(t, e, strerror(t->error));
	if (t->eof)
		return fail(t, e, t->accepts ? "the client closed the connection" : "the server closed the connection");
	return fail_with_reason(t, e);
}

/* --- data --- */

/* SSL_read gave nothing: -1, or what stream_read says from now on. */
static ssize_t
explain(struct tls *t, int result)
{
	if (t->blocked)
		return -1;
	t->ended = true;
	if (t->error != 0)
		t->end = -t->error;
	else if (!t->eof && SSL_get_error(t->ssl, result) != SSL_ERROR_ZERO_RETURN)
		t->end = -EPROTO;
	t->failed |= t->end != 0;
	ERR_clear_error();
	return t->end;
}

static bool
asks_too_much(struct tls *t, size_t before)
{
	if (stream_is_drained(t->stream))
		t->unasked = 0;
	t->unasked += (unsigned)(buffer_left(t->out) - before);
	return t->unasked > UNASKED_MAX;
}

ssize_t
tls_read(struct tls *t, void *buf, size_t n, struct buffer *out)
{
	size_t before = buffer_left(out), got = 0;
	ssize_t end = -1;

	if (t->ended)
		return t->end;
	if (!t->secured)
		return -1;
	begin_call(t, n < 4 * LOOP_SCRATCH ? n / TLS_RECORD + 2 : 4 * LOOP_SCRATCH / TLS_RECORD, out);
	while (got < n) {
		size_t room = n - got < INT_MAX ? n - got : INT_MAX;
		int r = SSL_read(t->ssl, (char *)buf + got, (int)room);

		if (r <= 0) {
			end = explain(t, r);
			break;
		}
		got += (size_t)r;
		if (!SSL_has_pending(t->ssl))
			break;
	}
	if (asks_too_much(t, before)) {
		t->ended = t->failed = true;
		t->end = end = -EPROTO;
		got = 0;
	}
	t->inside = t->ended || (got == n && SSL_has_pending(t->ssl));
	return got > 0 ? (ssize_t)got : end;
}

static bool
seal(struct tls *t, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		int step = n < INT_MAX ? (int)n : INT_MAX;
		int r = SSL_write(t->ssl, p, step);

		if (r <= 0) {
			ERR_clear_error();
			t->failed = true;
			return false;
		}
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* Pieces put together for one record, which is sealed when it is full. */
struct joined {
	uint8_t *record;
	size_t filled;
};

static bool
seal_joined(struct tls *t, struct joined *j)
{
	size_t n = j->filled;

	j->filled = 0;
	return seal(t, j->record, n);
}

static bool
join(struct tls *t, struct joined *j, const uint8_t *p, size_t left)
{
	while (left > 0) {
		size_t room = TLS_RECORD - j->filled;
		size_t take = left < room ? left : room;

		memcpy(j->record + j->filled, p, take);
		j->filled += take;
		p += take;
		left -= take;
		if (j->filled == TLS_RECORD && !seal_joined(t, j))
			return false;
	}
	return true;
}

bool
tls_seal(struct tls *t, const struct iovec *iov, int n, uint8_t *record, struct buffer *out)
{
	struct joined j = { .record = record };

	if (t->failed || !t->secured)
		return false;
	t->out = out;
	for (int i = 0; i < n; i++) {
		bool alone = j.filled == 0 && (i + 1 == n || iov[i].iov_len >= TLS_RECORD);

		if (!(alone ? seal(t, iov[i].iov_base, iov[i].iov_len) :
			      join(t, &j, iov[i].iov_base, iov[i].iov_len)))
			return false;
	}
	return seal_joined(t, &j);
}

void
tls_goodbye(struct tls *t, struct buffer *out)
{
	if (!t->secured || t->failed || t->eof)
		return;
	t->out = out;
	if (SSL_shutdown(t->ssl) < 0)
		ERR_clear_error();
}

/* --- what a secured stream knows --- */

const char *
tls_version(const struct stream *s)
{
	return SSL_get_version(s->tls->ssl);
}

const char *
tls_cipher(const struct stream *s)
{
	return SSL_get_cipher_name(s->tls->ssl);
}

const char *
tls_host(const struct stream *s)
{
	return s->tls->accepts ? s->tls->host : NULL;
}

bool
tls_peer_common_name(const struct stream *s, char *out, size_t size)
{
	const struct tls *t = s->tls;
	const X509 *x = SSL_get0_peer_certificate(t->ssl);

	if (SSL_get_verify_mode(t->ssl) == SSL_VERIFY_NONE || x == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return false;
	return certificate_common_name(x, out, size);
}

size_t
tls_server_end_point(const struct stream *s, uint8_t out[TLS_BINDING_MAX])
{
	const struct tls *t = s->tls;
	const X509 *x;

	if (t->accepts) {
		const struct certificate *c = t->shown->certificate;

		memcpy(out, c->end_point, c->end_point_size);
		return c->end_point_size;
	}
	x = SSL_get0_peer_certificate(t->ssl);
	return x == NULL ? 0 : certificate_end_point(x, out);
}
