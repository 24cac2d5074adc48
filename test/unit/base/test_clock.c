#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

Test(clock, now_never_goes_back)
{
	usec_t last = clock_now();

	for (int i = 0; i < 1000; i++) {
		usec_t now = clock_now();
		cr_assert_geq(now, last);
		last = now;
	}
}

Test(clock, wall_is_microseconds_since_1970)
{
	usec_t before = (usec_t)time(NULL) * USEC_PER_SEC;
	usec_t wall = clock_wall();

	/* time() may lag by the tick of the coarse clock. */
	cr_assert_geq(wall, before);
	cr_assert_leq(wall, before + 5 * USEC_PER_SEC);
}

Test(clock, formats_a_monotonic_time_as_date)
{
	char text[32];
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	cr_assert_eq(clock_format(clock_now() - 3600 * USEC_PER_SEC, text), text);
	const char *rest = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
	cr_assert_not_null(rest, "%s", text);
	cr_assert_str_eq(rest, " UTC");
	time_t age = time(NULL) - timegm(&tm);
	cr_assert(age >= 3598 && age <= 3605, "%s is %ld s ago", text, (long)age);
}
