#include "http/metrics_collect.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/metrics_pgbouncer.h"
#include "pool/pool.h"

const usec_t metrics_tenant_bounds[METRICS_TENANT_BOUNDS] = { 5000, 25000, 100000, 500000, 1000000, 5000000 };

/* --- adding up --- */

#define NCOUNTS (sizeof(struct metrics_counts) / sizeof(int64_t))

union counts {
	struct metrics_counts counts;
	int64_t value[NCOUNTS];
};

void
metrics_counts_add(struct metrics_counts *to, const struct metrics_counts *what)
{
	union counts *sum = (union counts *)to;
	const union counts *more = (const union counts *)what;

	for (size_t i = 0; i < NCOUNTS; i++)
		sum->value[i] += more->value[i];
}

void
metrics_counts_subtract(struct metrics_counts *from, const struct metrics_counts *what)
{
	union counts *sum = (union counts *)from;
	const union counts *less = (const union counts *)what;

	for (size_t i = 0; i < NCOUNTS; i++)
		sum->value[i] -= less->value[i];
}

void
metrics_level_add(struct metrics_level *to, const struct metrics_level *what)
{
	to->sessions += what->sessions;
	to->waiting += what->waiting;
	to->active += what->active;
	to->cancels_active += what->cancels_active;
	to->cancels_waiting += what->cancels_waiting;
	to->nservers += what->nservers;
	to->pools += what->pools;
	to->pools_waiting += what->pools_waiting;
	for (int i = 0; i < PLACES; i++)
		to->servers[i] += what->servers[i];
	if (what->max_wait > to->max_wait)
		to->max_wait = what->max_wait;
}

static void
take_queries(struct metrics_counts *c, const struct query_sum *sum)
{
	c->queries = sum->n;
	c->queries.max = 0;
	for (size_t i = 0; i < METRICS_TENANT_BOUNDS; i++)
		c->up_to[i] = (int64_t)histogram_up_to(&sum->latency, metrics_tenant_bounds[i]);
}

/* --- looking at pools --- */

static usec_t
longest_wait(const struct pool *p, usec_t now)
{
	const struct lease_request *newcomer = TAILQ_FIRST(&p->newcomers);
	usec_t wait = pool_max_wait(p, now), other = newcomer != NULL ? now - newcomer->since : 0;

	return wait > other ? wait : other;
}

/* Of a pool that runs auth_query no client is told: its waiters are searches. */
static void
add_clients(struct metrics_level *l, const struct pool *p, usec_t now)
{
	const struct lease_request *r;
	int64_t waiting = p->nwaiters;
	usec_t wait;

	TAILQ_FOREACH(r, &p->newcomers, link)
		waiting++;
	l->sessions += p->nclients;
	l->active += p->count[PLACE_ACTIVE];
	l->waiting += waiting;
	l->pools_waiting += waiting > 0;
	wait = waiting > 0 ? longest_wait(p, now) : 0;
	if (wait > l->max_wait)
		l->max_wait = wait;
}

static void
add_pool(struct metrics_level *l, const struct pool *p, usec_t now)
{
	l->pools++;
	l->cancels_active += p->cancels_active;
	l->cancels_waiting += p->cancels_waiting;
	for (int i = 0; i < PLACES; i++) {
		l->servers[i] += p->count[i];
		l->nservers += p->count[i];
	}
	if (!p->is_private || p->replication != REPLICATION_NONE)
		add_clients(l, p, now);
}

static void
add_pools(struct metrics_level *l, const struct tenant *t, usec_t now)
{
	const struct pool *p;

	LIST_FOREACH(p, &t->pools, link)
		add_pool(l, p, now);
}

/* --- choosing tenants --- */

struct choice {
	struct tenant *tenant;
	int64_t load;
};

/* The busiest that were offered, the least of them first: a heap. */
struct choices {
	struct choice *list;
	size_t n, room;
};

static void
sink(struct choices *c)
{
	struct choice top = c->list[0];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < c->n && c->list[child + 1].load < c->list[child].load)
			child++;
		if (child >= c->n || c->list[child].load >= top.load)
			break;
		c->list[at] = c->list[child];
		at = child;
	}
	c->list[at] = top;
}

static void
rise(struct choices *c, size_t at)
{
	struct choice newcomer = c->list[at];

	for (; at > 0 && c->list[(at - 1) / 2].load > newcomer.load; at = (at - 1) / 2)
		c->list[at] = c->list[(at - 1) / 2];
	c->list[at] = newcomer;
}

static void
offer(struct choices *c, struct tenant *t, int64_t load)
{
	if (c->n < c->room) {
		c->list[c->n] = (struct choice){ t, load };
		rise(c, c->n++);
	} else if (c->n > 0 && load > c->list[0].load) {
		c->list[0] = (struct choice){ t, load };
		sink(c);
	}
}

static bool
would_take(const struct choices *c, int64_t load)
{
	return c->n < c->room || (c->n > 0 && load > c->list[0].load);
}

static int64_t
recent_load(const struct tenant *t)
{
	const struct traffic *now = &t->traffic, *then;

	if (t->history == NULL)
		return 0;
	then = &t->history->older;
	return now->query_time - then->query_time + now->query_count - then->query_count;
}

/* --- the visit --- */

struct visit {
	const struct metrics_scrape *scrape;
	struct metrics_part *part;
	struct shard *shard;
	usec_t now;
	struct tenant **shown;		/* that are here; by address */
	size_t nshown;
	struct choices others;
};

static int
compare_addresses(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)*(struct tenant *const *)a, y = (uintptr_t)*(struct tenant *const *)b;

	return (x > y) - (x < y);
}

static bool
is_shown(const struct visit *v, const struct tenant *t)
{
	return bsearch(&t, v->shown, v->nshown, sizeof(*v->shown), compare_addresses) != NULL;
}

static void
find_shown(struct visit *v)
{
	const struct metrics_scrape *s = v->scrape;

	v->shown = memory_alloc((s->nshown + 1) * sizeof(*v->shown));
	for (size_t i = 0; i < s->nshown; i++) {
		if (tenant_worker(s->shown[i], v->shard->nworkers) != v->shard->index &&
		    spreads_find(v->shard->commons->spreads, s->shown[i]) == NULL)
			continue;
		v->shown[v->nshown] = tenants_find(v->shard->tenants, s->shown[i]);
		v->nshown += v->shown[v->nshown] != NULL;
	}
	qsort(v->shown, v->nshown, sizeof(*v->shown), compare_addresses);
}

static void
look_at_tenant(struct visit *v, struct tenant *t)
{
	struct metrics_part *part = v->part;
	struct metrics_level level = { .sessions = 0 };
	int64_t load = recent_load(t);

	add_pools(&level, t, v->now);
	metrics_level_add(&part->level, &level);
	traffic_add(&part->counts.traffic, &t->traffic);
	part->in_use++;
	part->autodbs += t->autodb != NULL;
	if (level.max_wait > part->max_wait_of_others && !is_shown(v, t))
		part->max_wait_of_others = level.max_wait;
	if (would_take(&v->others, load) && !is_shown(v, t))
		offer(&v->others, t, load);
}

#define CACHE_LINE 64

/* Both ends and what is between. */
static void
fetch(const void *first, const void *last)
{
	for (const char *p = first; p < (const char *)last; p += CACHE_LINE)
		__builtin_prefetch(p);
	__builtin_prefetch(last);
}

/* Most tenants have not been touched for long, and waiting for their memory one by one takes most of a visit:
 * so it is sent for early, a tenant's two ahead, and its first pool's one ahead. */
static void
fetch_ahead(struct visit *v, struct tenant *next)
{
	const struct tenant *after = tenants_next(v->shard->tenants, next);
	const struct pool *p = LIST_FIRST(&next->pools);

	if (after != NULL) {
		fetch(after, &after->traffic + 1);
		fetch(&after->hh.next, &after->hh.next);
	}
	if (p != NULL) {
		fetch(p, p);
		fetch(p->count, &p->cancels_waiting);
		fetch(&p->is_private, &p->replication);
	}
}

static void
look_at_tenants(struct visit *v)
{
	struct tenant *t = tenants_next(v->shard->tenants, NULL), *next;

	for (; t != NULL; t = next) {
		next = tenants_next(v->shard->tenants, t);
		if (next != NULL)
			fetch_ahead(v, next);
		look_at_tenant(v, t);
	}
}

static void
copy_tenant(struct visit *v, const struct tenant *t)
{
	struct metrics_tenant *to = &v->part->tenants[v->part->ntenants++];

	to->name = memory_strdup(t->name);
	to->load = recent_load(t);
	to->counts.traffic = t->traffic;
	if (t->queries != NULL)
		take_queries(&to->counts, &t->queries->sum);
	add_pools(&to->level, t, v->now);
	if (v->scrape->peer)
		to->peer = metrics_peer_new(t, shard_config(v->shard), v->shard->paused, v->now);
}

static void
copy_tenants(struct visit *v)
{
	v->part->tenants = memory_zalloc((v->nshown + v->others.n + 1) * sizeof(*v->part->tenants));
	for (size_t i = 0; i < v->nshown; i++)
		copy_tenant(v, v->shown[i]);
	for (size_t i = 0; i < v->others.n; i++)
		copy_tenant(v, v->others.list[i].tenant);
}

static void
copy_store(struct metrics_part *part, const struct query_store *s)
{
	take_queries(&part->counts, &s->sum);
	histogram_merge(&part->latency, &s->sum.latency);
	part->digests = s->digests.n;
	part->entries = s->entries.n;
	part->evicted_digests = (int64_t)s->evicted_digests;
	part->evicted_entries = (int64_t)s->evicted_entries;
	part->truncated = (int64_t)s->truncated;
	part->memory = (int64_t)query_store_memory(s);
	part->since = s->since;
}

static void
copy_applications(struct metrics_part *part, const struct applications *a)
{
	part->none = a->none.n;
	part->other = a->other.n;
	part->applications = memory_zalloc((a->n + 1) * sizeof(*part->applications));
	for (size_t i = 0; i < a->n; i++) {
		part->applications[i] = *a->list[i];
		part->applications[i].name = memory_strdup(a->list[i]->name);
	}
	part->napplications = a->n;
}

static void
copy_shard(struct visit *v)
{
	struct metrics_part *part = v->part;
	const struct shard *s = v->shard;

	part->clients = (int64_t)s->nclients;
	part->logins = s->client_env.nlogins;
	part->handshakes = (int64_t)s->client_env.handshakes;
	part->failed_handshakes = (int64_t)s->client_env.failed_handshakes;
	part->paused = s->paused;
	copy_store(part, &s->queries);
	if (v->scrape->applications)
		copy_applications(part, &s->applications);
}

void
metrics_visit(struct shard *shard, struct inquiry *q)
{
	struct metrics_scrape *s = container_of(q, struct metrics_scrape, inquiry);
	struct metrics_part *part = &s->parts[shard->index];
	struct visit v = { .scrape = s, .part = part, .shard = shard, .now = clock_now() };

	find_shown(&v);
	v.others.room = s->top;
	v.others.list = memory_alloc((s->top + 1) * sizeof(*v.others.list));
	part->counts.traffic = *tenants_past(shard->tenants);
	look_at_tenants(&v);
	copy_tenants(&v);
	copy_shard(&v);
	free(v.shown);
	free(v.others.list);
	part->took = clock_now() - v.now;
}

/* --- life --- */

struct metrics_scrape *
metrics_scrape_new(int nworkers)
{
	struct metrics_scrape *s = memory_zalloc(sizeof(*s) + (size_t)nworkers * sizeof(s->parts[0]));

	s->inquiry.visit = metrics_visit;
	s->nparts = nworkers;
	return s;
}

static void
release_part(struct metrics_part *part)
{
	for (size_t i = 0; i < part->ntenants; i++) {
		free(part->tenants[i].name);
		metrics_peer_free(&part->tenants[i].peer);
	}
	for (size_t i = 0; i < part->napplications; i++)
		free(part->applications[i].name);
	free(part->tenants);
	free(part->applications);
	histogram_release(&part->latency);
}

void
metrics_scrape_free(struct metrics_scrape **sp)
{
	struct metrics_scrape *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	for (size_t i = 0; i < s->nshown; i++)
		free(s->shown[i]);
	free(s->shown);
	for (int i = 0; i < s->nparts; i++)
		release_part(&s->parts[i]);
	free(s);
}
