#include "http/http.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/connection.h"
#include "http/endpoint.h"
#include "http/inside.h"
#include "http/metrics.h"
#include "net/loop.h"

#define TICK_USEC 100000

/* --- upkeep --- */

void
http_consider_room(struct http *h)
{
	bool room = connections_have_room(h);
	struct endpoint *p;

	LIST_FOREACH(p, &h->endpoints, link)
		endpoint_accept(p, room);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;

	(void)fd;
	(void)what;
	connections_upkeep(h);
	http_consider_room(h);
}

static void
tick_while_open(struct http *h)
{
	static const struct timeval period = { 0, TICK_USEC };

	if (LIST_EMPTY(&h->endpoints))
		event_del(&h->tick);
	else if (!event_pending(&h->tick, EV_TIMEOUT, NULL))
		event_add(&h->tick, &period);
}

/* --- endpoints --- */

static struct endpoint *
find_endpoint(const struct http *h, const struct http_address *a)
{
	struct endpoint *p;

	LIST_FOREACH(p, &h->endpoints, link) {
		if (p->address.port == a->port && strcmp(p->address.host, a->host) == 0)
			return p;
	}
	return NULL;
}

static void
tell(const struct http_address *a, const char *what)
{
	if (a->port == 0)
		log_info("HTTP: %s %s", what, a->host);
	else
		log_info(strchr(a->host, ':') != NULL ? "HTTP: %s [%s]:%d" : "HTTP: %s %s:%d", what, a->host, a->port);
}

/* Open what is not open yet. */
static bool
open_endpoints(struct http *h, struct error *e)
{
	const char *rest = h->config->http_listen;
	struct http_address a;

	while (http_address_next(&rest, &a)) {
		struct endpoint *p = find_endpoint(h, &a);

		if (p == NULL) {
			p = endpoint_open(h, &a, e);
			if (p == NULL)
				return false;
			tell(&a, "listening on");
		} else if (p->mark == ENDPOINT_OLD) {
			p->mark = ENDPOINT_KEPT;
		}
	}
	return true;
}

static void
close_endpoints(struct http *h, enum endpoint_mark mark)
{
	struct endpoint *p, *after;

	for (p = LIST_FIRST(&h->endpoints); p != NULL; p = after) {
		after = LIST_NEXT(p, link);
		if (p->mark == mark) {
			tell(&p->address, "no longer listening on");
			endpoint_close(p);
		}
	}
	LIST_FOREACH(p, &h->endpoints, link)
		p->mark = ENDPOINT_OLD;
}

static void
take_config(struct http *h, const struct config *c)
{
	const struct config *before = h->config;

	h->config = config_ref(c);
	config_unref(&before);
	metrics_note_settings();
}

bool
http_configure(struct http *h, const struct config *c, struct error *e)
{
	bool ok;

	take_config(h, c);
	ok = open_endpoints(h, e);
	/* All of the list or nothing: what stays is what was there. */
	close_endpoints(h, ok ? ENDPOINT_OLD : ENDPOINT_NEW);
	tick_while_open(h);
	http_consider_room(h);
	return ok;
}

/* --- life --- */

struct http *
http_new(struct loop *l, struct reports *r, const struct http_ops *ops)
{
	struct http *h = memory_zalloc(sizeof(*h));

	h->loop = l;
	h->reports = r;
	h->ops = ops;
	h->attempts = attempts_new();
	event_assign(&h->tick, loop_event_base(l), -1, EV_PERSIST, on_tick, h);
	return h;
}

void
http_free(struct http **hp)
{
	struct http *h = *hp;
	struct errand *w;
	struct endpoint *p;

	if (h == NULL)
		return;
	*hp = NULL;
	while ((p = LIST_FIRST(&h->endpoints)) != NULL)
		endpoint_close(p);
	while ((w = LIST_FIRST(&h->errands)) != NULL) {
		LIST_REMOVE(w, link);
		w->release(w);
	}
	event_del(&h->tick);
	metrics_release();
	attempts_free(&h->attempts);
	config_unref(&h->config);
	free(h);
}
