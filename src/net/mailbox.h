/*
 * mailbox: how threads talk.
 *
 * A mailbox belongs to one loop. Any thread posts a message to it; with the
 * message goes the ownership of all it points to.  The handler runs on the
 * mailbox's loop, one message at a time, in the order of posting (of one
 * sender).  Nothing else passes between threads, except budgets and counters
 * that say so (tenant/budget.h).
 *
 * A message is a struct that embeds struct mail; the list of kinds is in
 * daemon/message.h.
 */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <bsd/sys/queue.h>

#include "net/loop.h"

struct mailbox;

struct mail {
	STAILQ_ENTRY(mail) link;
	int kind;
};

/* Made before the thread of l runs.  handle takes the message. */
struct mailbox *mailbox_new(struct loop *l, void (*handle)(void *arg, struct mail *m), void *arg);

/* When no thread posts any more; messages that were not handled are passed to `discard`. */
void mailbox_free(struct mailbox **mb, void (*discard)(struct mail *m));

/* Any thread.  Takes m. */
void mailbox_post(struct mailbox *mb, struct mail *m);

#endif
