/*
 * slow_log: where lines about slow queries go: to a file of their own, to the main log, or
 * nowhere (slow_query_log).
 *
 * A line is one write(2).  A file that can't be written costs lines: they are counted, and
 * told in the main log once a minute; at such a time a file that could not be opened is
 * tried again.  Nothing here waits: not for a full pipe, and not for a reader of one.
 *
 * Times are clock_now()'s.
 */
#ifndef MONITOR_SLOW_LOG_H
#define MONITOR_SLOW_LOG_H

#include "config/config.h"
#include "stats/slow_query.h"

struct slow_log;

struct slow_log *slow_log_new(void);
void slow_log_free(struct slow_log **s);

/* Take c's slow_query_log and slow_query_log_rate. A file that can't be opened is told; lines still go to the old one,
 * if there is one, until it can. */
void slow_log_configure(struct slow_log *s, const struct config *c, usec_t now);

void slow_log_reopen(struct slow_log *s, usec_t now);

void slow_log_write(struct slow_log *s, const struct slow_query *q, usec_t now);

/* About every second: what was left out is told. */
void slow_log_tick(struct slow_log *s, usec_t now);

/* Lines that were not written, for whatever reason but "off". */
uint64_t slow_log_lost(const struct slow_log *s);

#endif
