/*
 * share: pools of a tenant that several workers serve (tenant/spread.h).
 *
 * A part opens no more than its share, and none if the sum of all parts is at
 * the limit.  When shares change, who has more than his share lends no idle
 * server as long as somebody else may have it, but hands it over: the other
 * part goes on with the same connection.  So does who has some for one that
 * has none: a limit may be less than the number of parts.
 */
#include "pool/inside.h"

/* Those of auth_query are at home, and no session's. */
static bool
is_shared(const struct pool *p)
{
	return p->tenant->spread != NULL && (!p->is_private || p->replication != REPLICATION_NONE);
}

void
pool_find_share(struct pool *p)
{
	if (!is_shared(p) || p->shared != NULL)
		return;
	p->shared = spread_of_user(p->tenant->spread, p->user->name);
	spread_add_servers(p->shared, p->pools->worker, pool_total(p));
}

void
tenant_set_spread(struct pools *ps, struct tenant *t, struct spread *spread)
{
	struct pool *p;

	t->spread = spread;
	spread_add_clients(spread, ps->worker, t->nclients);
	spread_add_servers(spread->servers, ps->worker, t->nservers);
	LIST_FOREACH(p, &t->pools, link)
		pool_find_share(p);
}

int
pool_share(const struct pool *p, int n)
{
	return is_shared(p) ? spread_share(p->tenant->spread, p->pools->worker, n) : n;
}

int
pool_limit(const struct pool *p, int n)
{
	return is_shared(p) ? spread_limit(p->tenant->spread, p->pools->worker, n) : n;
}

static void
wake(struct pool *p, uint64_t workers)
{
	if (workers != 0)
		p->pools->ops->wake(p->pools, workers);
}

/* Only who waits is told when one is given back, or handed one over: min_pool_size is looked after by upkeep. */
static bool
take(const struct pool *p, struct spread_servers *v, int limit)
{
	int worker = p->pools->worker;

	if (spread_take_server(v, worker, limit))
		return true;
	if (!pool_is_waited_for(p))
		return false;
	/* Mark first, then look again: what is given back in between must not be missed. */
	budget_wait(&v->sum, worker);
	return spread_take_server(v, worker, limit);
}

bool
pool_take_shared(struct pool *p)
{
	const struct config *c = pool_config(p);
	int worker = p->pools->worker, max = tenant_max_connections(p->tenant, c), size = pool_size(p);
	struct spread_servers *all;

	if (p->tenant->spread == NULL)
		return true;
	all = p->tenant->spread->servers;
	if (!take(p, all, max))
		return false;
	if (size > 0 && p->from_reserve)
		size += tenant_reserve_pool_size(p->tenant, c, p->user_conf);
	if (p->shared == NULL || take(p, p->shared, size))
		return true;
	wake(p, spread_give_server(all, worker));
	return false;
}

void
pool_wait_for_parts(const struct pool *p)
{
	if (p->shared != NULL)
		budget_wait(&p->shared->sum, p->pools->worker);
}

void
pool_give_shared(struct pool *p)
{
	int worker = p->pools->worker;

	if (p->tenant->spread == NULL)
		return;
	wake(p, spread_give_server(p->tenant->spread->servers, worker));
	if (p->shared != NULL)
		wake(p, spread_give_server(p->shared, worker));
}

/* n: the limit for all parts. */
static bool
is_below(const struct pool *p, const struct spread_servers *v, int worker, int n)
{
	return n <= 0 || spread_servers_of(v, worker) < spread_limit(p->tenant->spread, worker, n);
}

static bool
is_above(const struct pool *p, const struct spread_servers *v, int n)
{
	int worker = p->pools->worker;

	return n > 0 && spread_servers_of(v, worker) > spread_limit(p->tenant->spread, worker, n);
}

/* It serves the tenant no more, and has nobody left to lend to. */
static bool
is_over(const struct pool *p)
{
	return p->nclients == 0 && !spread_has(p->tenant->spread, p->pools->worker);
}

static bool
is_starved(const struct pool *p, int worker)
{
	return spread_is_starved(p->shared, worker) || spread_is_starved(p->tenant->spread->servers, worker);
}

/* v: of one user; NULL: of any. */
static bool
is_anybody_waiting(const struct tenant *t, const struct spread_servers *v)
{
	const struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		if ((v == NULL || p->shared == v) && pool_is_waited_for(p))
			return true;
	}
	return false;
}

/* Those for whom this worker said that it waits may have left. */
static void
forget_waiting(const struct pool *p)
{
	struct budget *of_user = &p->shared->sum, *all = &p->tenant->spread->servers->sum;
	int worker = p->pools->worker;

	if (budget_is_awaited(of_user, worker) && !is_anybody_waiting(p->tenant, p->shared))
		budget_forget(of_user, worker);
	if (budget_is_awaited(all, worker) && !is_anybody_waiting(p->tenant, NULL))
		budget_forget(all, worker);
}

void
pool_look_for_starved(struct pool *p)
{
	int here = p->pools->worker, nworkers;

	p->starved = 0;
	if (p->shared == NULL)
		return;
	forget_waiting(p);
	/* Who gets one must not pass it on before it has served anybody. */
	if (spread_servers_of(p->shared, here) == 0)
		return;
	nworkers = p->tenant->spread->nworkers;
	for (int i = 1; i < nworkers && p->starved == 0; i++) {
		int worker = (here + i) % nworkers;

		if (is_starved(p, worker))
			p->starved = (int8_t)(worker + 1);
	}
}

int
pool_share_taker(const struct pool *p)
{
	const struct spread *spread = p->tenant->spread;
	int size, max, k;

	if (p->shared == NULL || p->is_private || p->tenant->conf == NULL)
		return -1;
	if (p->starved > 0 && is_starved(p, p->starved - 1))
		return p->starved - 1;
	size = pool_size(p);
	max = tenant_max_connections(p->tenant, pool_config(p));
	if (!is_above(p, p->shared, size) && !is_above(p, spread->servers, max) && !is_over(p))
		return -1;
	k = spread_k(spread);
	for (int i = 0; i < k; i++) {
		int worker = spread_worker(spread, i);

		if (worker != p->pools->worker && is_below(p, p->shared, worker, size) &&
		    is_below(p, spread->servers, worker, max))
			return worker;
	}
	return -1;
}

bool
pool_hands_over(struct pool *p)
{
	if (p->shared == NULL || p->pools->ops->hand_over == NULL || pool_share_taker(p) < 0)
		return false;
	p->pools->ops->hand_over(p->pools);
	return true;
}
