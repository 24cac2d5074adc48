/*
 * lease: rates that several nodes share, through Redis (limit_redis).
 *
 * Ten times a second, for each rate that was used, Redis is asked for as much as will be used in the next quarter of a
 * second, as far as the rate of all nodes together lets (GCRA in a script, in Redis' time).  What it grants moves the
 * end up to which the rate's own clock may go (tenant/rate.h); queries look at nothing else, and never wait for Redis.
 * While Redis is down, slow, hangs or answers with errors, the clock goes at rate / limit_nodes.
 *
 * Counts at a time (clients, active, queue) are each node's own.
 *
 * Control thread.
 */
#ifndef TENANT_LEASE_H
#define TENANT_LEASE_H

#include "config/config.h"
#include "net/loop.h"
#include "tenant/limits.h"

struct leases;

/* ls outlives it. */
struct leases *leases_new(struct loop *l, struct limits *ls, const struct config *c);
void leases_free(struct leases **x);

/* Behind limits_set_config. */
void leases_set_config(struct leases *x, const struct config *c);

#endif
