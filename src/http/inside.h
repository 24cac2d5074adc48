/*
 * inside: what the files of this folder share.
 */
#ifndef HTTP_INSIDE_H
#define HTTP_INSIDE_H

#include <bsd/sys/queue.h>
#include <event2/event_struct.h>

#include "client/attempts.h"
#include "http/http.h"

struct connection;
struct endpoint;
struct exchange;

/* What the daemon does for us, and may not have finished when all ends.  Embedded. */
struct errand {
	LIST_ENTRY(errand) link;
	void (*release)(struct errand *w);	/* it will never be finished: free it */
};

struct http {
	struct loop *loop;
	struct reports *reports;
	const struct http_ops *ops;
	const struct config *config;		/* a reference; NULL: not configured yet */
	struct attempts *attempts;		/* with wrong tokens */
	LIST_HEAD(, endpoint) endpoints;
	LIST_HEAD(, connection) connections;
	unsigned nconnections;
	struct event tick;			/* while there are endpoints */
	LIST_HEAD(, errand) errands;		/* under way */
};

/* A connection came or went: accept, or don't. */
void http_consider_room(struct http *h);

/* Whose exchange it is. */
struct http *exchange_http(const struct exchange *x);

#endif
