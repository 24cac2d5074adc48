/*
 * counters: what one query cost, and sums of many.
 *
 * Durations are microseconds.  One thread at a time.
 */
#ifndef STATS_COUNTERS_H
#define STATS_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/histogram.h"

/* One query, when it is over. */
struct query_sample {
	usec_t wait;		/* for a server */
	usec_t first_byte;	/* from sending it to the first byte of its reply */
	usec_t total;		/* from sending it to the end of its reply */
	usec_t blocked;		/* of that, the client did not take what there was */
	uint64_t rows;
	uint64_t bytes_in;	/* of its messages, from the client */
	uint64_t bytes_out;	/* of its replies, to the client */
	bool failed;
	bool slow;		/* took as long as slow_query_threshold, or longer */
};

struct query_counters {
	uint64_t calls, errors, slow, rows, bytes_in, bytes_out;
	uint64_t cache_hits;	/* 0, until there is a cache */
	usec_t total, wait, first_byte, blocked;	/* sums */
	usec_t max;		/* of total */
};

struct query_sum {
	struct histogram latency;	/* of total */
	struct query_counters n;
};

void query_counters_add(struct query_counters *to, const struct query_counters *what);

/* What is a part of `from` goes out of it again; max can't be undone and stays. */
void query_counters_subtract(struct query_counters *from, const struct query_counters *what);

/* Start with a struct of zeros. */
void query_sum_add(struct query_sum *to, const struct query_sum *what);
void query_sum_subtract(struct query_sum *from, const struct query_sum *what);	/* likewise */
void query_sum_release(struct query_sum *s);

#endif
