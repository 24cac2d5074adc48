#include "daemon/probe.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/keys.h"

/* The names of probe->options. */
enum option {
	HOST,
	PORT,
	DBNAME,
	USER,
	PASSWORD,
	SSLMODE,
	SSLROOTCERT,
	SSLCERT,
	SSLKEY,
	GSSENCMODE,
	APPLICATION,
	TIMEOUT,
	OPTIONS,
};

static const char *const option_names[OPTIONS + 1] = {
	[HOST] = "host",
	[PORT] = "port",
	[DBNAME] = "dbname",
	[USER] = "user",
	[PASSWORD] = "password",
	[SSLMODE] = "sslmode",
	[SSLROOTCERT] = "sslrootcert",
	[SSLCERT] = "sslcert",
	[SSLKEY] = "sslkey",
	[GSSENCMODE] = "gssencmode",
	[APPLICATION] = "application_name",
	[TIMEOUT] = "connect_timeout",
};

/* --- on the helper --- */

#define FAREWELL_STEP 100	/* ms */

static void
fail(struct probe *p, const char *sqlstate, const char *text)
{
	error_set(&p->error, SEVERITY_ERROR, sqlstate, "the new place can't be used: %.*s", (int)strcspn(text, "\n"),
		  text);
}

static bool
wait_for(PGconn *conn, short events, usec_t until)
{
	struct pollfd fd = { .fd = PQsocket(conn), .events = events };
	usec_t left = until - clock_now();

	return left > 0 && poll(&fd, 1, (int)(left / USEC_PER_MSEC) + 1) > 0;
}

/* false: not within the time. */
static bool
connect_until(PGconn *conn, usec_t until)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		if (!wait_for(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
			return false;
		status = PQconnectPoll(conn);
	}
	return true;
}

/* NULL: not within the time, or the connection is lost. */
static PGresult *
ask_until(PGconn *conn, const char *sql, usec_t until)
{
	if (PQsendQuery(conn, sql) != 1)
		return NULL;
	while (PQisBusy(conn)) {
		if (!wait_for(conn, POLLIN, until) || PQconsumeInput(conn) != 1)
			return NULL;
	}
	return PQgetResult(conn);
}

static void
look(struct probe *p, PGconn *conn, usec_t until)
{
	PGresult *r = ask_until(conn, "SELECT current_database(), pg_is_in_recovery()", until);

	if (r == NULL || PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1 || PQnfields(r) != 2)
		fail(p, SQLSTATE_CANNOT_ESTABLISH, "the server does not answer as PostgreSQL would");
	else if (strcmp(PQgetvalue(r, 0, 0), p->dbname) != 0)
		error_set(&p->error, SEVERITY_ERROR, SQLSTATE_INVALID_CATALOG_NAME,
			  "the new place can't be used: the database there is \"%s\", not \"%s\"", PQgetvalue(r, 0, 0),
			  p->dbname);
	else if (PQgetvalue(r, 0, 1)[0] == 't') {
		fail(p, SQLSTATE_OBJECT_NOT_IN_STATE, "it is a standby");
		error_hint(&p->error, "Promote it first.");
	}
	PQclear(r);
}

/* Is it only that nobody here can log in? */
static bool
wants_login(const struct probe *p, PGconn *conn)
{
	return conn != NULL && (PQconnectionNeedsPassword(conn) || p->options[USER] == NULL);
}

/* When its backend has ended, and the place it had is free. */
static void
close_and_wait(PGconn *conn, usec_t until)
{
	struct pollfd fd = { .fd = fcntl(PQsocket(conn), F_DUPFD_CLOEXEC, 0), .events = POLLIN };
	char rest[256];

	PQfinish(conn);
	if (fd.fd < 0)
		return;
	shutdown(fd.fd, SHUT_WR);	/* who waits for a password was told nothing */
	while (poll(&fd, 1, FAREWELL_STEP) >= 0 && clock_now() < until) {
		if ((fd.revents & POLLIN) != 0 && read(fd.fd, rest, sizeof(rest)) <= 0)
			break;
	}
	close(fd.fd);
}

static void
connect_and_look(struct probe *p, usec_t until)
{
	const char *values[OPTIONS + 1] = { NULL };
	PGconn *conn;

	for (int i = 0; i < OPTIONS; i++)
		values[i] = p->options[i] != NULL ? p->options[i] : "";
	conn = PQconnectStartParams(option_names, values, 0);
	if (conn != NULL && PQstatus(conn) != CONNECTION_BAD && !connect_until(conn, until))
		fail(p, SQLSTATE_CANNOT_ESTABLISH, "no answer in time");
	else if (conn != NULL && PQstatus(conn) == CONNECTION_OK)
		look(p, conn, until);
	else
		fail(p, SQLSTATE_CANNOT_ESTABLISH, conn != NULL ? PQerrorMessage(conn) : "no memory");
	p->unsure = PQstatus(conn) == CONNECTION_BAD && wants_login(p, conn);
	close_and_wait(conn, until);
	/* Not before the first one is closed: both have one place. */
	p->unsure = p->unsure && PQpingParams(option_names, values, 0) == PQPING_OK;
	if (p->unsure)
		p->error = (struct error){ .sqlstate = "" };
}

static void
work(struct helper_job *job)
{
	connect_and_look(container_of(job, struct probe, job), clock_now() + PROBE_PATIENCE);
}

/* --- on the submitter's thread --- */

static void
put(struct probe *p, enum option o, const char *value)
{
	if (value != NULL && value[0] != '\0')
		p->options[o] = memory_strdup(value);
}

/* The password that opens a server for this user, if it is known in clear. */
static void
put_user(struct probe *p, const struct config *c, const struct config_database *db, const char *user)
{
	const struct config_user *listed;

	if (db->user != NULL)
		user = db->user;
	else if (db->auth_user != NULL)
		user = db->auth_user;
	else if (c->auth_user[0] != '\0')
		user = c->auth_user;
	put(p, USER, user);
	if (user == NULL)
		return;
	listed = config_find_user(c, user);
	if (db->password != NULL && (db->user == NULL || strcmp(user, db->user) == 0))
		put(p, PASSWORD, db->password);
	else if (listed != NULL && listed->secret.kind == SECRET_PLAIN)
		put(p, PASSWORD, listed->secret.text);
}

static const char *
pick(const char *narrow, const char *wide)
{
	return narrow != NULL ? narrow : wide;
}

static void
put_security(struct probe *p, const struct config *c, const struct config_database *db)
{
	enum tls_mode mode;

	config_server_tls(c, db, &mode);
	put(p, SSLMODE, key_word_of(words_tls_mode, (int)mode));
	put(p, SSLROOTCERT, pick(db->server_tls_ca_file, c->server_tls_ca_file));
	put(p, SSLCERT, pick(db->server_tls_cert_file, c->server_tls_cert_file));
	put(p, SSLKEY, pick(db->server_tls_key_file, c->server_tls_key_file));
}

struct probe *
probe_new(const struct config *c, const struct config_database *db, const char *user)
{
	struct probe *p = memory_zalloc(sizeof(*p));
	char number[16];

	p->job.work = work;
	p->port = db->port;
	p->dbname = memory_strdup(db->dbname != NULL ? db->dbname : db->name);
	snprintf(number, sizeof(number), "%d", db->port);
	put(p, HOST, db->host != NULL ? db->host : c->unix_socket_dir[0] != '\0' ? c->unix_socket_dir : "/tmp");
	put(p, PORT, number);
	put(p, DBNAME, p->dbname);
	put_user(p, c, db, user);
	put_security(p, c, db);
	put(p, GSSENCMODE, "disable");
	put(p, APPLICATION, "pgusher");
	snprintf(number, sizeof(number), "%d", (int)(PROBE_PATIENCE / USEC_PER_SEC));
	put(p, TIMEOUT, number);
	return p;
}

void
probe_free(struct probe **pp)
{
	struct probe *p = *pp;

	*pp = NULL;
	for (int i = 0; i < OPTIONS; i++)
		memory_free_secret(p->options[i]);
	free(p->dbname);
	free(p);
}

bool
probe_host(const struct probe *p, int n, char *host, size_t size)
{
	return string_nth(p->options[HOST], n, host, size);
}
