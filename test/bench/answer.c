/*
 * A PostgreSQL that knows nothing, for benchmarks with more tenants than a real one has room for: it lets everybody
 * in and answers each simple query with SELECT 0.  One thread.
 *
 *	answer PORT		on 127.0.0.1; ends with SIGTERM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 65536

struct connection {
	int fd;
	int started;		/* its startup packet has come */
	size_t n;		/* bytes of an unfinished message */
	unsigned char bytes[256];
};

static const unsigned char welcome[] =
	"R\0\0\0\10\0\0\0\0"
	"S\0\0\0\31client_encoding\0UTF8\0"
	"S\0\0\0\43standard_conforming_strings\0on\0"
	"S\0\0\0\30server_version\00015.4\0"
	"K\0\0\0\14\0\0\0\1\0\0\0\1"
	"Z\0\0\0\5I";
static const unsigned char answer[] = "C\0\0\0\15SELECT 0\0Z\0\0\0\5I";

static unsigned char in[MESSAGE_MAX + 256], out[MESSAGE_MAX * 2];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t
size_of(const unsigned char *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static size_t
put(size_t at, const void *bytes, size_t n)
{
	memcpy(out + at, bytes, n);
	return at + n;
}

/* Answer all whole messages in n bytes of `in`; returns how many bytes they are. */
static size_t
serve(struct connection *c, size_t n, size_t *written)
{
	size_t at = 0;

	for (;;) {
		size_t head = c->started ? 1 : 0, size;

		if (n - at < head + 4)
			return at;
		size = head + size_of(in + at + head);
		if (n - at < size)
			return at;
		if (!c->started)
			*written = put(*written, welcome, sizeof(welcome) - 1);
		else if (in[at] == 'Q')
			*written = put(*written, answer, sizeof(answer) - 1);
		c->started = 1;
		at += size;
	}
}

static int
talk(struct connection *c)
{
	size_t n = c->n, used, written = 0;
	ssize_t got;

	memcpy(in, c->bytes, n);
	got = recv(c->fd, in + n, MESSAGE_MAX, 0);
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	n += (size_t)got;
	used = serve(c, n, &written);
	c->n = n - used;
	if (c->n > sizeof(c->bytes))
		return 0;
	memcpy(c->bytes, in + used, c->n);
	return send(c->fd, out, written, MSG_NOSIGNAL) == (ssize_t)written;
}

static void
welcome_connection(int epoll_fd, int listening)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c == NULL || (c->fd = accept(listening, NULL, NULL)) < 0)
		die("accept");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		die("epoll_ctl");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM, 0), epoll_fd = epoll_create1(0), on = 1;
	struct epoll_event events[64], ev = { .events = EPOLLIN };

	if (argc != 2)
		return 2;
	a.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listening, (struct sockaddr *)&a, sizeof(a)) || listen(listening, 4096))
		die("listen");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listening, &ev))
		die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (c == NULL) {
				welcome_connection(epoll_fd, listening);
			} else if (!talk(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}
