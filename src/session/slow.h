/*
 * slow: the record of a query that took too long.
 */
#ifndef SESSION_SLOW_H
#define SESSION_SLOW_H

#include "session/session.h"
#include "session/timing.h"
#include "stats/slow_query.h"

/* t is over, q is what it cost, and t->what.entry is set: tell the monitor, with a plan if that is wanted. */
void slow_report(struct session *s, const struct timing *t, const struct query_sample *q, usec_t threshold);

#endif
