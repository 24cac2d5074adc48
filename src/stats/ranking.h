/*
 * ranking: the first few of many, by a number.
 *
 * A heap of at most `top`, the least of them at its root: what is offered costs a comparison,
 * and seldom more.
 */
#ifndef STATS_RANKING_H
#define STATS_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ranked {
	double by;
	uint64_t tie;		/* of equal ones, the smaller comes first */
	const void *thing;
};

struct ranking {
	struct ranked *list;
	size_t n, top;
};

/* n: how many will be offered at most. */
void ranking_init(struct ranking *r, size_t top, size_t n);
void ranking_release(struct ranking *r);

/* Returns what is not among the first: the thing, another one, or NULL. */
const void *ranking_offer(struct ranking *r, double by, uint64_t tie, const void *thing);

/* What is offered must now beat list[0]. */
static inline bool
ranking_is_full(const struct ranking *r)
{
	return r->n == r->top && r->top > 0;
}

/* No more offers: the list begins with the greatest. */
void ranking_sort(struct ranking *r);

#endif
