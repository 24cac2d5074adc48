/*
 * worker: a thread that carries queries; a loop, a mailbox and a shard.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "config/config.h"
#include "console/console.h"
#include "net/listener.h"
#include "net/mailbox.h"
#include "session/shard.h"

struct worker;

struct workers {
	int n;
	struct worker **list;
	struct commons commons;
	struct mailbox *control;	/* where MESSAGE_VISITED and console clients go */
};

/* Make n workers, not running yet. */
void workers_init(struct workers *ws, int n, const struct config *c, struct mailbox *control);

/* What all of them share is told of new settings.  The control thread. */
void workers_configure(struct workers *ws, const struct config *c);

/* Accept connections on these sockets from the start. Before workers_start. */
void workers_listen(struct workers *ws, const struct listener_set *tcp, const struct listener_set *local);

void workers_start(struct workers *ws);

/* Have every worker look at q; q->finish is the business of whoever reads MESSAGE_VISITED. */
void workers_ask(struct workers *ws, struct inquiry *q);

/* Take a lookup to the worker that owns its database. */
void workers_look_up(struct workers *ws, struct lookup *k);

/* For an inquiry's visit: stop accepting TCP connections, on the worker of this shard. */
void worker_stop_tcp(struct shard *s);

/* End all workers: clients are told e.  Joins the threads and frees all. */
void workers_stop(struct workers *ws, const struct error *e);

/* Free a message that nobody will read any more, with what it owns. */
void message_discard(struct mail *m);

#endif
