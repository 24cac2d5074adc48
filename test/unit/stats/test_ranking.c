#include "stats/ranking.h"

#include <criterion/criterion.h>

#include "stage.h"

static int
compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->by > y->by || x->by < y->by)
		return x->by > y->by ? -1 : 1;
	return x->tie < y->tie ? -1 : x->tie > y->tie;
}

static void
rank(size_t n, size_t top, unsigned values)
{
	struct ranked all[200];
	struct ranking r;
	size_t out = 0;

	ranking_init(&r, top, n);
	for (size_t i = 0; i < n; i++) {
		all[i] = (struct ranked){ .by = stage_random(values), .tie = i, .thing = &all[i] };
		out += ranking_offer(&r, all[i].by, all[i].tie, all[i].thing) != NULL;
	}
	ranking_sort(&r);
	qsort(all, n, sizeof(all[0]), compare);
	cr_assert_eq(r.n, top < n ? top : n);
	cr_assert_eq(out, n - r.n, "each is in it, or has come out");
	for (size_t i = 0; i < r.n; i++)
		cr_assert(r.list[i].tie == all[i].tie, "place %zu of %zu", i, n);
	ranking_release(&r);
}

Test(ranking, is_what_sorting_gives)
{
	for (size_t n = 0; n <= 200; n += n < 20 ? 1 : 20) {
		for (size_t top = 0; top <= 220; top += top < 20 ? 1 : 50) {
			rank(n, top, 1000000);
			rank(n, top, 5);
		}
	}
}
