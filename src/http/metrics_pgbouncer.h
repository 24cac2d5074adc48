/*
 * metrics_pgbouncer: the same numbers under the names that PgBouncer's dashboards know
 * (metrics_pgbouncer_names): those of prometheus-community's pgbouncer_exporter.
 *
 * Of the tenants that are shown there are all of them, with a row a user (of the busiest
 * PEER_USERS); the rest is database="other", user="other" where it can be added up.
 */
#ifndef HTTP_METRICS_PGBOUNCER_H
#define HTTP_METRICS_PGBOUNCER_H

#include "http/metrics_text.h"
#include "tenant/tenant.h"

#define PEER_USERS 8

struct metrics_view;

/* The columns of SHOW POOLS. */
struct metrics_peer_pool {
	char *user;		/* NULL: those of more users than are told one by one */
	int64_t cl_active, cl_waiting, cl_active_cancel, cl_waiting_cancel;
	int64_t sv_active, sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested, sv_login;
	usec_t maxwait;
};

/* And of SHOW DATABASES.  All owned. */
struct metrics_peer {
	char *host, *database, *force_user;	/* NULL: not set */
	const char *pool_mode;			/* static */
	int64_t port, pool_size, reserve_pool, max_connections, current_connections, paused, disabled;
	struct metrics_peer_pool pools[PEER_USERS + 1];
	size_t npools;
	bool overflowed;			/* the last place is in use, too */
};

/* Of SHOW LISTS and CONFIG, what is told nowhere else. */
struct metrics_peer_lists {
	int64_t databases, users, pools, servers, max_user_connections, up;
};

/* On the tenant's worker. */
struct metrics_peer *metrics_peer_new(const struct tenant *t, const struct config *c, bool all_paused, usec_t now);
void metrics_peer_free(struct metrics_peer **p);

/* What another worker says of the same tenant. */
void metrics_peer_add(struct metrics_peer *to, const struct metrics_peer *what);

void metrics_write_peer(struct metrics_text *t, const struct metrics_view *v);

#endif
