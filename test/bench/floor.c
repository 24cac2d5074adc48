/*
 * The floor of the relay benchmark: a proxy that understands nothing.
 *
 * One thread, level-triggered epoll, one server connection for each client, one
 * recv and one send for what comes in.  It neither looks at a byte nor counts
 * one, so what it costs is what the kernel takes for moving them: a proxy of one
 * thread that does more can come near, hardly below (io_uring apart).
 *
 *	floor PORT SERVER_PORT		both on 127.0.0.1; ends with SIGTERM
 *
 * For the benchmark only: it dials while all wait, and has no time-outs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE	(256 * 1024)
#define EVENTS_A_TURN	256

/* One socket; it feeds its peer. */
struct side {
	int fd;
	struct side *peer;
	char *unsent;		/* what the peer had sent us and this socket did not take; NULL: nothing */
	size_t unsent_at, unsent_end;
	bool closed;		/* freed when the turn is over: a later event of it may lie in the list */
	struct side *next_closed;
};

static int epoll_fd;
static struct sockaddr_in server_addr;
static struct side *closed_sides;
static char buffer[BUFFER_SIZE];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Read from s if its peer has room; write to s if something waits for it. */
static void
watch(struct side *s, int op)
{
	struct epoll_event ev = {
		.events = (s->peer->unsent ? 0 : EPOLLIN) | (s->unsent ? EPOLLOUT : 0),
		.data.ptr = s,
	};

	if (epoll_ctl(epoll_fd, op, s->fd, &ev))
		die("epoll_ctl");
}

static void
watch_pair(struct side *s, int op)
{
	watch(s, op);
	watch(s->peer, op);
}

static void
close_side(struct side *s)
{
	close(s->fd);
	s->closed = true;
	s->next_closed = closed_sides;
	closed_sides = s;
}

static void
close_pair(struct side *s)
{
	close_side(s->peer);
	close_side(s);
}

static void
bury_closed(void)
{
	while (closed_sides) {
		struct side *s = closed_sides;

		closed_sides = s->next_closed;
		free(s->unsent);
		free(s);
	}
}

/* Keep what to did not take, and read no more from its peer until it has. */
static void
stall(struct side *to, const char *rest, size_t len)
{
	to->unsent = malloc(len);
	if (!to->unsent)
		die("malloc");
	memcpy(to->unsent, rest, len);
	to->unsent_at = 0;
	to->unsent_end = len;
	watch_pair(to, EPOLL_CTL_MOD);
}

static void
on_readable(struct side *from)
{
	ssize_t got = recv(from->fd, buffer, sizeof(buffer), 0);
	ssize_t sent;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		close_pair(from);
		return;
	}
	sent = send(from->peer->fd, buffer, got, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		close_pair(from);
		return;
	}
	if (sent < 0)
		sent = 0;
	if (sent < got)
		stall(from->peer, buffer + sent, got - sent);
}

static void
on_writable(struct side *to)
{
	ssize_t sent = send(to->fd, to->unsent + to->unsent_at, to->unsent_end - to->unsent_at,
			    MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent < 0) {
		close_pair(to);
		return;
	}
	to->unsent_at += sent;
	if (to->unsent_at < to->unsent_end)
		return;
	free(to->unsent);
	to->unsent = NULL;
	watch_pair(to, EPOLL_CTL_MOD);
}

static struct side *
side_new(int fd)
{
	struct side *s = calloc(1, sizeof(*s));
	int on = 1;

	if (!s || fcntl(fd, F_SETFL, O_NONBLOCK) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("new connection");
	s->fd = fd;
	return s;
}

static void
on_client(int listen_fd)
{
	int client_fd = accept(listen_fd, NULL, NULL);
	int server_fd = socket(AF_INET, SOCK_STREAM, 0);
	struct side *client, *server;

	if (client_fd < 0 || server_fd < 0)
		die("accept");
	if (connect(server_fd, (struct sockaddr *)&server_addr, sizeof(server_addr)))
		die("connect to the server");
	client = side_new(client_fd);
	server = side_new(server_fd);
	client->peer = server;
	server->peer = client;
	watch_pair(client, EPOLL_CTL_ADD);
}

static struct sockaddr_in
loopback(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int
listen_on(struct sockaddr_in addr)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1024))
		die("listen");
	return fd;
}

static void
serve(const struct epoll_event *ev, int listen_fd)
{
	struct side *s = ev->data.ptr;

	if (!s) {
		on_client(listen_fd);
		return;
	}
	if (!s->closed && s->unsent && ev->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		on_writable(s);
	else if (!s->closed && ev->events & (EPOLLERR | EPOLLHUP) && s->peer->unsent)
		close_pair(s);	/* gone, and what we hold for its peer can't flow on */
	if (!s->closed && ev->events & EPOLLIN && !s->peer->unsent)
		on_readable(s);
}

int
main(int argc, char **argv)
{
	struct epoll_event listener = { .events = EPOLLIN }, events[EVENTS_A_TURN];
	int listen_fd, n, i;

	if (argc != 3) {
		fprintf(stderr, "usage: floor PORT SERVER_PORT\n");
		return 1;
	}
	server_addr = loopback(argv[2]);
	listen_fd = listen_on(loopback(argv[1]));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &listener))
		die("epoll");
	for (;;) {
		n = epoll_wait(epoll_fd, events, EVENTS_A_TURN, -1);
		for (i = 0; i < n; i++)
			serve(&events[i], listen_fd);
		bury_closed();
	}
}
