/*
 * applications: what queries cost, by the application that sqlcommenter names.
 *
 * One table a worker, touched by that worker only.  It holds the first APPLICATIONS_MAX
 * names that come; all later ones are counted in `other`, and queries without a name in
 * `none`.  So nothing that a client writes makes it grow, and a count never moves from one
 * row to another.
 *
 * Rows stay where they are until the table is released: a prepared statement may keep the
 * row of its comment.
 */
#ifndef STATS_APPLICATIONS_H
#define STATS_APPLICATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "stats/queries.h"

#define APPLICATIONS_MAX 100

struct application_counts {
	int64_t calls, errors, slow;
	usec_t total;		/* on servers */
};

struct application {
	char *name;		/* NULL: of none, or of all others */
	struct application_counts n;
};

struct applications {
	struct application none, other;
	struct application *list[APPLICATIONS_MAX];	/* in the order in which they came */
	size_t n;
	struct application *by_hash[256];	/* private: open addressing */
};

void applications_init(struct applications *a);
void applications_release(struct applications *a);

/* RESET STATS: the counts; rows stay. */
void applications_reset(struct applications *a);

/* The row of a name ("": none), made if there is room.  Never NULL.  Who is called "other" or "none" is one of the
 * others. */
struct application *applications_find(struct applications *a, const char *name);

/* A query of it is over. */
void application_count(struct application *a, const struct query_sample *q);

#endif
