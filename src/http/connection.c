#include "http/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/endpoint.h"
#include "http/exchange_inside.h"
#include "net/loop.h"

#define REQUEST_TIME (5 * USEC_PER_SEC)		/* for a whole request to arrive */
#define IDLE_TIME (5 * USEC_PER_SEC)		/* between two requests */
#define SWALLOW_TIME (2 * USEC_PER_SEC)
#define SWALLOW_MAX (1024 * 1024)
#define WORK_TIME (30 * USEC_PER_SEC)		/* for a report to be made */
#define STALL_TIME (5 * USEC_PER_SEC)		/* without a byte of the answer going out */
#define LINGER_TIME USEC_PER_SEC
#define SLOW (500 * USEC_PER_MSEC)		/* so long in a state: may have to go for somebody else */

static void dispose(struct connection *c);
static void make_room(struct http *h);

/* What evhttp gets in place of what it must not see. */
static const char stand_in[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* --- states --- */

static void
enter(struct connection *c, enum connection_state state)
{
	static const usec_t limits[] = {
		[CONNECTION_NEW] = REQUEST_TIME,
		[CONNECTION_READING] = REQUEST_TIME,
		[CONNECTION_SWALLOWING] = SWALLOW_TIME,
		[CONNECTION_WORKING] = WORK_TIME,
		[CONNECTION_WRITING] = STALL_TIME,
		[CONNECTION_IDLE] = IDLE_TIME,
		[CONNECTION_LINGERING] = LINGER_TIME,
	};

	c->state = state;
	c->since = clock_now();
	c->deadline = c->since + limits[state];
}

/* Has evhttp freed it? */
static bool
is_forsaken(const struct connection *c)
{
	bufferevent_data_cb on_read, on_write;
	bufferevent_event_cb on_event;
	void *arg;

	bufferevent_getcb(c->bufferevent, &on_read, &on_write, &on_event, &arg);
	return on_read == NULL && on_write == NULL && on_event == NULL;
}

/* --- from `in` to evhttp --- */

static void
give(struct connection *c, const void *bytes, size_t n)
{
	struct evbuffer *input = bufferevent_get_input(c->bufferevent);

	c->passing = true;
	/* That of a plain bufferevent is frozen: only its own reads may append.  That of one with TLS must not be. */
	if (evbuffer_add(input, bytes, n) < 0) {
		evbuffer_unfreeze(input, 0);
		evbuffer_add(input, bytes, n);
		evbuffer_freeze(input, 0);
	}
	c->passing = false;
	enter(c, CONNECTION_WORKING);
}

/* For what was given when the socket was not being read. */
static void
wake_evhttp(struct connection *c)
{
	if (evbuffer_get_length(bufferevent_get_input(c->bufferevent)) > 0)
		bufferevent_trigger(c->bufferevent, EV_READ, 0);
}

/* Answer now; what else comes is not looked at. */
static void
give_stand_in(struct connection *c)
{
	buffer_release(&c->in);
	give(c, stand_in, strlen(stand_in));
}

/* A peer that is still sending would lose the answer: closing on it resets the connection.  So what it is about to
 * send anyway is let pass by first, if that is known and not too much. */
static void
give_refusal(struct connection *c)
{
	size_t whole = c->head.size > 0 ? c->head.skip + c->head.size + c->head.body : 0;

	c->swallow = whole > buffer_left(&c->in) ? whole - buffer_left(&c->in) : 0;
	if (c->refusal.status == 431)
		c->swallow = SWALLOW_MAX;
	if (c->swallow == 0 || c->swallow > SWALLOW_MAX) {
		give_stand_in(c);
		return;
	}
	buffer_release(&c->in);
	enter(c, CONNECTION_SWALLOWING);
}

static void
swallow(struct connection *c)
{
	size_t n = buffer_left(&c->in);
	/* How much there is of a head that is too long only its end tells. */
	bool end = c->refusal.status == 431 && n >= 4 && memmem(buffer_head(&c->in), n, "\r\n\r\n", 4) != NULL;

	if (end || n >= c->swallow) {
		give_stand_in(c);
		return;
	}
	c->swallow -= n;
	buffer_clear(&c->in);
}

static void
read_request(struct connection *c)
{
	size_t whole;

	if (c->state != CONNECTION_READING)
		enter(c, CONNECTION_READING);
	switch (head_read(buffer_head(&c->in), buffer_left(&c->in), &c->head, &c->refusal)) {
	case HEAD_REFUSED:
		give_refusal(c);
		return;
	case HEAD_SHORT:
		return;
	case HEAD_WHOLE:
		break;
	}
	whole = c->head.skip + c->head.size + c->head.body;
	if (buffer_left(&c->in) < whole)
		return;
	give(c, buffer_head(&c->in) + c->head.skip, whole - c->head.skip);
	buffer_consume(&c->in, whole);
	if (buffer_left(&c->in) == 0)
		buffer_release(&c->in);
}

static void
look_at_input(struct connection *c)
{
	if (buffer_left(&c->in) == 0)
		return;
	switch (c->state) {
	case CONNECTION_NEW:
	case CONNECTION_READING:
	case CONNECTION_IDLE:
		read_request(c);
		return;
	case CONNECTION_SWALLOWING:
		swallow(c);
		return;
	case CONNECTION_LINGERING:
		buffer_clear(&c->in);
		return;
	case CONNECTION_WORKING:
	case CONNECTION_WRITING:
		return;
	}
}

/* Inside the reading of the socket: if something is put back, evhttp is called when this returns. */
static void
on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct connection *c = arg;
	size_t n = evbuffer_get_length(input);

	if (c->passing || info->n_added == 0 || n == 0)
		return;
	c->passing = true;
	evbuffer_remove(input, buffer_reserve(&c->in, n), n);
	buffer_added(&c->in, n);
	c->passing = false;
	look_at_input(c);
}

/* --- the answer --- */

static void
on_end(struct bufferevent *b, short what, void *arg)
{
	struct connection *c = arg;

	(void)b;
	(void)what;
	c->deadline = 0;
}

/* At the end of the turn in which an answer went out. */
static void
on_next(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;

	(void)fd;
	(void)what;
	if (!is_forsaken(c)) {
		look_at_input(c);
		wake_evhttp(c);
	} else if (c->state == CONNECTION_LINGERING) {
		bufferevent_setcb(c->bufferevent, NULL, NULL, on_end, c);
		bufferevent_enable(c->bufferevent, EV_READ);
	} else {
		dispose(c);
	}
}

static void
on_complete(struct evhttp_request *req, void *arg)
{
	struct connection *c = arg;

	(void)req;
	enter(c, c->refusal.status == 0 ? CONNECTION_IDLE : CONNECTION_LINGERING);
	event_active(&c->next, 0, 0);
}

void
connection_answers(struct connection *c, struct evhttp_request *req)
{
	evhttp_request_set_on_complete_cb(req, on_complete, c);
	c->exchange = NULL;
	c->unsent = 0;
	enter(c, CONNECTION_WRITING);
}

/* evhttp reads again while it writes, to learn when the peer goes.  But a peer that has only ended its half would lose
 * its answer by that. */
void
connection_answered(struct connection *c)
{
	if (c->state == CONNECTION_WRITING && !is_forsaken(c))
		bufferevent_disable(c->bufferevent, EV_READ);
}

/* --- life --- */

struct bufferevent *
connection_new(struct endpoint *p)
{
	struct http *h = p->http;
	struct connection *c;

	make_room(h);
	c = memory_zalloc(sizeof(*c));
	c->http = h;
	c->endpoint = p;
	c->secure = endpoint_is_secure(p);
	c->bufferevent = endpoint_bufferevent(p);
	bufferevent_incref(c->bufferevent);
	/* Until evhttp has set its own, or it would look forsaken. */
	bufferevent_setcb(c->bufferevent, NULL, NULL, on_end, c);
	/* evhttp is not called for what on_input has taken away. */
	bufferevent_setwatermark(c->bufferevent, EV_READ, 1, 0);
	evbuffer_add_cb(bufferevent_get_input(c->bufferevent), on_input, c);
	event_assign(&c->next, loop_event_base(h->loop), -1, 0, on_next, c);
	LIST_INSERT_HEAD(&h->connections, c, link);
	h->nconnections++;
	enter(c, CONNECTION_NEW);
	http_consider_room(h);
	return c->bufferevent;
}

static void
dispose(struct connection *c)
{
	struct http *h = c->http;

	LIST_REMOVE(c, link);
	h->nconnections--;
	event_del(&c->next);
	evbuffer_remove_cb(bufferevent_get_input(c->bufferevent), on_input, c);
	bufferevent_setcb(c->bufferevent, NULL, NULL, NULL, NULL);
	bufferevent_decref(c->bufferevent);
	buffer_release(&c->in);
	free(c);
	http_consider_room(h);
}

void
connection_close(struct connection *c)
{
	struct evhttp_request *orphan = c->exchange != NULL ? exchange_give_up(c->exchange) : NULL;

	c->exchange = NULL;
	if (!is_forsaken(c) && c->state != CONNECTION_LINGERING)
		bufferevent_trigger_event(c->bufferevent, BEV_EVENT_EOF | BEV_EVENT_READING, 0);
	/* evhttp leaves a request that it has handed out to who has it. */
	if (orphan != NULL)
		evhttp_request_free(orphan);
	dispose(c);
}

void
connections_close(struct http *h, const struct endpoint *p)
{
	struct connection *c, *after;

	for (c = LIST_FIRST(&h->connections); c != NULL; c = after) {
		after = LIST_NEXT(c, link);
		if (p == NULL || c->endpoint == p)
			connection_close(c);
	}
}

/* --- room --- */

/* How soon it has to go for another one; 0: it stays. */
static int
rank(const struct connection *c)
{
	bool slow = clock_now() - c->since >= SLOW;

	if (is_forsaken(c))
		return 4;
	switch (c->state) {
	case CONNECTION_IDLE:
	case CONNECTION_LINGERING:
		return 3;
	case CONNECTION_NEW:
	case CONNECTION_READING:
	case CONNECTION_SWALLOWING:
		return slow ? 2 : 0;
	case CONNECTION_WRITING:
		return slow ? 1 : 0;
	case CONNECTION_WORKING:
		return 0;
	}
	return 0;
}

static struct connection *
find_victim(const struct http *h)
{
	struct connection *c, *victim = NULL;
	int best = 0;

	LIST_FOREACH(c, &h->connections, link) {
		int r = rank(c);

		if (r > best || (r == best && r > 0 && c->since < victim->since)) {
			victim = c;
			best = r;
		}
	}
	return victim;
}

static void
make_room(struct http *h)
{
	struct connection *victim = h->nconnections >= CONNECTIONS_MAX ? find_victim(h) : NULL;

	if (victim != NULL)
		connection_close(victim);
}

bool
connections_have_room(const struct http *h)
{
	return h->nconnections < CONNECTIONS_MAX || find_victim(h) != NULL;
}

/* --- time --- */

static void
time_out(struct connection *c)
{
	switch (c->state) {
	case CONNECTION_READING:
		refuse(&c->refusal, 408, "The request did not arrive in time.");
		give_stand_in(c);
		wake_evhttp(c);
		return;
	case CONNECTION_SWALLOWING:
		give_stand_in(c);
		wake_evhttp(c);
		return;
	case CONNECTION_WORKING:
		if (c->exchange == NULL)
			break;
		exchange_time_out(c->exchange);
		return;
	case CONNECTION_NEW:
	case CONNECTION_WRITING:
	case CONNECTION_IDLE:
	case CONNECTION_LINGERING:
		break;
	}
	connection_close(c);
}

static void
note_progress(struct connection *c)
{
	size_t unsent = evbuffer_get_length(bufferevent_get_output(c->bufferevent));

	if (unsent != c->unsent)
		enter(c, CONNECTION_WRITING);
	c->unsent = unsent;
}

void
connections_upkeep(struct http *h)
{
	struct connection *c, *after;

	for (c = LIST_FIRST(&h->connections); c != NULL; c = after) {
		after = LIST_NEXT(c, link);
		if (c->state == CONNECTION_WRITING)
			note_progress(c);
		if (is_forsaken(c) && c->state != CONNECTION_LINGERING)
			dispose(c);
		else if (clock_now() >= c->deadline)
			time_out(c);
	}
}

/* --- who it is --- */

struct connection *
connection_of_request(struct http *h, struct evhttp_request *req)
{
	const struct bufferevent *b = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
	struct connection *c;

	LIST_FOREACH(c, &h->connections, link) {
		if (c->bufferevent == b)
			return c;
	}
	return NULL;
}

void
connection_addresses(const struct connection *c, struct address *peer, struct address *self)
{
	int fd = bufferevent_getfd(c->bufferevent);

	address_of_peer(peer, fd);
	address_of_self(self, fd);
}
