/*
 * webhook: alerts to an address that the operator names, in their order.
 *
 * One is under way at a time (monitor/post.h), WEBHOOK_QUEUE may wait, and what comes beyond
 * that is dropped.  What fails is tried again WEBHOOK_RETRIES times, after 1, 2, 4, 8 and 16
 * seconds, or when the other side wants it (Retry-After, a minute at most); then it is given
 * up.  The address that counts is the one that is set when a request begins.
 */
#ifndef MONITOR_WEBHOOK_H
#define MONITOR_WEBHOOK_H

#include "monitor/monitor.h"
#include "net/helpers.h"

#define WEBHOOK_QUEUE 100
#define WEBHOOK_RETRIES 5

struct webhook;

/* How fast; tests are faster. */
struct webhook_pace {
	usec_t second;			/* the unit of pauses */
	usec_t connect_patience, patience;
};

typedef void webhook_told_fn(void *arg, uint64_t id, enum alert_delivery d);

/* told: what became of one that was PENDING. */
struct webhook *webhook_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers,
			    webhook_told_fn *told, void *arg);
void webhook_set_pace(struct webhook *w, const struct webhook_pace *p);

/* url "": none; what waits then comes to nothing. */
void webhook_configure(struct webhook *w, const char *url, const char *secret);

/* event and body are copied.  NONE, PENDING or DROPPED. */
enum alert_delivery webhook_send(struct webhook *w, uint64_t id, const char *event, const char *body);

/* About every second: what was dropped is told. */
void webhook_tick(struct webhook *w, usec_t now);

/* The end: what waits is given up now, what is under way within about a second, and nothing is taken any more. */
void webhook_stop(struct webhook *w);

/* After webhook_stop and helpers_free, when the loop does not run any more. */
void webhook_free(struct webhook **w);

#endif
