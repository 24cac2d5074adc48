/*
 * SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS: a row a connection, always
 * the same row; the latter two show more of it, and put cl_ or sv_ before the
 * state.
 */
#include <stdio.h>

#include "base/memory.h"
#include "reports/inside.h"
#include "session/authenticate.h"
#include "session/link.h"

#define PTR_TEXT 24
#define CLOCK_TEXT 32

struct socket_row {
	const char *type, *user, *database, *replication, *state;
	const char *addr;
	int64_t port;
	const char *local_addr;
	int64_t local_port;
	const char *connect_time, *request_time;
	int64_t wait, wait_us;
	int64_t close_needed;
	const char *ptr, *link;
	int64_t remote_pid;
	const char *tls;
	char tls_text[TLS_TEXT];
	const char *application_name;
	int64_t prepared_statements;
	int64_t id;
	int64_t recv_pos, pkt_pos,
		pkt_remain; /* nothing stays in a buffer of ours before it is read */
	int64_t send_pos, send_remain;
	int64_t pkt_avail;  /* bytes that were read and wait */
	int64_t send_avail; /* bytes that wait to be sent */
	/* where the texts lie */
	char state_text[32], addr_text[ADDRESS_TEXT], local_text[ADDRESS_TEXT];
	char connect_text[CLOCK_TEXT], request_text[CLOCK_TEXT], ptr_text[PTR_TEXT],
		link_text[PTR_TEXT];
};

#define ROW(field) offsetof(struct socket_row, field)

static const struct column columns[] = {
	{ "type", COLUMN_TEXT, ROW(type) },
	{ "user", COLUMN_TEXT, ROW(user) },
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "replication", COLUMN_TEXT, ROW(replication) },
	{ "state", COLUMN_TEXT, ROW(state) },
	{ "addr", COLUMN_TEXT, ROW(addr) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "local_addr", COLUMN_TEXT, ROW(local_addr) },
	{ "local_port", COLUMN_INT4, ROW(local_port) },
	{ "connect_time", COLUMN_TEXT, ROW(connect_time) },
	{ "request_time", COLUMN_TEXT, ROW(request_time) },
	{ "wait", COLUMN_INT4, ROW(wait) },
	{ "wait_us", COLUMN_INT4, ROW(wait_us) },
	{ "close_needed", COLUMN_INT4, ROW(close_needed) },
	{ "ptr", COLUMN_TEXT, ROW(ptr) },
	{ "link", COLUMN_TEXT, ROW(link) },
	{ "remote_pid", COLUMN_INT4, ROW(remote_pid) },
	{ "tls", COLUMN_TEXT, ROW(tls) },
	{ "application_name", COLUMN_TEXT, ROW(application_name) },
	{ "prepared_statements", COLUMN_INT4, ROW(prepared_statements) },
	{ "id", COLUMN_INT4, ROW(id) },
	{ "recv_pos", COLUMN_INT4, ROW(recv_pos) },
	{ "pkt_pos", COLUMN_INT4, ROW(pkt_pos) },
	{ "pkt_remain", COLUMN_INT4, ROW(pkt_remain) },
	{ "send_pos", COLUMN_INT4, ROW(send_pos) },
	{ "send_remain", COLUMN_INT4, ROW(send_remain) },
	{ "pkt_avail", COLUMN_INT4, ROW(pkt_avail) },
	{ "send_avail", COLUMN_INT4, ROW(send_avail) },
};

/* What of all connections a report shows. */
enum choice {
	CHOOSE_CLIENTS = 1 << 0,
	CHOOSE_SERVERS = 1 << 1,
	CHOOSE_LOGINS = 1 << 2,
	CHOOSE_CANCELS = 1 << 3,
	CHOOSE_BUSY = 1 << 4, /* only those with bytes under way */
	PREFIX_STATES = 1 << 5,
};

/* --- what both kinds have --- */

static void
set_stream(struct socket_row *row, const struct stream *s, const struct inbox *in,
	const struct address *peer)
{
	struct address self;

	address_of_self(&self, s->fd);
	row->addr = address_host(peer, row->addr_text);
	row->port = peer->port;
	row->local_addr = address_host(&self, row->local_text);
	row->local_port = self.port;
	row->remote_pid = peer->family == AF_UNIX ? peer->pid : 0;
	row->pkt_avail = in->kept != NULL ? (int64_t)buffer_left(in->kept) : 0;
	row->send_avail = (int64_t)stream_backlog_size(s);
	row->replication = replication_name(REPLICATION_NONE);
	row->tls = authenticate_tls_text(s, "", row->tls_text);
}

static void
set_times(struct socket_row *row, usec_t connected_at, usec_t request_at)
{
	row->connect_time = clock_format(connected_at, row->connect_text);
	row->request_time =
		clock_format(request_at > 0 ? request_at : connected_at, row->request_text);
}

static void
set_pointers(struct socket_row *row, const void *self, const void *other)
{
	snprintf(row->ptr_text, sizeof(row->ptr_text), "%p", self);
	row->ptr = row->ptr_text;
	row->link = row->link_text;
	row->link_text[0] = '\0';
	if (other != NULL)
		snprintf(row->link_text, sizeof(row->link_text), "%p", other);
}

static void
set_state(struct socket_row *row, const char *prefix, const char *state, unsigned choice)
{
	snprintf(row->state_text, sizeof(row->state_text), "%s%s",
		choice & PREFIX_STATES ? prefix : "", state);
	row->state = row->state_text;
}

static void
add_row(struct stock *rows, const struct socket_row *row, unsigned choice)
{
	if ((choice & CHOOSE_BUSY) == 0 || row->pkt_avail > 0 || row->send_avail > 0)
		stock_add(rows, row);
}

/* --- clients --- */

static void
set_session(struct socket_row *row, const struct session *s, usec_t now)
{
	const char *name = params_get(s->params, "application_name");
	usec_t wait = s->wait.queued ? now - s->wait.since : 0;

	row->wait = wait / USEC_PER_SEC;
	row->wait_us = wait % USEC_PER_SEC;
	row->application_name = name != NULL ? name : "";
	row->prepared_statements = s->names != NULL ? s->names->count : 0;
}

static const char *
state_of_session(const struct session *s)
{
	if (s->wait.queued)
		return "waiting";
	return s->link != NULL ? "active" : "idle";
}

/* Which of them it is, by what it has said so far. */
static unsigned
kind_of_client(const struct client *c)
{
	if (c->owner != NULL)
		return CHOOSE_CLIENTS;
	if (c->login != NULL && c->login->packet != NULL &&
		c->login->startup.kind == STARTUP_CANCEL)
		return CHOOSE_CANCELS;
	return CHOOSE_LOGINS;
}

/* All but what its owner knows. */
static void
set_client(struct socket_row *row, const struct client *c)
{
	*row = (struct socket_row){
		.type = "C",
		.user = c->user != NULL ? c->user : "(nouser)",
		.database = c->database != NULL ? c->database : "(nodb)",
		.application_name = "",
		.id = c->id,
	};
	set_stream(row, &c->stream, &c->inbox, &c->address);
	set_times(row, c->connected_at, c->request_at);
	set_pointers(row, c, NULL);
}

static void
add_client(struct stock *rows, const struct client *c, unsigned choice, usec_t now)
{
	const struct session *s = c->owner;
	unsigned kind = kind_of_client(c);
	struct socket_row row;
	const char *state = kind == CHOOSE_CANCELS ? "active_cancel_req" : "login";

	if ((choice & kind) == 0)
		return;
	set_client(&row, c);
	if (s != NULL) {
		state = state_of_session(s);
		set_session(&row, s, now);
		row.replication = replication_name(s->pool->replication);
		set_pointers(&row, c, s->link != NULL ? s->link->server : NULL);
	}
	/* SOCKETS knows no idle clients. */
	if (choice & PREFIX_STATES && s != NULL && !s->wait.queued)
		state = "active";
	set_state(&row, "cl_", state, choice);
	add_row(rows, &row, choice);
}

static const char *
state_of_dialogue(const struct console_facts *console, const struct client *c, unsigned choice)
{
	if (c->owner == NULL)
		return "login";
	return choice & PREFIX_STATES || console->is_busy(c) ? "active" : "idle";
}

static void
add_dialogue(struct stock *rows, const struct console_facts *console, const struct client *c, unsigned choice)
{
	struct socket_row row;

	if ((choice & kind_of_client(c)) == 0)
		return;
	set_client(&row, c);
	set_state(&row, "cl_", state_of_dialogue(console, c, choice), choice);
	add_row(rows, &row, choice);
}

/* --- servers --- */

static const char *
state_of_server(const struct server *s, usec_t now, unsigned choice)
{
	if (report_is_used(s, now))
		return "used";
	if (s->place == PLACE_LOGIN && (choice & PREFIX_STATES) == 0)
		return "new";
	return server_place_name(s->place);
}

static void
add_server(struct stock *rows, const struct server *s, unsigned choice, usec_t now)
{
	const struct pool *p = s->pool;
	const struct link *link = link_if_any(s);
	const struct session *session = link != NULL ? link->session : NULL;
	struct socket_row row = {
		.type = "S",
		.user = p->user->name,
		.database = p->tenant->name,
		.application_name = "",
		.close_needed = pool_is_outdated(s),
		.prepared_statements = link != NULL ? prepared_count(&link->prepared) : 0,
		.id = s->id,
	};

	set_stream(&row, &s->stream, &s->inbox, &s->address);
	set_times(&row, s->connected_at, s->request_at);
	set_state(&row, "sv_", state_of_server(s, now, choice), choice);
	set_pointers(&row, s, session != NULL ? session->client : NULL);
	row.remote_pid = s->backend_pid;
	row.replication = replication_name(p->replication);
	if (session != NULL && params_get(session->params, "application_name") != NULL)
		row.application_name = params_get(session->params, "application_name");
	add_row(rows, &row, choice);
}

static void
add_servers(struct stock *rows, const struct tenant *t, unsigned choice, usec_t now)
{
	const struct pool *p;
	const struct server *s;

	LIST_FOREACH(p, &t->pools, link) {
		for (int i = 0; i < PLACES; i++) {
			TAILQ_FOREACH(s, &p->servers[i], link)
				add_server(rows, s, choice, now);
		}
	}
}

/* --- the reports --- */

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	usec_t now = clock_now();
	struct tenant *t = NULL;
	struct client *c = NULL;

	while ((c = walk_client(&part->walk, s, c)) != NULL)
		add_client(&part->rows, c, o->kind->maker->choice, now);
	while (o->kind->maker->choice & CHOOSE_SERVERS && (t = walk_tenant(&part->walk, s, t)) != NULL)
		add_servers(&part->rows, t, o->kind->maker->choice, now);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	struct client *c;

	(void)all;
	SPLAY_FOREACH(c, client_set, o->work.reports->console->clients)
	add_dialogue(rows, o->work.reports->console, c, o->kind->maker->choice);
}

#define FEW 21 /* columns of CLIENTS and SERVERS */
#define OF_SOCKETS (CHOOSE_CLIENTS | CHOOSE_SERVERS | CHOOSE_LOGINS | PREFIX_STATES)

#define REPORT(title, about, n, what)                                                                              \
	{                                                                                                          \
		.name = title, .help = about, .columns = columns, .ncolumns = n,                                   \
		.maker = &(const struct report_maker){ .look = look, .add = add, .choice = what }                  \
	}

const struct report_kind report_clients =
	REPORT("CLIENTS", "a row a client", FEW, CHOOSE_CLIENTS | CHOOSE_CANCELS);
const struct report_kind report_servers = REPORT("SERVERS", "a row a server connection", FEW, CHOOSE_SERVERS);
const struct report_kind report_sockets =
	REPORT("SOCKETS", "a row a connection", lengthof(columns), OF_SOCKETS);
const struct report_kind report_active_sockets =
	REPORT("ACTIVE_SOCKETS", "a row a connection with bytes under way", lengthof(columns), OF_SOCKETS | CHOOSE_BUSY);
