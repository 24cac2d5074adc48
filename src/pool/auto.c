/*
 * auto: pool_size = auto.  What a pool does with the pace of its host.
 */
#include <stdlib.h>
#include <string.h>

#include "pool/inside.h"
#include "pool/pace.h"

static const char *
hosts_of(const struct tenant *t, const struct config *c)
{
	const char *host = t->conf->host;

	return host != NULL ? host : c->unix_socket_dir;
}

/* The line of [hosts]; of a list of hosts, that of the first. */
static const struct config_host *
bounds_of(const struct tenant *t, const struct config *c)
{
	const char *list = hosts_of(t, c);
	size_t n = strcspn(list, ",");
	char first[256];

	if (n >= sizeof(first))
		return NULL;
	memcpy(first, list, n);
	first[n] = '\0';
	return config_find_host(c, first, t->conf->port);
}

static bool
is_auto(const struct pool *p)
{
	return p->pools->paces != NULL && !p->is_private &&
	       tenant_pool_size(p->tenant, pool_config(p), p->user_conf) == POOL_SIZE_AUTO;
}

static void
leave_pace(struct pool *p)
{
	struct server *s;

	TAILQ_FOREACH(s, &p->servers[PLACE_ACTIVE], link)
		pool_pace_moves(s, PLACE_ACTIVE, PLACES);
	pace_quit(p->pace, p);
	pace_count_waiting(p->pace, -p->nwaiters);
	p->pace = NULL;
}

static void
enter_pace(struct pool *p, struct pace *pace)
{
	struct server *s;

	p->pace = pace;
	pace_count_waiting(pace, p->nwaiters);
	TAILQ_FOREACH(s, &p->servers[PLACE_ACTIVE], link)
		pool_pace_moves(s, PLACE_IDLE, PLACE_ACTIVE);
}

void
pool_choose_pace(struct pool *p)
{
	const struct config_database *conf = p->tenant->conf;
	const struct config *c = pool_config(p);
	const struct config_host *bounds;
	struct pace *pace = NULL;

	if (conf == NULL)
		return;		/* it is being ended */
	bounds = bounds_of(p->tenant, c);
	if (is_auto(p) && p->pace != NULL && pace_is_of(p->pace, hosts_of(p->tenant, c), conf->port)) {
		pace_bound(p->pace, bounds);
		return;
	}
	if (is_auto(p))
		pace = pace_open(p->pools->paces, p->pools->worker, hosts_of(p->tenant, c), conf->port, bounds);
	if (pace == p->pace)
		return;
	if (p->pace != NULL)
		leave_pace(p);
	if (pace != NULL)
		enter_pace(p, pace);
}

int
tenant_most_servers(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	int size = tenant_pool_size(t, c, u);

	if (size != POOL_SIZE_AUTO)
		return size;
	return t->conf != NULL ? pace_ceiling(bounds_of(t, c)) : 1;
}

static int
count_aside(const struct pool *p)
{
	struct server *s;
	int n = 0;

	TAILQ_FOREACH(s, &p->servers[PLACE_ACTIVE], link)
		n += s->aside;
	return n;
}

/* Who has none gets one, whoever else fills the pace: its turn will come. */
bool
pool_has_use(const struct pool *p)
{
	int total = pool_total(p);

	if (p->count[PLACE_IDLE] > 0)
		return false;
	if (total == 0 || total < pace_share(p->pace))
		return true;
	return p->pace->aside > 0 && total - count_aside(p) < pace_share(p->pace);
}

void
pool_pace_moves(struct server *s, enum server_place from, enum server_place to)
{
	struct pool *p = s->pool;

	if (from == to)
		return;
	if (to == PLACE_ACTIVE)
		pace_enter(p->pace);
	else if (from == PLACE_ACTIVE)
		pace_leave(p->pace, s, clock_recent());
}

static bool
can_lend(const struct pool *p)
{
	return !p->serving && p->nwaiters > 0 && p->count[PLACE_IDLE] > 0 && !tenant_is_held(p->tenant);
}

void
pool_stand_in_line(struct pool *p)
{
	if (can_lend(p))
		pace_join(p->pace, p);
}

bool
pool_pace_allows(struct pool *p)
{
	struct pool *first;

	/* Who has nothing to lend joins again when it has (pool_serve). */
	while ((first = pace_first(p->pace)) != NULL && !can_lend(first)) {
		pace_quit(p->pace, first);
		pool_grow(first);
	}
	return first == NULL && pace_has_place(p->pace);
}

static bool
waits_for_client(const struct server *s)
{
	return s->lessee != NULL && s->lessee->waits_for_client != NULL && s->lessee->waits_for_client(s);
}

void
pool_look_aside(struct pool *p, usec_t now)
{
	usec_t patience = pace_patience(p->pace);
	struct server *s;

	TAILQ_FOREACH(s, &p->servers[PLACE_ACTIVE], link) {
		usec_t since = s->ended_at > s->request_at ? s->ended_at : s->request_at;

		if (!s->aside && now - since > patience)
			pace_set_aside(p->pace, s, waits_for_client(s));
	}
	pace_tick(p->pace, now);
}

void
pool_count_waiters(struct pool *p, int n)
{
	p->nwaiters += n;
	if (p->pace != NULL)
		pace_count_waiting(p->pace, n);
}
