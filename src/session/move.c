#include "session/move.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "pg/writer.h"
#include "session/arrival.h"
#include "session/guarded.h"
#include "session/change.h"
#include "session/link.h"
#include "session/throttle.h"
#include "session/memory.h"
#include "session/parts.h"
#include "tenant/spread.h"

/* --- sessions --- */

struct session_parcel {
	struct client *client;
	struct user *user;
	char *tenant;
	char *server_user;
	bool counted;
	bool changes_prepared;
	char *login_tenant;
	struct change *change;	/* it goes to another tenant; NULL: to its own, on another shard */
	bool asked;		/* the catalogue, about where it goes */
	struct spread *spread;	/* it is counted there, as one of worker; NULL: nowhere */
	int worker;
	unsigned kills;		/* of its tenant, when it left */
	struct throttle *throttle;
	bool have_keys;		/* what it proved who it is with opens servers there, too */
	struct scram_keys keys;
	struct secret secret;
	struct buffer params, startup;
	struct buffer names;	/* name NUL, uint32 size of the body in host order, body */
	struct buffer unnamed;	/* body; empty: none */
	usec_t quiet_since;
};

static bool
has_nothing_under_way(const struct session *s)
{
	return s->client->state == CLIENT_READY && !s->tunnel && s->link == NULL && !s->leaving && !s->refusing &&
	       !s->skipping && s->request_left == 0;
}

bool
session_is_movable(const struct session *s)
{
	return has_nothing_under_way(s) && !s->wait.queued;
}

bool
session_may_wait_elsewhere(const struct session *s)
{
	return has_nothing_under_way(s) && s->wait.queued;
}

static void
pack_names(struct names *n, struct buffer *out)
{
	struct name *name;

	for (name = names_next(n, NULL); name != NULL; name = names_next(n, name)) {
		uint32_t size = name->statement->size;

		writer_string(out, name->text);
		writer_bytes(out, &size, sizeof(size));
		writer_bytes(out, name->statement->body, size);
	}
}

/* It stays one of its tenant's clients, and has its place in the limits. */
static void
pack_belongings(struct session *s, struct session_parcel *p)
{
	struct tenant *t = s->pool->tenant;

	p->kills = t->kills;
	p->throttle = throttle_detach(s);
	if (!s->counted)
		return;
	t->nclients--;
	p->spread = t->spread;
	p->worker = s->shard->index;
}

static void
leave_tenant(struct session *s)
{
	if (s->counted)
		parts_give_client(s->shard, s->pool->tenant);
	throttle_leave(s);
}

/* Is it who it proved to be on servers, too? */
static bool
is_own_user(const struct session *s)
{
	return strcmp(s->pool->user->name, s->user->name) == 0;
}

static void
pack_secrets(const struct session *s, struct session_parcel *p)
{
	if (!is_own_user(s))
		return;
	p->have_keys = s->pool->have_keys;
	p->keys = s->pool->keys;
	secret_copy(&p->secret, &s->pool->secret);
}

struct session_parcel *
session_pack(struct session *s)
{
	struct session_parcel *p = memory_zalloc(sizeof(*p));

	p->client = s->client;
	p->user = s->user;
	p->tenant = memory_strdup(s->pool->tenant->name);
	p->server_user = memory_strdup(s->pool->user->name);
	p->counted = s->counted;
	p->changes_prepared = s->changes_prepared;
	p->login_tenant = s->login_tenant;
	p->change = s->change;
	params_pack(s->params, &p->params);
	params_pack(s->startup, &p->startup);
	pack_secrets(s, p);
	p->quiet_since = s->quiet_since;
	if (s->names != NULL)
		pack_names(s->names, &p->names);
	if (s->unnamed != NULL)
		writer_bytes(&p->unnamed, s->unnamed->body, s->unnamed->size);
	statement_unref(&s->unnamed);
	memory_let_go(s);
	s->pool->nclients--;
	pool_keep(s->pool);
	if (p->change != NULL)
		leave_tenant(s);
	else
		pack_belongings(s, p);
	guarded_forget_all(s);
	names_free(&s->names);
	params_unref(s->shard->params, &s->params);
	params_unref(s->shard->params, &s->startup);
	s->client->owner = NULL;
	s->client->database = s->client->user = NULL;
	shard_give_up(s->shard, s->client);
	free(s);
	return p;
}

struct session_parcel *
session_pack_for(struct session *s, int worker)
{
	struct session_parcel *p = session_pack(s);

	/* It counts there at once, so that not all go to the same. */
	if (p->spread != NULL) {
		spread_leave_client(p->spread, p->worker);
		spread_join_client(p->spread, worker);
		p->worker = worker;
	}
	return p;
}

static void
unpack_names(struct session *s, struct buffer *in)
{
	while (buffer_left(in) > 0) {
		const char *text = (const char *)buffer_head(in);
		const uint8_t *body = (const uint8_t *)text + strlen(text) + 1 + sizeof(uint32_t);
		struct statement *st;
		uint32_t size;

		memcpy(&size, body - sizeof(size), sizeof(size));
		st = statement_intern(s->pool->tenant, body, size, 0);
		if (s->names == NULL)
			s->names = names_new();
		names_add(s->names, text, st);
		buffer_consume(in, (size_t)(body + size - (const uint8_t *)text));
	}
	buffer_release(in);
}

static void
free_session_parcel(struct session_parcel *p)
{
	buffer_release(&p->params);
	buffer_release(&p->startup);
	buffer_release(&p->names);
	buffer_release(&p->unnamed);
	memory_wipe(&p->keys, sizeof(p->keys));
	secret_release(&p->secret);
	free(p->tenant);
	free(p->server_user);
	free(p);
}

/* It is a client of t, here: now, if it is new; of another part so far, if it is not. */
static void
count_client(struct shard *shard, struct session_parcel *p, struct tenant *t)
{
	if (p->spread == NULL || p->spread != t->spread) {
		parts_take_client(shard, t, 0);
		return;
	}
	t->nclients++;
	spread_leave_client(p->spread, p->worker);
	spread_join_client(p->spread, shard->index);
	p->spread = NULL;
}

static struct tenant *
find_own_tenant(struct shard *shard, struct session_parcel *p, struct error *e)
{
	struct tenant *t = shard_open_tenant(shard, p->tenant, e);

	if (t == NULL)
		return NULL;
	/* It was under way when KILL ended the others. */
	if ((int)(t->kills - p->kills) > 0) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "terminated by an administrator");
		return NULL;
	}
	if (p->counted)
		count_client(shard, p, t);
	return t;
}

static struct tenant *
find_tenant(struct shard *shard, struct session_parcel *p, struct error *e)
{
	return p->change != NULL ? change_find_tenant(shard, p->change, e) : find_own_tenant(shard, p, e);
}

/* It can't be a session here. */
static void
refuse(struct shard *shard, struct session_parcel *p, struct error *e)
{
	if (p->change != NULL && change_turn_back(p->change, e)) {
		p->asked = false;
		shard->ops->move_session(shard, p, parts_route(shard, change_target(p->change), false));
		return;
	}
	shard_join(shard, p->client);
	if (p->spread != NULL)
		spread_give_client(p->spread, p->worker);
	throttle_discard(shard->commons->limits, &p->throttle);
	if (p->counted) {
		budget_give(&shard->commons->clients);
		budget_give(&p->user->clients);
	}
	users_put(shard->commons->users, &p->user);
	e->severity = SEVERITY_FATAL;
	client_close(p->client, e, e->message);
	change_free(&p->change);
	free(p->login_tenant);
	free_session_parcel(p);
}

/* In another tenant it is another server's user, if the line wants one. */
static const char *
server_user(const struct session_parcel *p, const struct tenant *t)
{
	if (p->change == NULL)
		return p->server_user;
	return t->conf->user != NULL ? t->conf->user : p->user->name;
}

static void
learn_secrets(struct session *s, const struct session_parcel *from)
{
	struct pool *p = s->pool;

	if (!is_own_user(s))
		return;
	if (from->have_keys && !p->have_keys) {
		p->keys = from->keys;
		p->have_keys = true;
	}
	if (p->secret.kind == SECRET_NONE)
		pool_learn(p, &from->secret);
}

static struct session *
unpack(struct shard *shard, struct session_parcel *p, struct tenant *t)
{
	struct session *s = session_new(p->client, pool_open(&shard->pools, t, server_user(p, t)), p->user);

	s->counted = p->counted;
	throttle_arrive(s, p->throttle);
	params_unref(shard->params, &s->params);
	params_unref(shard->params, &s->startup);
	s->params = params_unpack(shard->params, &p->params);
	s->startup = params_unpack(shard->params, &p->startup);
	unpack_names(s, &p->names);
	if (buffer_left(&p->unnamed) > 0)
		s->unnamed = statement_intern(t, buffer_head(&p->unnamed), buffer_left(&p->unnamed), 0);
	s->changes_prepared = p->changes_prepared;
	s->login_tenant = p->login_tenant;
	s->change = p->change;
	s->quiet_since = p->quiet_since;
	learn_secrets(s, p);
	return s;
}

/* What the catalogue says counts on the worker that asks: changes reach it behind the answer. */
static void
on_tenant_known(struct shard *shard, struct session_parcel *p, const char *line, const struct error *e)
{
	struct error own;

	p->asked = true;
	if (line != NULL && tenants_put(shard->tenants, change_target(p->change), line, &own) == NULL) {
		refuse(shard, p, &own);
	} else if (line == NULL) {
		own = *e;
		refuse(shard, p, &own);
	} else {
		session_unpack(shard, &p);
	}
}

void
session_unpack(struct shard *shard, struct session_parcel **pp)
{
	struct session_parcel *p = *pp;
	struct session *s;
	struct tenant *t;
	struct error e;

	*pp = NULL;
	if (p->change != NULL && !p->asked && tenants_must_ask(shard->tenants, change_target(p->change))) {
		arrival_hold(shard, change_target(p->change), p, on_tenant_known);
		return;
	}
	t = find_tenant(shard, p, &e);
	if (t == NULL) {
		refuse(shard, p, &e);
		return;
	}
	shard_join(shard, p->client);
	s = unpack(shard, p, t);
	free_session_parcel(p);
	if (s->change != NULL)
		change_arrive(s);
	else
		client_resume(s->client);
}

void
session_discard(struct session_parcel **pp)
{
	struct session_parcel *p = *pp;

	*pp = NULL;
	client_discard(p->client);
	throttle_discard(NULL, &p->throttle);
	change_free(&p->change);
	free(p->login_tenant);
	free_session_parcel(p);
}

/* --- servers --- */

struct server_parcel {
	struct server *server;
	char *tenant;
	struct user *user;	/* a reference; one of its connections is taken */
	struct buffer reported;
	bool forget_statements;
	struct spread_servers *all, *of_user;	/* it is counted there, as one of worker; NULL: nowhere */
	int worker;
};

struct server_parcel *
server_pack(struct pool *pool)
{
	struct server_parcel *p;
	struct server *s = pool_give_up(pool);
	struct link *k;

	if (s == NULL)
		return NULL;
	p = memory_zalloc(sizeof(*p));
	k = s->lease;
	p->forget_statements = k != NULL && prepared_count(&k->prepared) > 0;
	if (s->free_lease != NULL)
		s->free_lease(s);
	s->free_lease = NULL;
	p->server = s;
	p->tenant = memory_strdup(pool->tenant->name);
	p->user = users_ref(pool->pools->users, pool->user);
	params_pack(s->reported, &p->reported);
	server_detach(s);
	return p;
}

struct server_parcel *
server_pack_for(struct pool *pool, int worker)
{
	struct server_parcel *p = server_pack(pool);

	if (p == NULL)
		return NULL;
	p->all = pool->tenant->spread->servers;
	p->of_user = pool->shared;
	p->worker = worker;
	spread_move_server(p->all, pool->pools->worker, worker);
	spread_move_server(p->of_user, pool->pools->worker, worker);
	return p;
}

void
server_discard(struct server_parcel **pp)
{
	struct server_parcel *p = *pp;

	*pp = NULL;
	server_drop(p->server);
	buffer_release(&p->reported);
	free(p->tenant);
	free(p);
}

static void
restore_parameters(struct server *s, struct buffer *in)
{
	const struct params *all = params_unpack(s->env->params, in);

	for (size_t i = 0; i < params_count(all); i++)
		server_set_parameter(s, params_name(all, i), params_value(all, i));
	params_unref(s->env->params, &all);
}

void
server_unpack(struct shard *shard, struct server_parcel **pp)
{
	struct server_parcel *p = *pp;
	struct tenant *t;
	struct error e;

	*pp = NULL;
	server_attach(p->server, &shard->server_env);
	restore_parameters(p->server, &p->reported);
	t = shard_open_tenant(shard, p->tenant, &e);
	if (t != NULL) {
		pool_adopt(pool_open(&shard->pools, t, p->user->name), p->server,
			   p->forget_statements ? "DEALLOCATE ALL" : NULL);
	} else {
		uint64_t waiting;

		pools_discard(&shard->pools, p->server, &e);
		waiting = budget_give(&p->user->servers);
		if (p->all != NULL)
			waiting |= spread_give_server(p->all, p->worker) | spread_give_server(p->of_user, p->worker);
		if (waiting != 0)
			shard->pools.ops->wake(&shard->pools, waiting);
	}
	users_put(shard->commons->users, &p->user);
	free(p->tenant);
	free(p);
}
