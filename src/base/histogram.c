#include "base/histogram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* log2(HISTOGRAM_SUB) */
#define SUB_BITS 4

#define BUCKETS (HISTOGRAM_OCTAVES * HISTOGRAM_SUB)

static_assert(1 << SUB_BITS == HISTOGRAM_SUB, "a bucket is found by shifting");

/*
 * Buckets are numbered 0 .. BUCKETS - 1 over all octaves.  Values below HISTOGRAM_SUB are their own
 * number; above, the octave is where the highest bit is, and the next SUB_BITS bits tell the bucket.
 */
static size_t
find_bucket(int64_t value)
{
	if (value < HISTOGRAM_SUB)
		return value > 0 ? (size_t)value : 0;
	int shift = 63 - __builtin_clzll((uint64_t)value) - SUB_BITS;
	size_t octave = (size_t)shift + 1;
	if (octave >= HISTOGRAM_OCTAVES)
		return BUCKETS - 1;
	return octave * HISTOGRAM_SUB + ((size_t)(value >> shift) & (HISTOGRAM_SUB - 1));
}

static int64_t
find_low(size_t bucket)
{
	size_t octave = bucket / HISTOGRAM_SUB, sub = bucket % HISTOGRAM_SUB;

	if (octave == 0)
		return (int64_t)sub;
	return (int64_t)(HISTOGRAM_SUB + sub) << (octave - 1);
}

static size_t
find_first(const struct histogram *h)
{
	return (size_t)h->first * HISTOGRAM_SUB;
}

/* Buckets that there is memory for: [find_first, find_end). */
static size_t
find_end(const struct histogram *h)
{
	return ((size_t)h->first + h->octaves) * HISTOGRAM_SUB;
}

/* Make the octaves [first, end) part of the range. */
static void
cover(struct histogram *h, size_t first, size_t end)
{
	if (h->octaves != 0) {
		if (first >= h->first && end <= (size_t)h->first + h->octaves)
			return;
		first = first < h->first ? first : h->first;
		end = end > (size_t)h->first + h->octaves ? end : (size_t)h->first + h->octaves;
	}
	uint64_t *counts = memory_zalloc((end - first) * HISTOGRAM_SUB * sizeof(*counts));
	if (h->octaves != 0)
		memcpy(counts + (h->first - first) * HISTOGRAM_SUB, h->counts,
			h->octaves * HISTOGRAM_SUB * sizeof(*counts));
	free(h->counts);
	h->counts = counts;
	h->first = (uint8_t)first;
	h->octaves = (uint8_t)(end - first);
}

void
histogram_release(struct histogram *h)
{
	free(h->counts);
	*h = (struct histogram)HISTOGRAM_INIT;
}

void
histogram_clear(struct histogram *h)
{
	if (h->octaves != 0)
		memset(h->counts, 0, h->octaves * HISTOGRAM_SUB * sizeof(*h->counts));
	h->total = 0;
}

void
histogram_add(struct histogram *h, int64_t value)
{
	size_t bucket = find_bucket(value), octave = bucket / HISTOGRAM_SUB;

	cover(h, octave, octave + 1);
	h->counts[bucket - find_first(h)]++;
	h->total++;
}

void
histogram_merge(struct histogram *to, const struct histogram *what)
{
	if (what->total == 0)
		return;
	cover(to, what->first, (size_t)what->first + what->octaves);
	uint64_t *counts = to->counts + (find_first(what) - find_first(to));
	for (size_t i = 0; i < (size_t)what->octaves * HISTOGRAM_SUB; i++)
		counts[i] += what->counts[i];
	to->total += what->total;
}

void
histogram_subtract(struct histogram *to, const struct histogram *what, const struct histogram *less)
{
	assert(to != less);
	if (to != what) {
		histogram_clear(to);
		histogram_merge(to, what);
	}
	for (size_t i = find_first(less); i < find_end(less); i++) {
		uint64_t count = less->counts[i - find_first(less)];
		if (count == 0 || i < find_first(to) || i >= find_end(to))
			continue;
		uint64_t *at = &to->counts[i - find_first(to)];
		if (count > *at)
			count = *at;
		*at -= count;
		to->total -= count;
	}
}

int64_t
histogram_quantile(const struct histogram *h, double q)
{
	if (h->total == 0)
		return -1;
	double rank = q * (double)h->total;
	uint64_t above = 0;
	size_t last = 0;
	/* From the end: the quantiles that people ask for are near it, and reports ask it of thousands. */
	for (size_t i = find_end(h); i-- > find_first(h);) {
		uint64_t count = h->counts[i - find_first(h)];
		if (count == 0)
			continue;
		last = i;
		above += count;
		if ((double)(h->total - above) < rank)
			break;
	}
	return find_low(last) + (find_low(last + 1) - 1 - find_low(last)) / 2;
}

uint64_t
histogram_up_to(const struct histogram *h, int64_t limit)
{
	uint64_t sum = 0;

	if (limit < 0)
		return 0;
	for (size_t i = find_first(h), end = find_bucket(limit); i <= end && i < find_end(h); i++)
		sum += h->counts[i - find_first(h)];
	return sum;
}

bool
histogram_next(const struct histogram *h, size_t *at, struct histogram_bucket *b)
{
	for (; *at < (size_t)h->octaves * HISTOGRAM_SUB; (*at)++) {
		if (h->counts[*at] == 0)
			continue;
		size_t bucket = find_first(h) + *at;
		b->low = find_low(bucket);
		b->high = bucket + 1 < BUCKETS ? find_low(bucket + 1) - 1 : INT64_MAX;
		b->count = h->counts[*at];
		(*at)++;
		return true;
	}
	return false;
}

size_t
histogram_memory(const struct histogram *h)
{
	return h->octaves * HISTOGRAM_SUB * sizeof(*h->counts);
}
