#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "net/gather.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/writer.h"
#include "session/change.h"
#include "session/guard.h"
#include "session/guarded.h"
#include "session/link.h"
#include "session/parts.h"
#include "session/throttle.h"
#include "session/memory.h"

static void on_granted(struct lease_request *r, struct server *server);
static void on_failed(struct lease_request *r, const struct error *e);
static void on_waiting(struct lease_request *r);

static const struct lease_request_ops wait_ops = {
	.granted = on_granted,
	.failed = on_failed,
	.waiting = on_waiting,
};

struct session *
session_new(struct client *c, struct pool *p, struct user *user)
{
	struct shard *shard = container_of(c->env, struct shard, client_env);
	struct session *s = memory_zalloc(sizeof(*s));

	s->shard = shard;
	s->client = c;
	s->user = user;
	s->pool = p;
	s->tunnel = p->replication != REPLICATION_NONE;
	s->params = params_empty(shard->params);
	s->startup = params_empty(shard->params);
	s->wait.ops = &wait_ops;
	s->wait.is_admin = string_in_list(shard_config(shard)->admin_users, user->name);
	s->pool->nclients++;
	tenants_wake(shard->tenants, p->tenant);
	c->owner = s;
	c->database = p->tenant->name;
	c->user = user->name;
	return s;
}

/* --- the link --- */

void
session_link(struct session *s, struct server *server)
{
	s->link = link_of(server);
	s->link->session = s;
	s->link->fatal_told = false;
	s->link->commands = s->link->sets = s->link->parameters_reported = 0;
	guard_meet(s);
	server_lease(server, &session_lessee);
}

/* A statement that was only prepared will be bound in the next transaction, perhaps on another server. */
static void
keep_unnamed(struct session *s, struct link *k)
{
	if (k->unnamed_known && buffer_left(&k->unnamed) > 0 && s->unnamed == NULL)
		s->unnamed = statement_intern(s->pool->tenant, buffer_head(&k->unnamed), buffer_left(&k->unnamed),
					      shard_config(s->shard)->prepared_text_budget);
	buffer_clear(&k->unnamed);
	k->unnamed_known = k->unnamed_forgets = false;
}

struct server *
session_cut(struct session *s)
{
	struct link *k = s->link;

	s->link = NULL;
	retry_forget(k);
	timing_cut(k);
	pipeline_reset(&k->pipeline);
	keep_unnamed(s, k);
	timing_meter_clear(&k->meter);
	k->session = NULL;
	k->reply_left = 0;
	k->excess = 0;
	return k->server;
}

bool
session_is_quiet(const struct session *s)
{
	const struct link *k = s->link;

	return k == NULL || (pipeline_is_empty(&k->pipeline) && s->request_left == 0 && k->reply_left == 0);
}

bool
session_is_interrupted(const struct session *s)
{
	return s->client->mid_message && s->link != NULL && pipeline_is_empty(&s->link->pipeline);
}

void
session_unlink(struct session *s, bool over)
{
	const struct pipeline *p = &s->link->pipeline;
	const char *why = p->uncertain ? "replies of a stopped COPY cannot be told apart" :
			  p->skipping || p->open ? "its client left without Sync" : NULL;
	struct server *server = session_cut(s);

	if (shard_config(s->shard)->session_state == SESSION_STATE_KEEP || pool_mode(s->pool) == POOL_SESSION)
		server->taint = 0;
	else
		s->prepared_unseen = false;	/* it goes */
	guard_part(s);

	if (why != NULL)
		pool_abandon(server, why);
	else
		pool_release(server, over && pool_mode(s->pool) == POOL_SESSION);
}

/* --- what the pool says --- */

static void
on_granted(struct lease_request *r, struct server *server)
{
	struct session *s = container_of(r, struct session, wait);

	if (server == NULL) {
		if (s->change != NULL)
			change_welcomed(s);
		else
			login_welcome(s);
		return;
	}
	if (s->tunnel) {
		tunnel_link(s, server);
		return;
	}
	s->waited = clock_now() - r->since;
	throttle_unqueue(s);
	session_link(s, server);
	client_resume(s->client);
	/* All that was waiting may have been thrown away meanwhile: then there is nothing to wait for. */
	if (s->link != NULL && s->link->server == server && session_is_quiet(s) && pool_mode(s->pool) != POOL_SESSION &&
	    s->client->state == CLIENT_READY && s->query_since == 0)
		session_unlink(s, false);
}

static void
on_failed(struct lease_request *r, const struct error *e)
{
	struct session *s = container_of(r, struct session, wait);
	struct error fatal = *e;

	if (change_is_under_way(s)) {
		change_refused(s, e);
		return;
	}
	fatal.severity = SEVERITY_FATAL;
	client_close(s->client, &fatal, e->message);
}

static void
on_waiting(struct lease_request *r)
{
	struct session *s = container_of(r, struct session, wait);
	struct buffer b = BUFFER_INIT;
	struct error e;

	error_set(&e, SEVERITY_NOTICE, SQLSTATE_SUCCESS,
		  "No server connection available in postgres backend, client being queued");
	writer_error(&b, &e);
	stream_send_bytes(&s->client->stream, b.data, b.len);
	buffer_release(&b);
}

/* --- the server's side --- */

static void
on_server_drained(struct server *server)
{
	struct link *k = server->lease;

	session_read_on(k->session);
}

static void
on_server_lost(struct server *server, const struct error *e)
{
	struct link *k = server->lease;
	struct session *s = k->session;
	bool told = k->fatal_told;

	session_cut(s);
	client_close(s->client, told ? NULL : e, told ? "server closed the connection" : e->message);
}

/* Nothing of it is under way, or what is has to wait for a client that takes no more. */
static bool
waits_for_client(const struct server *server)
{
	const struct link *k = server->lease;

	return k->meter.blocked_since != 0 || session_is_quiet(k->session);
}

const struct server_lessee session_lessee = {
	.input = session_on_reply,
	.drained = on_server_drained,
	.waits_for_client = waits_for_client,
	.lost = on_server_lost,
};

/* --- the client's side --- */

static void
on_client_drained(struct client *c)
{
	struct session *s = c->owner;

	if (s == NULL)
		return;
	if (s->link != NULL) {
		timing_unblock(s->link);
		server_resume(s->link->server);
	}
	session_read_on(s);
}

static void
let_go_of_server(struct session *s)
{
	if (s->tunnel)
		tunnel_end(s);
	else if (session_is_quiet(s))
		session_unlink(s, true);
	else
		pool_abandon(session_cut(s), "its client is gone");
}

static void
uncount(struct session *s)
{
	struct commons *commons = s->shard->commons;

	if (!s->counted)
		return;
	budget_give(&commons->clients);
	budget_give(&s->user->clients);
	parts_give_client(s->shard, s->pool->tenant);
}

static void
session_end(struct session *s)
{
	pool_forget(s->pool, &s->wait);
	if (s->link != NULL)
		let_go_of_server(s);
	statement_unref(&s->unnamed);
	guarded_forget_all(s);
	throttle_leave(s);
	memory_let_go(s);
	names_free(&s->names);	/* now: at the end of the turn its tenant may be gone */
	change_free(&s->change);
	s->pool->nclients--;
	pool_keep(s->pool);
	uncount(s);
}

static void
on_client_closed(struct client *c)
{
	struct shard *shard = container_of(c->env, struct shard, client_env);

	SPLAY_REMOVE(client_set, &shard->clients, c);
	shard->nclients--;
	if (c->owner != NULL)
		session_end(c->owner);
}

static void
on_client_freed(struct client *c)
{
	struct session *s = c->owner;

	if (s == NULL)
		return;
	params_unref(s->shard->params, &s->params);
	params_unref(s->shard->params, &s->startup);
	users_put(s->shard->commons->users, &s->user);
	free(s->login_tenant);
	free(s);
}

static void
on_cancel_request(struct client *c)
{
	shard_route_cancel(container_of(c->env, struct shard, client_env), c);
}

const struct client_ops session_client_ops = {
	.startup = login_route,
	.cancel = on_cancel_request,
	.authenticated = login_authenticated,
	.input = session_on_input,
	.drained = on_client_drained,
	.closed = on_client_closed,
	.freed = on_client_freed,
};

const struct client_ops session_tunnel_ops = {
	.input = tunnel_on_input,
	.drained = tunnel_on_drained,
	.closed = on_client_closed,
	.freed = on_client_freed,
};

/* --- refusing and cancelling --- */

void
session_refuse(struct session *s, const struct error *e)
{
	struct buffer b = BUFFER_INIT;
	struct error own = *e;

	own.severity = SEVERITY_ERROR;
	pool_forget(s->pool, &s->wait);
	throttle_unqueue(s);
	writer_error(&b, &own);
	stream_send_bytes(&s->client->stream, b.data, b.len);
	buffer_release(&b);
	s->refusing = true;
	client_resume(s->client);
}

void
session_refuse_transaction(struct session *s)
{
	client_reject(s->client, SQLSTATE_FEATURE_NOT_SUPPORTED,
		      "transaction blocks not allowed in statement pooling mode");
}

/* The cancelling client may be gone before its request is delivered: it is found again by its id. */
struct cancel_ticket {
	struct shard *shard;
	uint32_t id;
};

static void
on_cancel_done(void *arg, const char *outcome)
{
	struct cancel_ticket *ticket = arg;
	struct client key = { .id = ticket->id };
	struct client *by = SPLAY_FIND(client_set, &ticket->shard->clients, &key);

	if (by != NULL)
		client_close(by, NULL, outcome);
	free(ticket);
}

void
session_cancel(struct session *s, struct client *by)
{
	struct cancel_ticket *ticket;
	struct error e;

	if (change_is_under_way(s)) {
		change_cancel(s);
	} else if ((s->wait.queued || throttle_cancel(s)) && s->client->state == CLIENT_READY && !s->tunnel) {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
		session_refuse(s, &e);
	} else if (s->link != NULL && (s->tunnel || !pipeline_is_empty(&s->link->pipeline))) {
		ticket = memory_zalloc(sizeof(*ticket));
		ticket->shard = s->shard;
		ticket->id = by->id;
		pool_cancel(s->link->server, on_cancel_done, ticket);
		return;
	}
	client_close(by, NULL, "cancel request done");
}
