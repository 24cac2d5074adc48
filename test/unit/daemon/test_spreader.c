#include "daemon/spreader.h"

#include <criterion/criterion.h>

Test(spreader, what_speaks_for_one_more_or_less)
{
	static const struct {
		struct spread_load load;
		int way;
	} cases[] = {
		{ { 1, .least_busy = 0.9, .least_part = 0.8, .next_busy = 0.1, .work = 0.72 }, 1 },
		/* There is no other worker. */
		{ { 1, .least_busy = 0.9, .least_part = 0.8, .next_busy = 1.0, .work = 0.72 }, 0 },
		/* The worker is busy, but with others. */
		{ { 1, .least_busy = 0.9, .least_part = 0.3, .next_busy = 0.1, .work = 0.27 }, 0 },
		/* It has all of a worker that is not busy. */
		{ { 1, .least_busy = 0.4, .least_part = 1.0, .next_busy = 0.1, .work = 0.40 }, 0 },
		/* One of its two workers has room. */
		{ { 2, .least_busy = 0.5, .least_part = 1.0, .next_busy = 0.1, .work = 1.40 }, 0 },
		{ { 2, .least_busy = 0.8, .least_part = 0.9, .next_busy = 0.1, .work = 1.50 }, 1 },
		/* One would do, and have as much left again. */
		{ { 2, .least_busy = 0.1, .least_part = 1.0, .next_busy = 0.1, .work = 0.25 }, -1 },
		{ { 2, .least_busy = 0.3, .least_part = 1.0, .next_busy = 0.1, .work = 0.60 }, 0 },
		{ { 3, .least_busy = 0.2, .least_part = 1.0, .next_busy = 0.1, .work = 0.55 }, -1 },
		{ { 1, .least_busy = 0.0, .least_part = 0.0, .next_busy = 0.0, .work = 0.00 }, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(spreader_judge(&cases[i].load), cases[i].way, "case %zu", i);
}

Test(spreader, what_was_widened_is_not_narrowed_at_once)
{
	/* The least work that makes a second worker is more than what lets it go again. */
	struct spread_load before = { 1, .least_busy = 0.71, .least_part = 0.51, .next_busy = 0.49, .work = 0.37 };
	struct spread_load after = { 2, .least_busy = 0.35, .least_part = 0.51, .next_busy = 1, .work = 0.37 };

	cr_assert_eq(spreader_judge(&before), 1);
	cr_assert_eq(spreader_judge(&after), 0);
}
