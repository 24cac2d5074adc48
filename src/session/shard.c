#include "session/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "client/verifiers.h"
#include "pg/cancel.h"
#include "session/arrival.h"
#include "session/lookup.h"
#include "session/memory.h"
#include "session/parts.h"
#include "session/plan.h"
#include "session/session.h"
#include "session/throttle.h"
#include "session/timing.h"
#include "session/walk.h"

/* How long a database is remembered that "*" made and nobody has ever come to. */
#define STRANGER_MEMORY (5 * USEC_PER_SEC)

/* What PostgreSQL reports and a session may set; further ones by track_extra_parameters. */
#define TRACKED "client_encoding,DateStyle,TimeZone,standard_conforming_strings,application_name"

char *
shard_tracked_parameters(const struct config *c)
{
	size_t size = sizeof(TRACKED) + 1 + strlen(c->track_extra_parameters);
	char *list = memory_alloc(size);

	snprintf(list, size, "%s,%s", TRACKED, c->track_extra_parameters);
	return list;
}

const struct config *
shard_config(const struct shard *s)
{
	return tenants_config(s->tenants);
}

void
shard_configure_clients(struct client_env *env, const struct config *c)
{
	env->port = c->listen_port;
	env->proxy_protocol = c->proxy_protocol;
	env->message_timeout = c->client_message_timeout;
	env->write_timeout = c->client_write_timeout;
	env->scram_iterations = c->scram_iterations;
	env->tls = c->client_tls;
	env->tls_mode = c->client_tls_sslmode;
	env->log_connections = c->log_connections;
	env->log_disconnections = c->log_disconnections;
	env->log_errors = c->log_pooler_errors;
}

static void
apply_config(struct shard *s, const struct config *c)
{
	shard_configure_clients(&s->client_env, c);
	s->server_env.log_connections = c->log_connections;
	s->server_env.log_disconnections = c->log_disconnections;
	s->server_env.stream_options = (struct stream_options){
		.keepalive = c->tcp_keepalive,
		.keepcnt = c->tcp_keepcnt,
		.keepidle = c->tcp_keepidle,
		.keepintvl = c->tcp_keepintvl,
		.socket_buffer = c->tcp_socket_buffer,
		.user_timeout_ms = c->tcp_user_timeout,
	};
	timing_configure(s);
	throttles_configure(s);
}

void
shard_init(struct shard *s, int index, int nworkers, struct loop *l, struct mailbox *mb, int job_mail,
	   const struct config *c, struct commons *commons, const struct shard_ops *ops,
	   const struct pools_ops *pools_ops, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->index = index;
	s->nworkers = nworkers;
	s->loop = l;
	s->commons = commons;
	s->ops = ops;
	s->arg = arg;
	s->params = params_table_new();
	s->tenants = tenants_new(c);
	s->tracked = shard_tracked_parameters(c);
	SPLAY_INIT(&s->clients);
	s->client_env = (struct client_env){
		.loop = l,
		.helpers = commons->helpers,
		.askers = commons->askers,
		.attempts = commons->attempts,
		.bans = commons->bans,
		.verifiers = verifiers_new(commons->helpers, mb, job_mail),
		.mailbox = mb,
		.job_mail = job_mail,
	};
	TAILQ_INIT(&s->client_env.logins);
	TAILQ_INIT(&s->waiting_searches);
	s->server_env = (struct server_env){
		.loop = l,
		.helpers = commons->helpers,
		.mailbox = mb,
		.job_mail = job_mail,
		.params = s->params,
		.tracked = s->tracked,
	};
	s->pools = (struct pools){
		.env = &s->server_env,
		.tenants = s->tenants,
		.users = commons->users,
		.hosts = commons->hosts,
		.ops = pools_ops,
		.next_id = &commons->next_id,
		.paces = commons->paces,
		.worker = index,
	};
	pools_init(&s->pools);
	query_store_init(&s->queries, &(struct query_limits){ .on = false }, clock_now());
	sql_recall_init(&s->recall);
	applications_init(&s->applications);
	apply_config(s, c);
	shard_prepare_pools(s);
}

/* One that keeps servers without being asked: min_pool_size with a forced user. */
static void
prepare_pool(struct shard *s, const struct config_database *db)
{
	int min = db->min_pool_size >= 0 ? db->min_pool_size : shard_config(s)->min_pool_size;
	struct tenant *t;
	struct error e;

	if (min == 0 || db->user == NULL || tenant_worker(db->name, s->nworkers) != s->index)
		return;
	t = shard_open_tenant(s, db->name, &e);
	if (t != NULL)
		pool_open(&s->pools, t, db->user);
}

void
shard_prepare_pools(struct shard *s)
{
	const struct config *c = shard_config(s);

	for (size_t i = 0; i < c->ndatabases; i++)
		prepare_pool(s, c->databases[i]);
}

static void
accept_client(struct shard *s, struct client *c)
{
	SPLAY_INSERT(client_set, &s->clients, c);
	s->nclients++;
}

static struct client *
next_client(struct shard *s, struct client *after)
{
	return after == NULL ? SPLAY_MIN(client_set, &s->clients) : SPLAY_NEXT(client_set, &s->clients, after);
}

/* Closing one may have lent its server to `next`, which may be closed for what it said then: start over. */
static struct client *
if_still_there(struct shard *s, struct client *next)
{
	return next != NULL && next->state == CLIENT_CLOSING ? next_client(s, NULL) : next;
}

static void
make_room_for_login(struct shard *s)
{
	clients_make_room(&s->client_env, (shard_config(s)->max_login_clients + s->nworkers - 1) / s->nworkers);
}

struct client *
shard_find_client(struct shard *s, uint32_t id)
{
	struct client key = { .id = id };

	return SPLAY_FIND(client_set, &s->clients, &key);
}

void
shard_accept(struct shard *s, int fd)
{
	if (!client_may_connect(&s->client_env, fd)) {
		close(fd);
		return;
	}
	make_room_for_login(s);
	stream_tune(fd, &s->server_env.stream_options);
	accept_client(s, client_new(&s->client_env, fd, atomic_fetch_add(&s->commons->next_id, 1),
				    &session_client_ops));
}

void
shard_give_up(struct shard *s, struct client *c)
{
	SPLAY_REMOVE(client_set, &s->clients, c);
	s->nclients--;
	client_detach(c);
}

/* It leaves at the end of the turn, but counts here no more at once: of hundreds that a single turn passes on (cancel
 * requests with wrong keys, say), none may push out who logs in. */
void
shard_move_client(struct shard *s, struct client *c, int to)
{
	client_leave_logins(c);
	s->ops->move(s, c, to);
}

void
shard_join(struct shard *s, struct client *c)
{
	client_attach(c, &s->client_env, &session_client_ops);
	accept_client(s, c);
}

void
shard_adopt(struct shard *s, struct client *c)
{
	make_room_for_login(s);
	shard_join(s, c);
	if (c->login->startup.kind == STARTUP_CANCEL)
		shard_route_cancel(s, c);
	else
		login_route(c);
}

void
shard_route_cancel(struct shard *s, struct client *c)
{
	const struct startup *request = &c->login->startup;
	struct client *target = shard_find_client(s, request->cancel_pid);

	if (target == NULL) {
		if (++c->cancel_hops < s->nworkers)
			shard_move_client(s, c, (s->index + 1) % s->nworkers);
		else
			shard_move_client(s, c, CONSOLE);
		return;
	}
	/* A short key is the beginning of the long one: it must not do for who was given that. */
	if (target->owner == NULL ||
	    request->cancel_key_size != (target->protocol_3_2 ? CANCEL_KEY_3_2 : CANCEL_KEY_3_0) ||
	    !cancel_client_key_matches(target->id, request->cancel_key, request->cancel_key_size))
		client_close(c, NULL, "failed cancel request");
	else
		session_cancel(target->owner, c);
}

/* --- configuration --- */

void
shard_end_tenant(struct shard *s, struct tenant *t)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "database removed");
	shard_kill_clients(s, t, &e);
	tenant_close_servers(t, true, "database removed");
}

void
shard_set_config(struct shard *s, const struct config *c)
{
	tenants_set_config(s->tenants, c);
	apply_config(s, c);
}

static void
catch_up(struct shard *s, struct walk *w)
{
	const struct config *c = shard_config(s);
	struct tenant *t = NULL;

	while ((t = walk_tenant(w, s, t)) != NULL) {
		tenants_catch_up(s->tenants, t);
		if (t->conf == NULL)
			shard_end_tenant(s, t);
	}
	for (size_t i = 0; walk_line(w, c, &i); i++) {
		if (i < c->ndatabases)
			prepare_pool(s, c->databases[i]);
	}
}

void
shard_catch_up(struct shard *s, struct walk *w)
{
	for (;;) {
		walk_begin(w, WALK_SLICE);
		catch_up(s, w);
		if (!w->lost)
			return;
		walk_again(w);
	}
}

/* --- pausing --- */

const struct config_database *
shard_line(struct shard *s, const char *name, struct error *e)
{
	config_free_line(s->at_door);
	return tenants_line(s->tenants, name, &s->at_door, e);
}

bool
shard_lets_in(const struct config_database *line, const struct address *a, struct error *e)
{
	bool denied = line->deny != NULL && config_in_networks(line->deny, a->family, a->ip);

	if (!denied && (line->allow == NULL || config_in_networks(line->allow, a->family, a->ip)))
		return true;
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_CATALOG_NAME, "no such database: %s", line->name);
	return false;
}

struct tenant *
shard_open_tenant(struct shard *s, const char *name, struct error *e)
{
	size_t before = tenants_count(s->tenants);
	struct tenant *t = tenants_open(s->tenants, name, e);

	if (t != NULL && s->paused)
		t->paused = true;
	if (t != NULL) {
		tenants_wake(s->tenants, t);
		parts_find(s, t);
	}
	if (t != NULL && t->autodb != NULL && tenants_count(s->tenants) > before)
		log_info("registered new auto-database: db=%s", t->name);
	return t;
}

static void
pause_tenant(struct tenant *t)
{
	t->paused = true;
	tenant_close_servers(t, false, "pause");
}

void
shard_hold(struct shard *s)
{
	struct tenant *t = NULL;

	s->paused = true;
	while ((t = tenants_next(s->tenants, t)) != NULL)
		t->paused = true;
}

void
shard_pause(struct shard *s, struct tenant *t)
{
	if (t != NULL) {
		pause_tenant(t);
		return;
	}
	shard_hold(s);
	while ((t = tenants_next(s->tenants, t)) != NULL)
		pause_tenant(t);
}

void
shard_resume(struct shard *s, struct tenant *t)
{
	if (t != NULL) {
		t->paused = false;
	} else {
		s->paused = false;
		while ((t = tenants_next(s->tenants, t)) != NULL)
			t->paused = false;
	}
	pools_retry(&s->pools);
}

void
shard_refuse_waiters(struct shard *s, const struct error *e)
{
	struct tenant *t = NULL;
	struct pool *p;

	while ((t = tenants_next(s->tenants, t)) != NULL) {
		LIST_FOREACH(p, &t->pools, link)
			pool_refuse_all(p, e);
	}
}

bool
shard_is_quiet(struct shard *s, const struct tenant *t)
{
	struct tenant *other = NULL;

	if (t != NULL)
		return tenant_is_quiet(t);
	while ((other = tenants_next(s->tenants, other)) != NULL) {
		if (!tenant_is_quiet(other))
			return false;
	}
	return true;
}

/* --- ending clients --- */

size_t
shard_kill_clients(struct shard *s, const struct tenant *t, const struct error *e)
{
	struct client *c = t == NULL || t->nclients > 0 ? next_client(s, NULL) : NULL, *next;
	size_t n = 0;

	for (; c != NULL; c = if_still_there(s, next)) {
		const struct session *session = c->owner;

		next = next_client(s, c);
		if (t != NULL && (session == NULL || session->pool->tenant != t))
			continue;
		client_close(c, e, e->message);
		n++;
	}
	return n;
}

bool
shard_kill_client(struct shard *s, uint32_t id, const struct error *e)
{
	struct client *c = shard_find_client(s, id);

	if (c == NULL)
		return false;
	client_close(c, e, e->message);
	return true;
}

static void
drop_tenant(struct shard *s, struct tenant *t, const struct error *e)
{
	struct pool *p, *next;

	LIST_FOREACH_SAFE(p, &t->pools, link, next)
		pool_close(&p, e, e->message);
	free(t->statements);
	query_tenant_free(&t->queries);
	parts_forget(t);
	tenants_drop(s->tenants, &t);
}

void
shard_release(struct shard *s, const struct error *e)
{
	struct tenant *t;

	shard_kill_clients(s, NULL, e);
	while ((t = tenants_next(s->tenants, NULL)) != NULL)
		drop_tenant(s, t, e);
	pools_release(&s->pools);
	lookups_release(s);
	arrivals_release(s);
	plans_release(s);
}

void
shard_free(struct shard *s)
{
	throttles_free(s);
	verifiers_free(&s->client_env.verifiers);
	tenants_free(&s->tenants);
	timings_free(s);
	query_store_release(&s->queries);
	applications_release(&s->applications);
	config_free_line(s->at_door);
	params_table_free(&s->params);
	free(s->tracked);
}

/* --- upkeep --- */

static void
keep_sessions(struct shard *s, usec_t now)
{
	struct client *c = next_client(s, NULL), *next;

	for (; c != NULL; c = if_still_there(s, next)) {
		next = next_client(s, c);
		client_upkeep(c, now, c->owner != NULL && session_has_to_wait(c->owner));
		if (c->owner != NULL && c->state != CLIENT_CLOSING)
			session_upkeep(c->owner, now);
		if (c->owner != NULL && c->state != CLIENT_CLOSING)
			memory_upkeep(c->owner, now);
	}
}

/* By clients, by those who look up a user there, or by cancel requests that are on their way. */
static bool
is_in_use(const struct tenant *t)
{
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		if (p->nclients > 0 || !LIST_EMPTY(&p->cancellers) || (t->conf != NULL && (p->nwaiters > 0 || p->count[PLACE_ACTIVE] > 0)))
			return true;
	}
	return false;
}

/* Where strangers are looked up in the database that they ask for, one is made of any name: it must connect to stay. */
static bool
has_connected(const struct tenant *t)
{
	struct pool *p;

	LIST_FOREACH(p, &t->pools, link) {
		if (p->welcome != NULL)
			return true;
	}
	return t->traffic.client_login_count > 0;
}

/* Made by "*", and idle for too long? */
static bool
is_forgotten(const struct tenant *t, const struct config *c, usec_t now)
{
	usec_t idle = now - t->idle_since;

	/* What is paused must be so on all parts. */
	if (t->autodb == NULL || tenant_is_held(t) || t->disabled || (t->spread != NULL && spread_k(t->spread) > 1))
		return false;
	return (c->autodb_idle_timeout > 0 && idle > c->autodb_idle_timeout) || (idle > STRANGER_MEMORY && !has_connected(t));
}

static void
drop_unused(struct shard *s, struct tenant *t)
{
	struct error e;

	error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "cleaning up idle pool");
	drop_tenant(s, t, &e);
}

/* Will nothing about it change by itself before autodb_idle_timeout is over? */
static bool
is_at_rest(const struct tenant *t)
{
	return t->nservers == 0 && t->nclients == 0 && tenant_is_still(t) && (t->autodb == NULL || has_connected(t));
}

static void
keep_tenant(struct shard *s, struct tenant *t, usec_t now)
{
	if (is_in_use(t)) {
		t->idle_since = 0;
		return;
	}
	if (t->idle_since == 0)
		t->idle_since = now;
	if (t->conf == NULL || is_forgotten(t, shard_config(s), now))
		drop_unused(s, t);
	else if (is_at_rest(t))
		tenants_rest(s->tenants, t);
}

/* So many that it is no time at all: thousands may have gone quiet together. */
#define DROPS_AT_ONCE 200

/* What is held is not idle: it has its whole time once more. */
static void
drop_resting(struct shard *s, usec_t now)
{
	usec_t timeout = shard_config(s)->autodb_idle_timeout;
	struct tenant *t;

	for (int i = 0; timeout > 0 && i < DROPS_AT_ONCE; i++) {
		t = tenants_first_resting(s->tenants);
		if (t == NULL || now - t->idle_since <= timeout)
			break;
		if (is_forgotten(t, shard_config(s), now)) {
			drop_unused(s, t);
			continue;
		}
		t->idle_since = now;
		tenants_let_rest_on(s->tenants, t);
	}
}

/* Tenants whose line is gone, and those that "*" made and nobody uses. */
static void
keep_tenants(struct shard *s, usec_t now)
{
	struct tenant *t = tenants_next_awake(s->tenants, NULL), *next;

	for (; t != NULL; t = next) {
		next = tenants_next_awake(s->tenants, t);
		keep_tenant(s, t, now);
	}
	drop_resting(s, now);
}

void
shard_upkeep(struct shard *s)
{
	usec_t now = clock_now();
	usec_t timeout = shard_config(s)->client_login_timeout;

	clients_keep_logins(&s->client_env, now, timeout > 0 ? now - timeout : 0);
	keep_sessions(s, now);
	lookups_keep(s, now);
	plans_keep(s, now);
	pools_upkeep(&s->pools);
	parts_upkeep(s);
	keep_tenants(s, now);
}

void
shard_roll_statistics(struct shard *s)
{
	usec_t now = clock_now();
	struct tenant *t = NULL;

	while ((t = tenants_next_awake(s->tenants, t)) != NULL) {
		if (t->history != NULL)
			traffic_roll(t->history, &t->traffic, now);
	}
}
