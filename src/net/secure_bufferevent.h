/*
 * secure_bufferevent: TLS for what libevent's own protocols speak (HTTP), by its bufferevents.
 *
 * Everything else speaks TLS through net/stream.h.
 */
#ifndef NET_SECURE_BUFFEREVENT_H
#define NET_SECURE_BUFFEREVENT_H

#include "net/tls.h"

struct bufferevent;
struct event_base;

/* For a client that will connect: no socket yet (bufferevent_setfd).  Closes the socket with it.  NULL: out of memory. */
struct bufferevent *secure_bufferevent_new(struct event_base *base, struct tls_context *c);

#endif
