/*
 * place: taking and giving back places, and the queue of those who wait for one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "tenant/host_inside.h"

static int
compare_shares(const struct share *a, const struct share *b)
{
	int64_t more = share_compare(a, b, 0);

	if (more != 0)
		return more < 0 ? -1 : 1;
	if (a->clock != b->clock)
		return a->clock < b->clock ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* The macro makes more than is needed here, and the compiler thinks that nodes could be NULL in it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnull-dereference"
RB_GENERATE_INTERNAL(share_queue, share, queue_link, compare_shares, static __attribute__((unused)))
#pragma GCC diagnostic pop

struct share *
share_queue_first(struct host *h)
{
	return RB_MIN(share_queue, &h->queue);
}

struct share *
share_queue_next(struct share *s)
{
	return RB_NEXT(share_queue, &s->host->queue, s);
}

void
share_queue_add(struct share *s)
{
	if (s->queued || s->nclaims == 0)
		return;
	s->queued = true;
	s->host->queued_weight += (uint64_t)s->weight;
	RB_INSERT(share_queue, &s->host->queue, s);
}

void
share_queue_remove(struct share *s)
{
	if (!s->queued)
		return;
	s->queued = false;
	s->host->queued_weight -= (uint64_t)s->weight;
	RB_REMOVE(share_queue, &s->host->queue, s);
}

/* --- seats and shares --- */

static void
rest(struct share *s, bool resting)
{
	struct host *h = s->host;

	if (s->resting == resting)
		return;
	s->resting = resting;
	h->nresting += resting ? 1 : -1;
	if (resting)
		TAILQ_INSERT_HEAD(&h->resting, s, rest_link);
	else
		TAILQ_REMOVE(&h->resting, s, rest_link);
}

static void
hold(struct share *s, bool holding)
{
	struct host *h = s->host;

	if (s->holding == holding)
		return;
	s->holding = holding;
	h->tenants += holding ? 1 : -1;
	if (holding)
		LIST_INSERT_HEAD(&h->holders, s, link);
	else
		LIST_REMOVE(s, link);
}

/* What a share holds has changed: its place in the queue with it. */
static void
change(struct share *s, int used, int leaving)
{
	bool queued = s->queued;

	share_queue_remove(s);
	s->used += used;
	s->leaving += leaving;
	s->host->used += used;
	s->host->leaving += leaving;
	if (used > 0)
		rest(s, false);
	hold(s, s->used > 0);
	if (queued)
		share_queue_add(s);
}

static struct share *
open_share(struct host *h, const char *tenant)
{
	struct share *s;
	size_t n = strlen(tenant);

	HASH_FIND(hh, h->shares, tenant, n, s);
	if (s != NULL)
		return s;
	s = memory_zalloc(sizeof(*s) + n + 1);
	memcpy(s->tenant, tenant, n + 1);
	s->host = h;
	s->weight = 1;
	s->clock = h->clock;
	LIST_INIT(&s->seats);
	TAILQ_INIT(&s->claims);
	HASH_ADD_KEYPTR(hh, h->shares, s->tenant, n, s);
	return s;
}

static void
free_share(struct share *s)
{
	rest(s, false);
	HASH_DEL(s->host->shares, s);
	free(s);
}

static bool
is_unused(const struct share *s)
{
	return s->used == 0 && LIST_EMPTY(&s->seats);
}

/* Clocks of those who have nothing are kept only while there is a queue to be fair in, and not all of them. */
static void
sweep(struct host *h)
{
	int most = h->nqueued > 0 ? RESTING_MAX : 0;

	while (h->nresting > most)
		free_share(TAILQ_LAST(&h->resting, resting_list));
}

struct seat *
host_seat(struct host *h, const struct wish *w, bool cancels)
{
	struct share *s = open_share(h, w->tenant);
	struct seat *seat;

	if (w->weight > 0 && w->weight != s->weight) {
		bool queued = s->queued;

		share_queue_remove(s);
		s->weight = w->weight;
		if (queued)
			share_queue_add(s);
	}
	LIST_FOREACH(seat, &s->seats, link) {
		if (seat->worker == w->worker && seat->side == w->side && seat->cancels == cancels)
			break;
	}
	if (seat == NULL) {
		seat = memory_zalloc(sizeof(*seat));
		seat->share = s;
		seat->worker = w->worker;
		seat->side = w->side;
		seat->cancels = cancels;
		atomic_store(&seat->active, true);
		LIST_INSERT_HEAD(&s->seats, seat, link);
	}
	atomic_store(&seat->capped, h->max > 0);
	atomic_store(&seat->min_lease, h->min_lease);
	seat->owner = w->owner;
	return seat;
}

/* Its worker need not look for idle ones any more. */
static void
forget_asked(struct seat *seat)
{
	struct host *h = seat->share->host;

	if (seat->asked == 0)
		return;
	h->asked -= seat->asked;
	seat->asked = 0;
	TAILQ_REMOVE(&h->hosts->inboxes[seat->worker].asked, seat, asked_link);
}

void
seat_release_unused(struct seat *seat)
{
	struct share *s = seat->share;

	if (seat->used > 0 || seat->claims > 0)
		return;
	forget_asked(seat);
	LIST_REMOVE(seat, link);
	free(seat);
	if (!is_unused(s))
		return;
	if (s->clock > s->host->clock && s->host->nqueued > 0)
		rest(s, true);
	else
		free_share(s);
}

static void
use(struct seat *seat)
{
	seat->used++;
	seat->share->host->side += seat->side;
	seat->share->host->cancels += seat->cancels;
	seat->granted_at = clock_now();
	change(seat->share, 1, 0);
}

void
seat_leave(struct seat *seat)
{
	seat->leaving++;
	seat->share->host->cancels_leaving += seat->cancels;
	change(seat->share, 0, 1);
}

void
seat_stay(struct seat *seat)
{
	seat->leaving--;
	seat->share->host->cancels_leaving -= seat->cancels;
	change(seat->share, 0, -1);
}

/* --- granting --- */

int
host_limit(const struct host *h, enum claim_kind kind)
{
	int limit = h->max - 1 - (kind == CLAIM_ADMIN ? 0 : h->reserve);

	return limit > 0 ? limit : 1;
}

/* So many cancel requests stand in places that tenants do not get. */
static int
cancels_apart(const struct host *h)
{
	return h->reserve > 1 ? h->reserve : 1;
}

static int
count_taken(const struct host *h, int used, int cancels)
{
	int apart = cancels_apart(h);

	return used - (cancels < apart ? cancels : apart);
}

int
host_taken(const struct host *h)
{
	return count_taken(h, h->used, h->cancels);
}

int
host_taken_soon(const struct host *h)
{
	return count_taken(h, h->used - h->leaving, h->cancels - h->cancels_leaving);
}

bool
host_has_room(const struct host *h, enum claim_kind kind)
{
	if (h->max == 0)
		return true;
	if (h->used >= h->max)
		return false;
	return host_taken(h) < host_limit(h, kind) || (kind == CLAIM_CANCEL && h->cancels < cancels_apart(h));
}

struct seat *
host_try(struct host *h, const struct wish *w)
{
	struct seat *seat;

	if (h->nqueued > 0 || !host_has_room(h, CLAIM_ORDINARY))
		return NULL;
	seat = host_seat(h, w, false);
	use(seat);
	return seat;
}

void
hosts_tell(struct hosts *h, int worker)
{
	if (worker < 0 || worker >= h->nworkers || h->inboxes[worker].told)
		return;
	h->inboxes[worker].told = true;
	h->ops->tell(h->arg, worker);
}

static void
enqueue(struct host *h, struct claim *c)
{
	struct share *s = c->seat->share;

	c->state = CLAIM_QUEUED;
	c->since = clock_now();
	if (c->kind != CLAIM_ORDINARY) {
		TAILQ_INSERT_TAIL(&h->express[c->kind], c, link);
		h->nexpress[c->kind]++;
		return;
	}
	rest(s, false);
	if (s->nclaims == 0 && s->clock < h->clock)
		s->clock = h->clock;
	TAILQ_INSERT_TAIL(&s->claims, c, link);
	s->nclaims++;
	h->nqueued++;
	if (!s->queued)
		s->order = h->hosts->order++;
	share_queue_add(s);
}

static void
dequeue(struct host *h, struct claim *c)
{
	struct share *s = c->seat->share;

	if (c->kind != CLAIM_ORDINARY) {
		TAILQ_REMOVE(&h->express[c->kind], c, link);
		h->nexpress[c->kind]--;
		return;
	}
	TAILQ_REMOVE(&s->claims, c, link);
	s->nclaims--;
	h->nqueued--;
	if (s->nclaims == 0)
		share_queue_remove(s);
}

/*
 * A turn of s, which waits.  Who comes anew begins at the host's clock.  If that stood still while nobody waits who was
 * served before, any number of newcomers would pass the one that was: so it goes on, by half of what each of those who
 * wait would get of this turn (the half is for chance: who is late by that must not lose his claim).
 */
static void
take_turn(struct host *h, struct share *s)
{
	h->clock += TURN / h->queued_weight / 2;
	share_queue_remove(s);
	if (s->clock > h->clock)
		h->clock = s->clock;
	s->clock += TURN / (uint64_t)s->weight;
	s->order = h->hosts->order++;
	share_queue_add(s);
}

static void
grant(struct host *h, struct claim *c)
{
	if (c->kind == CLAIM_ORDINARY)
		take_turn(h, c->seat->share);
	dequeue(h, c);
	use(c->seat);
	h->granted++;
	c->state = CLAIM_GRANTED;
	c->told = c->seat->worker < 0;	/* who wants a side connection asks */
	if (c->told)
		return;
	TAILQ_INSERT_TAIL(&h->hosts->inboxes[c->seat->worker].granted, c, link);
	hosts_tell(h->hosts, c->seat->worker);
}

static void
note_waited(struct host *h)
{
	bool waited = h->nqueued + host_express(h) > 0 || (h->max > 0 && host_taken(h) > host_limit(h, CLAIM_ADMIN));

	if (waited == h->waited)
		return;
	h->waited = waited;
	if (waited)
		LIST_INSERT_HEAD(&h->hosts->waited, h, waited_link);
	else
		LIST_REMOVE(h, waited_link);
}

static void
serve_express(struct host *h, enum claim_kind kind)
{
	while (h->nexpress[kind] > 0 && host_has_room(h, kind))
		grant(h, TAILQ_FIRST(&h->express[kind]));
}

/* Whatever the tenant's other pools have: who has nothing at all goes first. */
static struct claim *
next_claim(struct share *s)
{
	struct claim *c;

	TAILQ_FOREACH(c, &s->claims, link) {
		if (claim_is_bare(c))
			return c;
	}
	return TAILQ_FIRST(&s->claims);
}

void
host_serve(struct host *h)
{
	struct share *s;

	serve_express(h, CLAIM_CANCEL);
	serve_express(h, CLAIM_ADMIN);
	while ((s = share_queue_first(h)) != NULL && host_has_room(h, CLAIM_ORDINARY))
		grant(h, next_claim(s));
	note_waited(h);
	if (h->waited)
		host_seek(h);
	sweep(h);
}

/* --- for all threads --- */

enum claim_state
hosts_claim(struct hosts *hs, struct claim *c, enum claim_kind kind, const struct wish *w)
{
	struct host *h;
	enum claim_state state;

	pthread_mutex_lock(&hs->lock);
	h = host_open(hs, w->host, w->port);
	c->kind = kind;
	c->seat = host_seat(h, w, kind == CLAIM_CANCEL);
	c->seat->claims++;
	if (host_has_room(h, kind) && (kind != CLAIM_ORDINARY || h->nqueued == 0)) {
		use(c->seat);
		c->state = CLAIM_GRANTED;
		c->told = true;
	} else {
		enqueue(h, c);
		note_waited(h);
		host_seek(h);
	}
	state = c->state;
	pthread_mutex_unlock(&hs->lock);
	return state;
}

enum claim_state
hosts_claim_state(struct hosts *hs, const struct claim *c)
{
	enum claim_state state;

	pthread_mutex_lock(&hs->lock);
	state = c->state;
	pthread_mutex_unlock(&hs->lock);
	return state;
}

/* A granted claim that its worker has not been told of stands in its inbox still. */
static void
leave_inbox(struct hosts *hs, struct claim *c)
{
	if (!c->told)
		TAILQ_REMOVE(&hs->inboxes[c->seat->worker].granted, c, link);
	c->told = true;
}

struct seat *
hosts_take(struct hosts *hs, struct claim *c)
{
	struct seat *seat;

	pthread_mutex_lock(&hs->lock);
	leave_inbox(hs, c);
	seat = c->seat;
	seat->claims--;
	c->seat = NULL;
	c->state = CLAIM_NONE;
	pthread_mutex_unlock(&hs->lock);
	return seat;
}

static void
unuse(struct seat *seat, bool leaving)
{
	struct share *s = seat->share;

	seat->used--;
	seat->leaving -= leaving;
	s->host->side -= seat->side;
	s->host->cancels -= seat->cancels;
	s->host->cancels_leaving -= seat->cancels && leaving;
	change(s, -1, leaving ? -1 : 0);
}

void
hosts_withdraw(struct hosts *hs, struct claim *c, bool refused)
{
	struct seat *seat;
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	seat = c->seat;
	if (c->state != CLAIM_NONE) {
		h = seat->share->host;
		h->refused += refused;
		if (c->state == CLAIM_QUEUED) {
			dequeue(h, c);
		} else {
			leave_inbox(hs, c);
			unuse(seat, false);
		}
		seat->claims--;
		c->state = CLAIM_NONE;
		c->seat = NULL;
		seat_release_unused(seat);
		host_serve(h);
	}
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_leave(struct hosts *hs, struct seat *seat)
{
	pthread_mutex_lock(&hs->lock);
	seat_leave(seat);
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_linger(struct hosts *hs, struct seat *seat)
{
	pthread_mutex_lock(&hs->lock);
	seat_stay(seat);
	seat->share->lingering++;
	pthread_mutex_unlock(&hs->lock);
}

static void
give(struct hosts *hs, struct seat *seat, bool leaving, bool lingering)
{
	struct host *h;

	pthread_mutex_lock(&hs->lock);
	h = seat->share->host;
	seat->share->lingering -= lingering;
	unuse(seat, leaving);
	seat_release_unused(seat);
	host_serve(h);
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_give(struct hosts *hs, struct seat **sp, bool leaving)
{
	struct seat *seat = *sp;

	*sp = NULL;
	if (seat != NULL)
		give(hs, seat, leaving, false);
}

void
hosts_give_lingering(struct hosts *hs, struct seat **sp)
{
	struct seat *seat = *sp;

	*sp = NULL;
	give(hs, seat, false, true);
}

struct seat *
hosts_move(struct hosts *hs, struct seat *from, const struct wish *w)
{
	struct seat *to;
	usec_t granted_at;

	pthread_mutex_lock(&hs->lock);
	to = host_seat(from->share->host, w, false);
	if (to != from) {
		granted_at = from->granted_at;
		/* First in, then out: the share must not be found empty in between. */
		use(to);
		to->granted_at = granted_at;
		unuse(from, false);
		seat_release_unused(from);
	}
	pthread_mutex_unlock(&hs->lock);
	return to;
}

/* --- on a worker's thread --- */

static struct claim *
next_granted(struct hosts *hs, int worker)
{
	struct claim *c;

	pthread_mutex_lock(&hs->lock);
	hs->inboxes[worker].told = false;
	c = TAILQ_FIRST(&hs->inboxes[worker].granted);
	if (c != NULL)
		leave_inbox(hs, c);
	pthread_mutex_unlock(&hs->lock);
	return c;
}

/* One of its places counts as leaving from here on.  The seat stays, whatever other workers do with its places, until
 * end_asking. */
static struct seat *
next_asked(struct hosts *hs, int worker)
{
	struct seat *seat;

	pthread_mutex_lock(&hs->lock);
	seat = TAILQ_FIRST(&hs->inboxes[worker].asked);
	if (seat != NULL) {
		seat->share->host->asked--;
		if (--seat->asked == 0)
			TAILQ_REMOVE(&hs->inboxes[worker].asked, seat, asked_link);
		seat_leave(seat);
		seat->claims++;
		seat->share->host->evictions++;
	}
	pthread_mutex_unlock(&hs->lock);
	return seat;
}

/* Not evicted: it was lent meanwhile.  Others are looked for soon (hosts_look_again), not now: it may say so again. */
static void
end_asking(struct hosts *hs, struct seat *seat, bool evicted)
{
	pthread_mutex_lock(&hs->lock);
	if (!evicted) {
		seat->share->host->evictions--;
		seat_stay(seat);
	}
	seat->claims--;
	seat_release_unused(seat);
	pthread_mutex_unlock(&hs->lock);
}

void
hosts_collect(struct hosts *hs, int worker, bool (*evict)(void *arg, struct seat *seat), void *arg)
{
	struct claim *c;
	struct seat *seat;

	while ((c = next_granted(hs, worker)) != NULL)
		c->granted(c);
	while ((seat = next_asked(hs, worker)) != NULL)
		end_asking(hs, seat, evict(arg, seat));
}
