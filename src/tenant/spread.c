#include "tenant/spread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tenant/tenant.h"

#define BUCKETS 1021

/* Entries are added, and never go: whoever looks needs no lock. */
struct spreads {
	pthread_mutex_t lock;		/* of whoever adds */
	int nworkers;
	struct spread *_Atomic first;
	struct spread *_Atomic buckets[BUCKETS];
	atomic_uint count;
};

struct spreads *
spreads_new(int nworkers)
{
	struct spreads *s = memory_zalloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->nworkers = nworkers;
	return s;
}

static struct spread_servers *
servers_new(int nworkers, const char *user)
{
	size_t size = strlen(user) + 1;
	struct spread_servers *v = memory_zalloc(sizeof(*v) + size);

	memcpy(v->user, user, size);
	v->parts = memory_zalloc((size_t)nworkers * sizeof(*v->parts));
	return v;
}

static void
servers_free(struct spread_servers *v)
{
	free(v->parts);
	free(v);
}

static struct spread *
spread_new(struct spreads *all, const char *name)
{
	size_t size = strlen(name) + 1;
	struct spread *s = memory_zalloc(sizeof(*s) + size);

	memcpy(s->name, name, size);
	s->spreads = all;
	s->nworkers = all->nworkers;
	s->home = tenant_worker(name, all->nworkers);
	s->parts = memory_zalloc((size_t)all->nworkers * sizeof(*s->parts));
	s->servers = servers_new(all->nworkers, "");
	atomic_store(&s->k, 1);
	return s;
}

static void
spread_free(struct spread *s)
{
	struct spread_servers *v;

	while ((v = atomic_load(&s->users)) != NULL) {
		atomic_store(&s->users, v->next);
		servers_free(v);
	}
	servers_free(s->servers);
	free(s->parts);
	free(s);
}

void
spreads_free(struct spreads **sp)
{
	struct spreads *s = *sp;
	struct spread *one;

	if (s == NULL)
		return;
	*sp = NULL;
	while ((one = atomic_load(&s->first)) != NULL) {
		atomic_store(&s->first, one->next);
		spread_free(one);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

unsigned
spreads_count(const struct spreads *s)
{
	return s != NULL ? atomic_load(&s->count) : 0;
}

struct spread *
spreads_next(const struct spreads *s, const struct spread *after)
{
	return after == NULL ? atomic_load(&s->first) : after->next;
}

static int
bucket_of(const char *name)
{
	return tenant_worker(name, BUCKETS);
}

struct spread *
spreads_find(const struct spreads *s, const char *name)
{
	struct spread *one = spreads_count(s) > 0 ? atomic_load(&s->buckets[bucket_of(name)]) : NULL;

	while (one != NULL && strcmp(one->name, name) != 0)
		one = one->next_in_bucket;
	return one;
}

static struct spread *
add(struct spreads *s, const char *name)
{
	struct spread *one = spread_new(s, name);
	int bucket = bucket_of(name);

	one->next = atomic_load(&s->first);
	one->next_in_bucket = atomic_load(&s->buckets[bucket]);
	atomic_store(&s->buckets[bucket], one);
	atomic_store(&s->first, one);
	atomic_fetch_add(&s->count, 1);
	return one;
}

struct spread *
spreads_add(struct spreads *s, const char *name)
{
	struct spread *one;

	pthread_mutex_lock(&s->lock);
	one = spreads_find(s, name);
	if (one == NULL)
		one = add(s, name);
	pthread_mutex_unlock(&s->lock);
	return one;
}

/* --- parts --- */

int
spread_index(const struct spread *s, int worker)
{
	return (worker - s->home + s->nworkers) % s->nworkers;
}

int
spread_worker(const struct spread *s, int index)
{
	return (s->home + index) % s->nworkers;
}

int
spread_k(const struct spread *s)
{
	return atomic_load(&s->k);
}

int
spreads_route(struct spreads *s, const char *name, int nworkers, int here, bool routed)
{
	struct spread *one = spreads_find(s, name);

	if (one == NULL)
		return tenant_worker(name, nworkers);
	if (routed && spread_has(one, here))
		return here;
	return spread_worker(one, (int)(atomic_fetch_add(&one->turn, 1) % (unsigned)spread_k(one)));
}

int
spread_clients_of(const struct spread *s, int worker)
{
	return atomic_load(&s->parts[worker]);
}

int
spread_least(const struct spread *s, int worker)
{
	int least = spread_has(s, worker) ? worker : s->home;

	for (int i = 0, k = spread_k(s); i < k; i++) {
		if (spread_clients_of(s, spread_worker(s, i)) < spread_clients_of(s, least))
			least = spread_worker(s, i);
	}
	return least;
}

int
spread_share(const struct spread *s, int worker, int n)
{
	int k = spread_k(s), index = spread_index(s, worker), share, clients;

	if (n <= 0)
		return n;
	if (index < k)
		return spread_divide(n, k, index);
	/* It was one of them until just now. */
	share = spread_divide(n, index + 1, index);
	clients = spread_clients_of(s, worker);
	return clients < share ? clients : share;
}

int
spread_limit(const struct spread *s, int worker, int n)
{
	int share = spread_share(s, worker, n);

	return share == 0 && n > 0 && spread_clients_of(s, worker) > 0 ? 1 : share;
}

/* --- counts --- */

bool
spread_take_client(struct spread *s, int worker, int limit)
{
	if (!budget_take(&s->clients, limit))
		return false;
	spread_join_client(s, worker);
	return true;
}

void
spread_give_client(struct spread *s, int worker)
{
	spread_leave_client(s, worker);
	budget_give(&s->clients);
}

void
spread_add_clients(struct spread *s, int worker, int n)
{
	atomic_fetch_add(&s->clients.used, n);
	atomic_fetch_add(&s->parts[worker], n);
}

void
spread_leave_client(struct spread *s, int worker)
{
	atomic_fetch_sub(&s->parts[worker], 1);
}

void
spread_join_client(struct spread *s, int worker)
{
	atomic_fetch_add(&s->parts[worker], 1);
}

static struct spread_servers *
find_user(struct spread *s, const char *user)
{
	struct spread_servers *v = atomic_load(&s->users);

	while (v != NULL && strcmp(v->user, user) != 0)
		v = v->next;
	return v;
}

struct spread_servers *
spread_of_user(struct spread *s, const char *user)
{
	struct spread_servers *v = find_user(s, user);

	if (v != NULL)
		return v;
	pthread_mutex_lock(&s->spreads->lock);
	v = find_user(s, user);
	if (v == NULL) {
		v = servers_new(s->nworkers, user);
		v->next = atomic_load(&s->users);
		atomic_store(&s->users, v);
	}
	pthread_mutex_unlock(&s->spreads->lock);
	return v;
}

bool
spread_take_server(struct spread_servers *v, int worker, int limit)
{
	if (!budget_take(&v->sum, limit))
		return false;
	atomic_fetch_add(&v->parts[worker], 1);
	return true;
}

uint64_t
spread_give_server(struct spread_servers *v, int worker)
{
	atomic_fetch_sub(&v->parts[worker], 1);
	return budget_give(&v->sum);
}

void
spread_add_servers(struct spread_servers *v, int worker, int n)
{
	atomic_fetch_add(&v->sum.used, n);
	atomic_fetch_add(&v->parts[worker], n);
}

void
spread_move_server(struct spread_servers *v, int from, int to)
{
	atomic_fetch_add(&v->parts[to], 1);
	atomic_fetch_sub(&v->parts[from], 1);
	budget_forget(&v->sum, to);
}

int
spread_servers_of(const struct spread_servers *v, int worker)
{
	return atomic_load(&v->parts[worker]);
}

bool
spread_is_starved(const struct spread_servers *v, int worker)
{
	return spread_servers_of(v, worker) == 0 && budget_is_awaited(&v->sum, worker);
}
