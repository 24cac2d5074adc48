/*
 * timing: what each query of a client cost, taken while it passes.
 *
 *	request.c, naming.c ── timing_begin ──> pipeline entry (PASS: Query, Execute, FunctionCall)
 *	reply.c             ── first byte, rows, bytes ──> the entry at the head
 *	                    ── timing_end ──> query_count, and if it was slow: struct slow_query
 *
 * Two clock reads a query, both of which are needed anyway; a timing comes from the
 * shard's free list.  Text is read once: of a simple query when it passes, of a prepared
 * statement at Parse.
 */
#ifndef SESSION_TIMING_H
#define SESSION_TIMING_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "sql/trace.h"
#include "stats/queries.h"
#include "stats/slow_query.h"

struct timing;
struct timing_list;

#endif
