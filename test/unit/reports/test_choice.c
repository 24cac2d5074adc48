#include "reports/choice.h"

#include <criterion/criterion.h>

#include "base/memory.h"

/* How many of `ranks` are taken of the first n, and the sum of their ranks. */
static void
expect(const int64_t *ranks, size_t nranks, size_t n, size_t taken, int64_t sum)
{
	struct choice c = { .ranks = NULL };
	size_t count = 0;
	int64_t total = 0;

	for (size_t i = 0; i < nranks; i++)
		choice_note(&c, ranks[i]);
	choice_settle(&c, n);
	for (size_t i = 0; i < nranks; i++) {
		if (!choice_takes(&c, ranks[i]))
			continue;
		count++;
		total += ranks[i];
	}
	cr_assert_eq(count, taken, "%zu of %zu", count, n);
	cr_assert_eq(total, sum);
	choice_release(&c);
}

Test(choice, takes_the_highest)
{
	static const int64_t ranks[] = { 3, 9, 1, 7, 7, 7, 0 };

	expect(ranks, lengthof(ranks), 1, 1, 9);
	expect(ranks, lengthof(ranks), 3, 3, 23);	/* of those that are equal as many as fit */
	expect(ranks, lengthof(ranks), 5, 5, 33);
	expect(ranks, lengthof(ranks), 7, 7, 34);
	expect(ranks, lengthof(ranks), 100, 7, 34);
	expect(ranks, lengthof(ranks), 0, 0, 0);
	expect(ranks, 0, 5, 0, 0);
}

/* What came between the two walks takes no more places than there are. */
Test(choice, never_more_than_n)
{
	struct choice c = { .ranks = NULL };
	int taken = 0;

	for (int i = 0; i < 10; i++)
		choice_note(&c, i);
	choice_settle(&c, 3);
	for (int i = 0; i < 100; i++)
		taken += choice_takes(&c, 1000 + i);
	taken += choice_takes(&c, 7);
	cr_assert_leq(taken, 3);
	choice_release(&c);
}
