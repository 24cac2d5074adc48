#include "stats/counters.h"

#include "base/memory.h"

/* Those that are summed up: all but max, which comes last. */
#define NSUMS (offsetof(struct query_counters, max) / sizeof(uint64_t))

/* All members are 64 bits wide: the struct is an array for those who add. */
union counters {
	struct query_counters counters;
	uint64_t value[NSUMS + 1];
};

_Static_assert(sizeof(union counters) == sizeof(struct query_counters), "only 64-bit counters, max the last");

void
query_counters_add(struct query_counters *to, const struct query_counters *what)
{
	union counters *sum = (union counters *)to;
	const union counters *more = (const union counters *)what;

	for (size_t i = 0; i < NSUMS; i++)
		sum->value[i] += more->value[i];
	if (to->max < what->max)
		to->max = what->max;
}

void
query_counters_subtract(struct query_counters *from, const struct query_counters *what)
{
	union counters *sum = (union counters *)from;
	const union counters *less = (const union counters *)what;

	for (size_t i = 0; i < NSUMS; i++)
		sum->value[i] -= less->value[i];
}

void
query_sum_add(struct query_sum *to, const struct query_sum *what)
{
	query_counters_add(&to->n, &what->n);
	histogram_merge(&to->latency, &what->latency);
}

void
query_sum_subtract(struct query_sum *from, const struct query_sum *what)
{
	struct histogram rest = HISTOGRAM_INIT;

	query_counters_subtract(&from->n, &what->n);
	histogram_subtract(&rest, &from->latency, &what->latency);
	histogram_release(&from->latency);
	from->latency = rest;
}

void
query_sum_release(struct query_sum *s)
{
	histogram_release(&s->latency);
	s->n = (struct query_counters){ .calls = 0 };
}
