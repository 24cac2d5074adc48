/*
 * queries: what queries cost, counted by digest and by tenant.
 *
 *	stats/counters.h	one query, and sums of many
 *	stats/recent.h		minutes of the last hour; periods, for "is it slower than it used to be"
 *	stats/store.h		where they are kept and counted; what is given up when room is short
 *	stats/rows.h		copies for reports
 *	stats/alarms.h		what is out of the ordinary
 *
 * One store a worker, touched by that worker only.  What passed is counted in four
 * places, so that each question has its answer ready:
 *
 *	query_store.sum            everything on this worker
 *	  query_tenant.sum         of one tenant                     (struct tenant has it)
 *	  query_digest.sum         of one statement, all tenants     (and its text, once)
 *	    query_entry.sum        of one statement of one tenant
 *
 * Time is clock_now()'s; everything that depends on it takes `now`, so that tests need not
 * wait.  Durations are microseconds.
 */
#ifndef STATS_QUERIES_H
#define STATS_QUERIES_H

#include "stats/alarms.h"
#include "stats/counters.h"
#include "stats/recent.h"
#include "stats/rows.h"
#include "stats/store.h"

#endif
