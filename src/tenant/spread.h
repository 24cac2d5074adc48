/*
 * spread: tenants that more than one worker serves.
 *
 * A tenant's home is tenant_worker(name).  One that is spread over k workers is
 * served by home, home + 1, ... modulo the number of workers: its parts.  Who is
 * not listed here has one part, its home, and costs nothing.  Once listed, a
 * tenant stays so until the process ends, with one part most of the time: so
 * what is counted here never changes hands.
 *
 *	what		who holds it to the limit
 *	clients		one count for all parts
 *	servers		each part has its share (spread_share) of pool_size, reserve_pool_size,
 *			min_pool_size and max_db_connections, and one count for all parts
 *			besides: while shares change, or are less than one, the sum is not
 *			exceeded either
 *
 * The counts are touched when connections open, close and move, never per
 * query.  Any thread; k is changed by the control thread (daemon/spreader.h),
 * and only after the new part is ready.
 */
#ifndef TENANT_SPREAD_H
#define TENANT_SPREAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "tenant/budget.h"

struct spreads;

/* Server connections: of one user, or all. */
struct spread_servers {
	struct spread_servers *next;
	struct budget sum;		/* of all parts */
	atomic_int *parts;		/* those of each worker, and those on their way to it */
	char user[];
};

/* A listed tenant. */
struct spread {
	struct spreads *spreads;
	struct spread *next, *next_in_bucket;
	int home, nworkers;
	atomic_int k;			/* parts */
	atomic_uint turn;		/* whose the next login is */
	struct budget clients;		/* of all parts, if they are counted */
	atomic_int *parts;		/* clients of each worker, and those on their way to it */
	struct spread_servers *servers;
	struct spread_servers *_Atomic users;
	char name[];
};

struct spreads *spreads_new(int nworkers);
void spreads_free(struct spreads **s);

/* How many are listed: as long as it is the same, so are the answers of spreads_find.  s may be NULL: none. */
unsigned spreads_count(const struct spreads *s);

/* NULL: it has one part. */
struct spread *spreads_find(const struct spreads *s, const char *name);

/* List it, with one part. */
struct spread *spreads_add(struct spreads *s, const char *name);

/* For each listed: NULL starts, NULL ends. */
struct spread *spreads_next(const struct spreads *s, const struct spread *after);

/* --- parts --- */

/* Which part worker is: 0 its home; k or more: none, now. */
int spread_index(const struct spread *s, int worker);
int spread_worker(const struct spread *s, int index);
int spread_k(const struct spread *s);

static inline bool
spread_has(const struct spread *s, int worker)
{
	return spread_index(s, worker) < spread_k(s);
}

/* The worker that is to serve a client that comes to worker `here`: of a tenant that is not listed, its home; else
 * here, if that is a part and the client was sent (routed), or the part whose turn it is. */
int spreads_route(struct spreads *s, const char *name, int nworkers, int here, bool routed);

/* The part with the fewest clients; worker, if it is one and as good as any. */
int spread_least(const struct spread *s, int worker);
int spread_clients_of(const struct spread *s, int worker);

/* Part `index` of k gets so many of n: the sum is n. */
static inline int
spread_divide(int n, int k, int index)
{
	return n / k + (index < n % k);
}

/* What worker may have of n.  Of a worker that is a part no more: as many as it still has clients, for these. n <= 0
 * (no limit) stays. */
int spread_share(const struct spread *s, int worker, int n);

/* Likewise, of a limit: with clients it is at least one, or these would wait for ever where n is less than k. */
int spread_limit(const struct spread *s, int worker, int n);

/* --- counts --- */

/* A client more, if the limit (0: none) allows it. */
bool spread_take_client(struct spread *s, int worker, int limit);
void spread_give_client(struct spread *s, int worker);

/* n clients, whatever the limit: they were let in already. */
void spread_add_clients(struct spread *s, int worker, int n);

/* One goes from a part to another. */
void spread_leave_client(struct spread *s, int worker);
void spread_join_client(struct spread *s, int worker);

/* The connections of a user, made if need be; good as long as the process runs. */
struct spread_servers *spread_of_user(struct spread *s, const char *user);

/* A connection more, if the limit (0: none) on the sum allows it.  Who gives one back learns whom to wake: those that
 * have left their marks on v->sum (tenant/budget.h). */
bool spread_take_server(struct spread_servers *v, int worker, int limit);
uint64_t spread_give_server(struct spread_servers *v, int worker);
void spread_add_servers(struct spread_servers *v, int worker, int n);
void spread_move_server(struct spread_servers *v, int from, int to);
int spread_servers_of(const struct spread_servers *v, int worker);

/* It has none, and waits for one to be given back. */
bool spread_is_starved(const struct spread_servers *v, int worker);

#endif
