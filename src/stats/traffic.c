#include "stats/traffic.h"

#include <stddef.h>

#include "base/memory.h"

#define NCOUNTERS (sizeof(struct traffic) / sizeof(int64_t))

/* All members are int64_t: the struct is an array for those who add. */
union counters {
	struct traffic traffic;
	int64_t value[NCOUNTERS];
};

/* Times are averaged over what took them, the rest over seconds. */
static const struct {
	size_t time;
	size_t per;
} times[] = {
	{ offsetof(struct traffic, xact_time), offsetof(struct traffic, xact_count) },
	{ offsetof(struct traffic, query_time), offsetof(struct traffic, query_count) },
	{ offsetof(struct traffic, wait_time), offsetof(struct traffic, server_assignment_count) },
};

void
traffic_add(struct traffic *to, const struct traffic *what)
{
	union counters *sum = (union counters *)to;
	const union counters *more = (const union counters *)what;

	for (size_t i = 0; i < NCOUNTERS; i++)
		sum->value[i] += more->value[i];
}

void
traffic_roll(struct traffic_history *h, const struct traffic *now, usec_t at)
{
	h->older = h->newer;
	h->older_at = h->newer_at;
	h->newer = *now;
	h->newer_at = at;
}

void
traffic_average(const struct traffic_history *h, struct traffic *avg)
{
	union counters *out = (union counters *)avg;
	const union counters *a = (const union counters *)&h->older;
	const union counters *b = (const union counters *)&h->newer;
	union counters delta;
	usec_t elapsed = h->newer_at - h->older_at;

	for (size_t i = 0; i < NCOUNTERS; i++) {
		delta.value[i] = b->value[i] - a->value[i];
		out->value[i] = elapsed > 0 ? delta.value[i] * USEC_PER_SEC / elapsed : 0;
	}
	for (size_t i = 0; i < lengthof(times); i++) {
		int64_t per = delta.value[times[i].per / sizeof(int64_t)];

		out->value[times[i].time / sizeof(int64_t)] =
			per > 0 ? delta.value[times[i].time / sizeof(int64_t)] / per : 0;
	}
}
