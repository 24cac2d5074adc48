/*
 * SHOW FDS: the sockets in use.  Where PgBouncer shows cancel keys, passwords
 * and SCRAM keys, ours has NULL.
 */
#include "base/memory.h"
#include "reports/inside.h"
#include "session/link.h"

struct fd_row {
	int64_t fd;
	const char *task, *user, *database, *addr;
	int64_t port, cancel, link;
	const char *client_encoding, *std_strings, *datestyle, *timezone;
	const char *password, *scram_client_key, *scram_server_key;
};

#define ROW(field) offsetof(struct fd_row, field)

static const struct column columns[] = {
	{ "fd", COLUMN_INT4, ROW(fd) },
	{ "task", COLUMN_TEXT, ROW(task) },
	{ "user", COLUMN_TEXT, ROW(user) },
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "addr", COLUMN_TEXT, ROW(addr) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "cancel", COLUMN_INT8, ROW(cancel) },
	{ "link", COLUMN_INT4, ROW(link) },
	{ "client_encoding", COLUMN_TEXT, ROW(client_encoding) },
	{ "std_strings", COLUMN_TEXT, ROW(std_strings) },
	{ "datestyle", COLUMN_TEXT, ROW(datestyle) },
	{ "timezone", COLUMN_TEXT, ROW(timezone) },
	{ "password", COLUMN_TEXT, ROW(password) },
	{ "scram_client_key", COLUMN_BYTEA, ROW(scram_client_key) },
	{ "scram_server_key", COLUMN_BYTEA, ROW(scram_server_key) },
};

static void
add_fd(struct stock *rows, struct fd_row *row, const struct stream *s, const struct address *peer,
	const struct params *params)
{
	char host[ADDRESS_TEXT];

	row->fd = s->fd;
	row->addr = address_host(peer, host);
	row->port = peer->port;
	row->cancel = REPORT_NULL;
	if (params != NULL) {
		row->client_encoding = params_get(params, "client_encoding");
		row->std_strings = params_get(params, "standard_conforming_strings");
		row->datestyle = params_get(params, "DateStyle");
		row->timezone = params_get(params, "TimeZone");
	}
	stock_add(rows, row);
}

static void
add_client(struct stock *rows, const struct client *c)
{
	const struct session *s = c->owner;
	struct fd_row row = {
		.task = "client",
		.user = c->user,
		.database = c->database,
		.link = s != NULL && s->link != NULL ? s->link->server->stream.fd : 0,
	};

	add_fd(rows, &row, &c->stream, &c->address, s != NULL ? s->params : NULL);
}

static void
add_server(struct stock *rows, const struct server *s)
{
	const struct link *link = link_if_any(s);
	struct fd_row row = {
		.task = "server",
		.user = s->user,
		.database = s->database,
		.link = link != NULL && link->session != NULL ? link->session->client->stream.fd
							      : 0,
	};

	add_fd(rows, &row, &s->stream, &s->address, s->reported);
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	struct client *c = NULL;
	const struct server *server;
	const struct pool *p;
	struct tenant *t = NULL;

	(void)o;
	while ((c = walk_client(&part->walk, s, c)) != NULL)
		add_client(&part->rows, c);
	while ((t = walk_tenant(&part->walk, s, t)) != NULL) {
		LIST_FOREACH(p, &t->pools, link) {
			for (int i = 0; i < PLACES; i++) {
				TAILQ_FOREACH(server, &p->servers[i], link)
					add_server(&part->rows, server);
			}
		}
	}
}

const struct report_kind report_fds = {
	.name = "FDS",
	.help = "a row a socket in use",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.admin = true,
	.maker = &(const struct report_maker){ .look = look },
};
