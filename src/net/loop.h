/*
 * loop: one thread's event loop and what its handlers share.
 *
 * A loop belongs to one thread (control or a worker).  It lends two things to
 * the handler that runs right now, and to nobody else:
 *
 *   scratch  where bytes are read into (loop_scratch).  A handler may leave
 *            nothing in it: what is unfinished goes to a buffer of its own.
 *   gather   the message being put together for one stream (net/gather.h).
 *
 * Nothing is freed inside its own callback: loop_defer runs a function at the
 * end of the turn, when no handler can be on the stack.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define LOOP_SCRATCH (64 * 1024)

struct event_base;
struct evdns_base;
struct gather;
struct loop;
struct loop_timer;

/* Work for later in the same thread; embedded in the object that it is about. */
struct deferred {
	STAILQ_ENTRY(deferred) link;
	void (*run)(struct deferred *d);	/* NULL while it is not queued */
};

struct loop *loop_new(void);
void loop_free(struct loop **l);

/* Serve events until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Run d at the end of this turn. Queued once: a second call before it ran is ignored. */
void loop_defer(struct loop *l, struct deferred *d, void (*run)(struct deferred *d));

/* Run d after every event that is ready now has been served: an answer given then counts all that peers did
 * before they asked. */
void loop_defer_past_ready(struct loop *l, struct deferred *d, void (*run)(struct deferred *d));

/* Call fn(arg) every period from now on, until the loop is freed. */
void loop_every(struct loop *l, usec_t period, void (*fn)(void *arg), void *arg);

/* Call fn(arg) once, after delay; dropped if the loop is freed before. */
void loop_after(struct loop *l, usec_t delay, void (*fn)(void *arg), void *arg);

/* A timer that is set again and again, without memory: fn(arg) is called once for each time that it is set.  Precise to a
 * millisecond.  Freed before its loop, not from within fn. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_free(struct loop_timer **t);		/* NULL is fine */
void loop_timer_set(struct loop_timer *t, usec_t delay);	/* set already: this counts instead */
void loop_timer_stop(struct loop_timer *t);

/* Call fn(arg) at each signal, until the loop is freed.  One loop of a process may do so. */
void loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg), void *arg);

uint8_t *loop_scratch(struct loop *l);		/* LOOP_SCRATCH bytes */
struct gather *loop_gather(struct loop *l);

/* For the other files of this folder. */
struct buffer;
struct buffer *loop_sealed(struct loop *l);	/* ciphertext on its way out; empty between two handlers */
void loop_sealed_done(struct loop *l);		/* it is out: empty it */
uint8_t *loop_record(struct loop *l);		/* TLS_RECORD bytes to put a record together in */
struct event_base *loop_event_base(struct loop *l);
struct evdns_base *loop_dns(struct loop *l);	/* made at first use */

#endif
