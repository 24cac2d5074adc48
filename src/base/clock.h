/*
 * clock: time in microseconds.
 *
 * usec_t from clock_now() is monotonic and only good for differences;
 * clock_wall() is since 1970 (UTC), for people.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

typedef int64_t usec_t;

#define USEC_PER_MSEC 1000LL
#define USEC_PER_SEC 1000000LL

usec_t clock_now(void);

/* What clock_now said last on this thread: good for what happens within one handler, and free. */
extern _Thread_local usec_t clock_last;

static inline usec_t
clock_recent(void)
{
	return clock_last;
}

usec_t clock_wall(void);

/* "2026-11-25 22:35:13 UTC" of a monotonic time in the past; buf holds at least 32 bytes.  Returns buf. */
const char *clock_format(usec_t monotonic, char *buf);

/* "2026-11-25T22:35:13.123Z" of wall-clock time; buf holds CLOCK_ISO_SIZE bytes.  Returns buf. */
#define CLOCK_ISO_SIZE 32
const char *clock_iso(usec_t wall, char *buf);

#endif
