#include "http/endpoint.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/connection.h"
#include "http/exchange_inside.h"
#include "net/loop.h"
#include "net/secure_bufferevent.h"

#define BACKLOG 128

/* evhttp's own limits: nothing that reaches it is as long (http/head.h). */
#define EVHTTP_HEAD (2 * HEAD_MAX)
#define EVHTTP_BODY (2 * BODY_MAX)
#define EVHTTP_TIMEOUT 3600

static struct bufferevent *
on_bufferevent(struct event_base *base, void *arg)
{
	(void)base;
	return connection_new(arg);
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct endpoint *p = arg;
	struct connection *c = connection_of_request(p->http, req);

	if (c == NULL) {
		log_fatal("HTTP: a request of a connection that is not there");
		abort();
	}
	exchange_begin(c, req);
}

/* Out of descriptors: who waits stays in the kernel's queue until the next upkeep. */
static void
on_accept_error(struct evconnlistener *l, void *arg)
{
	(void)arg;
	log_error("cannot accept HTTP connections for now: %s", strerror(errno));
	evconnlistener_disable(l);
}

static bool
open_sockets(struct endpoint *p, const struct config *c, struct error *e)
{
	struct listen_options o = {
		.backlog = BACKLOG,
		.unix_mode = c->unix_socket_mode,
		.unix_group = c->unix_socket_group,
	};

	if (p->address.port == 0)
		return listener_open_path(&p->sockets, p->address.host, &o, e);
	return listener_open(&p->sockets, p->address.host, p->address.port, NULL, &o, e);
}

static void
serve(struct endpoint *p)
{
	struct event_base *base = loop_event_base(p->http->loop);

	p->server = evhttp_new(base);
	evhttp_set_gencb(p->server, on_request, p);
	evhttp_set_bevcb(p->server, on_bufferevent, p);
	evhttp_set_default_content_type(p->server, NULL);
	evhttp_set_max_headers_size(p->server, EVHTTP_HEAD);
	evhttp_set_max_body_size(p->server, EVHTTP_BODY);
	evhttp_set_timeout(p->server, EVHTTP_TIMEOUT);
	/* All that there are: what a path has not is told by us. */
	evhttp_set_allowed_methods(p->server, UINT16_MAX);
	for (int i = 0; i < p->sockets.n; i++) {
		p->acceptors[i] = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0, p->sockets.fds[i]);
		evhttp_bind_listener(p->server, p->acceptors[i]);
		evconnlistener_set_error_cb(p->acceptors[i], on_accept_error);
	}
}

struct endpoint *
endpoint_open(struct http *h, const struct http_address *a, struct error *e)
{
	struct endpoint *p = memory_zalloc(sizeof(*p));

	p->http = h;
	p->address = *a;
	if (!open_sockets(p, h->config, e)) {
		free(p);
		return NULL;
	}
	serve(p);
	LIST_INSERT_HEAD(&h->endpoints, p, link);
	return p;
}

void
endpoint_close(struct endpoint *p)
{
	connections_close(p->http, p);
	LIST_REMOVE(p, link);
	evhttp_free(p->server);
	listener_close(&p->sockets);
	free(p);
}

void
endpoint_accept(struct endpoint *p, bool yes)
{
	for (int i = 0; i < p->sockets.n; i++) {
		if (yes)
			evconnlistener_enable(p->acceptors[i]);
		else
			evconnlistener_disable(p->acceptors[i]);
	}
}

bool
endpoint_is_secure(const struct endpoint *p)
{
	return p->address.port != 0 && p->http->config->http_tls != NULL;
}

struct bufferevent *
endpoint_bufferevent(struct endpoint *p)
{
	struct event_base *base = loop_event_base(p->http->loop);
	struct bufferevent *b = endpoint_is_secure(p) ? secure_bufferevent_new(base, p->http->config->http_tls) :
							bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (b == NULL) {
		log_fatal("out of memory");
		abort();
	}
	return b;
}
