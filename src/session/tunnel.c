/*
 * tunnel: a replication connection: one client and a server of its own, whose
 * bytes pass as they come.
 *
 * It has the session's welcome, its place in the limits and its end, but no
 * pipeline: COPY in both directions has no requests and replies to be told
 * apart, and the server is lent to nobody else.  Of what the server says, only
 * the lengths are looked at: words of ours may come between two messages, but
 * not into one, where they would be taken for WAL.
 */
#include "pg/frame.h"
#include "session/link.h"
#include "session/session.h"

size_t
tunnel_on_input(struct client *c, const uint8_t *p, size_t n)
{
	struct session *s = c->owner;

	if (s->link == NULL) {
		stream_pause(&c->stream);
		return 0;
	}
	s->pool->tenant->traffic.received += (int64_t)n;
	if (!stream_send_bytes(&s->link->server->stream, p, n))
		stream_pause(&c->stream);
	return n;
}

void
tunnel_on_drained(struct client *c)
{
	struct session *s = c->owner;

	if (s->link != NULL)
		server_resume(s->link->server);
}

/* Go over messages up to the end, or to a head that is not whole: returns how far.  false: that is no message. */
static bool
measure(struct link *k, const uint8_t *p, size_t n, size_t *used)
{
	struct frame f;

	for (*used = 0; *used < n;) {
		size_t step = n - *used;

		if (k->reply_left == 0) {
			switch (frame_peek(p + *used, step, &f)) {
			case FRAME_SHORT:
				return true;
			case FRAME_INVALID:
				return false;
			case FRAME_OK:
				k->reply_left = f.size;
				break;
			}
		}
		if (step > k->reply_left)
			step = k->reply_left;
		k->reply_left -= step;
		*used += step;
	}
	return true;
}

static size_t
on_reply(struct server *server, const uint8_t *p, size_t n)
{
	struct link *k = server->lease;
	struct session *s = k->session;
	bool full = false;
	size_t used;

	if (!measure(k, p, n, &used)) {
		server_close(server, NULL, "malformed message from server");
		return n;
	}
	s->client->mid_message = k->reply_left > 0;
	s->pool->tenant->traffic.sent += (int64_t)used;
	if (used > 0)
		full = !stream_send_bytes(&s->client->stream, p, used);
	if (full)
		stream_pause(&server->stream);
	return used;
}

static void
on_server_drained(struct server *server)
{
	client_resume(((struct link *)server->lease)->session->client);
}

/* Its last words have passed as they came. */
static void
on_server_lost(struct server *server, const struct error *e)
{
	struct session *s = ((struct link *)server->lease)->session;

	(void)e;
	session_cut(s);
	client_close(s->client, NULL, "server closed the connection");
}

static const struct server_lessee lessee = {
	.input = on_reply,
	.drained = on_server_drained,
	.lost = on_server_lost,
};

void
tunnel_link(struct session *s, struct server *server)
{
	s->link = link_of(server);
	s->link->session = s;
	server_lease(server, &lessee);
	client_resume(s->client);
}

void
tunnel_begin(struct session *s)
{
	struct server *server;

	s->client->ops = &session_tunnel_ops;
	server = pool_acquire(s->pool, &s->wait);
	if (server != NULL)
		tunnel_link(s, server);
}

void
tunnel_end(struct session *s)
{
	struct server *server = session_cut(s);

	server_unlease(server);
	server_close(server, NULL, "its client is gone");
}
