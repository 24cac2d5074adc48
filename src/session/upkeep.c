/*
 * upkeep: deadlines of sessions.
 */
#include "base/sqlstate.h"
#include "pg/message.h"
#include "session/change.h"
#include "session/link.h"
#include "session/throttle.h"

struct deadline {
	usec_t limit;		/* 0: none */
	usec_t since;		/* 0: not running */
	const char *sqlstate;
	const char *reason;
};

static bool
has_passed(const struct deadline *d, usec_t now)
{
	return d->limit > 0 && d->since > 0 && now - d->since > d->limit;
}

/* A server whose time is over is taken from a session that does nothing with it (server_fast_close).  A tunnel would
 * keep for ever what RECONNECT or a new configuration wants to go; but it may be as old as it likes. */
static bool
is_to_be_closed(const struct session *s)
{
	const struct server *server = s->link->server;

	if (s->tunnel)
		return pool_is_outdated(server);
	return shard_config(s->shard)->server_fast_close && session_is_quiet(s) &&
	       !s->link->pipeline.open && server->transaction == TRANSACTION_IDLE && pool_must_close(server);
}

/* What a tunnel's server says last is the server's own: its client is to hear it from us. */
static void
close_server(struct session *s)
{
	static const char reason[] = "database configuration changed";

	if (s->tunnel)
		client_reject(s->client, SQLSTATE_ADMIN_SHUTDOWN, "%s", reason);
	else
		server_close(s->link->server, NULL, reason);
}

bool
session_has_to_wait(const struct session *s)
{
	return s->wait.queued || s->leaving;
}

void
session_upkeep(struct session *s, usec_t now)
{
	const struct config *c = shard_config(s->shard);
	const struct config_user *u = s->pool->user_conf;
	bool linked = s->link != NULL;
	struct error e;
	bool idle_in_transaction = linked && session_is_quiet(s) && s->transaction_since > 0;
	/* What a tunnel does is not known; PostgreSQL has wal_sender_timeout. */
	bool idle = s->client->state == CLIENT_READY && s->query_since == 0 && s->transaction_since == 0 &&
		    !throttle_holds(s) && !change_is_under_way(s) && !s->tunnel;
	const struct deadline deadlines[] = {
		{ user_query_timeout(c, u), linked ? s->query_since : 0, SQLSTATE_QUERY_CANCELED, "query timeout" },
		{ user_transaction_timeout(c, u), linked ? s->transaction_since : 0, SQLSTATE_TRANSACTION_TIMEOUT,
		  "transaction timeout" },
		{ user_idle_transaction_timeout(c, u), idle_in_transaction ? s->quiet_since : 0,
		  SQLSTATE_IDLE_IN_TRANSACTION, "idle transaction timeout" },
		{ user_client_idle_timeout(c, u), idle ? s->quiet_since : 0, SQLSTATE_IDLE_SESSION_TIMEOUT,
		  "client_idle_timeout" },
	};

	if (s->client->state == CLIENT_CLOSING)
		return;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		if (has_passed(&deadlines[i], now)) {
			client_reject(s->client, deadlines[i].sqlstate, "%s", deadlines[i].reason);
			return;
		}
	}
	if (linked && throttle_transaction_is_over(s, now, &e)) {
		e.severity = SEVERITY_FATAL;
		client_close(s->client, &e, e.message);
		return;
	}
	if (linked && is_to_be_closed(s))
		close_server(s);
	else if (s->client->stream.paused && stream_peer_gone(&s->client->stream) && (s->wait.queued || linked || throttle_holds(s)))
		client_close(s->client, NULL, "client unexpected eof");
}
