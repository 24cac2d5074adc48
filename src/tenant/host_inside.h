/*
 * host_inside: what host.c, place.c and yield.c know of each other (private to tenant/).
 *
 * All of it is under hosts->lock.
 */
#ifndef TENANT_HOST_INSIDE_H
#define TENANT_HOST_INSIDE_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <pthread.h>
#include <uthash.h>

#include "tenant/host.h"

#define TURN (UINT64_C(1) << 20)	/* what a granted claim moves the clock of a tenant of weight 1 on by */
#define RESTING_MAX 4096		/* unused shares that are kept for the sake of their clocks */

TAILQ_HEAD(claim_list, claim);
TAILQ_HEAD(seat_list, seat);

/* A tenant's part of a host: all workers. */
struct share {
	struct host *host;
	UT_hash_handle hh;
	LIST_ENTRY(share) link;		/* host->holders, while used > 0 */
	TAILQ_ENTRY(share) rest_link;	/* host->resting, while neither used nor claimed */
	RB_ENTRY(share) queue_link;	/* host->queue, while it has claims of CLAIM_ORDINARY */
	LIST_HEAD(, seat) seats;
	struct claim_list claims;	/* CLAIM_ORDINARY, queued */
	int nclaims;
	int used;
	int leaving;
	int lingering;			/* of used, and not of leaving: closed by us, and the server has not */
	int weight;
	bool queued, holding, resting;
	uint64_t clock;
	uint64_t order;			/* when it was queued: last resort */
	char tenant[];
};

RB_HEAD(share_queue, share);
LIST_HEAD(share_list, share);
TAILQ_HEAD(resting_list, share);

struct host {
	struct hosts *hosts;
	UT_hash_handle hh;
	LIST_ENTRY(host) waited_link;	/* hosts->waited, while a claim is queued or it is over its cap */
	bool waited;
	int index;
	int port;
	bool configured;		/* has a line in [hosts], perhaps "*" */
	int max, reserve, min;		/* max 0: no cap */
	usec_t min_lease;
	int used, side;
	int cancels;			/* of side: cancel requests */
	int leaving;			/* of used: on their way back */
	int cancels_leaving;		/* of cancels, and of leaving */
	int asked;			/* idle ones that workers were asked to close */
	int tenants;
	struct share *shares;		/* by tenant */
	struct share_list holders;
	struct resting_list resting;	/* who has left longest ago is last */
	int nresting;
	struct share_queue queue;
	int nqueued;			/* claims in it */
	uint64_t queued_weight;		/* of the shares in it */
	struct claim_list express[CLAIM_KINDS];	/* all but CLAIM_ORDINARY */
	int nexpress[CLAIM_KINDS];
	uint64_t clock;			/* where those begin that come anew */
	uint64_t granted, evictions, yielded, refused, failures;
	usec_t down_since;
	usec_t skip_until;		/* monotonic */
	int failed;			/* in a row */
	enum host_role role;
	usec_t role_at;
	bool known;
	char last_error[200];
	char *name;
	char key[];
};

struct inbox_of_worker {
	struct claim_list granted;
	struct seat_list asked;
	bool told;
};

struct hosts {
	pthread_mutex_t lock;
	const struct config *config;
	struct host *by_key;
	LIST_HEAD(, host) waited;
	int n;
	uint64_t order;
	int nworkers;
	struct inbox_of_worker *inboxes;
	const struct hosts_ops *ops;
	void *arg;
};

static inline int
share_held(const struct share *s)
{
	return s->used - s->leaving;
}

/* What is of use to who waits for more. */
static inline int
share_usable(const struct share *s)
{
	return share_held(s) - s->lingering;
}

/* By how much a holds more for its weight than b; > 0: more.  extra: as if b had so many more. */
static inline int64_t
share_compare(const struct share *a, const struct share *b, int extra)
{
	return (int64_t)share_held(a) * b->weight - (int64_t)(share_held(b) + extra) * a->weight;
}

static inline bool
claim_is_bare(const struct claim *c)
{
	return atomic_load_explicit(&c->bare, memory_order_relaxed);
}

/* The host of this name, made if need be. */
struct host *host_open(struct hosts *h, const char *name, int port);

/* How many claims wait that do not stand in queue. */
static inline int
host_express(const struct host *h)
{
	return h->nexpress[CLAIM_ADMIN] + h->nexpress[CLAIM_CANCEL];
}

/* Is there a place for this kind of claim, behind the others that wait already? */
bool host_has_room(const struct host *h, enum claim_kind kind);

/* How many places there are but for cancel requests: for administrators, too (CLAIM_ADMIN), or not.  And how many of them
 * are taken: cancel requests stand apart, as long as they fit there. */
int host_limit(const struct host *h, enum claim_kind kind);
int host_taken(const struct host *h);

/* The same, once those that are leaving have left. */
int host_taken_soon(const struct host *h);

struct seat *host_seat(struct host *h, const struct wish *w, bool cancels);

/* A place, if one is free and nobody waits; or NULL. */
struct seat *host_try(struct host *h, const struct wish *w);
void seat_release_unused(struct seat *seat);

/* One that is used gets on its way back; or does so no more. */
void seat_leave(struct seat *seat);
void seat_stay(struct seat *seat);

void share_queue_add(struct share *s);
void share_queue_remove(struct share *s);
struct share *share_queue_first(struct host *h);
struct share *share_queue_next(struct share *s);

/* Grant what there is room for, then look who must give up one for the rest. */
void host_serve(struct host *h);

/* For those who wait and to whom nothing is on its way: ask for idle ones, or mark the busy. */
void host_seek(struct host *h);

void hosts_tell(struct hosts *h, int worker);

#endif
