#include "tenant/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "net/leash.h"
#include "net/resolve.h"
#include "net/watch.h"
#include "tenant/host.h"

#define TICK (50 * USEC_PER_MSEC)
#define READ_LONGEST (500 * USEC_PER_MSEC)
#define UNREAD_MOST (16 * 1024 * 1024)	/* bytes without an answer getting whole */

enum state {
	OFF,		/* nowhere to connect to */
	WAITING,	/* for the next try */
	RESOLVING,	/* a helper looks a name up */
	CONNECTING,	/* libpq is at it */
	GREETING,	/* connected, and has not answered yet */
	UP,
};

/* One of host=a,b; text is owned by the courier's options. */
struct place {
	char *host, *hostaddr, *port;	/* NULL: not said */
};

TAILQ_HEAD(call_list, courier_call);

struct courier {
	struct loop *loop;
	struct mailbox *mailbox;
	int job_mail;
	struct helpers *askers;
	struct hosts *hosts;
	const struct courier_ops *ops;
	void *arg;
	struct courier_pace pace;
	struct watch *watch;
	struct leash *leash;
	enum state state;
	char *conninfo, *channel;
	PQconninfoOption *options;	/* of conninfo; NULL: it can't be read, wrong says why */
	struct error wrong;
	struct place *places;
	size_t nplaces, place, address;	/* which is tried */
	struct resolve *asking;		/* under way */
	struct resolve *resolved;	/* of places[place] */
	PGconn *conn;
	char side_host[256];		/* where a place is taken */
	int side_port;			/* 0: nowhere */
	struct claim claim;		/* to one, while its host is full */
	usec_t full_since;		/* 0: it is not */
	struct call_list calls;		/* under way, in order */
	size_t ncalls;
	struct courier_call greeting;	/* LISTEN, or the ping */
	bool pinging;
	uint64_t received, answered_up_to;	/* bytes: in all, and up to the last answer */
	struct error broken;		/* found where nobody may be called back; sqlstate "": not */
	usec_t began_at, up_since, heard_at, retry_at;
	usec_t failing_since;
	int failures;
};

static const struct courier_pace usual_pace = {
	.connect = 5 * USEC_PER_SEC,
	.answer = 5 * USEC_PER_SEC,
	.quiet = 15 * USEC_PER_SEC,
	.retry = 100 * USEC_PER_MSEC,
	.retry_most = 5 * USEC_PER_SEC,
};

static void begin(struct courier *k);

/* --- errors --- */

/* libpq's words, of which the first line says what and the others what could be. */
static void
set_failure(struct error *e, const char *what, const char *text)
{
	int n = (int)strcspn(text, "\n");

	error_set(e, SEVERITY_ERROR, SQLSTATE_CONNECTION_FAILURE, "%s%.*s", what, n, text);
}

static bool
is_sqlstate(const char *s)
{
	return s != NULL && strlen(s) == 5 && strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

void
courier_error(const PGresult *r, struct error *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);

	if (PQresultStatus(r) != PGRES_FATAL_ERROR) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INTERNAL, "unexpected answer (%s)",
			  PQresStatus(PQresultStatus(r)));
		return;
	}
	error_set(e, SEVERITY_ERROR, is_sqlstate(state) ? state : SQLSTATE_INTERNAL, "%s",
		  message != NULL ? message : "the statement failed");
	if (detail != NULL)
		error_detail(e, "%s", detail);
	if (hint != NULL)
		error_hint(e, "%s", hint);
}

/* --- the end of a connection --- */

static void
give_back_place(struct courier *k)
{
	if (k->side_port != 0 && k->hosts != NULL)
		hosts_give_side(k->hosts, k->side_host, k->side_port);
	k->side_port = 0;
}

static void
hang_up(struct courier *k)
{
	watch_socket(k->watch, -1, 0);
	leash_take(k->leash);
	if (k->conn != NULL)
		PQfinish(k->conn);
	k->conn = NULL;
	k->pinging = false;
	k->received = k->answered_up_to = 0;
	k->broken.sqlstate[0] = '\0';
	give_back_place(k);
}

/* The answers of calls may make others, which are not sent: nothing is up. */
static void
fail_calls(struct courier *k, const struct error *e)
{
	struct call_list calls = TAILQ_HEAD_INITIALIZER(calls);
	struct courier_call *c;

	TAILQ_CONCAT(&calls, &k->calls, link);
	k->ncalls = 0;
	while ((c = TAILQ_FIRST(&calls)) != NULL) {
		TAILQ_REMOVE(&calls, c, link);
		PQclear(c->result);
		c->result = NULL;
		c->answered(c, NULL, e);
	}
}

static usec_t
choose_pause(int failures, const struct courier_pace *pace)
{
	usec_t pause = pace->retry << (failures < 10 ? failures : 10);

	return pause < pace->retry_most ? pause : pace->retry_most;
}

/* false: all of them have been tried. */
static bool
go_to_next_place(struct courier *k)
{
	if (k->resolved != NULL && ++k->address < k->resolved->n)
		return true;
	resolve_free(&k->resolved);
	k->address = 0;
	k->place = k->place + 1 < k->nplaces ? k->place + 1 : 0;
	return k->place > 0;
}

static void
leave_line(struct courier *k)
{
	if (k->hosts != NULL)
		hosts_withdraw(k->hosts, &k->claim, false);
	k->full_since = 0;
}

static void
fail(struct courier *k, const struct error *cause)
{
	struct error e = *cause;	/* it may be k->broken */
	bool was_up = k->state == UP;
	usec_t now = clock_now();

	hang_up(k);
	leave_line(k);
	k->state = WAITING;
	if (k->failing_since == 0)
		k->failing_since = now;
	if (was_up && now - k->up_since > k->pace.retry_most)
		k->failures = 0;
	k->retry_at = now;
	if (!go_to_next_place(k) || was_up)
		k->retry_at += choose_pause(k->failures++, &k->pace);
	fail_calls(k, &e);
	k->ops->lost(k->arg, &e);
}

static void
fail_with(struct courier *k, const char *what, const char *text)
{
	struct error e;

	set_failure(&e, what, text);
	fail(k, &e);
}

/* --- sending --- */

static void
watch_as_needed(struct courier *k)
{
	int left = PQflush(k->conn);

	if (left < 0) {
		set_failure(&k->broken, "", PQerrorMessage(k->conn));
		watch_timer(k->watch, 0);
	}
	watch_socket(k->watch, PQsocket(k->conn), left > 0 ? WATCH_READ | WATCH_WRITE : WATCH_READ);
}

static void
put_call(struct courier *k, struct courier_call *c, const char *sql, int n, const char *const *values)
{
	c->sent_at = clock_now();
	c->result = NULL;
	TAILQ_INSERT_TAIL(&k->calls, c, link);
	k->ncalls++;
	if (PQsendQueryParams(k->conn, sql, n, NULL, values, NULL, NULL, 0) != 1 || PQpipelineSync(k->conn) != 1) {
		set_failure(&k->broken, "", PQerrorMessage(k->conn));
		watch_timer(k->watch, 0);
		return;
	}
	watch_as_needed(k);
}

void
courier_send(struct courier *k, struct courier_call *c, const char *sql, int n, const char *const *values)
{
	put_call(k, c, sql, n, values);
}

/* --- answers --- */

static void
on_ping(struct courier_call *c, PGresult *r, const struct error *e)
{
	struct courier *k = container_of(c, struct courier, greeting);

	(void)e;
	if (r != NULL)
		k->pinging = false;
}

static void
ping(struct courier *k)
{
	k->pinging = true;
	k->greeting.answered = on_ping;
	put_call(k, &k->greeting, "SELECT 1", 0, NULL);
}

static void
on_greeted(struct courier_call *c, PGresult *r, const struct error *unused)
{
	struct courier *k = container_of(c, struct courier, greeting);
	struct error e;

	(void)unused;
	if (r == NULL)
		return;
	if (k->channel[0] != '\0' && PQresultStatus(r) != PGRES_COMMAND_OK) {
		courier_error(r, &e);
		log_warning("LISTEN on the catalogue of tenants failed, so changes are seen late: %s", e.message);
	}
	k->state = UP;
	k->pinging = false;
	k->up_since = k->heard_at;
	k->failing_since = 0;
	k->ops->up(k->arg);
}

static void
greet(struct courier *k)
{
	char *name = k->channel[0] != '\0' ? PQescapeIdentifier(k->conn, k->channel, strlen(k->channel)) : NULL;
	char sql[200] = "SELECT 1";

	if (name != NULL)
		snprintf(sql, sizeof(sql), "LISTEN %s", name);
	PQfreemem(name);
	k->state = GREETING;
	k->pinging = true;
	k->greeting.answered = on_greeted;
	put_call(k, &k->greeting, sql, 0, NULL);
}

static void
finish_first(struct courier *k)
{
	struct courier_call *c = TAILQ_FIRST(&k->calls);
	PGresult *r = c->result;

	TAILQ_REMOVE(&k->calls, c, link);
	k->ncalls--;
	k->answered_up_to = k->received;
	k->heard_at = clock_now();
	c->result = NULL;
	c->answered(c, r, NULL);
	PQclear(r);
}

/* false: that is no answer to what we ask. */
static bool
take_result(struct courier *k, PGresult *r)
{
	struct courier_call *c = TAILQ_FIRST(&k->calls);
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		if (c->result == NULL)
			return false;
		finish_first(k);
		return true;
	}
	if (c->result != NULL || (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
				  status != PGRES_FATAL_ERROR && status != PGRES_EMPTY_QUERY)) {
		PQclear(r);
		return false;
	}
	c->result = r;
	return true;
}

static bool
is_connected(const struct courier *k)
{
	return k->state == GREETING || k->state == UP;
}

/* Between the results of two calls libpq gives a NULL; two of them mean that there is no more. */
static void
take_results(struct courier *k)
{
	bool last_was_null = false;

	while (is_connected(k) && k->ncalls > 0 && !PQisBusy(k->conn)) {
		PGresult *r = PQgetResult(k->conn);

		if (r == NULL && last_was_null)
			break;
		last_was_null = r == NULL;
		if (r != NULL && !take_result(k, r)) {
			fail_with(k, "unexpected answer from the server", "");
			return;
		}
	}
}

static void
take_notifications(struct courier *k)
{
	PGnotify *n;

	while (is_connected(k) && (n = PQnotifies(k->conn)) != NULL) {
		if (strcmp(n->relname, k->channel) == 0)
			k->ops->notified(k->arg, n->extra != NULL ? n->extra : "");
		PQfreemem(n);
	}
}

/* What libpq has taken in and keeps. */
static bool
is_too_much(struct courier *k)
{
	k->received = watch_received(PQsocket(k->conn), k->received);
	return k->received - k->answered_up_to > UNREAD_MOST;
}

/* Twice: under TLS a record may be half in libpq and half in OpenSSL, of which the socket knows nothing. */
static bool
consume(struct courier *k)
{
	bool ok;

	leash_hold(k->leash, k->answered_up_to + UNREAD_MOST);
	ok = PQconsumeInput(k->conn) == 1 && (!PQsslInUse(k->conn) || PQconsumeInput(k->conn) == 1);
	leash_let_go(k->leash);
	return ok;
}

static void
receive(struct courier *k)
{
	bool ok = consume(k);

	if (is_too_much(k)) {
		fail_with(k, "the server's answer is too large", "");
		return;
	}
	if (!ok) {
		fail_with(k, "", PQerrorMessage(k->conn));
		return;
	}
	take_results(k);
	take_notifications(k);
	if (!is_connected(k))
		return;
	if (k->ncalls == 0)
		k->answered_up_to = k->received;
	if (PQstatus(k->conn) != CONNECTION_OK)
		fail_with(k, "", PQerrorMessage(k->conn));
	else
		watch_as_needed(k);
}

/* --- connecting --- */

static void
ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static void
on_connected(struct courier *k)
{
	PQsetNoticeReceiver(k->conn, ignore_notice, NULL);
	if (PQsetnonblocking(k->conn, 1) != 0 || PQenterPipelineMode(k->conn) != 1) {
		fail_with(k, "", PQerrorMessage(k->conn));
		return;
	}
	watch_narrow(PQsocket(k->conn));
	if (!leash_put(k->leash, PQsocket(k->conn))) {
		fail_with(k, "no thread can be had", "");
		return;
	}
	k->heard_at = clock_now();
	greet(k);
}

static void
poll_connection(struct courier *k)
{
	PostgresPollingStatusType status;

	watch_socket(k->watch, -1, 0);	/* it may be another socket after this */
	status = PQconnectPoll(k->conn);
	if (status == PGRES_POLLING_OK)
		on_connected(k);
	else if (status == PGRES_POLLING_FAILED)
		fail_with(k, "", PQerrorMessage(k->conn));
	else
		watch_socket(k->watch, PQsocket(k->conn),
			     status == PGRES_POLLING_READING ? WATCH_READ : WATCH_WRITE);
}

struct keyword_list {
	const char *names[64], *values[64];
	size_t n;
};

static void
add_keyword(struct keyword_list *l, const char *name, const char *value)
{
	if (value == NULL || l->n + 1 >= lengthof(l->names))
		return;
	l->names[l->n] = name;
	l->values[l->n++] = value;
	l->names[l->n] = NULL;
}

static const char *
find_option(const struct courier *k, const char *name)
{
	for (const PQconninfoOption *o = k->options; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, name) == 0)
			return o->val;
	}
	return NULL;
}

static void
list_keywords(const struct courier *k, struct keyword_list *l)
{
	static const char ours[] = "host,hostaddr,port,client_encoding";
	const struct place *p = &k->places[k->place];

	l->n = 0;
	add_keyword(l, "fallback_application_name", "pgusher");
	add_keyword(l, "gssencmode", "disable");	/* it would ask Kerberos, and wait */
	for (const PQconninfoOption *o = k->options; o->keyword != NULL; o++) {
		if (!string_in_list(ours, o->keyword))
			add_keyword(l, o->keyword, o->val);
	}
	add_keyword(l, "host", p->host);
	add_keyword(l, "hostaddr", k->resolved != NULL ? k->resolved->addresses[k->address] : p->hostaddr);
	add_keyword(l, "port", p->port);
	add_keyword(l, "client_encoding", "UTF8");
}

/* false: its host is full. */
static bool
take_place(struct courier *k)
{
	const struct place *p = &k->places[k->place];
	const char *host = p->host != NULL ? p->host : p->hostaddr;
	int port = p->port != NULL ? atoi(p->port) : 0;

	if (k->hosts == NULL)
		return true;
	if (port == 0)
		port = 5432;
	string_copy(k->side_host, host != NULL ? host : "", sizeof(k->side_host));
	if (!hosts_want_side(k->hosts, &k->claim, CLAIM_ORDINARY, k->side_host, port))
		return false;
	k->side_port = port;
	return true;
}

/* Each tick it is asked whether the claim is granted.  A list goes on when that takes longer than connecting may. */
static void
stand_in_line(struct courier *k)
{
	usec_t now = clock_now();
	struct error e;

	set_failure(&e, "all connections that its host may have are in use (max_connections in [hosts])", "");
	if (k->nplaces > 1 && k->full_since != 0 && now - k->full_since > k->pace.connect) {
		resolve_free(&k->resolved);	/* its other addresses are the same host */
		fail(k, &e);
		return;
	}
	k->state = WAITING;
	k->retry_at = now;
	if (k->failing_since == 0)
		k->failing_since = now;
	if (k->full_since == 0) {
		k->full_since = now;
		k->ops->lost(k->arg, &e);
	}
}

static void
dial(struct courier *k)
{
	struct keyword_list l;

	k->state = CONNECTING;
	k->began_at = clock_now();
	if (!take_place(k)) {
		stand_in_line(k);
		return;
	}
	k->full_since = 0;
	list_keywords(k, &l);
	k->conn = PQconnectStartParams(l.names, l.values, 0);
	if (k->conn == NULL || PQstatus(k->conn) == CONNECTION_BAD)
		fail_with(k, "", k->conn != NULL ? PQerrorMessage(k->conn) : "no memory");
	else
		watch_socket(k->watch, PQsocket(k->conn), WATCH_WRITE);
}

static void
on_resolved(struct helper_job *job)
{
	struct resolve *r = container_of(job, struct resolve, job);
	struct courier *k = job->owner;

	if (k == NULL) {
		resolve_free(&r);
		return;
	}
	k->asking = NULL;
	k->resolved = r;
	k->address = 0;
	if (r->n == 0)
		fail_with(k, "its name can't be resolved: ", r->problem);
	else
		dial(k);
}

static void
resolve(struct courier *k)
{
	struct resolve *r = resolve_new(k->places[k->place].host);

	k->state = RESOLVING;
	r->job.mail.kind = k->job_mail;
	r->job.reply = k->mailbox;
	r->job.done = on_resolved;
	r->job.owner = k;
	if (!helpers_offer(k->askers, &r->job)) {
		resolve_free(&r);
		fail_with(k, "its name can't be resolved: too much is asked", "");
		return;
	}
	k->asking = r;
}

static void
begin(struct courier *k)
{
	const struct place *p = &k->places[k->place];

	if (k->options == NULL)
		fail(k, &k->wrong);
	else if (k->resolved == NULL && p->hostaddr == NULL && p->host != NULL && resolve_is_name(p->host))
		resolve(k);
	else
		dial(k);
}

/* --- time --- */

static void
tick(struct courier *k)
{
	const struct courier_call *first = TAILQ_FIRST(&k->calls);
	usec_t now = clock_now();

	if (k->state == WAITING && now >= k->retry_at)
		begin(k);
	else if ((k->state == CONNECTING || k->state == GREETING) && now - k->began_at > k->pace.connect)
		fail_with(k, "no answer while connecting", "");
	else if (k->state == UP && first != NULL && now - first->sent_at > k->pace.answer)
		fail_with(k, "no answer", "");
	else if (k->state == UP && first == NULL && !k->pinging && now - k->heard_at > k->pace.quiet)
		ping(k);
}

static void
on_ready(void *arg, int events)
{
	struct courier *k = arg;

	if (events == WATCH_TIME) {
		if (k->conn != NULL && k->broken.sqlstate[0] != '\0')
			fail(k, &k->broken);
		else
			tick(k);
		if (k->state != OFF)
			watch_timer(k->watch, TICK);
	} else if (k->state == CONNECTING) {
		poll_connection(k);
	} else if (is_connected(k)) {
		receive(k);
	}
}

/* --- life --- */

struct courier *
courier_new(struct loop *l, struct mailbox *mb, int job_mail, struct helpers *askers, struct hosts *hosts,
	    const struct courier_ops *ops, void *arg)
{
	struct courier *k = memory_zalloc(sizeof(*k));

	k->loop = l;
	k->mailbox = mb;
	k->job_mail = job_mail;
	k->askers = askers;
	k->hosts = hosts;
	k->ops = ops;
	k->arg = arg;
	k->pace = usual_pace;
	k->watch = watch_new(l, on_ready, k);
	k->leash = leash_new(READ_LONGEST);
	k->conninfo = memory_strdup("");
	k->channel = memory_strdup("");
	TAILQ_INIT(&k->calls);
	return k;
}

void
courier_set_pace(struct courier *k, const struct courier_pace *p)
{
	k->pace = *p;
}

static void
forget_places(struct courier *k)
{
	leave_line(k);
	for (size_t i = 0; i < k->nplaces; i++) {
		free(k->places[i].host);
		free(k->places[i].hostaddr);
		free(k->places[i].port);
	}
	free(k->places);
	k->places = NULL;
	k->nplaces = k->place = k->address = 0;
	resolve_free(&k->resolved);
	if (k->asking != NULL)
		k->asking->job.owner = NULL;
	k->asking = NULL;
	PQconninfoFree(k->options);
	k->options = NULL;
}

void
courier_free(struct courier **kp)
{
	struct courier *k = *kp;
	struct courier_call *c;

	if (k == NULL)
		return;
	*kp = NULL;
	hang_up(k);
	TAILQ_FOREACH(c, &k->calls, link)
		PQclear(c->result);
	forget_places(k);
	watch_free(&k->watch);
	leash_free(&k->leash);
	memory_free_secret(k->conninfo);
	free(k->channel);
	free(k);
}

static size_t
count_items(const char *list)
{
	size_t n = 1;

	for (; list != NULL && (list = strchr(list, ',')) != NULL; list++)
		n++;
	return n;
}

/* The item at this index; a list of one counts for all.  NULL: nothing is said there. */
static char *
copy_item(const char *list, size_t index)
{
	size_t n;

	if (list == NULL)
		return NULL;
	if (count_items(list) == 1)
		index = 0;
	while (index-- > 0) {
		list = strchr(list, ',');
		if (list++ == NULL)
			return NULL;
	}
	n = strcspn(list, ",");
	return n == 0 ? NULL : memory_strndup(list, n);
}

static void
list_places(struct courier *k)
{
	const char *host = find_option(k, "host"), *hostaddr = find_option(k, "hostaddr");
	size_t n = count_items(host), m = count_items(hostaddr);

	k->nplaces = n > m ? n : m;
	k->places = memory_zalloc(k->nplaces * sizeof(*k->places));
	for (size_t i = 0; i < k->nplaces; i++)
		k->places[i] = (struct place){
			.host = copy_item(host, i),
			.hostaddr = copy_item(hostaddr, i),
			.port = copy_item(find_option(k, "port"), i),
		};
}

/* What the text leaves open the environment says, as usual. */
static void
add_defaults(struct courier *k)
{
	PQconninfoOption *defaults = PQconndefaults(), *d = defaults;

	for (PQconninfoOption *o = k->options; defaults != NULL && o->keyword != NULL; o++, d++) {
		if (o->val == NULL && d->val != NULL && strcmp(o->keyword, d->keyword) == 0)
			o->val = strdup(d->val);	/* PQconninfoFree's */
	}
	PQconninfoFree(defaults);
}

static void
read_conninfo(struct courier *k)
{
	char *problem = NULL;

	k->options = PQconninfoParse(k->conninfo, &problem);
	if (k->options != NULL && find_option(k, "service") != NULL) {
		PQconninfoFree(k->options);
		k->options = NULL;
	}
	if (k->options != NULL) {
		add_defaults(k);
		list_places(k);
	} else {
		/* Not libpq's words: they quote the text, in which there may be a password. */
		error_set(&k->wrong, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			  "the connection string can't be read, or says service=");
		k->nplaces = 1;
		k->places = memory_zalloc(sizeof(*k->places));
	}
	PQfreemem(problem);
}

void
courier_configure(struct courier *k, const char *conninfo, const char *channel)
{
	struct error e;

	if (strcmp(k->conninfo, conninfo) == 0 && strcmp(k->channel, channel) == 0)
		return;
	error_set(&e, SEVERITY_ERROR, SQLSTATE_CONNECTION_FAILURE, "the configuration has changed");
	hang_up(k);
	forget_places(k);
	memory_free_secret(k->conninfo);
	free(k->channel);
	k->conninfo = memory_strdup(conninfo);
	k->channel = memory_strdup(channel);
	k->failures = 0;
	k->failing_since = 0;
	k->retry_at = 0;
	k->state = conninfo[0] != '\0' ? WAITING : OFF;
	if (k->state == WAITING) {
		read_conninfo(k);
		watch_timer(k->watch, 0);
	}
	fail_calls(k, &e);
}

bool
courier_is_up(const struct courier *k)
{
	return k->state == UP && k->broken.sqlstate[0] == '\0';
}

size_t
courier_under_way(const struct courier *k)
{
	return k->ncalls;
}

usec_t
courier_failing_since(const struct courier *k)
{
	return k->failing_since;
}
