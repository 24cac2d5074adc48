/*
 * courier: one connection to a PostgreSQL database of ours, over libpq's asynchronous calls.
 *
 *	OFF ──configure──> RESOLVING ──> CONNECTING ──> GREETING ──first answer──> UP
 *	                       ^                                                   │
 *	                       └──────── WAITING (100 ms, 200 ... 5 s) <──failed───┘
 *
 * Calls are pipelined: each is one statement with parameters and a transaction of its own, and
 * one that fails fails alone.  Names are resolved on a helper; of several hosts and addresses
 * one is tried at a time, in turn.  The connection counts on its host's budget: where that is
 * full it waits in line, and goes on to the next of a list only after pace.connect.
 *
 * What the other side does is bounded: how long it may take to connect and to answer, and how
 * much it may say before an answer is whole.  Whatever goes beyond that ends the connection.
 * A quiet one is asked for an answer now and then.
 *
 * Belongs to its loop's thread, and nothing blocks there.  No callback is called from within
 * courier_send.
 */
#ifndef TENANT_COURIER_H
#define TENANT_COURIER_H

#include <bsd/sys/queue.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/helpers.h"
#include "net/loop.h"

struct courier;
struct hosts;

/* A statement under way; embedded in who wants it. */
struct courier_call {
	TAILQ_ENTRY(courier_call) link;		/* private, as the next two */
	usec_t sent_at;
	PGresult *result;
	/* r: rows, a command's end, or an error of the statement; borrowed for the call.  NULL: e (08006) says why there
	 * is no answer, and nobody knows whether it was carried out. */
	void (*answered)(struct courier_call *c, PGresult *r, const struct error *e);
};

struct courier_ops {
	void (*up)(void *arg);					/* it answers, and tells what is notified */
	void (*lost)(void *arg, const struct error *e);		/* or could not be made; behind the calls' answers */
	void (*notified)(void *arg, const char *payload);
};

/* How long things may take; tests are faster. */
struct courier_pace {
	usec_t connect;			/* from the beginning to the first answer */
	usec_t answer;			/* of the oldest call */
	usec_t quiet;			/* without an answer: ask for one */
	usec_t retry, retry_most;	/* pauses after failures */
};

/* hosts: NULL in tests. */
struct courier *courier_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers,
			    struct hosts *hosts, const struct courier_ops *ops, void *arg);

/* Nobody is told any more. */
void courier_free(struct courier **k);

void courier_set_pace(struct courier *k, const struct courier_pace *p);

/* Where to: as libpq has it, but for service=.  "": nowhere.  channel: to LISTEN on; "": none.  If something is new,
 * the connection is made anew; calls under way come to nothing. */
void courier_configure(struct courier *k, const char *conninfo, const char *channel);

bool courier_is_up(const struct courier *k);
size_t courier_under_way(const struct courier *k);

/* Since when it can't be connected; 0: the last connection could be used. */
usec_t courier_failing_since(const struct courier *k);

/* Only while it is up.  values are text, copied; NULL is null. */
void courier_send(struct courier *k, struct courier_call *c, const char *sql, int n, const char *const *values);

/* What the database says of a statement that failed, or, if r is none of these, what else is wrong with r. */
void courier_error(const PGresult *r, struct error *e);

#endif
