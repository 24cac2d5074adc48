#include "session/parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "session/move.h"
#include "session/session.h"
#include "session/throttle.h"
#include "tenant/spread.h"

/* Of a tenant, in one upkeep: each costs this worker some microseconds. */
#define SESSIONS_AT_ONCE 200

/* So many more clients than the average are left alone: moving has its price, too. */
#define SLACK 2

/* --- what a part has to know --- */

void
part_state_release(struct part_state *st)
{
	memory_free_secret(st->line);
	*st = (struct part_state){ .known = false };
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
part_state_equals(const struct part_state *a, const struct part_state *b)
{
	return a->known == b->known && a->paused == b->paused && a->moving == b->moving && a->disabled == b->disabled &&
	       a->generation == b->generation && a->kills == b->kills && same_text(a->line, b->line);
}

static int
at_most(int most, int limit)
{
	return limit > 0 && limit < most ? limit : most;
}

int
parts_most(const struct shard *s, const struct tenant *t)
{
	const struct config *c = shard_config(s);
	int most = at_most(s->nworkers, tenant_max_connections(t, c));
	const struct pool *p;

	most = at_most(most, tenant_most_servers(t, c, NULL));
	LIST_FOREACH(p, &t->pools, link)
		most = at_most(most, tenant_most_servers(t, c, p->user_conf));
	return most;
}

void
parts_read(struct shard *s, const char *name, struct part_state *st)
{
	struct tenant *t = tenants_find(s->tenants, name);

	part_state_release(st);
	if (t == NULL || t->conf == NULL)
		return;
	parts_find(s, t);
	*st = (struct part_state){
		.known = true,
		.paused = t->paused,
		.moving = t->moving,
		.disabled = t->disabled,
		.generation = t->generation,
		.kills = t->kills,
		.most = parts_most(s, t),
		.line = t->line != NULL ? memory_strdup(t->line) : NULL,
	};
}

/* Connections that are to be there without being asked for. */
static void
open_pool(struct shard *s, struct tenant *t)
{
	if (t->conf->user != NULL && tenant_min_pool_size(t, shard_config(s)) > 0)
		pool_open(&s->pools, t, t->conf->user);
}

bool
parts_make(struct shard *s, const char *name, const struct part_state *st)
{
	struct tenant *t = NULL;
	struct error e;

	if (st->line != NULL)
		t = tenants_put(s->tenants, name, st->line, &e);
	if (st->line == NULL || t != NULL)
		t = shard_open_tenant(s, name, &e);
	if (t == NULL)
		return false;
	t->paused = st->paused;
	t->moving = st->moving;
	t->disabled = st->disabled;
	t->generation = st->generation;
	t->kills = st->kills;
	open_pool(s, t);
	return true;
}

/* --- routing and counting --- */

int
parts_route(const struct shard *s, const char *name, bool routed)
{
	return spreads_route(s->commons->spreads, name, s->nworkers, s->index, routed);
}

void
parts_find(struct shard *s, struct tenant *t)
{
	unsigned n = spreads_count(s->commons->spreads);
	struct spread *spread;

	if (t->spread_seen == n)
		return;
	t->spread_seen = n;
	if (t->spread != NULL || (spread = spreads_find(s->commons->spreads, t->name)) == NULL)
		return;
	tenant_set_spread(&s->pools, t, spread);
	LIST_INSERT_HEAD(&s->spread, t, spread_link);
}

void
parts_forget(struct tenant *t)
{
	if (t->spread != NULL)
		LIST_REMOVE(t, spread_link);
}

bool
parts_take_client(const struct shard *s, struct tenant *t, int limit)
{
	bool room = t->spread != NULL ? spread_take_client(t->spread, s->index, limit) : limit <= 0 || t->nclients < limit;

	t->nclients += room;
	return room;
}

void
parts_give_client(const struct shard *s, struct tenant *t)
{
	t->nclients--;
	if (t->spread != NULL)
		spread_give_client(t->spread, s->index);
}

/* --- sessions --- */

/* How many of t's clients are to go elsewhere. */
static int
find_outflow(const struct shard *s, const struct tenant *t)
{
	int average, here = t->nclients, n;

	if (!spread_has(t->spread, s->index))
		return here < SESSIONS_AT_ONCE ? here : SESSIONS_AT_ONCE;
	average = budget_used(&t->spread->clients) / spread_k(t->spread);
	n = here - average;
	if (n <= SLACK + average / 16)
		return 0;
	return n < SESSIONS_AT_ONCE ? n : SESSIONS_AT_ONCE;
}

/* Who waits for a server loses its place: only where there will be none for it. */
static bool
is_free_to_go(const struct session *s)
{
	if (s->change != NULL || throttle_holds(s))
		return false;
	return session_is_movable(s) ||
	       (session_may_wait_elsewhere(s) && !spread_has(s->pool->tenant->spread, s->shard->index));
}

static void
send_session(struct shard *s, struct session *session)
{
	struct tenant *t = session->pool->tenant;
	int to = spread_least(t->spread, s->index);

	if (to == s->index) {
		t->outflow = 0;
		return;
	}
	t->outflow--;
	pool_forget(session->pool, &session->wait);
	s->ops->move_session(s, session_pack_for(session, to), to);
}

static bool
find_all_outflows(struct shard *s)
{
	bool any = false;
	struct tenant *t;

	LIST_FOREACH(t, &s->spread, spread_link) {
		t->outflow = find_outflow(s, t);
		any |= t->outflow > 0;
	}
	return any;
}

static void
send_sessions(struct shard *s)
{
	struct client *c = SPLAY_MIN(client_set, &s->clients), *next;

	if (!find_all_outflows(s))
		return;
	for (; c != NULL; c = next) {
		struct session *session = c->owner;

		next = SPLAY_NEXT(client_set, &s->clients, c);
		if (session != NULL && c->state == CLIENT_READY && session->pool->tenant->outflow > 0 && is_free_to_go(session))
			send_session(s, session);
	}
}

/* --- servers --- */

static void
send_servers(struct shard *s, struct pool *p)
{
	int to;

	while ((to = pool_share_taker(p)) >= 0) {
		struct server_parcel *parcel = server_pack_for(p, to);

		if (parcel == NULL)
			return;
		s->ops->move_server(s, parcel, to);
	}
}

static void
each_pool(struct shard *s, void (*fn)(struct shard *s, struct pool *p))
{
	struct tenant *t;
	struct pool *p;

	LIST_FOREACH(t, &s->spread, spread_link) {
		LIST_FOREACH(p, &t->pools, link)
			fn(s, p);
	}
}

static void
look_for_starved(struct shard *s, struct pool *p)
{
	(void)s;
	pool_look_for_starved(p);
}

static void
hand_over(struct deferred *d)
{
	struct shard *s = container_of(d, struct shard, handing_over);

	each_pool(s, send_servers);
	pools_retry(&s->pools);
}

void
parts_hand_over(struct pools *ps)
{
	struct shard *s = container_of(ps, struct shard, pools);

	loop_defer(s->loop, &s->handing_over, hand_over);
}

void
parts_upkeep(struct shard *s)
{
	if (LIST_EMPTY(&s->spread))
		return;
	send_sessions(s);
	each_pool(s, look_for_starved);
	each_pool(s, send_servers);
}
