/*
 * grow: opening connections, one at a time, within every limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pool/inside.h"

#define BACKOFF_FIRST (50 * USEC_PER_MSEC)
#define BACKOFF_MAX USEC_PER_SEC
#define LOOK_AGAIN (10 * USEC_PER_MSEC)

/* Does somebody wait for whom no server is on its way (from a check or a reset)? */
bool
pool_is_waited_for(const struct pool *p)
{
	return p->nwaiters > p->count[PLACE_TESTED] || (p->welcome == NULL && !TAILQ_EMPTY(&p->newcomers));
}

bool
pool_is_short(const struct pool *p)
{
	const struct config *c = pool_config(p);

	if (pool_is_waited_for(p) && (p->pace == NULL || pool_has_use(p)))
		return true;
	return !p->is_private && pool_total(p) < pool_share(p, tenant_min_pool_size(p->tenant, c)) && p->tenant->conf != NULL &&
	       (p->nclients > 0 || p->tenant->conf->user != NULL);
}

static struct server *
longest_idle(const struct pool *p)
{
	struct server *s, *found = NULL;

	TAILQ_FOREACH(s, &p->servers[PLACE_IDLE], link) {
		if (found == NULL || s->free_since < found->free_since)
			found = s;
	}
	return found;
}

/* Close it for a pool that needs its place: nobody else may take that meanwhile. */
static bool
evict(struct pools *ps, struct server *s)
{
	if (s == NULL)
		return false;
	ps->evicting = true;
	server_close(s, NULL, "evicted");
	ps->evicting = false;
	return true;
}

/* Replication connections are in pools of their own, and count in the user's pool. */
static int
total_of_user(const struct pool *p)
{
	struct pool *other;
	int n = 0;

	if (p->is_private && p->replication == REPLICATION_NONE)
		return pool_total(p);
	LIST_FOREACH(other, &p->tenant->pools, link) {
		if (other->user == p->user && (!other->is_private || other->replication != REPLICATION_NONE))
			n += pool_total(other);
	}
	return n;
}

static bool
evict_of_user(const struct pool *p)
{
	const struct pool *other = pool_find(p->tenant, p->user->name);

	return pool_is_waited_for(p) && other != NULL && evict(p->pools, longest_idle(other));
}

int
pool_size(const struct pool *p)
{
	return tenant_most_servers(p->tenant, pool_config(p), p->user_conf);
}

/* May the pool itself have one more? */
static bool
has_room(struct pool *p)
{
	const struct config *c = pool_config(p);
	int all = pool_size(p), size = pool_limit(p, all);
	int reserve = pool_share(p, tenant_reserve_pool_size(p->tenant, c, p->user_conf));
	int total = total_of_user(p);

	p->from_reserve = false;
	if (all == 0 || total < size)
		return true;
	if (p->replication != REPLICATION_NONE && evict_of_user(p))
		return true;
	if (c->reserve_pool_timeout <= 0 || total >= size + reserve || pool_max_wait(p, clock_now()) < c->reserve_pool_timeout)
		return false;
	p->from_reserve = true;
	return true;
}

static bool
evict_in_tenant(struct pools *ps, struct tenant *t)
{
	struct server *found = NULL;
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		struct server *s = longest_idle(p);

		if (s != NULL && (found == NULL || s->free_since < found->free_since))
			found = s;
	}
	return evict(ps, found);
}

bool
pools_evict_user(struct pools *ps, const char *user)
{
	struct server *found = NULL;
	struct pool *p;

	TAILQ_FOREACH(p, &ps->kept, kept_link) {
		struct server *s;

		if (strcmp(p->user->name, user) != 0)
			continue;
		s = longest_idle(p);
		if (s != NULL && (found == NULL || s->free_since < found->free_since))
			found = s;
	}
	return evict(ps, found);
}

/* Their idle servers are not to go for claims of their own that nobody waits for any more. */
static bool
withdraw_stale(struct tenant *t)
{
	struct pool *p;
	bool any = false;

	LIST_FOREACH(p, &t->pools, link) {
		if (p->claiming && !pool_is_waited_for(p)) {
			pool_withdraw(p, false);
			any = true;
		}
	}
	return any;
}

static bool
evict_seat(void *arg, struct seat *seat)
{
	struct server *s, *found = NULL;
	struct tenant *t = seat->owner;
	struct pool *p;

	/* Without an idle server the tenant may be gone. */
	if (atomic_load_explicit(&seat->idle, memory_order_relaxed) <= 0 || withdraw_stale(t))
		return false;
	LIST_FOREACH(p, &t->pools, link) {
		TAILQ_FOREACH(s, &p->servers[PLACE_IDLE], link) {
			if (s->seat == seat && (found == NULL || s->free_since < found->free_since))
				found = s;
		}
	}
	if (found != NULL)
		found->leaving = true;
	return evict(arg, found);
}

void
pools_collect(struct pools *ps)
{
	hosts_collect(ps->hosts, ps->worker, evict_seat, ps);
}

/* One of the tenant's connections. */
static bool
take_of_tenant(struct pool *p)
{
	int max = tenant_max_connections(p->tenant, pool_config(p));
	int limit = pool_limit(p, max);

	/* Only who waits may take a place from another; min_pool_size is content with what is free. */
	if (max > 0 && p->tenant->nservers >= limit && !(pool_is_waited_for(p) && evict_in_tenant(p->pools, p->tenant)))
		return false;
	if (!pool_take_shared(p))
		return false;
	p->tenant->nservers++;
	return true;
}

/* All pools of all workers are looked through for an idle one, and each worker closes one: so not for every request of a
 * burst. */
static bool
may_ask_others(const struct pool *p)
{
	return p->asked_others == 0 || clock_recent() - p->asked_others >= LOOK_AGAIN;
}

/* One of the user's connections, which may be anywhere. */
static bool
take_of_user(struct pool *p)
{
	int max = user_max_connections(pool_config(p), p->user_conf);
	bool taken = budget_take(&p->user->servers, max);

	if (!taken && pool_is_waited_for(p)) {
		bool asks = may_ask_others(p);

		taken = asks && pools_evict_user(p->pools, p->user->name) && budget_take(&p->user->servers, max);
		/* Mark first, then look again: what is given back in between must not be missed. */
		if (!taken) {
			budget_wait(&p->user->servers, p->pools->worker);
			taken = budget_take(&p->user->servers, max);
		}
		if (!taken && asks) {
			p->asked_others = clock_recent();
			p->pools->ops->evict_elsewhere(p->pools, p->user->name);
		}
	}
	if (taken)
		p->asked_others = 0;
	return taken;
}

static void
give_of_user(struct pool *p)
{
	uint64_t workers = budget_give(&p->user->servers);

	if (workers != 0)
		p->pools->ops->wake(p->pools, workers);
}

struct wish
pool_wish(const struct pool *p, const char *host)
{
	const struct config_database *conf = p->tenant->conf;

	return (struct wish){
		.host = host,
		.port = conf->port,
		.tenant = p->tenant->name,
		.weight = conf->weight,
		.worker = p->pools->worker,
		.owner = p->tenant,
		.side = p->is_private && p->replication == REPLICATION_NONE,
	};
}

static void
look_again(void *arg)
{
	struct pools *ps = arg;

	ps->looking = false;
	hosts_look_again(ps->hosts);
	pools_look_again_later(ps);
}

void
pools_look_again_later(struct pools *ps)
{
	if (ps->looking || ps->nclaiming == 0)
		return;
	ps->looking = true;
	loop_after(ps->env->loop, LOOK_AGAIN, look_again, ps);
}

static void
on_granted(struct claim *c)
{
	struct pool *p = container_of(c, struct pool, claim);

	p->claiming = false;
	p->pools->nclaiming--;
	pool_grow(p);
	/* Whoever waited may have left, or another limit be in the way: the place is for somebody else. */
	if (!p->claiming)
		pool_withdraw(p, false);
}

void
pool_tell_claim(struct pool *p)
{
	atomic_store_explicit(&p->claim.bare, pool_total(p) == 0, memory_order_relaxed);
}

void
pool_withdraw(struct pool *p, bool refused)
{
	if (p->claiming)
		p->pools->nclaiming--;
	p->claiming = false;
	if (p->claim.seat != NULL)
		hosts_withdraw(p->pools->hosts, &p->claim, refused);
}

/* A place at the host, at once or when the claim for it is granted. */
static bool
take_place(struct pool *p, const char *host)
{
	enum claim_kind kind = p->nadmins > 0 ? CLAIM_ADMIN : CLAIM_ORDINARY;
	struct wish w = pool_wish(p, host);
	struct host_health health;

	if (p->claim.seat != NULL)
		return true;
	/* min_pool_size is content with what is free. */
	if (!pool_is_waited_for(p)) {
		hosts_health(p->pools->hosts, w.host, w.port, &health);
		if (health.full)
			return false;
	}
	p->claim.granted = on_granted;
	pool_tell_claim(p);
	if (hosts_claim(p->pools->hosts, &p->claim, kind, &w) == CLAIM_GRANTED)
		return true;
	p->claiming = true;
	p->pools->nclaiming++;
	pool_wait_for_parts(p);
	pools_look_again_later(p->pools);
	return false;
}

struct startup_parameters {
	const char **list;
	size_t n;
};

static void
add_parameter(struct startup_parameters *sp, const char *name, const char *value)
{
	if (value == NULL)
		return;
	sp->list = memory_realloc(sp->list, (sp->n + 3) * sizeof(*sp->list));
	sp->list[sp->n++] = name;
	sp->list[sp->n++] = value;
	sp->list[sp->n] = NULL;
}

/* Those of the database's line, then, in a replication connection, those of the client: the last one counts. */
static void
add_parameters(struct startup_parameters *sp, const struct pool *p)
{
	const struct config_database *conf = p->tenant->conf;

	add_parameter(sp, "client_encoding", conf->client_encoding);
	add_parameter(sp, "datestyle", conf->datestyle);
	add_parameter(sp, "timezone", conf->timezone);
	add_parameter(sp, "application_name", conf->application_name);
	for (char **s = p->startup; s != NULL && *s != NULL; s += 2)
		add_parameter(sp, s[0], s[1]);
}

static void
insert(struct pool *p, struct server *s, enum server_place place)
{
	s->pool = p;
	s->database = p->tenant->name;
	s->user = p->user->name;
	s->line_hash = p->tenant->line_hash;
	s->generation = p->tenant->generation;
	s->place = place;
	p->count[place]++;
	TAILQ_INSERT_TAIL(&p->servers[place], s, link);
	pool_tell_claim(p);
	pool_keep(p);
}

/* The password in a database's line is that of its user=, if it has one. */
static const char *
line_password(const struct pool *p)
{
	const struct config_database *conf = p->tenant->conf;

	return conf->user == NULL || strcmp(conf->user, p->user->name) == 0 ? conf->password : NULL;
}

/* A verifier opens nothing by itself, and an md5 hash not everything: a password that a client has shown goes before. */
static bool
is_of_use(const struct secret *listed, const struct secret *learned)
{
	return listed->kind == SECRET_PLAIN || (listed->kind != SECRET_NONE && learned->kind != SECRET_PLAIN);
}

bool
pool_wants_secret(const struct pool *p)
{
	return p->tenant->conf != NULL && line_password(p) == NULL &&
	       (p->user_conf == NULL || p->user_conf->secret.kind != SECRET_PLAIN);
}

/* What to log in with, from the most to the least explicit. own: room for one that is made here. */
static const struct secret *
choose_secret(const struct pool *p, struct secret *own)
{
	const char *password = line_password(p);

	if (password != NULL) {
		secret_parse(own, password);
		return own;
	}
	if (p->user_conf != NULL && is_of_use(&p->user_conf->secret, &p->secret))
		return &p->user_conf->secret;
	return p->secret.kind != SECRET_NONE ? &p->secret : NULL;
}

/* Nothing is known, and somebody could tell: ask first, once for each attempt that fails. */
static bool
asks_for_secret(struct pool *p)
{
	struct secret own = { .kind = SECRET_NONE };
	const char *auth_user = p->tenant->conf->auth_user;
	bool known = p->have_keys || choose_secret(p, &own) != NULL;

	secret_release(&own);
	if (auth_user == NULL)
		auth_user = pool_config(p)->auth_user;
	if (known || p->asked || (p->is_private && p->replication == REPLICATION_NONE) || auth_user == NULL || auth_user[0] == '\0')
		return false;
	if (!p->asking) {
		p->asking = true;
		p->pools->ops->ask_secret(p->pools, p);
	}
	return true;
}

static void
open_server(struct pool *p, const char *host)
{
	const struct config_database *conf = p->tenant->conf;
	struct startup_parameters sp = { .list = NULL };
	struct secret own = { .kind = SECRET_NONE };
	struct server_login_as as = { .user = p->user->name, .database = conf->dbname };
	struct server *s;

	add_parameters(&sp, p);
	as.parameters = sp.list;
	as.secret = choose_secret(p, &own);
	as.keys = p->have_keys ? &p->keys : NULL;
	as.known_keys = &p->known_keys;
	as.tls = config_server_tls(pool_config(p), conf, &as.tls_mode);
	as.tls_negotiation = config_server_tls_negotiation(pool_config(p), conf);
	as.demands = config_server_demands(pool_config(p), conf);
	s = server_open(p->pools->env, host != NULL ? host : pool_config(p)->unix_socket_dir, conf->port, &as,
			atomic_fetch_add(p->pools->next_id, 1), &pool_keeper, p);
	secret_release(&own);
	free(sp.list);
	s->reserved = p->claim.kind == CLAIM_ADMIN;
	s->seat = hosts_take(p->pools->hosts, &p->claim);
	insert(p, s, PLACE_LOGIN);
	if (p->from_reserve)
		server_log(s, LOG_WARNING, "taking connection from reserve_pool");
}

static void
grow_tenant(struct tenant *t)
{
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link)
		pool_grow(p);
}

struct server *
pool_give_up(struct pool *p)
{
	const char *why;
	struct server *s;

	while ((s = longest_idle(p)) != NULL && (why = pool_why_close(s, clock_recent())) != NULL)
		server_close(s, NULL, why);
	if (s == NULL)
		return NULL;
	TAILQ_REMOVE(&p->servers[PLACE_IDLE], s, link);
	p->count[PLACE_IDLE]--;
	pool_tell_claim(p);
	pool_count_idle(s, -1);
	p->tenant->nservers--;
	return s;
}

void
pool_adopt(struct pool *p, struct server *s, const char *first)
{
	struct wish w = { .tenant = p->tenant->name, .worker = p->pools->worker, .owner = p->tenant };
	uint64_t line_hash = s->line_hash;
	unsigned generation = s->generation;

	p->tenant->nservers++;
	s->seat = hosts_move(p->pools->hosts, s->seat, &w);
	s->keeper = &pool_keeper;
	insert(p, s, PLACE_TESTED);
	p->starved = 0;
	s->line_hash = line_hash;	/* it may be one that is to be closed */
	s->generation = generation;
	if (p->welcome == NULL)
		p->welcome = params_ref(s->reported);
	if (first != NULL)
		server_run(s, first);
	else
		pool_settle(s);
	pool_greet_newcomers(p);
	/* That this worker waits is forgotten with the first that it gets: some of it may wait still. */
	grow_tenant(p->tenant);
}

void
pools_discard(struct pools *ps, struct server *s, const struct error *e)
{
	server_say_goodbye(s);
	pool_part(ps, &s->stream, &s->seat, false, 0);
	server_close(s, e, e->message);
}

static bool
may_grow(struct pool *p)
{
	if (p->serving || p->claiming || p->count[PLACE_LOGIN] > 0 || tenant_is_held(p->tenant) || p->tenant->conf == NULL)
		return false;
	return pool_is_short(p) && clock_now() >= p->retry_at && has_room(p) && !asks_for_secret(p);
}

void
pool_forget_place(struct pool *p)
{
	const struct config_database *conf = p->tenant->conf;
	const char *host;
	int port;

	if (p->claim.seat == NULL)
		return;
	host = hosts_name(p->claim.seat, &port);
	if (conf == NULL || port != conf->port || !pool_names_host(p, host))
		pool_withdraw(p, false);
}

/* Of which there is a place already, if there is one. */
static const char *
choose_host(struct pool *p, char *buf, size_t size)
{
	int port;

	pool_forget_place(p);
	return p->claim.seat != NULL ? hosts_name(p->claim.seat, &port) : pool_choose_host(p, buf, size);
}

/* The place comes last: it may take a while, and the others must not be kept from what this pool does not use yet. */
void
pool_grow(struct pool *p)
{
	char buf[256];
	const char *host;

	if (!may_grow(p) || !take_of_tenant(p))
		return;
	if (take_of_user(p)) {
		host = choose_host(p, buf, sizeof(buf));
		if (take_place(p, host)) {
			open_server(p, host);
			return;
		}
		give_of_user(p);
	}
	pool_give_shared(p);
	p->tenant->nservers--;
}

void
pool_forget_failures(struct pool *p)
{
	p->failures = 0;
	p->wrong_roles = 0;
	p->failing_since = 0;
	p->unreachable = false;
	p->retry_at = 0;
}

/* 50 ms, 100, 200 ... 1 s, each a little more or less, so that many pools do not knock in step. */
static usec_t
backoff(int failures)
{
	usec_t pause = BACKOFF_FIRST << (failures < 6 ? failures - 1 : 5);

	if (pause > BACKOFF_MAX)
		pause = BACKOFF_MAX;
	return pause * 3 / 4 + random() % (pause / 4);
}

/* Not if the server itself said no, for good.  One that starts up, stops or is full will say something else soon. */
bool
pool_is_unreachable(const struct error *e)
{
	static const char *const passing[] = {
		SQLSTATE_CANNOT_ESTABLISH, SQLSTATE_CONNECTION_FAILURE, SQLSTATE_CANNOT_CONNECT_NOW,
		SQLSTATE_ADMIN_SHUTDOWN, SQLSTATE_CRASH_SHUTDOWN, SQLSTATE_TOO_MANY_CONNECTIONS,
	};

	for (size_t i = 0; i < lengthof(passing); i++) {
		if (strcmp(e->sqlstate, passing[i]) == 0)
			return true;
	}
	return false;
}

/* Do other servers of the pool go on, so that whoever waits is served?  Where nobody answers any more (class 08), only if
 * one of them has done something lately. */
static bool
goes_on(const struct pool *p, const struct error *e, usec_t now)
{
	usec_t lately = now - pool_config(p)->server_login_retry;
	bool answers = strncmp(e->sqlstate, "08", 2) != 0;
	struct server *s;

	for (int i = 0; i < PLACES; i++) {
		TAILQ_FOREACH(s, &p->servers[i], link) {
			if (i != PLACE_LOGIN && !pool_is_outdated(s) &&
			    (answers || s->request_at > lately || s->checked_at > lately))
				return true;
		}
	}
	return false;
}

void
pool_connect_failed(struct pool *p, const struct error *e)
{
	const struct config *c = pool_config(p);
	usec_t now = clock_now();
	struct error cached;

	p->failures++;
	p->retry_at = now + backoff(p->failures);
	/* Of a list, the others are tried first. */
	p->next_host++;
	if (p->failures % pool_count_hosts(p) != 0)
		p->retry_at = 0;
	if (p->failing_since == 0)
		p->failing_since = now;
	p->unreachable = pool_is_unreachable(e);
	if (!p->unreachable) {
		/* The password may be another by now: ask again before the next attempt. */
		secret_release(&p->secret);
		p->asked = false;
	}
	if (goes_on(p, e, now))
		return;
	if (!p->unreachable) {
		pool_refuse_all(p, e);
		return;
	}
	if (now - p->failing_since < c->server_login_retry)
		return;
	error_set(&cached, SEVERITY_FATAL, SQLSTATE_CONNECTION_FAILURE,
		  "server login has been failing, cached error: %.300s (server_login_retry)", e->message);
	pool_refuse_all(p, &cached);
}

void
pool_gave_back(struct pool *p)
{
	give_of_user(p);
	if (p->pools->evicting)
		return;
	pool_serve_cancels(p);
	grow_tenant(p->tenant);
}
