/*
 * metrics_text: metrics as the text that scrapers read.
 *
 * Two dialects of one thing: OpenMetrics 1.0, and the older text format 0.0.4, which knows
 * neither units nor exemplars and names a counter's family as its samples.  Who writes
 * metrics need not know which it is:
 *
 *	metrics_text_family(t, &(struct metrics_family){ "pgusher_slow_queries", METRIC_COUNTER, ... });
 *	metrics_text_sample(t, labels, nlabels, 7, NULL);
 *
 * Values are whole numbers; of a family in seconds they are microseconds, so that what is
 * added up here is equal to the last digit to what a scraper adds up.
 *
 * Pure: bytes out, no I/O.
 */
#ifndef HTTP_METRICS_TEXT_H
#define HTTP_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"

enum metric_type {
	METRIC_COUNTER,		/* its sample is called name_total */
	METRIC_GAUGE,
	METRIC_HISTOGRAM,	/* name_bucket, name_sum, name_count */
	METRIC_INFO,		/* name_info, always 1 */
};

enum metric_unit {
	UNIT_NONE,
	UNIT_SECONDS,		/* the name ends in _seconds */
	UNIT_BYTES,		/* likewise */
};

/* All borrowed until the next family. */
struct metrics_family {
	const char *name;	/* without the suffix of its samples */
	enum metric_type type;
	enum metric_unit unit;
	const char *help;	/* a sentence without full stop */
};

struct metrics_label {
	const char *name;
	const char *value;	/* valid UTF-8; escaped here */
};

/* One query that was counted in the sample. */
struct metrics_exemplar {
	char trace_id[33];	/* hex; "": there is none */
	usec_t value;
	usec_t at;		/* wall clock */
};

struct metrics_text {
	struct buffer out;
	bool openmetrics;
	struct metrics_family family;	/* private */
};

/* Does an Accept header (NULL: there is none) ask for OpenMetrics?  It has to name it, and not to like text/plain
 * better. */
bool metrics_text_accepts(const char *accept);

/* Of the answer. */
const char *metrics_text_content_type(bool openmetrics);

void metrics_text_init(struct metrics_text *t, bool openmetrics);
void metrics_text_release(struct metrics_text *t);

/* All samples that follow are of this family. */
void metrics_text_family(struct metrics_text *t, const struct metrics_family *f);

/* Of a counter, gauge or info.  x: only for counters; NULL or without trace_id: none. */
void metrics_text_sample(struct metrics_text *t, const struct metrics_label *labels, size_t nlabels, int64_t value,
			 const struct metrics_exemplar *x);

/* Of a histogram: nbounds buckets, smallest first, their counts cumulative; all values have the sum, and their
 * number is total.  exemplars: of each bucket and, last, of +Inf; or NULL. */
struct metrics_buckets {
	const usec_t *bounds;
	const int64_t *counts;
	size_t nbounds;
	int64_t total;
	usec_t sum;
	const struct metrics_exemplar *exemplars;
};
void metrics_text_histogram(struct metrics_text *t, const struct metrics_label *labels, size_t nlabels,
			    const struct metrics_buckets *b);

/* Nothing follows. */
void metrics_text_end(struct metrics_text *t);

#endif
