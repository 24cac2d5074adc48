/*
 * stage: a store, and queries that come and go, for the tests of the statistics.
 */
#ifndef TEST_STATS_STAGE_H
#define TEST_STATS_STAGE_H

#include "stats/queries.h"

#define SECOND USEC_PER_SEC
#define PERIOD (300 * SECOND)

/* What the tests change is in their hands. */
struct query_limits stage_limits(unsigned entries, unsigned entries_per_tenant);

/* Of the statement with this number: "select c17 from t". */
uint64_t stage_hash(unsigned number);

/* A query begins. */
struct query_entry *stage_begin(struct query_tenant *t, unsigned number, usec_t now);

/* A query that took so long. */
void stage_ask(struct query_tenant *t, unsigned number, usec_t total, usec_t now);

/* Of the statement with this number: what the store has; NULL: it was given up. */
const struct query_digest *stage_digest(const struct query_store *s, unsigned number);
const struct query_entry *stage_entry(const struct query_tenant *t, unsigned number);

/* A number by chance, always the same ones: below n. */
unsigned stage_random(unsigned n);

/* Does everything add up?  Latencies, too, if wanted. */
void stage_check(const struct query_store *s, bool latencies);

#endif
