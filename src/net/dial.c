#include "net/dial.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"

struct dial {
	struct loop *loop;
	struct stream_options options;
	dial_done_fn *done;
	void *arg;
	struct evdns_getaddrinfo_request *lookup;	/* while it is under way */
	struct evutil_addrinfo *addresses;		/* from evdns, or NULL */
	struct addrinfo *numeric;			/* from getaddrinfo, or NULL */
	const struct addrinfo *next;			/* to be tried after the present one */
	struct sockaddr_un unix_socket;
	struct addrinfo unix_info;			/* stands in the list for a Unix socket */
	int fd;
	struct address at;
	usec_t since;					/* it is tried; 0: none is yet */
	struct event event;
	struct deferred start;				/* never answer from within dial_start */
	struct deferred end;
	bool cancelled;
	struct error error;
};

static void try_next(struct dial *d);

static void
on_end(struct deferred *def)
{
	struct dial *d = container_of(def, struct dial, end);

	if (d->addresses != NULL)
		evutil_freeaddrinfo(d->addresses);
	if (d->numeric != NULL)
		freeaddrinfo(d->numeric);
	free(d);
}

static void
finish(struct dial *d, int fd)
{
	loop_defer(d->loop, &d->end, on_end);
	d->done(d->arg, fd, &d->at, fd < 0 ? &d->error : NULL);
}

static void
fail_attempt(struct dial *d, int err)
{
	char text[ADDRESS_TEXT];

	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	error_set(&d->error, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "connect failed: %s: %s",
		  d->next == &d->unix_info ? d->unix_socket.sun_path : address_text(&d->at, 0, text), strerror(err));
	d->next = d->next->ai_next;
	try_next(d);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	int err = 0;
	socklen_t len = sizeof(err);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err != 0) {
		fail_attempt(d, err);
		return;
	}
	fd = d->fd;
	d->fd = -1;
	finish(d, fd);
}

static void
try_next(struct dial *d)
{
	const struct addrinfo *ai = d->next;

	if (ai == NULL) {
		finish(d, -1);
		return;
	}
	address_from_sockaddr(&d->at, ai->ai_addr);
	d->since = clock_now();
	d->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0) {
		fail_attempt(d, errno);
		return;
	}
	if (ai->ai_family != AF_UNIX)
		stream_tune(d->fd, &d->options);
	if (connect(d->fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS) {
		fail_attempt(d, errno);
		return;
	}
	event_assign(&d->event, loop_event_base(d->loop), d->fd, EV_WRITE, on_connected, d);
	event_add(&d->event, NULL);
}

static void
on_start(struct deferred *def)
{
	struct dial *d = container_of(def, struct dial, start);

	if (d->cancelled)
		loop_defer(d->loop, &d->end, on_end);
	else
		try_next(d);
}

static void
on_lookup(int result, struct evutil_addrinfo *res, void *arg)
{
	struct dial *d = arg;

	d->lookup = NULL;
	if (d->cancelled) {
		if (res != NULL)
			evutil_freeaddrinfo(res);
		loop_defer(d->loop, &d->end, on_end);
		return;
	}
	if (result != 0) {
		error_set(&d->error, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "server DNS lookup failed: %s",
			  evutil_gai_strerror(result));
		error_hint(&d->error, "Check the host= of the database and the name servers in resolv.conf.");
	}
	d->addresses = res;
	d->next = (const struct addrinfo *)res;
	loop_defer(d->loop, &d->start, on_start);
}

static void
use_unix_socket(struct dial *d, const char *folder, int port)
{
	int n;

	d->unix_socket.sun_family = AF_UNIX;
	n = snprintf(d->unix_socket.sun_path, sizeof(d->unix_socket.sun_path), "%s/.s.PGSQL.%d",
		     folder[0] == '\0' ? "/tmp" : folder, port);
	if (n >= (int)sizeof(d->unix_socket.sun_path)) {
		error_set(&d->error, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH,
			  "connect failed: socket path \"%s/.s.PGSQL.%d\" is too long", folder, port);
		return;
	}
	d->unix_info.ai_family = AF_UNIX;
	d->unix_info.ai_addr = (struct sockaddr *)&d->unix_socket;
	d->unix_info.ai_addrlen = sizeof(d->unix_socket);
	d->next = &d->unix_info;
}

static void
look_up(struct dial *d, const char *host, int port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct evutil_addrinfo dns_hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char service[12];

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &d->numeric) == 0) {
		d->next = d->numeric;
		loop_defer(d->loop, &d->start, on_start);
		return;
	}
	/* evdns may answer at once from its hosts file; on_lookup only queues, so that is fine. */
	d->lookup = evdns_getaddrinfo(loop_dns(d->loop), host, service, &dns_hints, on_lookup, d);
}

struct dial *
dial_start(struct loop *l, const char *host, int port, const struct stream_options *options, dial_done_fn *done,
	   void *arg)
{
	struct dial *d = memory_zalloc(sizeof(*d));

	d->loop = l;
	d->options = *options;
	d->done = done;
	d->arg = arg;
	d->fd = -1;
	error_set(&d->error, SEVERITY_FATAL, SQLSTATE_CANNOT_ESTABLISH, "connect failed: \"%s\" has no address", host);
	if (host[0] == '/' || host[0] == '\0') {
		use_unix_socket(d, host, port);
		loop_defer(l, &d->start, on_start);
	} else {
		look_up(d, host, port);
	}
	return d;
}

usec_t
dial_since(const struct dial *d)
{
	return d->since;
}

void
dial_cancel(struct dial **dp)
{
	struct dial *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	d->cancelled = true;
	if (d->lookup != NULL) {
		evdns_getaddrinfo_cancel(d->lookup);	/* on_lookup is called still, and ends it */
		return;
	}
	if (d->start.run != NULL)
		return;					/* on_start ends it */
	if (d->fd >= 0) {
		event_del(&d->event);
		close(d->fd);
	}
	loop_defer(d->loop, &d->end, on_end);
}
