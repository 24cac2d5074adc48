/*
 * The first bytes of TLS, as they come from anybody who can connect, or from whoever stands where a server should.
 *
 * Input: a byte of flags, a byte that says how many bytes of the rest are there before the handshake begins
 * (direct TLS), the rest.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/net/certs.h"
#include "base/memory.h"
#include "net/stream.h"
#include "net/tls.h"

#define FLAG_DIRECT 1
#define FLAG_CONNECT 2		/* the bytes are a server's */
#define FLAG_ASKING 4		/* for a client's certificate */
#define SIZE_MAX_SENT 60000	/* fits the socket's buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct tls_context *for_clients, *asking, *for_servers;
static int over;

static void
on_readable(struct stream *s)
{
	(void)s;
	abort();	/* nothing is read before the handshake is over */
}

static void
on_secured(struct stream *s, const struct error *e)
{
	static const char start[] = "TLS handshake failed: ";

	/* Nobody finishes a handshake with bytes that were written before it began. */
	if (e == NULL || strncmp(e->message, start, strlen(start)) != 0 || strlen(e->sqlstate) != 5)
		abort();
	over++;
	stream_close(s);
	loop_stop(loop);
}

static const struct stream_ops ops = { .readable = on_readable, .secured = on_secured };

static void
must(const struct tls_context *c)
{
	if (c == NULL)
		abort();
}

static void
set_up(void)
{
	struct tls_certificate other;
	struct tls_settings s = { .mode = TLS_REQUIRE };
	struct error e;

	certs_begin();
	certs_make("db", &(struct cert){ .name = "db.example" });
	s.cert_file = certs_path("db.crt");
	s.key_file = certs_path("db.key");
	other = (struct tls_certificate){ "*.example", s.cert_file, s.key_file };
	s.certificates = &other;
	s.ncertificates = 1;
	must(for_clients = tls_context_for_clients(&s, &e));
	s.mode = TLS_VERIFY_CA;
	s.ca_file = certs_path("ca.crt");
	must(asking = tls_context_for_clients(&s, &e));
	must(for_servers = tls_context_for_servers(&(struct tls_settings){ .mode = TLS_REQUIRE }, &e));
	certs_end();
	loop = loop_new();
}

static void
begin(struct stream *s, const uint8_t *flags, const uint8_t *bytes, size_t early)
{
	bool direct = (flags[0] & FLAG_DIRECT) != 0;

	if ((flags[0] & FLAG_CONNECT) != 0)
		stream_connect_tls(s, for_servers, "db.example", direct);
	else
		stream_accept_tls(s, (flags[0] & FLAG_ASKING) != 0 ? asking : for_clients, direct, bytes, early);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream s;
	size_t early, n;
	int fds[2];

	if (size < 2 || size > SIZE_MAX_SENT)
		return 0;
	if (loop == NULL)
		set_up();
	n = size - 2;
	early = (data[0] & FLAG_CONNECT) != 0 ? 0 : data[1] < n ? data[1] : n;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		abort();
	stream_open(&s, fds[0], &ops);
	stream_attach(&s, loop);
	begin(&s, data, data + 2, early);
	if (send(fds[1], data + 2 + early, n - early, MSG_NOSIGNAL) != (ssize_t)(n - early))
		abort();
	shutdown(fds[1], SHUT_WR);
	over = 0;
	loop_run(loop);
	if (over != 1)
		abort();
	close(fds[1]);
	return 0;
}
