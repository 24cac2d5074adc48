/*
 * connection: one HTTP connection, and what libevent's evhttp leaves open about it.
 *
 *	socket ──> bufferevent's input ──(on_input)──> in ── a whole, good request ──> input ──> evhttp ──> exchange
 *	       <── bufferevent's output <───────────────────────────────────────────── evhttp <── its answer
 *
 * evhttp owns the bufferevent and reads what stands in its input.  Whatever comes is taken
 * out of there at once and kept in `in`, and put back when a request is whole and head_read
 * finds nothing wrong with it; what follows it waits until it is answered.  Something bad is
 * replaced by a request that evhttp can read, which is then answered with the refusal.  So
 * every answer is one of ours, in one form, and evhttp is only ever told good news.
 *
 * Time is limited for every state, and memory to a head and a body.  There are at most
 * CONNECTIONS_MAX; for one more, the longest idle has to go, or the slowest; if all of them
 * are being answered, it waits in the kernel's queue.
 *
 * evhttp does not tell when it frees a connection; so a reference to the bufferevent is
 * kept, and one that has lost its callbacks is dead.
 *
 * Control thread.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <bsd/sys/queue.h>
#include <event2/event_struct.h>

#include "base/buffer.h"
#include "http/head.h"
#include "http/inside.h"
#include "net/address.h"

#define CONNECTIONS_MAX 32

struct bufferevent;
struct evhttp_request;
struct endpoint;

enum connection_state {
	CONNECTION_NEW,		/* nothing has come yet */
	CONNECTION_READING,	/* a part of a request has */
	CONNECTION_SWALLOWING,	/* it is refused, and the rest is let pass by: who still sends does not read answers */
	CONNECTION_WORKING,	/* evhttp has it */
	CONNECTION_WRITING,	/* its answer is on its way */
	CONNECTION_IDLE,	/* that is out, and nothing has come since */
	CONNECTION_LINGERING,	/* evhttp has closed; what still comes is thrown away, lest the answer be lost */
};

struct connection {
	LIST_ENTRY(connection) link;
	struct http *http;
	struct endpoint *endpoint;
	struct bufferevent *bufferevent;	/* a reference */
	enum connection_state state;
	usec_t since;			/* it is in this state, or the last progress in it */
	usec_t deadline;
	struct buffer in;		/* has come, and was not passed yet */
	struct head head;		/* of what is being read */
	struct refusal refusal;		/* of what is being answered; status 0: none */
	size_t swallow;			/* bytes that are still let pass by */
	size_t unsent;			/* of the answer, at the last look */
	struct exchange *exchange;	/* under way; NULL: none */
	struct event next;		/* look at `in` again, at the end of the turn */
	bool passing;			/* on_input is to look away */
	bool secure;			/* it is encrypted */
};

/* For evhttp: a bufferevent without a socket. */
struct bufferevent *connection_new(struct endpoint *p);

/* NULL: unknown. */
struct connection *connection_of_request(struct http *h, struct evhttp_request *req);

/* The peer, and our end. */
void connection_addresses(const struct connection *c, struct address *peer, struct address *self);

/* Its answer is about to be given to evhttp, and was. */
void connection_answers(struct connection *c, struct evhttp_request *req);
void connection_answered(struct connection *c);

/* End it now, whatever it does, and free it.  Not from within its own events. */
void connection_close(struct connection *c);

/* Several times a second: time limits, and what is dead. */
void connections_upkeep(struct http *h);

/* Is there room for one more, or can room be made? */
bool connections_have_room(const struct http *h);

/* All of this endpoint, or (NULL) all. */
void connections_close(struct http *h, const struct endpoint *p);

#endif
