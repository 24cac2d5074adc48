#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/strings.h"

#define CLOCK_TEXT_SIZE 32

static usec_t
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

_Thread_local usec_t clock_last;

usec_t
clock_now(void)
{
	return clock_last = read_clock(CLOCK_MONOTONIC);
}

usec_t
clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

const char *
clock_format(usec_t monotonic, char *buf)
{
	time_t t = (time_t)((clock_wall() - (clock_now() - monotonic)) / USEC_PER_SEC);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
		strftime(buf, CLOCK_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		string_copy(buf, "?", CLOCK_TEXT_SIZE);
	return buf;
}

const char *
clock_iso(usec_t wall, char *buf)
{
	usec_t part = (wall % USEC_PER_SEC + USEC_PER_SEC) % USEC_PER_SEC;
	time_t t = (time_t)((wall - part) / USEC_PER_SEC);
	struct tm tm;
	size_t n = gmtime_r(&t, &tm) == NULL ? 0 : strftime(buf, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

	if (n == 0 || n + sizeof(".000Z") > CLOCK_ISO_SIZE)
		return string_copy(buf, "?", CLOCK_ISO_SIZE);
	snprintf(buf + n, CLOCK_ISO_SIZE - n, ".%03dZ", (int)(part / USEC_PER_MSEC));
	return buf;
}
