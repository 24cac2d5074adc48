/*
 * endpoint: one address of http_listen, with its sockets and the evhttp that serves them.
 *
 * Control thread.
 */
#ifndef HTTP_ENDPOINT_H
#define HTTP_ENDPOINT_H

#include <bsd/sys/queue.h>

#include "config/http.h"
#include "http/inside.h"
#include "net/listener.h"

struct bufferevent;
struct evhttp;
struct evconnlistener;

/* While a configuration is being taken. */
enum endpoint_mark {
	ENDPOINT_NEW,		/* opened for it */
	ENDPOINT_OLD,		/* was there before, and is not in it as far as it has been read */
	ENDPOINT_KEPT,		/* was there before, and is in it */
};

struct endpoint {
	LIST_ENTRY(endpoint) link;
	struct http *http;
	struct http_address address;
	struct listener_set sockets;
	struct evconnlistener *acceptors[LISTENER_MAX];	/* one a socket; evhttp's */
	struct evhttp *server;
	enum endpoint_mark mark;
};

/* Listen at a.  NULL: e says why not. */
struct endpoint *endpoint_open(struct http *h, const struct http_address *a, struct error *e);

/* Its connections end. */
void endpoint_close(struct endpoint *p);

/* Accept, or leave who comes to the kernel. */
void endpoint_accept(struct endpoint *p, bool yes);

/* For a connection that is about to be accepted here: TLS, if it is spoken here. */
struct bufferevent *endpoint_bufferevent(struct endpoint *p);

/* Is TLS spoken here? */
bool endpoint_is_secure(const struct endpoint *p);

#endif
