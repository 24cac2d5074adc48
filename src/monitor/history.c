#include "monitor/history.h"

#include <string.h>

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR (60 * MINUTE)

void
history_init(struct history *h, usec_t now)
{
	memset(h, 0, sizeof(*h));
	h->began = now;
	h->complete = true;
}

static void
forget_sums(struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		query_sum_release(&h->sums[i]);
		memset(&h->sums[i], 0, sizeof(h->sums[i]));
	}
}

void
history_release(struct history *h)
{
	forget_sums(h);
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
	h->complete = false;
	query_sum_release(&h->sums[0]);
	memmove(&h->sums[0], &h->sums[1], h->n * sizeof(h->sums[0]));
	memset(&h->sums[h->n], 0, sizeof(h->sums[0]));
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

void
history_between(struct query_sum *out, const struct query_sum *total, const struct query_sum *before)
{
	memset(out, 0, sizeof(*out));
	out->n = total->n;
	query_counters_subtract(&out->n, &before->n);
	histogram_subtract(&out->latency, &total->latency, &before->latency);
	out->n.max = find_max(total, before, &out->latency);
}

static int64_t
quantile(const struct query_sum *s, double q)
{
	int64_t value = histogram_quantile(&s->latency, q);

	return value > s->n.max ? s->n.max : value;
}

static void
fill_point(const struct history *h, struct history_point *p, const struct query_sum *total)
{
	struct query_sum between;

	history_between(&between, total, &h->base);
	p->n = between.n;
	p->p50 = quantile(&between, 0.5);
	p->p95 = quantile(&between, 0.95);
	p->p99 = quantile(&between, 0.99);
	query_sum_release(&between);
}

/* The present point is over. */
static void
begin_at(struct history *h, const struct query_sum *total, usec_t now)
{
	query_sum_release(&h->base);
	memset(&h->base, 0, sizeof(h->base));
	query_sum_add(&h->base, total);
	query_sum_add(&h->sums[h->n - 1], total);
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
		forget_sums(h);
		h->complete = true;
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

/* The point that is not over yet has no sum, and those before a new beginning have none any more. */
static bool
has_sum(const struct history *h, size_t i)
{
	return h->sums[i].n.calls > 0 && !(h->open && i == h->n - 1);
}

const struct query_sum *
history_before(const struct history *h, usec_t now, usec_t window, usec_t *at)
{
	const struct query_sum *found = NULL;

	for (size_t i = 0; i < h->n; i++) {
		if (!has_sum(h, i))
			continue;
		if (now - h->ends[i] < window && (found != NULL || h->complete))
			break;
		found = &h->sums[i];
		*at = h->points[i].at;
	}
	return found;
}
