#include "stats/ranking.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

void
ranking_init(struct ranking *r, size_t top, size_t n)
{
	*r = (struct ranking){ .top = top < n ? top : n };
	if (r->top > 0)
		r->list = memory_alloc(r->top * sizeof(*r->list));
}

void
ranking_release(struct ranking *r)
{
	free(r->list);
	*r = (struct ranking){ .list = NULL };
}

static bool
comes_before(const struct ranked *a, const struct ranked *b)
{
	return a->by > b->by || (a->by >= b->by && a->tie < b->tie);
}

/* Put one at place i, or below it where it belongs. */
static void
sink(struct ranked *list, size_t n, size_t i, struct ranked one)
{
	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && comes_before(&list[child], &list[child + 1]))
			child++;
		if (!comes_before(&one, &list[child]))
			break;
		list[i] = list[child];
	}
	list[i] = one;
}

/* Put one at place i, or above it. */
static void
rise(struct ranked *list, size_t i, struct ranked one)
{
	for (size_t parent; i > 0 && comes_before(&list[parent = (i - 1) / 2], &one); i = parent)
		list[i] = list[parent];
	list[i] = one;
}

const void *
ranking_offer(struct ranking *r, double by, uint64_t tie, const void *thing)
{
	struct ranked one = { .by = by, .tie = tie, .thing = thing };
	const void *out;

	if (r->n < r->top) {
		rise(r->list, r->n++, one);
		return NULL;
	}
	if (r->top == 0 || !comes_before(&one, &r->list[0]))
		return thing;
	out = r->list[0].thing;
	sink(r->list, r->n, 0, one);
	return out;
}

void
ranking_sort(struct ranking *r)
{
	for (size_t n = r->n; n > 1; n--) {
		struct ranked last = r->list[n - 1];

		r->list[n - 1] = r->list[0];
		sink(r->list, n - 1, 0, last);
	}
}
