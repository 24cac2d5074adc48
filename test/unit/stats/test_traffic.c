#include "stats/traffic.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

/* Every member counts: no name is forgotten when one is added to the struct. */
Test(traffic, adds_every_counter)
{
	int64_t from[sizeof(struct traffic) / sizeof(int64_t)];
	struct traffic sum, more;

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		from[i] = (int64_t)1 << i;
	memcpy(&more, from, sizeof(more));
	memset(&sum, 0, sizeof(sum));
	traffic_add(&sum, &more);
	traffic_add(&sum, &more);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		from[i] *= 2;
	cr_assert_eq(memcmp(&sum, from, sizeof(sum)), 0);
	cr_assert_eq(sum.server_assignment_count, 2);
}

Test(traffic, averages_the_last_period)
{
	struct traffic_history h = { .older_at = 0 };
	struct traffic first = { .query_count = 1000, .query_time = 999999, .sent = 5 };
	struct traffic second = { .query_count = 1030, .query_time = 999999 + 3000, .sent = 5 + 70 };
	struct traffic avg;

	traffic_roll(&h, &first, 50 * USEC_PER_SEC);
	traffic_roll(&h, &second, 60 * USEC_PER_SEC);
	traffic_average(&h, &avg);
	cr_assert_eq(avg.query_count, 3);	/* a second */
	cr_assert_eq(avg.sent, 7);
	cr_assert_eq(avg.query_time, 100);	/* a query */
	cr_assert_eq(avg.wait_time, 0);		/* of nothing */
	cr_assert_eq(avg.xact_time, 0);
}

Test(traffic, times_are_per_what_took_them)
{
	struct traffic_history h = { .older_at = 0, .newer_at = USEC_PER_SEC };
	struct traffic avg;

	h.newer = (struct traffic){
		.xact_count = 2, .xact_time = 10, .query_count = 4, .query_time = 12,
		.server_assignment_count = 5, .wait_time = 100,
	};
	traffic_average(&h, &avg);
	cr_assert_eq(avg.xact_time, 5);
	cr_assert_eq(avg.query_time, 3);
	cr_assert_eq(avg.wait_time, 20);
}

/* Right after the start there is no period yet. */
Test(traffic, no_time_is_no_average)
{
	struct traffic_history h;
	struct traffic avg;

	memset(&h, 0, sizeof(h));
	h.newer.query_count = 10;
	traffic_average(&h, &avg);
	cr_assert_eq(avg.query_count, 0);
}

/* The totals of a year of a busy tenant do not overflow. */
Test(traffic, large_numbers)
{
	struct traffic_history h = { .older_at = 0, .newer_at = 60 * USEC_PER_SEC };
	struct traffic avg;

	h.older = (struct traffic){ .sent = INT64_MAX / 2 };
	h.newer = (struct traffic){ .sent = INT64_MAX / 2 + INT64_C(60) * 1000 * 1000 * 1000 };
	traffic_average(&h, &avg);
	cr_assert_eq(avg.sent, 1000 * 1000 * 1000);
}
