#include "pool/pace.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "pool/pool.h"
#include "pool/steer.h"
#include "stats/store.h"

/* Where the search begins. */
#define FIRST_LIMIT 4

/* A slot: so long, but longer until so many statements have ended in it. */
#define SLOT (100 * USEC_PER_MSEC)
#define SLOT_MAX (4 * USEC_PER_SEC)
#define SLOT_STATEMENTS 50

/* With another limit, what is under way ends first: that does not count. */
#define SETTLE_MIN (5 * USEC_PER_MSEC)
#define SETTLE_MAX (500 * USEC_PER_MSEC)

#define PATIENCE_MIN (50 * USEC_PER_MSEC)
#define PATIENCE_MAX (5 * USEC_PER_SEC)
#define PATIENCE 8		/* times what is typical */

/* One of so many counts in what is typical, and is taken for no more than so many times that. */
#define TYPICAL_OF 64
#define TYPICAL_MOST 4

struct pace_sums {
	uint64_t work, took, done;
	int waiting;
};

struct pace_host {
	SLIST_ENTRY(pace_host) link;
	struct paces *paces;
	pthread_mutex_t lock;		/* of what follows; who finds it taken has nothing to do */
	_Atomic usec_t turn_at;		/* when the slot, or the settling before it, is over; read without the lock */
	struct steer steer;
	bool settling;
	usec_t began_at;		/* the slot */
	struct pace_sums began_with;
	double gradient, per_second;	/* of the last slot */
	bool full;
	usec_t told_at;			/* when that was */
	int port;
	char *name;
	struct pace workers[];
};

struct paces {
	pthread_mutex_t lock;		/* of the list */
	SLIST_HEAD(, pace_host) hosts;
	int nworkers;
};

/* Counters have one writer: no need for what locks the bus. */
#define READ(x) atomic_load_explicit(x, memory_order_relaxed)
#define WRITE(x, v) atomic_store_explicit(x, v, memory_order_relaxed)
#define ADD(x, n) WRITE(x, READ(x) + (n))

struct paces *
paces_new(int nworkers)
{
	struct paces *ps = memory_zalloc(sizeof(*ps));

	pthread_mutex_init(&ps->lock, NULL);
	SLIST_INIT(&ps->hosts);
	ps->nworkers = nworkers;
	return ps;
}

void
paces_free(struct paces **psp)
{
	struct paces *ps = *psp;
	struct pace_host *h;

	*psp = NULL;
	if (ps == NULL)
		return;
	while ((h = SLIST_FIRST(&ps->hosts)) != NULL) {
		SLIST_REMOVE_HEAD(&ps->hosts, link);
		pthread_mutex_destroy(&h->lock);
		free(h->name);
		free(h);
	}
	pthread_mutex_destroy(&ps->lock);
	free(ps);
}

/* --- hosts --- */

int
pace_ceiling(const struct config_host *bounds)
{
	if (bounds != NULL && bounds->active_ceiling > 0)
		return bounds->active_ceiling;
	return bounds != NULL && bounds->max_connections > 0 ? bounds->max_connections : PACE_CEILING;
}

static int
floor_of(const struct config_host *bounds)
{
	int ceiling = pace_ceiling(bounds), least = bounds != NULL ? bounds->active_floor : 1;

	return least < 1 ? 1 : least < ceiling ? least : ceiling;
}

/* With the lock of the list. */
static struct pace_host *
find_host(struct paces *ps, const char *name, int port)
{
	struct pace_host *h;

	SLIST_FOREACH(h, &ps->hosts, link) {
		if (h->port == port && strcmp(h->name, name) == 0)
			return h;
	}
	return NULL;
}

static struct pace_host *
add_host(struct paces *ps, const char *name, int port)
{
	struct pace_host *h = memory_zalloc(sizeof(*h) + (size_t)ps->nworkers * sizeof(h->workers[0]));

	pthread_mutex_init(&h->lock, NULL);
	h->paces = ps;
	h->name = memory_strdup(name);
	h->port = port;
	h->settling = true;
	steer_init(&h->steer, 1, PACE_CEILING, FIRST_LIMIT);
	for (int i = 0; i < ps->nworkers; i++) {
		h->workers[i].host = h;
		TAILQ_INIT(&h->workers[i].line);
		atomic_init(&h->workers[i].share, h->steer.limit);
	}
	SLIST_INSERT_HEAD(&ps->hosts, h, link);
	return h;
}

/* --- shares --- */

static int
demand_of(const struct pace *p)
{
	return READ(&p->active) + READ(&p->waiting);
}

/* By demand, at least one; the last places go to those whose part was cut most. */
static void
share_out(struct pace_host *h)
{
	int n = h->paces->nworkers, limit = h->steer.limit;
	int64_t total = 0, before = 0, demand = 0;

	for (int i = 0; i < n; i++)
		total += demand_of(&h->workers[i]);
	for (int i = 0; i < n; i++) {
		int share = limit;

		if (total > 0) {
			/* Rounding the running sum, not each part: together they are the limit. */
			demand += demand_of(&h->workers[i]);
			share = (int)((demand * limit + total / 2) / total - before);
			before += share;
		}
		WRITE(&h->workers[i].share, share > 0 ? share : 1);
	}
}

static struct pace_sums
sum_up(struct pace_host *h)
{
	struct pace_sums sums = { .work = 0 };

	for (int i = 0; i < h->paces->nworkers; i++) {
		const struct pace *p = &h->workers[i];

		sums.work += READ(&p->work);
		sums.took += READ(&p->took);
		sums.done += READ(&p->done);
		sums.waiting += READ(&p->waiting);
	}
	return sums;
}

/* --- slots --- */

static usec_t
settle_time(const struct pace *p)
{
	usec_t t = (usec_t)(2 * p->lease);

	return t < SETTLE_MIN ? SETTLE_MIN : t < SETTLE_MAX ? t : SETTLE_MAX;
}

static void
begin_slot(struct pace_host *h, usec_t now)
{
	h->settling = false;
	h->began_at = now;
	h->began_with = sum_up(h);
	WRITE(&h->turn_at, now + SLOT);
}

static double
gradient_of(const struct pace_host *h, const struct pace_sums *sums)
{
	uint64_t work = sums->work - h->began_with.work;

	return work > 0 ? (double)(sums->took - h->began_with.took) / (double)work : 0;
}

static void
end_slot(struct pace_host *h, const struct pace *p, usec_t now)
{
	struct pace_sums sums = sum_up(h);
	double length = (double)(now - h->began_at);
	uint64_t done = sums.done - h->began_with.done, work = sums.work - h->began_with.work;
	struct steer_slot slot = { .work = (double)work / length, .done = (unsigned)done };
	int limit = h->steer.limit;

	slot.gradient = gradient_of(h, &sums);
	slot.full = sums.waiting > 0 && h->began_with.waiting > 0;
	if (slot.full && done < SLOT_STATEMENTS && now - h->began_at < SLOT_MAX) {
		WRITE(&h->turn_at, now + SLOT);
		return;
	}
	h->full = slot.full;
	h->told_at = now;
	h->per_second = (double)done * 1e6 / length;
	h->gradient = slot.gradient;
	steer_next(&h->steer, &slot);
	share_out(h);
	if (h->steer.limit == limit) {
		begin_slot(h, now);
		return;
	}
	h->settling = true;
	WRITE(&h->turn_at, now + settle_time(p));
}

void
pace_tick(struct pace *p, usec_t now)
{
	struct pace_host *h = p->host;

	if (now < READ(&h->turn_at) || pthread_mutex_trylock(&h->lock) != 0)
		return;
	if (now >= READ(&h->turn_at)) {
		if (h->settling)
			begin_slot(h, now);
		else
			end_slot(h, p, now);
	}
	pthread_mutex_unlock(&h->lock);
}

bool
pace_is_of(const struct pace *p, const char *host, int port)
{
	return p->host->port == port && strcmp(p->host->name, host) == 0;
}

void
pace_bound(struct pace *p, const struct config_host *bounds)
{
	struct pace_host *h = p->host;
	int limit;

	pthread_mutex_lock(&h->lock);
	limit = h->steer.limit;
	steer_bound(&h->steer, floor_of(bounds), pace_ceiling(bounds));
	if (h->steer.limit != limit)
		share_out(h);
	pthread_mutex_unlock(&h->lock);
}

struct pace *
pace_open(struct paces *ps, int worker, const char *host, int port, const struct config_host *bounds)
{
	struct pace_host *h;

	pthread_mutex_lock(&ps->lock);
	h = find_host(ps, host, port);
	if (h == NULL)
		h = add_host(ps, host, port);
	pthread_mutex_unlock(&ps->lock);
	pace_bound(&h->workers[worker], bounds);
	return &h->workers[worker];
}

/* --- what people are told --- */

static void
explain(const struct pace_host *h, char *buf, size_t size)
{
	const struct steer *s = &h->steer;

	if (!h->full)
		snprintf(buf, size, "nobody waits");
	else if (s->low == s->high)
		snprintf(buf, size, "active_floor and active_ceiling leave no choice");
	else if (s->state == STEER_MEASURING)
		snprintf(buf, size, "%d is compared with %d", s->low, s->high);
	else
		snprintf(buf, size, "twice as many would do %+.0f %%; %d is compared with %d", expm1(s->gain) * 100, s->low,
			 s->high);
}

/* With the lock of the list. */
static struct pace_host *
find_listed(struct paces *ps, const char *host, int port)
{
	struct pace_host *h;

	SLIST_FOREACH(h, &ps->hosts, link) {
		if (h->port == port && string_in_list(h->name, host))
			return h;
	}
	return NULL;
}

bool
paces_find(struct paces *ps, const char *host, int port, struct pace_facts *f)
{
	struct pace_host *h;

	*f = (struct pace_facts){ .on = false };
	pthread_mutex_lock(&ps->lock);
	h = find_listed(ps, host, port);
	pthread_mutex_unlock(&ps->lock);
	if (h == NULL)
		return false;
	f->on = true;
	pthread_mutex_lock(&h->lock);
	f->limit = h->steer.limit;
	f->state = steer_state_name(h->steer.state);
	explain(h, f->reason, sizeof(f->reason));
	if (clock_now() - h->told_at < 2 * SLOT_MAX) {
		f->gradient = h->gradient;
		f->per_second = h->per_second;
	}
	pthread_mutex_unlock(&h->lock);
	for (int i = 0; i < ps->nworkers; i++) {
		f->active += READ(&h->workers[i].active);
		f->waiting += READ(&h->workers[i].waiting);
	}
	return true;
}

/* --- places and turns --- */

int
pace_share(const struct pace *p)
{
	return READ(&p->share);
}

bool
pace_has_place(const struct pace *p)
{
	return READ(&p->active) - p->aside < READ(&p->share);
}

void
pace_enter(struct pace *p)
{
	ADD(&p->active, 1);
}

/* It takes up a place again. */
static void
recall(struct pace *p, struct server *s)
{
	if (!s->aside)
		return;
	s->aside = false;
	p->aside--;
}

static void
note_typical(double *typical, usec_t took)
{
	double t = (double)(took > 0 ? took : 1);

	if (*typical <= 0)
		*typical = t;
	*typical += (fmin(t, TYPICAL_MOST * *typical) - *typical) / TYPICAL_OF;
}

void
pace_leave(struct pace *p, struct server *s, usec_t now)
{
	/* Where nobody times statements, leases have to do. */
	if (s->ended_at < s->request_at)
		pace_observe(p, s, NULL, now - s->request_at, now);
	note_typical(&p->lease, now - s->request_at);
	recall(p, s);
	ADD(&p->active, -1);
}

void
pace_count_waiting(struct pace *p, int n)
{
	ADD(&p->waiting, n);
}

void
pace_join(struct pace *p, struct pool *pool)
{
	if (pool->in_line)
		return;
	pool->in_line = true;
	TAILQ_INSERT_TAIL(&p->line, pool, turn);
}

void
pace_quit(struct pace *p, struct pool *pool)
{
	if (!pool->in_line)
		return;
	pool->in_line = false;
	TAILQ_REMOVE(&p->line, pool, turn);
}

struct pool *
pace_first(struct pace *p)
{
	return TAILQ_FIRST(&p->line);
}

void
pace_took(struct pace *p, struct pool *pool, int weight)
{
	if (pool->turns <= 0)
		pool->turns = weight > 0 ? weight : 1;
	if (--pool->turns > 0 || !pool->in_line)
		return;
	TAILQ_REMOVE(&p->line, pool, turn);
	TAILQ_INSERT_TAIL(&p->line, pool, turn);
}

usec_t
pace_patience(const struct pace *p)
{
	usec_t t = (usec_t)(PATIENCE * p->typical);

	return t < PATIENCE_MIN ? PATIENCE_MIN : t < PATIENCE_MAX ? t : PATIENCE_MAX;
}

void
pace_set_aside(struct pace *p, struct server *s, bool waits_for_client)
{
	if (s->aside || (!waits_for_client && p->aside >= READ(&p->share)))
		return;
	s->aside = true;
	p->aside++;
}

/* --- what statements take --- */

/* It falls at once, and grows by a twentieth a second, as long as nothing is faster. */
static void
learn(struct query_baseline *b, usec_t took, usec_t now)
{
	uint32_t age = (uint32_t)(now >> 20), t = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;

	if (b->usec == 0 || t < b->usec) {
		b->usec -= b->usec == 0 ? 0 : (b->usec - t + 3) / 4;
		if (b->usec == 0)
			b->usec = t > 0 ? t : 1;
		b->age = age;
	} else if (b->age != age) {
		b->usec += b->usec / 20 < t - b->usec ? b->usec / 20 : t - b->usec;
		b->age = age;
	}
}

void
pace_observe(struct pace *p, struct server *s, struct query_baseline *b, usec_t took, usec_t now)
{
	s->ended_at = now;
	recall(p, s);
	note_typical(&p->typical, took);
	if (took <= pace_patience(p)) {
		if (b != NULL)
			learn(b, took, now);
		ADD(&p->work, b != NULL ? b->usec : (uint64_t)p->typical);
		ADD(&p->took, (uint64_t)took);
		ADD(&p->done, 1);
	}
	pace_tick(p, now);
}
