/*
 * slow_query: the record of one query that took too long.
 *
 * Made on the worker where it ran (session/timing.c), perhaps completed with a plan
 * (session/plan.h), and handed to the monitor on the control thread, which writes and
 * keeps it.
 */
#ifndef STATS_SLOW_QUERY_H
#define STATS_SLOW_QUERY_H

#include "net/mailbox.h"
#include "sql/digest.h"
#include "sql/trace.h"
#include "stats/queries.h"

#define SLOW_QUERY_TYPES 32	/* parameters whose types are told */

/* All strings are owned; NULL: not known. */
struct slow_query {
	struct mail mail;		/* the daemon's */
	usec_t at;			/* wall clock: when it was over */
	char *tenant;
	char *user;			/* of the client */
	char *database;			/* on the server */
	char *client;			/* "127.0.0.1:50312" */
	char *application_name;
	uint64_t hash;			/* of the digest; 0: other */
	char *text;			/* normalized */
	enum sql_verb verb;
	struct query_sample sample;
	usec_t threshold;		/* that it reached */
	char sqlstate[6];		/* "" if it did not fail */
	struct sql_trace trace;
	int nparams;			/* of the statement, when it was bound; 0 for simple queries */
	int ntypes;
	uint32_t types[SLOW_QUERY_TYPES];	/* OIDs as Parse gave them; 0: left to the server */
	char *values;			/* JSON array of strings and nulls, only with slow_query_log_values */
	char *plan;			/* JSON of EXPLAIN, only with slow_query_plan */
	char *plan_note;		/* why there is no plan, if one was wanted */
};

void slow_query_free(struct slow_query **q);

#endif
