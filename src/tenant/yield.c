/*
 * yield: who has to give up a place when a host is full.  See the table in host.h.
 */
#include "tenant/host_inside.h"

#define VICTIMS_AT_A_TIME 16
#define PAUSE_MAX (10 * USEC_PER_SEC)	/* who stays away longer than that is not waited for */

/* For whom a place is looked for. */
struct need {
	struct share *share;	/* NULL: for a cancel request or an administrator, or because the cap was lowered */
	bool bare;		/* one of those in it that wait has nothing, whatever the others have */
};

static bool
has_bare_claim(const struct share *s)
{
	const struct claim *c;

	TAILQ_FOREACH(c, &s->claims, link) {
		if (claim_is_bare(c))
			return true;
	}
	return false;
}

/* The first to whom nothing is on its way.  false: there is none. */
static bool
find_need(struct host *h, struct need *n)
{
	int expected = host_taken_soon(h) - h->asked;
	int first = h->nexpress[CLAIM_ADMIN] + (h->max == 1 ? h->nexpress[CLAIM_CANCEL] : 0);
	int room;
	struct share *s;

	n->share = NULL;
	n->bare = false;
	if (h->max == 0)
		return false;
	if (first > host_limit(h, CLAIM_ADMIN) - expected)
		return true;
	room = host_limit(h, CLAIM_ORDINARY) - expected - first;
	for (s = share_queue_first(h); s != NULL; s = share_queue_next(s)) {
		if (s->nclaims > room) {
			n->share = s;
			n->bare = has_bare_claim(s);
			return true;
		}
		room -= s->nclaims;
	}
	return false;
}

static bool
is_active(const struct share *s)
{
	const struct seat *seat;

	LIST_FOREACH(seat, &s->seats, link) {
		if (atomic_load_explicit(&seat->active, memory_order_relaxed))
			return true;
	}
	return false;
}

/* Does v keep what it has, as its `min`? */
static bool
is_guaranteed(const struct share *v, const struct need *n)
{
	int min = v->host->min;

	return n->share != NULL && share_held(v) <= min && share_usable(n->share) >= min && is_active(v);
}

static bool
is_starving(const struct need *n)
{
	return n->share != NULL && share_usable(n->share) <= 0;
}

/* What may be taken from v at the end of a transaction. */
static enum seat_wanted
find_wanted(const struct share *v, const struct need *n)
{
	if (n->share == NULL)
		return WANTED_ANY;
	if (v == n->share)
		return n->bare ? WANTED_OLD : WANTED_NOT;
	if (is_guaranteed(v, n))
		return WANTED_NOT;
	if (share_compare(v, n->share, 1 - n->share->lingering) > 0)
		return WANTED_ANY;
	return is_starving(n) ? WANTED_OLD : WANTED_NOT;
}

static usec_t
pause_of(const struct seat *seat)
{
	usec_t pause = atomic_load_explicit(&seat->pause, memory_order_relaxed);

	return pause > PAUSE_MAX ? PAUSE_MAX : pause;
}

static usec_t
idle_for(const struct seat *seat, usec_t now)
{
	return now - atomic_load_explicit(&seat->idle_since, memory_order_relaxed);
}

/* A tenant that will want it back within its lease keeps it that long. */
static bool
is_back_soon(const struct seat *seat)
{
	usec_t pause = pause_of(seat);

	return pause > 0 && pause < seat->share->host->min_lease;
}

/* May an idle one of this seat be closed for n? */
static bool
may_evict(const struct seat *seat, const struct need *n, usec_t now)
{
	usec_t lease = seat->share->host->min_lease, warm = 2 * pause_of(seat);
	bool own = seat->share == n->share;

	switch (find_wanted(seat->share, n)) {
	case WANTED_ANY:
		return true;
	case WANTED_OLD:
		return now - seat->granted_at >= lease || !is_back_soon(seat);
	case WANTED_NOT:
		break;
	}
	return (own || !is_guaranteed(seat->share, n)) && idle_for(seat, now) > (warm > lease ? warm : lease);
}

/* How long an idle one would do nothing, as far as one can guess. */
static usec_t
expected_idleness(const struct seat *seat, usec_t now)
{
	usec_t so_far = idle_for(seat, now), usual = pause_of(seat);

	return so_far > usual ? so_far : usual;
}

static bool
is_better_victim(const struct seat *a, const struct seat *b, usec_t now)
{
	int64_t more = share_compare(a->share, b->share, 0);

	return more > 0 || (more == 0 && expected_idleness(a, now) > expected_idleness(b, now));
}

static struct seat *
find_victim(struct host *h, const struct need *n, usec_t now)
{
	struct seat *seat, *best = NULL;
	struct share *s;

	LIST_FOREACH(s, &h->holders, link) {
		LIST_FOREACH(seat, &s->seats, link) {
			if (seat->worker < 0 || atomic_load_explicit(&seat->idle, memory_order_relaxed) <= seat->asked)
				continue;
			if (may_evict(seat, n, now) && (best == NULL || is_better_victim(seat, best, now)))
				best = seat;
		}
	}
	return best;
}

static void
ask_to_evict(struct host *h, struct seat *seat)
{
	struct hosts *hs = h->hosts;

	if (seat->asked++ == 0)
		TAILQ_INSERT_TAIL(&hs->inboxes[seat->worker].asked, seat, asked_link);
	h->asked++;
	hosts_tell(hs, seat->worker);
}

/* Nobody has an idle one: the next that comes back of those who have too much. */
static void
mark_busy(struct host *h, const struct need *n)
{
	struct share *s;
	struct seat *seat;

	LIST_FOREACH(s, &h->holders, link) {
		enum seat_wanted wanted = find_wanted(s, n);

		LIST_FOREACH(seat, &s->seats, link)
			atomic_store_explicit(&seat->wanted, wanted, memory_order_relaxed);
	}
}

void
host_seek(struct host *h)
{
	usec_t now = clock_now();
	struct seat *seat;
	struct need n;

	for (int i = 0; i < VICTIMS_AT_A_TIME && find_need(h, &n); i++) {
		seat = find_victim(h, &n, now);
		if (seat == NULL) {
			mark_busy(h, &n);
			return;
		}
		ask_to_evict(h, seat);
	}
}

bool
hosts_yield(struct hosts *hs, struct seat *seat, usec_t since, bool unneeded)
{
	struct host *h;
	struct need n;
	enum seat_wanted wanted = WANTED_NOT;
	bool yields;

	pthread_mutex_lock(&hs->lock);
	h = seat->share->host;
	if (find_need(h, &n))
		wanted = find_wanted(seat->share, &n);
	atomic_store_explicit(&seat->wanted, wanted, memory_order_relaxed);
	yields = wanted == WANTED_ANY || (wanted == WANTED_OLD && (clock_now() - since >= h->min_lease ||
								   (unneeded && !is_back_soon(seat))));
	if (yields) {
		seat_leave(seat);
		if (unneeded)
			h->evictions++;
		else
			h->yielded++;
	}
	pthread_mutex_unlock(&hs->lock);
	return yields;
}

void
hosts_look_again(struct hosts *hs)
{
	struct host *h, *next;

	pthread_mutex_lock(&hs->lock);
	LIST_FOREACH_SAFE(h, &hs->waited, waited_link, next)
		host_serve(h);
	pthread_mutex_unlock(&hs->lock);
}
