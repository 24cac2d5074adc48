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

static const struct {
	usec_t wall;
	const char *text;
} iso_times[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 999, "1970-01-01T00:00:00.000Z" },
	{ 1764110113123999, "2025-11-25T22:35:13.123Z" },
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ 253402300799999999, "9999-12-31T23:59:59.999Z" },
	{ INT64_MAX, "294247-01-10T04:00:54.775Z" },
};

Test(clock, iso)
{
	char text[CLOCK_ISO_SIZE];

	for (size_t i = 0; i < sizeof(iso_times) / sizeof(iso_times[0]); i++)
		cr_expect_str_eq(clock_iso(iso_times[i].wall, text), iso_times[i].text, "%s", text);
}
