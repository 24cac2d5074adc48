#include "tenant/rate.h"

#define USEC 1e6

/* --- the line: written by one, read by many, without a lock (a sequence lock of atomics) --- */

static int64_t
load(const _Atomic int64_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static void
store(_Atomic int64_t *p, int64_t v)
{
	atomic_store_explicit(p, v, memory_order_release);
}

struct rate_line
rate_line(const struct rate *r)
{
	struct rate_line l;
	unsigned turn;

	do {
		turn = atomic_load_explicit(&r->turn, memory_order_acquire);
		l.since = load(&r->since);
		l.at = load(&r->at);
		l.per_second = load(&r->per_second);
		l.end = load(&r->end);
		l.burst = load(&r->burst);
		l.expected = load(&r->expected);
	} while ((turn & 1) != 0 || atomic_load_explicit(&r->turn, memory_order_acquire) != turn);
	return l;
}

void
rate_set_line(struct rate *r, const struct rate_line *l)
{
	unsigned turn = atomic_load_explicit(&r->turn, memory_order_relaxed);

	atomic_store_explicit(&r->turn, turn + 1, memory_order_relaxed);
	store(&r->since, l->since);
	store(&r->at, l->at);
	store(&r->per_second, l->per_second);
	store(&r->end, l->end);
	store(&r->burst, l->burst);
	store(&r->expected, l->expected);
	atomic_store_explicit(&r->turn, turn + 2, memory_order_release);
}

void
rate_init(struct rate *r, usec_t now, int64_t per_second, int64_t burst)
{
	struct rate_line l = { .since = now, .per_second = per_second, .end = RATE_NEVER, .burst = burst,
			       .expected = per_second };

	atomic_init(&r->taken, 0);
	atomic_init(&r->turn, 0);
	rate_set_line(r, &l);
}

void
rate_change(struct rate *r, usec_t now, int64_t per_second, int64_t burst)
{
	struct rate_line l = rate_line(r);

	l.at = rate_clock(&l, now);
	l.since = now;
	l.per_second = l.expected = per_second;
	l.end = RATE_NEVER;
	l.burst = burst;
	rate_set_line(r, &l);
}

/* --- the clock --- */

int64_t
rate_clock(const struct rate_line *l, usec_t now)
{
	int64_t gone;

	/* Threads read their clocks in any order. */
	if (now <= l->since)
		return l->at;
	gone = (int64_t)((double)(now - l->since) * (double)l->per_second / USEC);
	return gone >= l->end - l->at ? l->end : l->at + gone;
}

/* A time that is not too long to be added to others. */
static usec_t
time_for(double units, int64_t per_second)
{
	double time = per_second > 0 ? units / (double)per_second * USEC : 1e15;

	return time < 1e15 ? (usec_t)time + 1 : (usec_t)1e15;
}

static usec_t
way_to(const struct rate_line *l, int64_t clock, int64_t place)
{
	usec_t way = 0;

	if (place <= clock)
		return 0;
	if (place > l->end) {
		int64_t from = clock > l->end ? clock : l->end;

		way = time_for((double)(place - from), l->expected);
		place = from;
	}
	if (place > clock)
		way += time_for((double)(place - clock), l->per_second > 0 ? l->per_second : l->expected);
	return way;
}

usec_t
rate_due(const struct rate *r, usec_t now, int64_t place)
{
	struct rate_line l = rate_line(r);

	return way_to(&l, rate_clock(&l, now), place);
}

/* --- taking --- */

usec_t
rate_take(struct rate *r, usec_t now, int64_t n, usec_t max_wait, int64_t *place, usec_t *wait)
{
	struct rate_line l = rate_line(r);
	int64_t clock = rate_clock(&l, now), taken = load(&r->taken), next;

	do {
		next = (taken > clock ? taken : clock) + n;
		*place = next - l.burst;
		*wait = way_to(&l, clock, *place);
		if (*wait > max_wait)
			return -1;
	} while (n > 0 && !atomic_compare_exchange_weak_explicit(&r->taken, &taken, next, memory_order_acq_rel,
								 memory_order_acquire));
	return *wait;
}

void
rate_debit(struct rate *r, usec_t now, int64_t n, int64_t room)
{
	struct rate_line l = rate_line(r);
	int64_t clock = rate_clock(&l, now), taken = load(&r->taken), next;

	do {
		int64_t from = taken > clock ? taken : clock, most = from > clock + room ? from : clock + room;

		next = n < most - from ? from + n : most;
	} while (!atomic_compare_exchange_weak_explicit(&r->taken, &taken, next, memory_order_acq_rel,
							memory_order_acquire));
}

void
rate_give(struct rate *r, int64_t n)
{
	atomic_fetch_sub_explicit(&r->taken, n, memory_order_acq_rel);
}

int64_t
rate_used(const struct rate *r, usec_t now)
{
	struct rate_line l = rate_line(r);
	int64_t used = load(&r->taken) - rate_clock(&l, now);

	return used > 0 ? used : 0;
}
