/*
 * traffic: what passed, counted per tenant.
 *
 * The counters and PgBouncer's names for them.  A worker counts in place,
 * without locks; who shows them copies them on the worker.
 */
#ifndef STATS_TRAFFIC_H
#define STATS_TRAFFIC_H

#include <stdint.h>

#include "base/clock.h"

struct traffic {
	int64_t server_assignment_count;	/* times a server was lent to a client */
	int64_t xact_count;
	int64_t query_count;			/* batches up to ReadyForQuery with nothing outstanding */
	int64_t received;			/* bytes from clients */
	int64_t sent;				/* bytes to clients */
	int64_t xact_time;			/* microseconds, waiting for a server included, as PgBouncer counts */
	int64_t query_time;
	int64_t wait_time;			/* clients' waiting for a server */
	int64_t client_parse_count;		/* named Parse messages of clients */
	int64_t server_parse_count;		/* of those, sent on to servers */
	int64_t bind_count;			/* Binds to named statements */
	int64_t client_login_count;
};

/* The last two stands of a tenant's counters, a stats_period apart. */
struct traffic_history {
	struct traffic older, newer;
	usec_t older_at, newer_at;
};

void traffic_add(struct traffic *to, const struct traffic *what);

/* A period is over: keep the present stand. */
void traffic_roll(struct traffic_history *h, const struct traffic *now, usec_t at);

/* What there was per second between the two stands; times are per query, transaction or assignment. */
void traffic_average(const struct traffic_history *h, struct traffic *avg);

#endif
