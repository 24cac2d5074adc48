#include "monitor/history.h"

#include <string.h>

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR (60 * MINUTE)

void
history_init(struct history *h, usec_t now)
{
	memset(h, 0, sizeof(*h));
	h->began = now;
}

void
history_release(struct history *h)
{
	query_sum_release(&h->base);
}

void
history_reset(struct history *h, usec_t now)
{
	history_release(h);
	history_init(h, now);
}

usec_t
history_left(usec_t wall)
{
	return MINUTE - wall % MINUTE;
}

static void
drop_first(struct history *h)
{
	h->n--;
	memmove(&h->points[0], &h->points[1], h->n * sizeof(h->points[0]));
	memmove(&h->ends[0], &h->ends[1], h->n * sizeof(h->ends[0]));
}

static void
drop_old(struct history *h, usec_t now)
{
	while (h->n > 0 && now - h->ends[0] > HOUR)
		drop_first(h);
}

static void
open_point(struct history *h)
{
	if (h->open)
		return;
	if (h->n == HISTORY_POINTS)
		drop_first(h);
	h->n++;
	h->open = true;
}

/* The longest one is known only if it is the longest of all; else by its bucket. */
static usec_t
find_max(const struct query_sum *total, const struct query_sum *base, const struct histogram *between)
{
	if (total->n.max > base->n.max)
		return total->n.max;
	return between->total == 0 ? 0 : histogram_quantile(between, 1);
}

static void
subtract(struct query_counters *n, const struct query_counters *less)
{
	n->calls -= less->calls;
	n->errors -= less->errors;
	n->slow -= less->slow;
	n->rows -= less->rows;
	n->bytes_in -= less->bytes_in;
	n->bytes_out -= less->bytes_out;
	n->cache_hits -= less->cache_hits;
	n->total -= less->total;
	n->wait -= less->wait;
	n->first_byte -= less->first_byte;
	n->blocked -= less->blocked;
}

static void
fill_point(const struct history *h, struct history_point *p, const struct query_sum *total)
{
	struct histogram between = HISTOGRAM_INIT;

	histogram_subtract(&between, &total->latency, &h->base.latency);
	p->n = total->n;
	subtract(&p->n, &h->base.n);
	p->n.max = find_max(total, &h->base, &between);
	p->p50 = histogram_quantile(&between, 0.5);
	p->p95 = histogram_quantile(&between, 0.95);
	p->p99 = histogram_quantile(&between, 0.99);
	histogram_release(&between);
}

static void
begin_at(struct history *h, const struct query_sum *total, usec_t now)
{
	query_sum_release(&h->base);
	memset(&h->base, 0, sizeof(h->base));
	query_sum_add(&h->base, total);
	h->began = now;
	h->open = false;
}

/* Somebody else began anew; monitor_reset tells of it, but perhaps a little later. */
static bool
is_anew(const struct history *h, const struct query_sum *total)
{
	return total->n.calls < h->base.n.calls || total->latency.total < h->base.latency.total;
}

void
history_take(struct history *h, const struct query_sum *total, usec_t now, usec_t wall)
{
	usec_t began_wall = wall - (now - h->began);
	size_t last;

	if (is_anew(h, total)) {
		query_sum_release(&h->base);
		memset(&h->base, 0, sizeof(h->base));
	}
	open_point(h);
	last = h->n - 1;
	fill_point(h, &h->points[last], total);
	h->points[last].at = wall;
	h->points[last].length = now - h->began;
	h->ends[last] = now;
	if (wall / MINUTE != began_wall / MINUTE)
		begin_at(h, total, now);
	drop_old(h, now);
}
