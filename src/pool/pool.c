#include "pool/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/message.h"
#include "pool/inside.h"
#include "pool/pace.h"

/* A check that succeeded just now need not be repeated for the one it was made for. */
#define CHECK_GOOD_FOR USEC_PER_SEC

/* No other connection is opened before, when one was not what is wanted as soon as it was there. */
#define LOST_PAUSE (500 * USEC_PER_MSEC)

static const char *const place_names[] = {
	[PLACE_LOGIN] = "login",
	[PLACE_IDLE] = "idle",
	[PLACE_ACTIVE] = "active",
	[PLACE_TESTED] = "tested",
	[PLACE_HELD] = "being_canceled",
};

const char *
server_place_name(enum server_place place)
{
	return place_names[place];
}

const struct config *
pool_config(const struct pool *p)
{
	return p->tenant->config;
}

int
pool_total(const struct pool *p)
{
	int n = 0;

	for (int i = 0; i < PLACES; i++)
		n += p->count[i];
	return n;
}

int
pool_mode(const struct pool *p)
{
	return tenant_pool_mode(p->tenant, pool_config(p), p->user_conf);
}

usec_t
pool_max_wait(const struct pool *p, usec_t now)
{
	const struct lease_request *r = TAILQ_FIRST(&p->waiters);

	return r == NULL ? 0 : now - r->since;
}

static struct pool *
find(const struct tenant *t, const char *user, bool is_private)
{
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		if (p->is_private == is_private && p->replication == REPLICATION_NONE && strcmp(p->user->name, user) == 0)
			return p;
	}
	return NULL;
}

struct pool *
pool_find(const struct tenant *t, const char *user)
{
	return find(t, user, false);
}

static struct pool *
add(struct pools *ps, struct tenant *t, const char *user)
{
	struct pool *p = memory_zalloc(sizeof(*p));

	p->pools = ps;
	p->tenant = t;
	p->user = users_get(ps->users, user);
	p->user_conf = config_find_user(t->config, user);
	for (int i = 0; i < PLACES; i++)
		TAILQ_INIT(&p->servers[i]);
	TAILQ_INIT(&p->waiters);
	TAILQ_INIT(&p->newcomers);
	LIST_INIT(&p->cancellers);
	LIST_INSERT_HEAD(&t->pools, p, link);
	pool_keep(p);
	return p;
}

struct pool *
pool_open(struct pools *ps, struct tenant *t, const char *user)
{
	struct pool *p = find(t, user, false);

	if (p == NULL) {
		p = add(ps, t, user);
		pool_find_share(p);
		pool_choose_pace(p);
	}
	return p;
}

struct pool *
pool_open_private(struct pools *ps, struct tenant *t, const char *user)
{
	struct pool *p = find(t, user, true);

	if (p == NULL) {
		p = add(ps, t, user);
		p->is_private = true;
	}
	return p;
}

/* All of the client's, but who it is: that is this pool's. */
static char **
copy_startup(const struct startup *startup)
{
	struct startup s = *startup;
	char **list = NULL;
	const char *name, *value;
	size_t n = 0;

	while (startup_next(&s, &name, &value)) {
		if (strcmp(name, "user") == 0 || strcmp(name, "database") == 0 || strncmp(name, "_pq_.", 5) == 0)
			continue;
		list = memory_realloc(list, (n + 3) * sizeof(*list));
		list[n++] = memory_strdup(name);
		list[n++] = memory_strdup(value);
		list[n] = NULL;
	}
	return list;
}

static void
free_startup(char **list)
{
	for (char **p = list; p != NULL && *p != NULL; p++)
		free(*p);
	free(list);
}

struct pool *
pool_open_replication(struct pools *ps, struct tenant *t, const char *user, const struct startup *startup)
{
	struct pool *p = add(ps, t, user);

	p->is_private = true;
	p->replication = startup_replication(startup);
	p->startup = copy_startup(startup);
	pool_find_share(p);
	return p;
}

void
pool_learn(struct pool *p, const struct secret *secret)
{
	if (secret->kind == SECRET_NONE || !pool_wants_secret(p))
		return;
	secret_release(&p->secret);
	secret_copy(&p->secret, secret);
}

void
tenant_learn(struct tenant *t, const char *user, const struct secret *secret)
{
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		if (!p->asking || strcmp(p->user->name, user) != 0)
			continue;
		p->asking = false;
		p->asked = true;
		if (secret != NULL)
			pool_learn(p, secret);
		pool_grow(p);
	}
}

void
pool_close(struct pool **pp, const struct error *e, const char *reason)
{
	struct pool *p = *pp;

	*pp = NULL;
	p->serving = true;	/* nothing is lent or opened from here on */
	if (p->pace != NULL)
		pace_quit(p->pace, p);
	pool_refuse_all(p, e);
	for (int i = 0; i < PLACES; i++) {
		while (!TAILQ_EMPTY(&p->servers[i]))
			server_close(TAILQ_FIRST(&p->servers[i]), e, reason);
	}
	pool_drop_cancels(p);
	pool_withdraw(p, false);
	pool_stop_keeping(p);
	LIST_REMOVE(p, link);
	params_unref(p->pools->env->params, &p->welcome);
	users_put(p->pools->users, &p->user);
	memory_wipe(&p->keys, sizeof(p->keys));
	known_keys_free(&p->known_keys);
	secret_release(&p->secret);
	free_startup(p->startup);
	free(p);
}

void
pool_place(struct server *s, enum server_place place)
{
	struct pool *p = s->pool;
	bool at_end = place != PLACE_IDLE || pool_config(p)->server_round_robin;

	if (p->pace != NULL)
		pool_pace_moves(s, s->place, place);
	TAILQ_REMOVE(&p->servers[s->place], s, link);
	p->count[s->place]--;
	pool_count_idle(s, (place == PLACE_IDLE) - (s->place == PLACE_IDLE));
	s->place = (uint8_t)place;
	p->count[place]++;
	/* Last in, first out: the few that are needed stay warm, the rest can time out. */
	if (at_end)
		TAILQ_INSERT_TAIL(&p->servers[place], s, link);
	else
		TAILQ_INSERT_HEAD(&p->servers[place], s, link);
}

/* --- what a full host wants to know --- */

void
pool_count_idle(const struct server *s, int n)
{
	atomic_int *idle;

	if (n == 0 || s->seat == NULL)
		return;
	/* Nobody else writes it. */
	idle = &s->seat->idle;
	atomic_store_explicit(idle, atomic_load_explicit(idle, memory_order_relaxed) + n, memory_order_relaxed);
}

static bool
is_capped(const struct server *s)
{
	return s->seat != NULL && atomic_load_explicit(&s->seat->capped, memory_order_relaxed);
}

static void
note_idle(struct server *s, usec_t now)
{
	struct pool *p = s->pool;

	if (!is_capped(s))
		return;
	p->freed_at = now;
	atomic_store_explicit(&s->seat->idle_since, now, memory_order_relaxed);
	atomic_store_explicit(&s->seat->pause, p->pause, memory_order_relaxed);
}

/* Somebody is back after such a pause. */
static void
note_return(struct pool *p, usec_t since)
{
	usec_t pause = clock_recent() - since;

	p->pause = p->pause == 0 ? pause + 1 : p->pause + (pause - p->pause) / 4;
}

bool
pool_yields(const struct server *s)
{
	const struct pool *p = s->pool;
	bool unneeded = p->nwaiters == 0;

	if (s->seat == NULL || !seat_is_wanted(s->seat) || (!s->used && !unneeded))
		return false;
	/* Those that are young do not ask each time, which takes a lock. */
	if (!unneeded && atomic_load_explicit(&s->seat->wanted, memory_order_relaxed) == WANTED_OLD &&
	    clock_recent() - s->connected_at < atomic_load_explicit(&s->seat->min_lease, memory_order_relaxed))
		return false;
	return hosts_yield(p->pools->hosts, s->seat, s->connected_at, unneeded);
}

/* --- lending --- */

static bool
needs_check(const struct server *s, usec_t now)
{
	const struct config *c = pool_config(s->pool);
	usec_t known_good = now - s->checked_at;

	if (c->server_check_query == NULL || (s->checked && known_good <= CHECK_GOOD_FOR))
		return false;
	return known_good >= c->server_check_delay;
}

static void
start_check(struct server *s)
{
	const struct config *c = pool_config(s->pool);

	pool_place(s, PLACE_TESTED);
	s->forgiving = false;
	s->checked = true;
	server_run(s, c->server_check_query);
}

/* The one who waits for a server: others only want to be greeted. */
static struct lease_request *
first_admin(const struct pool *p)
{
	struct lease_request *r;

	if (p->nadmins == 0)
		return NULL;
	TAILQ_FOREACH(r, &p->waiters, link) {
		if (r->is_admin)
			return r;
	}
	return NULL;
}

static const char of_reserve[] = "its place is of admin_reserve";

/* It was opened for an administrator who is done with it, or has left meanwhile: does it keep the next one's place? */
static bool
holds_reserve(struct server *s)
{
	const struct pool *p = s->pool;
	struct host_health health;
	const char *host;
	int port;

	if (!s->reserved || first_admin(p) != NULL)
		return false;
	host = hosts_name(s->seat, &port);
	hosts_health(p->pools->hosts, host, port, &health);
	s->reserved = health.in_reserve;
	return s->reserved;
}

/* An idle server that may be lent right now. */
static struct server *
take_idle(struct pool *p)
{
	usec_t now;
	struct server *s;

	if (tenant_is_held(p->tenant) || p->count[PLACE_IDLE] == 0 || pool_hands_over(p))
		return NULL;
	now = clock_recent();
	while ((s = TAILQ_FIRST(&p->servers[PLACE_IDLE])) != NULL) {
		const char *why = pool_why_close(s, now);

		if (why != NULL)
			server_close(s, NULL, why);
		else if (holds_reserve(s))
			server_close(s, NULL, of_reserve);
		else if (needs_check(s, now))
			start_check(s);
		else
			return s;
	}
	return NULL;
}

static void
lend(struct server *s, usec_t since)
{
	struct pool *p = s->pool;

	pool_place(s, PLACE_ACTIVE);
	s->request_at = clock_recent();
	s->checked = false;
	p->tenant->traffic.server_assignment_count++;
	p->tenant->traffic.wait_time += s->request_at - since;
}

/* A claim that is queued is not of the right kind any more once the first administrator has come or the last has left. */
static void
count_admin(struct pool *p, const struct lease_request *r, int n)
{
	if (!r->is_admin)
		return;
	p->nadmins += n;
	if (p->claiming && (p->claim.kind == CLAIM_ADMIN) != (p->nadmins > 0))
		pool_withdraw(p, false);
}

static void
enqueue(struct pool *p, struct request_list *list, struct lease_request *r)
{
	r->since = clock_now();
	r->queued = true;
	r->told = false;
	TAILQ_INSERT_TAIL(list, r, link);
	count_admin(p, r, 1);
}

static void
dequeue(struct pool *p, struct request_list *list, struct lease_request *r)
{
	r->queued = false;
	TAILQ_REMOVE(list, r, link);
	count_admin(p, r, -1);
}

/* Somebody waits.  First come first served; but what was opened for an administrator is his. */
static struct lease_request *__attribute__((returns_nonnull))
choose_waiter(struct pool *p, const struct server *s)
{
	struct lease_request *admin = s->reserved ? first_admin(p) : NULL;

	return admin != NULL ? admin : TAILQ_FIRST(&p->waiters);
}

struct server *
pool_acquire(struct pool *p, struct lease_request *r)
{
	struct server *s = NULL;

	if (p->nwaiters == 0 && !p->serving && (p->pace == NULL || pool_pace_allows(p)))
		s = take_idle(p);
	if (s != NULL) {
		if (is_capped(s))
			note_return(p, s->free_since);
		lend(s, clock_recent());
		return s;
	}
	if (p->freed_at != 0 && p->nwaiters == 0 && pool_total(p) == 0) {
		note_return(p, p->freed_at);
		p->freed_at = 0;
	}
	pool_keep(p);
	enqueue(p, &p->waiters, r);
	pool_count_waiters(p, 1);
	if (p->pace != NULL)
		pool_stand_in_line(p);
	pool_grow(p);
	return NULL;
}

/* It is not checked first: who only asks a question can be told that it was lost. */
struct server *
pool_borrow(struct pool *p)
{
	usec_t now = clock_recent();
	struct server *s;

	if (p->nwaiters > 0 || p->serving || tenant_is_held(p->tenant))
		return NULL;
	TAILQ_FOREACH(s, &p->servers[PLACE_IDLE], link) {
		if (pool_why_close(s, now) != NULL)
			continue;
		pool_place(s, PLACE_ACTIVE);
		s->request_at = now;
		s->checked = false;
		return s;
	}
	return NULL;
}

bool
pool_know_welcome(struct pool *p, struct lease_request *r)
{
	if (p->welcome != NULL)
		return true;
	enqueue(p, &p->newcomers, r);
	pool_keep(p);
	pool_grow(p);
	return false;
}

void
pool_forget(struct pool *p, struct lease_request *r)
{
	struct lease_request *newcomer;

	pool_keep(p);
	if (!r->queued)
		return;
	TAILQ_FOREACH(newcomer, &p->newcomers, link) {
		if (newcomer == r) {
			dequeue(p, &p->newcomers, r);
			return;
		}
	}
	pool_count_waiters(p, -1);
	dequeue(p, &p->waiters, r);
}

static void
grant(struct pool *p, struct lease_request *r, struct server *s)
{
	pool_count_waiters(p, -1);
	dequeue(p, &p->waiters, r);
	lend(s, r->since);
	r->ops->granted(r, s);
}

/* Of the pools of a host that wait, one lease each by turns, as long as there are places.  Who has nothing to lend
 * leaves the line until it has. */
static void
serve_line(struct pace *pace)
{
	struct pool *next;
	struct server *s;

	if (pace->serving)
		return;
	pace->serving = true;
	while (pace_has_place(pace) && (next = pace_first(pace)) != NULL) {
		if (next->nwaiters == 0 || (s = take_idle(next)) == NULL) {
			pace_quit(pace, next);
			pool_grow(next);
			continue;
		}
		pace_took(pace, next, next->tenant->conf->weight);
		grant(next, choose_waiter(next, s), s);
	}
	pace->serving = false;
}

static void
serve_line_later(struct deferred *d)
{
	serve_line(container_of(d, struct pace, deferred));
}

static void
serve_in_turn(struct pool *p)
{
	pool_stand_in_line(p);
	serve_line(p->pace);
}

void
pool_serve(struct pool *p)
{
	struct server *s;

	/* Whoever is granted a server may give it back at once, and end up here again: the outer loop sees to it. */
	if (p->serving)
		return;
	if (p->pace != NULL) {
		serve_in_turn(p);
		pool_grow(p);
		return;
	}
	p->serving = true;
	while (p->nwaiters > 0 && (s = take_idle(p)) != NULL)
		grant(p, choose_waiter(p, s), s);
	p->serving = false;
	pool_grow(p);
}

void
pool_greet_newcomers(struct pool *p)
{
	struct lease_request *r;

	while ((r = TAILQ_FIRST(&p->newcomers)) != NULL) {
		dequeue(p, &p->newcomers, r);
		r->ops->granted(r, NULL);
	}
}

void
pool_refuse_all(struct pool *p, const struct error *e)
{
	struct lease_request *r;

	while ((r = TAILQ_FIRST(&p->newcomers)) != NULL) {
		dequeue(p, &p->newcomers, r);
		r->ops->failed(r, e);
	}
	while ((r = TAILQ_FIRST(&p->waiters)) != NULL) {
		pool_count_waiters(p, -1);
		dequeue(p, &p->waiters, r);
		r->ops->failed(r, e);
	}
}

/* --- coming back --- */

bool
pool_is_outdated(const struct server *s)
{
	const struct tenant *t = ((const struct pool *)s->pool)->tenant;

	return s->close_needed || s->line_hash != t->line_hash || s->generation != t->generation || t->conf == NULL;
}

const char *
pool_why_close(const struct server *s, usec_t now)
{
	const struct pool *p = s->pool;
	usec_t lifetime = tenant_server_lifetime(p->tenant, pool_config(p));

	if (pool_is_outdated(s))
		return "database configuration changed";
	if (now - s->connected_at > lifetime && (lifetime > 0 || s->used))
		return "server lifetime over";
	return NULL;
}

bool
pool_must_close(const struct server *s)
{
	return pool_why_close(s, clock_now()) != NULL;
}

/* DISCARD ALL without what would make our own prepared statements vanish. */
static const char clean_settings[] =
	"CLOSE ALL;SET SESSION AUTHORIZATION DEFAULT;RESET ALL;UNLISTEN *;"
	"SELECT pg_catalog.pg_advisory_unlock_all();DISCARD TEMP;DISCARD SEQUENCES";

static const char *
connect_query(const struct server *s)
{
	const struct pool *p = s->pool;
	const char *sql = p->tenant->conf != NULL ? p->tenant->conf->connect_query : NULL;

	return sql != NULL && sql[0] != '\0' ? sql : NULL;
}

/* A reset that drops prepared statements drops ours: then they are forgotten with the rest. */
static void
forget_lease(struct server *s, const char *reset)
{
	if (strcasestr(reset, "DISCARD ALL") == NULL && strcasestr(reset, "DEALLOCATE ALL") == NULL)
		return;
	if (s->free_lease != NULL)
		s->free_lease(s);
	s->free_lease = NULL;
}

/* What has to run on s before somebody else gets it; NULL: nothing (more). */
static const char *
next_cleaning(struct server *s)
{
	uint8_t taint = s->taint;

	s->taint = 0;
	s->forgiving = false;
	if (s->reset_needed || (taint & TAINT_STATEMENTS) != 0) {
		const char *reset = s->reset_needed ? pool_config(s->pool)->server_reset_query : "DISCARD ALL";

		/* An own reset query may clean less than was left behind: the rest is still to do. */
		if (strcasestr(reset, "DISCARD ALL") == NULL)
			s->taint = taint;
		s->reset_needed = false;
		s->connect_query_due = true;
		forget_lease(s, reset);
		return reset;
	}
	if (taint != 0) {
		s->connect_query_due = true;
		return clean_settings;
	}
	if (!s->connect_query_due)
		return NULL;
	s->connect_query_due = false;
	s->forgiving = true;
	return connect_query(s);
}

/* For no fault of its own: if it has just logged in, that has not failed. */
static void
close_welcomed(struct server *s, const char *why)
{
	if (s->place == PLACE_LOGIN)
		pool_place(s, PLACE_IDLE);
	server_close(s, NULL, why);
}

void
pool_settle(struct server *s)
{
	struct pool *p = s->pool;
	usec_t now = clock_recent();
	const char *why = pool_why_close(s, now), *sql;

	if (why != NULL) {
		server_close(s, NULL, why);
		return;
	}
	if (s->cancels > 0) {
		pool_place(s, PLACE_HELD);
		return;
	}
	sql = next_cleaning(s);
	if (sql != NULL) {
		pool_place(s, PLACE_TESTED);
		server_run(s, sql);
		return;
	}
	if (pool_role_is_lost(s)) {
		/* It has served nobody: the next one may be no better. */
		if (!s->used)
			p->retry_at = now + LOST_PAUSE;
		server_close(s, NULL, "it is not what target_session_attrs wants any more");
		return;
	}
	if (pool_yields(s)) {
		s->leaving = true;
		close_welcomed(s, "given up for another tenant");
		return;
	}
	if (holds_reserve(s)) {
		close_welcomed(s, of_reserve);
		return;
	}
	s->free_since = now;
	note_idle(s, now);
	pool_place(s, PLACE_IDLE);
	if (tenant_is_held(p->tenant)) {
		server_close(s, NULL, "pause");
		return;
	}
	if (p->nwaiters > 0)
		pool_serve(p);
}

void
pool_release(struct server *s, bool reset)
{
	struct pool *p = s->pool;
	const struct config *c = pool_config(p);

	s->used = true;
	s->checked_at = clock_recent();
	s->reset_needed = (reset || c->server_reset_query_always) && c->server_reset_query[0] != '\0';
	server_unlease(s);
	if (s->transaction != TRANSACTION_IDLE) {
		pool_place(s, PLACE_TESTED);
		server_run(s, "ROLLBACK");
	} else {
		pool_settle(s);
	}
	if (p->pace != NULL)
		serve_in_turn(p);	/* whoever's turn it is */
}

void
pool_abandon(struct server *s, const char *reason)
{
	server_unlease(s);
	/* PostgreSQL notices a closed socket only when it writes: tell it to stop, or the query runs on. */
	if (s->backend_pid != 0) {
		pool_cancel(s, NULL, NULL);
		pool_cancels_outlive(s);
	}
	server_close(s, NULL, reason);
}

/* --- what the server says --- */

static void
finish_login(struct server *s)
{
	struct pool *p = s->pool;
	struct error e;

	switch (pool_check_role(s, &e)) {
	case ROLE_FITS:
		break;
	case ROLE_ASKED:
		return;
	case ROLE_WRONG:
		server_close(s, &e, e.message);
		return;
	}
	pool_forget_failures(p);
	if (p->welcome == NULL)
		p->welcome = params_ref(s->reported);
	s->connect_query_due = p->replication == REPLICATION_NONE;
	s->checked = true;
	pool_settle(s);
	pool_greet_newcomers(p);
	pool_serve(p);
}

static void
on_ready(struct server *s)
{
	if (s->transaction != TRANSACTION_IDLE)
		server_close(s, NULL, "server stays in a transaction");
	else if (s->place == PLACE_LOGIN)
		finish_login(s);
	else
		pool_settle(s);
}

static void
on_run_failed(struct server *s, const struct error *e)
{
	/* ROLLBACK, a reset or a check that fails leaves a server of unknown state; connect_query is the operator's. */
	server_log(s, LOG_WARNING, "%s failed: %s", s->forgiving ? "connect_query" : "a command of the pooler", e->message);
	if (!s->forgiving)
		s->close_needed = true;
}

static void
on_closed(struct server *s, const struct error *e)
{
	struct pool *p = s->pool;
	bool was_connecting = s->place == PLACE_LOGIN;

	if (p == NULL)
		return;		/* it was on its way from one shard to another */
	if (p->pace != NULL)
		pool_pace_moves(s, s->place, PLACES);
	if (p->pace != NULL && s->place == PLACE_ACTIVE)
		loop_defer(p->pools->env->loop, &p->pace->deferred, serve_line_later);
	TAILQ_REMOVE(&p->servers[s->place], s, link);
	p->count[s->place]--;
	pool_tell_claim(p);
	pool_count_idle(s, -(s->place == PLACE_IDLE));
	p->tenant->nservers--;
	pool_give_shared(p);
	if (is_capped(s) && s->stream.fd >= 0 && s->backend_pid != 0 && (s->place == PLACE_ACTIVE || s->place == PLACE_TESTED))
		pool_pursue(s);
	pool_cancels_lose(s);
	if (was_connecting && s->role == ROLE_UNKNOWN && !s->given_up && s->seat != NULL && pool_is_unreachable(e))
		hosts_failed(p->pools->hosts, s->seat, e);
	pool_part(p->pools, &s->stream, &s->seat, s->leaving, s->id);
	if (was_connecting)
		pool_connect_failed(p, e);
	pool_gave_back(p);
}

const struct server_keeper pool_keeper = {
	.ready = on_ready,
	.run_failed = on_run_failed,
	.closed = on_closed,
	.row = pool_take_role,
};

bool
tenant_is_quiet(const struct tenant *t)
{
	return t->nservers == 0;
}

void
tenant_close_servers(struct tenant *t, bool all, const char *reason)
{
	struct pool *p;
	struct server *s, *next;

	LIST_FOREACH(p, &t->pools, link) {
		TAILQ_FOREACH_SAFE(s, &p->servers[PLACE_IDLE], link, next)
			server_close(s, NULL, reason);
		for (int i = 0; all && i < PLACES; i++) {
			TAILQ_FOREACH(s, &p->servers[i], link)
				s->close_needed = true;
		}
	}
}
