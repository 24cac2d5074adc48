/*
 * slow_line: a slow query as a line of JSON.
 */
#ifndef MONITOR_SLOW_LINE_H
#define MONITOR_SLOW_LINE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "stats/slow_query.h"

/* Append one object, without a newline.  size: how long it may be; what is too long loses its plan first, then its
 * parameters, then the ends of its texts.  0: no bound. false: even so it does not fit, and nothing was appended. */
bool slow_line_write(struct buffer *out, const struct slow_query *q, size_t size);

/* What stands for `count` lines that were left out. */
void slow_line_write_gap(struct buffer *out, usec_t at, uint64_t count);

#endif
