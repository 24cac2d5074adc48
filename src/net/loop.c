#include "net/loop.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/gather.h"
#include "net/tls_stream.h"

#define SEALED_KEEP (128 * 1024)	/* more than this is given back when it is out */

STAILQ_HEAD(deferred_list, deferred);

struct ticker {
	SLIST_ENTRY(ticker) link;
	struct loop *loop;
	struct event event;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct evdns_base *dns;
	uint8_t *scratch;
	struct gather *gather;
	struct buffer sealed;
	uint8_t *record;	/* NULL: no TLS yet */
	struct deferred_list end_of_turn;
	struct deferred_list past_ready;
	struct event end_of_turn_event;
	struct event past_ready_event;
	SLIST_HEAD(, ticker) tickers;
};

static void
run_list(struct deferred_list *list)
{
	struct deferred_list todo = STAILQ_HEAD_INITIALIZER(todo);

	STAILQ_CONCAT(&todo, list);
	while (!STAILQ_EMPTY(&todo)) {
		struct deferred *d = STAILQ_FIRST(&todo);
		void (*run)(struct deferred *) = d->run;

		STAILQ_REMOVE_HEAD(&todo, link);
		d->run = NULL;
		run(d);
	}
}

static void
on_end_of_turn(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	run_list(&l->end_of_turn);
}

static void
on_past_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	run_list(&l->past_ready);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ticker *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

static void
on_once(evutil_socket_t fd, short what, void *arg)
{
	struct ticker *t = arg;
	void (*fn)(void *) = t->fn;
	void *fn_arg = t->arg;

	(void)fd;
	(void)what;
	SLIST_REMOVE(&t->loop->tickers, t, ticker, link);
	free(t);
	fn(fn_arg);
}

struct loop *
loop_new(void)
{
	struct loop *l = memory_zalloc(sizeof(*l));
	struct event_config *config = event_config_new();

	/* Locks inside the base would be taken at every event; threads talk through mailboxes only. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	if (l->base == NULL) {
		log_fatal("cannot create an event loop");
		abort();
	}
	/* The kernel copies to a page's beginning twice as fast as to somewhere in it. */
	l->scratch = memory_alloc_aligned(4096, LOOP_SCRATCH);
	l->gather = gather_new();
	STAILQ_INIT(&l->end_of_turn);
	STAILQ_INIT(&l->past_ready);
	SLIST_INIT(&l->tickers);
	event_assign(&l->end_of_turn_event, l->base, -1, 0, on_end_of_turn, l);
	event_assign(&l->past_ready_event, l->base, -1, 0, on_past_ready, l);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	while (!STAILQ_EMPTY(&l->end_of_turn))
		run_list(&l->end_of_turn);
	while (!SLIST_EMPTY(&l->tickers)) {
		struct ticker *t = SLIST_FIRST(&l->tickers);

		SLIST_REMOVE_HEAD(&l->tickers, link);
		event_del(&t->event);
		free(t);
	}
	event_del(&l->end_of_turn_event);
	event_del(&l->past_ready_event);
	if (l->dns != NULL)
		evdns_base_free(l->dns, 0);
	event_base_free(l->base);
	gather_free(&l->gather);
	buffer_release(&l->sealed);
	free(l->record);
	free(l->scratch);
	free(l);
}

void
loop_run(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

void
loop_defer(struct loop *l, struct deferred *d, void (*run)(struct deferred *d))
{
	if (d->run != NULL)
		return;
	d->run = run;
	STAILQ_INSERT_TAIL(&l->end_of_turn, d, link);
	event_active(&l->end_of_turn_event, EV_TIMEOUT, 0);
}

void
loop_defer_past_ready(struct loop *l, struct deferred *d, void (*run)(struct deferred *d))
{
	/* A timer of zero fires in the next turn, behind the sockets that turn finds ready. */
	static const struct timeval at_once = { 0, 0 };

	if (d->run != NULL)
		return;
	d->run = run;
	STAILQ_INSERT_TAIL(&l->past_ready, d, link);
	event_add(&l->past_ready_event, &at_once);
}

static struct ticker *
add_ticker(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct ticker *t = memory_zalloc(sizeof(*t));

	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	SLIST_INSERT_HEAD(&l->tickers, t, link);
	return t;
}

static void
start(struct ticker *t, usec_t period)
{
	struct timeval tv = { .tv_sec = period / USEC_PER_SEC, .tv_usec = period % USEC_PER_SEC };

	event_add(&t->event, &tv);
}

void
loop_every(struct loop *l, usec_t period, void (*fn)(void *arg), void *arg)
{
	struct ticker *t = add_ticker(l, fn, arg);

	event_assign(&t->event, l->base, -1, EV_PERSIST, on_tick, t);
	start(t, period);
}

void
loop_after(struct loop *l, usec_t delay, void (*fn)(void *arg), void *arg)
{
	struct ticker *t = add_ticker(l, fn, arg);

	event_assign(&t->event, l->base, -1, 0, on_once, t);
	start(t, delay);
}

struct loop_timer {
	struct event event;
	void (*fn)(void *arg);
	void *arg;
};

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = memory_zalloc(sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	event_assign(&t->event, l->base, -1, 0, on_timer, t);
	return t;
}

void
loop_timer_free(struct loop_timer **t)
{
	if (*t == NULL)
		return;
	event_del(&(*t)->event);
	free(*t);
	*t = NULL;
}

void
loop_timer_set(struct loop_timer *t, usec_t delay)
{
	struct timeval tv = { .tv_sec = delay / USEC_PER_SEC, .tv_usec = delay % USEC_PER_SEC };

	event_add(&t->event, &tv);
}

void
loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->event);
}

void
loop_on_signal(struct loop *l, int signal, void (*fn)(void *arg), void *arg)
{
	struct ticker *t = add_ticker(l, fn, arg);

	event_assign(&t->event, l->base, signal, EV_SIGNAL | EV_PERSIST, on_tick, t);
	event_add(&t->event, NULL);
}

uint8_t *
loop_scratch(struct loop *l)
{
	return l->scratch;
}

struct gather *
loop_gather(struct loop *l)
{
	return l->gather;
}

struct buffer *
loop_sealed(struct loop *l)
{
	return &l->sealed;
}

void
loop_sealed_done(struct loop *l)
{
	buffer_clear(&l->sealed);
	if (l->sealed.cap > SEALED_KEEP)
		buffer_release(&l->sealed);
}

uint8_t *
loop_record(struct loop *l)
{
	if (l->record == NULL)
		l->record = memory_alloc_aligned(64, TLS_RECORD);
	return l->record;
}

struct event_base *
loop_event_base(struct loop *l)
{
	return l->base;
}

struct evdns_base *
loop_dns(struct loop *l)
{
	if (l->dns != NULL)
		return l->dns;
	l->dns = evdns_base_new(l->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (l->dns != NULL) {
		/* Clients wait for the answer; a name server that is slower than that is as good as none. */
		evdns_base_set_option(l->dns, "timeout:", "0.8");
		evdns_base_set_option(l->dns, "attempts:", "2");
	}
	return l->dns;
}
