/*
 * histogram: how long things took, in log-linear buckets.
 *
 * Each octave of microseconds (1, 2, 4 ... 2^35) has 16 buckets of equal width, so a
 * value is known to within 1/16 of itself, and a quantile (the middle of its bucket)
 * to about 3 %.  Values below 16 are exact; what lies above 2^36 us (19 h) is counted
 * in the last bucket.
 *
 * Only octaves that were seen take memory (128 bytes each), as one range: what takes
 * between 1 and 8 ms costs 512 bytes.  All of them are 4 KB.
 *
 * Histograms can be added up, in any order, without loss.  One thread at a time.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB 16	/* buckets an octave */
#define HISTOGRAM_OCTAVES 33	/* the first holds 0..15, the next 16..31, and so on */

struct histogram {
	uint64_t *counts;	/* of `octaves` octaves from `first` on; NULL: nothing was seen */
	uint64_t total;		/* values */
	uint8_t first, octaves;
};

#define HISTOGRAM_INIT { .counts = NULL }

void histogram_release(struct histogram *h);	/* as after INIT; its memory is gone */
void histogram_clear(struct histogram *h);	/* nothing was seen; the memory stays */

/* Count a value; negative ones are 0. */
void histogram_add(struct histogram *h, int64_t value);

void histogram_merge(struct histogram *to, const struct histogram *what);

/* to = what - less, where less is an earlier stand of the same histogram (a bucket that is larger there counts 0).
 * What `to` held is gone; it may be `what`, but not `less`. */
void histogram_subtract(struct histogram *to, const struct histogram *what, const struct histogram *less);

/* The value below which a share q (0..1) of all lies: the middle of the bucket of that rank, so it may be above the
 * largest value by half a bucket.  -1: nothing was seen. */
int64_t histogram_quantile(const struct histogram *h, double q);

/* How many values are at most `limit`: exact where limit is the upper end of a bucket, else all of its bucket counts. */
uint64_t histogram_up_to(const struct histogram *h, int64_t limit);

/* Walk the buckets that are not empty, smallest first: start with *at = 0; false at the end.
 * Values of a bucket lie in [low, high]; high is INT64_MAX in the last that there can be. */
struct histogram_bucket {
	int64_t low, high;
	uint64_t count;
};
bool histogram_next(const struct histogram *h, size_t *at, struct histogram_bucket *b);

/* Bytes on the heap. */
size_t histogram_memory(const struct histogram *h);

#endif
