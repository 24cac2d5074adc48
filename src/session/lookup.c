#include "session/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "pg/frame.h"
#include "pg/message.h"
#include "pg/reader.h"
#include "pg/response.h"
#include "pg/writer.h"
#include "pool/pool.h"
#include "session/session.h"

#define UNKNOWN_GOOD_FOR USEC_PER_SEC
#define UNKNOWN_MAX 10000		/* names of a shard that are remembered */
#define UNKNOWN_LENGTH 255		/* ... and no longer ones: PostgreSQL's have 63 bytes */
#define PATIENCE (30 * USEC_PER_SEC)	/* of a search; those who log in have client_login_timeout */
#define LOOKUPS_OF_POOLS 100		/* beside those of max_login_clients */
#define ANSWER_MAX (256 * 1024)		/* of one message: a row with a password is far smaller */

/* What the client is told when it is not its fault; the log has the rest. */
static const struct error config_error = {
	.severity = SEVERITY_FATAL,
	.sqlstate = SQLSTATE_CONFIG_FILE,
	.message = "bouncer config error",
	.hint = "The pooler's log says more.",
};

/* Who asks and leaves is not heard of here: what it asked must not pile up. */
static const struct error crowded_error = {
	.severity = SEVERITY_FATAL,
	.sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
	.message = "too many users wait for auth_query (max_login_clients)",
};

/* One name being looked up, for all who ask for it. */
struct search {
	UT_hash_handle hh;
	TAILQ_ENTRY(search) link;	/* while it waits for a server */
	LIST_HEAD(, lookup) askers;
	struct shard *shard;
	struct pool *pool;		/* while it waits or runs */
	struct lease_request wait;
	struct server *server;		/* while it runs */
	usec_t since;
	usec_t unknown_until;		/* > 0: it is over, nobody was found */
	unsigned rows;
	bool answered;			/* something came back: too late to try again */
	bool retried;
	bool failed;
	bool waiting;			/* in shard->waiting_searches */
	bool leaving;			/* its memory goes at the end of the turn */
	struct secret secret;
	const char *auth_user, *query, *user;	/* in key */
	struct deferred deferred, retry;
	char key[];			/* database NUL auth_user NUL query NUL user NUL */
};

/* --- questions --- */

struct lookup *
lookup_new(const struct config *c, const struct config_database *db, const char *user)
{
	const char *auth_user = db != NULL && db->auth_user != NULL ? db->auth_user : c->auth_user;
	const char *database = db != NULL && db->auth_dbname != NULL ? db->auth_dbname : c->auth_dbname;
	struct lookup *k;

	if (auth_user == NULL || auth_user[0] == '\0')
		return NULL;
	if (database == NULL || database[0] == '\0')
		database = db != NULL ? db->name : "pgbouncer";
	k = memory_zalloc(sizeof(*k));
	k->database = memory_strdup(database);
	k->auth_user = memory_strdup(auth_user);
	k->query = memory_strdup(db != NULL && db->auth_query != NULL ? db->auth_query : c->auth_query);
	k->user = memory_strdup(user);
	return k;
}

void
lookup_free(struct lookup **kp)
{
	struct lookup *k = *kp;

	*kp = NULL;
	if (k == NULL)
		return;
	secret_release(&k->secret);
	free(k->tenant);
	free(k->database);
	free(k->auth_user);
	free(k->query);
	free(k->user);
	free(k);
}

static void
give_back(struct shard *s, struct lookup *k, enum lookup_result result, const struct error *e)
{
	k->result = result;
	if (e != NULL)
		k->error = *e;
	s->ops->found(s, k);
}

/* --- the end of a search --- */

static void
on_end(struct deferred *d)
{
	struct search *q = container_of(d, struct search, deferred);

	secret_release(&q->secret);
	free(q);
}

static void
begin_to_wait(struct search *q)
{
	q->waiting = true;
	TAILQ_INSERT_TAIL(&q->shard->waiting_searches, q, link);
}

static void
end_waiting(struct search *q)
{
	if (!q->waiting)
		return;
	q->waiting = false;
	TAILQ_REMOVE(&q->shard->waiting_searches, q, link);
}

static void
drop(struct search *q)
{
	if (q->leaving)
		return;
	q->leaving = true;
	end_waiting(q);
	HASH_DEL(q->shard->searches, q);
	loop_defer(q->shard->loop, &q->deferred, on_end);
}

static void
add_asker(struct search *q, struct lookup *k)
{
	LIST_INSERT_HEAD(&q->askers, k, link);
	q->shard->nlookups++;
}

/* NULL: there is none. */
static struct lookup *
take_asker(struct search *q)
{
	struct lookup *k = LIST_FIRST(&q->askers);

	if (k == NULL)
		return NULL;
	LIST_REMOVE(k, link);
	q->shard->nlookups--;
	return k;
}

static void
answer_all(struct search *q, enum lookup_result result, const struct error *e)
{
	struct lookup *k;

	while ((k = take_asker(q)) != NULL) {
		if (result == LOOKUP_FOUND)
			secret_copy(&k->secret, &q->secret);
		give_back(q->shard, k, result, e);
	}
}

static void
fail(struct search *q, const struct error *e)
{
	answer_all(q, LOOKUP_FAILED, e);
	drop(q);
}

/* The server has said all: whom did it find? */
static void
conclude(struct search *q)
{
	if (q->failed) {
		fail(q, &config_error);
	} else if (q->rows > 0) {
		answer_all(q, LOOKUP_FOUND, NULL);
		drop(q);
	} else {
		answer_all(q, LOOKUP_UNKNOWN, NULL);
		q->unknown_until = clock_now() + UNKNOWN_GOOD_FOR;
		if (HASH_COUNT(q->shard->searches) > UNKNOWN_MAX || strlen(q->user) > UNKNOWN_LENGTH)
			drop(q);
	}
}

/* --- what the server says --- */

static void
refuse_answer(struct search *q, const char *why)
{
	if (!q->failed)
		server_log(q->server, LOG_ERROR, "auth_query: %s", why);
	q->failed = true;
}

/* A column's text as a string of the caller's; NULL: it is NULL, or *r has failed. */
static char *
read_column(struct reader *r)
{
	uint32_t size = reader_u32(r);
	const uint8_t *text;

	if (!reader_ok(r) || size == UINT32_MAX)
		return NULL;
	text = reader_bytes(r, size);
	return text == NULL ? NULL : memory_strndup((const char *)text, size);
}

static void
take_row(struct search *q, const uint8_t *body, size_t n)
{
	char *name, *password;
	struct reader r;

	reader_init(&r, body, n);
	if (reader_u16(&r) != 2) {
		refuse_answer(q, "its result must have two columns, the name and the password");
		return;
	}
	name = read_column(&r);
	password = read_column(&r);
	if (!reader_done(&r))
		refuse_answer(q, "malformed row");
	else if (name == NULL)
		;	/* nobody: so says a function whose result is no set */
	else if (strcmp(name, q->user) != 0)
		refuse_answer(q, "the name that it returned is not the one that was asked for");
	else if (++q->rows > 1)
		refuse_answer(q, "it returned more than one row");
	else
		secret_parse(&q->secret, password);
	free(name);
	memory_free_secret(password);
}

static void
take_error(struct search *q, const uint8_t *body, size_t n)
{
	struct error e;

	response_parse(body, n, &e);
	server_log(q->server, LOG_ERROR, "auth_query failed: %s %s: %s", severity_name(e.severity), e.sqlstate,
		   e.message);
	q->failed = true;
}

static void
release_server(struct search *q)
{
	struct server *s = q->server;

	q->server = NULL;
	s->lease = NULL;
	pool_release(s, false);
}

static void
take_message(struct search *q, uint8_t type, const uint8_t *body, size_t n)
{
	switch (type) {
	case BE_DATA_ROW:
		take_row(q, body, n);
		break;
	case BE_ERROR_RESPONSE:
		take_error(q, body, n);
		break;
	case BE_PARAMETER_STATUS:
		server_take_parameter(q->server, body, n);
		break;
	case BE_READY_FOR_QUERY:
		q->server->transaction = n == 1 ? body[0] : TRANSACTION_FAILED;
		release_server(q);
		conclude(q);
		break;
	default:
		break;		/* ParseComplete and the like */
	}
}

static size_t
on_input(struct server *s, const uint8_t *p, size_t n)
{
	struct loop *loop = s->env->loop;
	struct search *q = s->lease;
	size_t used = 0;
	struct frame f;

	q->answered = true;
	while (s->lease == q) {
		switch (frame_peek(p + used, n - used, &f)) {
		case FRAME_SHORT:
			return used;
		case FRAME_OK:
			if (f.size <= ANSWER_MAX)
				break;
			/* fall through */
		case FRAME_INVALID:
			server_close(s, NULL, "malformed or too long an answer to auth_query");
			return n;
		}
		s->want = n - used < f.size ? f.size : 0;
		if (s->want > 0)
			return used;
		take_message(q, f.type, p + used + FRAME_HEADER, f.size - FRAME_HEADER);
		inbox_wipe_scratch(loop, p + used, f.size);
		used += f.size;
	}
	return used;
}

static void
on_drained(struct server *s)
{
	(void)s;
}

static void start(struct search *q);

/* The pool may have gone with its connections: look for it anew. */
static void
on_retry(struct deferred *d)
{
	struct search *q = container_of(d, struct search, retry);
	struct tenant *t = tenants_find(q->shard->tenants, q->key);

	if (q->leaving)
		return;
	if (t == NULL || t->conf == NULL) {
		fail(q, &config_error);
		return;
	}
	q->pool = pool_open_private(&q->shard->pools, t, q->auth_user);
	start(q);
}

static void
on_lost(struct server *s, const struct error *e)
{
	struct search *q = s->lease;

	(void)e;
	s->lease = NULL;
	q->server = NULL;
	/* An idle connection may have died unnoticed; the query changes nothing, so it may be sent again. */
	if (!q->answered && !q->retried) {
		q->retried = true;
		loop_defer(q->shard->loop, &q->retry, on_retry);
	} else {
		fail(q, &config_error);
	}
}

static const struct server_lessee lessee = {
	.input = on_input,
	.drained = on_drained,
	.lost = on_lost,
};

/* --- running --- */

static void
send_query(struct search *q)
{
	struct buffer b = BUFFER_INIT;
	size_t m = writer_begin(&b, FE_PARSE);

	writer_string(&b, "");
	writer_string(&b, q->query);
	writer_u16(&b, 0);
	writer_end(&b, m);
	m = writer_begin(&b, FE_BIND);
	writer_string(&b, "");
	writer_string(&b, "");
	writer_u16(&b, 0);
	writer_u16(&b, 1);
	writer_u32(&b, (uint32_t)strlen(q->user));
	writer_bytes(&b, q->user, strlen(q->user));
	writer_u16(&b, 0);
	writer_end(&b, m);
	m = writer_begin(&b, FE_EXECUTE);
	writer_string(&b, "");
	writer_u32(&b, 2);	/* a second row is one too many already */
	writer_end(&b, m);
	m = writer_begin(&b, FE_SYNC);
	writer_end(&b, m);
	stream_send_bytes(&q->server->stream, b.data, b.len);
	buffer_release(&b);
}

static void
run_on(struct search *q, struct server *s)
{
	end_waiting(q);
	q->server = s;
	q->answered = false;
	s->lease = q;
	server_lease(s, &lessee);
	stream_receive_secrets(&s->stream, true);
	send_query(q);
}

static void
on_granted(struct lease_request *r, struct server *s)
{
	run_on(container_of(r, struct search, wait), s);
}

static void
on_refused(struct lease_request *r, const struct error *e)
{
	struct search *q = container_of(r, struct search, wait);

	log_error("auth_query for \"%s\" was not run: no connection to database \"%s\" as \"%s\": %s", q->user,
		  q->pool->tenant->name, q->pool->user->name, e->message);
	/* Whoever mistyped the name of a database that "*" would make learns it here: that no password is asked for
	 * would tell it anyway. */
	fail(q, strcmp(e->sqlstate, SQLSTATE_INVALID_CATALOG_NAME) == 0 ? e : &config_error);
}

static void
on_waiting(struct lease_request *r)
{
	(void)r;
}

static const struct lease_request_ops wait_ops = {
	.granted = on_granted,
	.failed = on_refused,
	.waiting = on_waiting,
};

static void
start(struct search *q)
{
	struct server *s;

	q->wait.ops = &wait_ops;
	q->wait.is_admin = string_in_list(shard_config(q->shard)->admin_users, q->user);
	s = pool_acquire(q->pool, &q->wait);
	if (s != NULL)
		run_on(q, s);
	else
		begin_to_wait(q);
}

/* --- serving --- */

static size_t
write_key(const struct lookup *k, char *out)
{
	const char *const parts[] = { k->database, k->auth_user, k->query, k->user };
	size_t size = 0;

	for (size_t i = 0; i < lengthof(parts); i++) {
		size_t n = strlen(parts[i]) + 1;

		if (out != NULL)
			memcpy(out + size, parts[i], n);
		size += n;
	}
	return size;
}

static struct search *
find_search(struct shard *s, const struct lookup *k)
{
	size_t size = write_key(k, NULL);
	char *key = memory_alloc(size);
	struct search *q;

	write_key(k, key);
	HASH_FIND(hh, s->searches, key, size, q);
	free(key);
	return q;
}

static struct search *
add_search(struct shard *s, const struct lookup *k)
{
	size_t size = write_key(k, NULL);
	struct search *q = memory_zalloc(sizeof(*q) + size);

	q->shard = s;
	q->since = clock_now();
	write_key(k, q->key);
	q->auth_user = q->key + strlen(q->key) + 1;
	q->query = q->auth_user + strlen(q->auth_user) + 1;
	q->user = q->query + strlen(q->query) + 1;
	LIST_INIT(&q->askers);
	HASH_ADD(hh, s->searches, key, size, q);
	return q;
}

/* The database that is asked; NULL: k has its answer already. */
static struct tenant *
find_database(struct shard *s, struct lookup *k)
{
	struct tenant *t = NULL;
	struct error e;

	if (config_is_reserved(k->database)) {
		log_error("cannot use the reserved \"%s\" database as an auth_dbname", k->database);
		give_back(s, k, LOOKUP_FAILED, &config_error);
	} else if ((t = shard_open_tenant(s, k->database, &e)) == NULL) {
		log_error("authentication database \"%s\" is not configured", k->database);
		give_back(s, k, LOOKUP_FAILED, &config_error);
	} else if (t->disabled) {
		error_set(&e, SEVERITY_FATAL, SQLSTATE_CANNOT_CONNECT_NOW,
			  "authentication database \"%.100s\" is disabled", k->database);
		give_back(s, k, LOOKUP_FAILED, &e);
		t = NULL;
	}
	return t;
}

/* Whoever asked first and has no answer yet is the likeliest to have left; as with max_login_clients, it has to go. */
static bool
make_room(struct shard *s)
{
	struct search *oldest = TAILQ_FIRST(&s->waiting_searches);

	if (s->nlookups - LOOKUPS_OF_POOLS < shard_config(s)->max_login_clients)
		return true;
	if (oldest == NULL)
		return false;
	pool_forget(oldest->pool, &oldest->wait);
	fail(oldest, &crowded_error);
	return true;
}

void
lookup_serve(struct shard *s, struct lookup *k)
{
	bool has_room = make_room(s);
	struct search *q = find_search(s, k);
	struct tenant *t;

	if (q != NULL && q->unknown_until > clock_now()) {
		give_back(s, k, LOOKUP_UNKNOWN, NULL);
		return;
	}
	if (q != NULL && q->unknown_until > 0) {
		drop(q);
		q = NULL;
	}
	if (!has_room) {
		give_back(s, k, LOOKUP_FAILED, &crowded_error);
		return;
	}
	if (q != NULL) {
		add_asker(q, k);
		return;
	}
	t = find_database(s, k);
	if (t == NULL)
		return;
	q = add_search(s, k);
	add_asker(q, k);
	q->pool = pool_open_private(&s->pools, t, k->auth_user);
	start(q);
}

static void
give_up(struct search *q)
{
	struct server *s = q->server;

	log_error("auth_query for \"%s\" on database \"%s\" takes too long", q->user, q->pool->tenant->name);
	pool_forget(q->pool, &q->wait);
	if (s != NULL) {
		s->lease = NULL;
		q->server = NULL;
		pool_abandon(s, "auth_query takes too long");
	}
	fail(q, &config_error);
}

void
lookups_keep(struct shard *s, usec_t now)
{
	struct search *q, *next;

	HASH_ITER(hh, s->searches, q, next) {
		if (q->unknown_until > 0 && now >= q->unknown_until)
			drop(q);
		else if (q->unknown_until == 0 && now - q->since > PATIENCE)
			give_up(q);
	}
}

void
lookups_release(struct shard *s)
{
	struct search *q, *next;

	HASH_ITER(hh, s->searches, q, next) {
		struct lookup *k;

		while ((k = take_asker(q)) != NULL)
			lookup_free(&k);
		drop(q);
	}
}

/* --- for pools --- */

static void
on_found_for_pool(struct lookup *k)
{
	struct shard *s = k->arg;
	struct tenant *t = tenants_find(s->tenants, k->tenant);

	if (t != NULL)
		tenant_learn(t, k->user, k->result == LOOKUP_FOUND ? &k->secret : NULL);
	lookup_free(&k);
}

void
lookup_for_pool(struct pools *ps, struct pool *p)
{
	struct shard *s = container_of(ps, struct shard, pools);
	struct lookup *k = lookup_new(shard_config(s), p->tenant->conf, p->user->name);

	if (k == NULL) {
		tenant_learn(p->tenant, p->user->name, NULL);
		return;
	}
	k->tenant = memory_strdup(p->tenant->name);
	k->reply = s->client_env.mailbox;
	k->found = on_found_for_pool;
	k->arg = s;
	s->ops->look_up(s, k);
}
