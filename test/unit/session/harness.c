#include "harness.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "client/attempts.h"
#include "net/mailbox.h"
#include "pg/cancel.h"
#include "session/lookup.h"
#include "session/move.h"
#include "session/walk.h"
#include "tenant/limits.h"

#define PATIENCE_MS 30000
#define WORKERS_MAX 2
#define PEERS_MAX 64
#define UPKEEP (20 * USEC_PER_MSEC)

enum mail_kind {
	MAIL_JOB,		/* a helper's */
	MAIL_CALL,		/* house_call */
	MAIL_CLIENT,		/* a client in login moves to its tenant's worker */
	MAIL_SESSION,
	MAIL_SERVER,
	MAIL_LOOK_UP,
	MAIL_FOUND,
	MAIL_HOST,		/* hosts_ops.tell */
};

struct call {
	struct mail mail;
	struct deferred deferred;
	struct worker *worker;
	void (*fn)(struct shard *s, void *arg);
	void *arg;
	sem_t done;
};

struct parcel {
	struct mail mail;
	struct deferred deferred;
	struct shard *from;
	int to;
	struct client *client;
	struct session_parcel *session;
	struct server_parcel *server;
};

struct worker {
	pthread_t thread;
	struct loop *loop;
	struct mailbox *mailbox;
	struct shard shard;
};

static struct {
	int nworkers;
	struct worker workers[WORKERS_MAX];
	struct commons commons;
	int listening, port;
	_Atomic(struct slow_query *) slow;
	struct peer peers[PEERS_MAX];
	int npeers;
} house;

/* --- workers --- */

static void
run_call(struct deferred *d)
{
	struct call *call = container_of(d, struct call, deferred);

	call->fn(&call->worker->shard, call->arg);
	sem_post(&call->done);
}

static void
take_parcel(struct worker *w, struct parcel *p)
{
	switch (p->mail.kind) {
	case MAIL_CLIENT:
		shard_adopt(&w->shard, p->client);
		break;
	case MAIL_SESSION:
		session_unpack(&w->shard, &p->session);
		break;
	case MAIL_SERVER:
		server_unpack(&w->shard, &p->server);
		break;
	}
	free(p);
}

static void
on_mail(void *arg, struct mail *m)
{
	struct worker *w = arg;

	if (m->kind == MAIL_JOB) {
		struct helper_job *job = container_of(m, struct helper_job, mail);
		job->done(job);
	} else if (m->kind == MAIL_CALL) {
		struct call *call = container_of(m, struct call, mail);
		loop_defer_past_ready(w->loop, &call->deferred, run_call);
	} else if (m->kind == MAIL_HOST) {
		free(m);
		pools_collect(&w->shard.pools);
	} else if (m->kind == MAIL_LOOK_UP) {
		lookup_serve(&w->shard, container_of(m, struct lookup, mail));
	} else if (m->kind == MAIL_FOUND) {
		struct lookup *k = container_of(m, struct lookup, mail);
		k->found(k);
	} else {
		take_parcel(w, container_of(m, struct parcel, mail));
	}
}

static void
discard(struct mail *m)
{
	struct lookup *k = container_of(m, struct lookup, mail);
	struct helper_job *job = container_of(m, struct helper_job, mail);

	if (m->kind == MAIL_JOB) {
		job->owner = NULL;
		job->done(job);
		return;
	}
	if (m->kind == MAIL_LOOK_UP || m->kind == MAIL_FOUND) {
		lookup_free(&k);
		return;
	}
	if (m->kind == MAIL_HOST) {
		free(m);
		return;
	}
	cr_assert_fail("mail of kind %d is left", m->kind);
}

static void
post_client(struct deferred *d)
{
	struct parcel *p = container_of(d, struct parcel, deferred);

	if (p->client->state == CLIENT_CLOSING) {
		free(p);
		return;
	}
	shard_give_up(p->from, p->client);
	mailbox_post(house.workers[p->to].mailbox, &p->mail);
}

static void
move(struct shard *s, struct client *c, int to)
{
	struct parcel *p;

	if (to == CONSOLE) {
		client_close(c, NULL, "there is no console here");
		return;
	}
	p = memory_zalloc(sizeof(*p));
	p->mail.kind = MAIL_CLIENT;
	p->from = s;
	p->to = to;
	p->client = c;
	loop_defer(s->loop, &p->deferred, post_client);
}

static void
look_up(struct shard *s, struct lookup *k)
{
	(void)s;
	k->mail.kind = MAIL_LOOK_UP;
	mailbox_post(house.workers[tenant_worker(k->database, house.nworkers)].mailbox, &k->mail);
}

static void
give_back(struct shard *s, struct lookup *k)
{
	(void)s;
	k->mail.kind = MAIL_FOUND;
	mailbox_post(k->reply, &k->mail);
}

/* The last one is kept for the test. */
static void
keep_slow(struct shard *s, struct slow_query *q)
{
	(void)s;
	q = atomic_exchange(&house.slow, q);
	slow_query_free(&q);
}

static const struct shard_ops shard_ops = {
	.move = move,
	.look_up = look_up,
	.found = give_back,
	.slow = keep_slow,
};

static void
wake(struct pools *p, uint64_t workers)
{
	(void)p;
	(void)workers;
}

static void
evict_elsewhere(struct pools *p, const char *user)
{
	(void)p;
	(void)user;
}

static const struct pools_ops pools_ops = {
	.wake = wake,
	.evict_elsewhere = evict_elsewhere,
	.ask_secret = lookup_for_pool,
};

static void
tell_of_host(void *arg, int worker)
{
	struct mail *m = memory_zalloc(sizeof(*m));

	(void)arg;
	m->kind = MAIL_HOST;
	mailbox_post(house.workers[worker].mailbox, m);
}

static const struct hosts_ops hosts_ops = { .tell = tell_of_host };

static void
on_upkeep(void *arg)
{
	shard_upkeep(&((struct worker *)arg)->shard);
}

static void *
run(void *arg)
{
	loop_run(((struct worker *)arg)->loop);
	return NULL;
}

/* --- the house --- */

static void
listen_as_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);

	house.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(house.listening, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(house.listening, 50), 0);
	getsockname(house.listening, (struct sockaddr *)&a, &size);
	house.port = ntohs(a.sin_port);
}

/* From a file: what is made from text alone speaks TLS with nobody. */
static const struct config *
load(const char *text, struct error *e)
{
	char path[] = "/tmp/pgusher-house-XXXXXX";
	int fd = mkstemp(path);
	const struct config *c;

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	c = config_load(path, NULL, NULL, e);
	unlink(path);
	return c;
}

static const struct config *
make_config(const char *databases, const char *settings)
{
	char text[8000] = "[databases]\n";
	size_t n = strlen(text);
	const struct config *c;
	struct error e;

	for (const char *p = databases; *p != '\0'; p++) {
		if (strncmp(p, "PG", 2) != 0) {
			text[n++] = *p;
			continue;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "host=127.0.0.1 port=%d", house.port);
		p++;
	}
	snprintf(text + n, sizeof(text) - n, "\n[pgbouncer]\nauth_type = any\npool_mode = transaction\nserver_tls_sslmode = disable\n%s\n", settings);
	c = strstr(settings, "server_tls_sslmode") != NULL ? load(text, &e) : config_from_text(text, strlen(text), &e);
	cr_assert_not_null(c, "%s", e.message);
	return c;
}

void
house_open(int nworkers, const char *databases, const char *settings)
{
	const struct config *c;
	struct error e;

	/* Every line is made, so that what it tells of is there. */
	log_set_stderr(getenv("TEST_LOG") != NULL);
	log_set_verbose(2);
	cr_assert(log_open_file("/dev/null", &e), "%s", e.message);
	cancel_init();
	listen_as_server();
	c = make_config(databases, settings);
	house.nworkers = nworkers;
	house.commons.helpers = helpers_new(1);
	house.commons.askers = helpers_new(1);
	house.commons.attempts = attempts_new();
	house.commons.users = users_new();
	house.commons.hosts = hosts_new(c);
	house.commons.limits = limits_new(c);
	hosts_set_ops(house.commons.hosts, nworkers, &hosts_ops, NULL);
	atomic_store(&house.commons.next_id, 1);
	for (int i = 0; i < nworkers; i++) {
		struct worker *w = &house.workers[i];

		w->loop = loop_new();
		w->mailbox = mailbox_new(w->loop, on_mail, w);
		shard_init(&w->shard, i, nworkers, w->loop, w->mailbox, MAIL_JOB, c, &house.commons, &shard_ops,
			   &pools_ops, w);
		loop_every(w->loop, UPKEEP, on_upkeep, w);
	}
	config_unref(&c);
	for (int i = 0; i < nworkers; i++)
		cr_assert_eq(pthread_create(&house.workers[i].thread, NULL, run, &house.workers[i]), 0);
}

void
house_call(int worker, void (*fn)(struct shard *s, void *arg), void *arg)
{
	struct call call = { .mail.kind = MAIL_CALL, .worker = &house.workers[worker], .fn = fn, .arg = arg };

	sem_init(&call.done, 0, 0);
	mailbox_post(house.workers[worker].mailbox, &call.mail);
	while (sem_wait(&call.done) != 0)
		;
	sem_destroy(&call.done);
}

static void
do_nothing(struct shard *s, void *arg)
{
	(void)s;
	(void)arg;
}

void
house_settle(void)
{
	/* What one turn causes, the next one serves. */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < house.nworkers; i++)
			house_call(i, do_nothing, NULL);
	}
}

struct question {
	bool (*is)(struct shard *s, void *arg);
	void *arg;
	bool answer;
};

static void
ask(struct shard *s, void *arg)
{
	struct question *q = arg;

	q->answer = q->is(s, q->arg);
}

void
house_until_from(int worker, bool (*is)(struct shard *s, void *arg), void *arg, int line)
{
	struct question q = { .is = is, .arg = arg };
	usec_t deadline = clock_now() + PATIENCE_MS * USEC_PER_MSEC;

	for (;;) {
		house_call(worker, ask, &q);
		if (q.answer)
			return;
		cr_assert(clock_now() < deadline, "line %d: it never came to that", line);
		usleep(1000);
	}
}

static void
set_config(struct shard *s, void *arg)
{
	struct walk w = { .more = true };

	shard_set_config(s, arg);
	while (w.more)
		shard_catch_up(s, &w);
}

void
house_configure(int worker, const char *databases, const char *settings)
{
	const struct config *c = make_config(databases, settings);

	house_call(worker, set_config, (void *)(uintptr_t)c);
	config_unref(&c);
}

static void
release(struct shard *s, void *arg)
{
	struct error e;

	(void)arg;
	error_set(&e, SEVERITY_FATAL, "57P01", "the house is closed");
	shard_release(s, &e);
}

static void
stop(struct shard *s, void *arg)
{
	(void)arg;
	loop_stop(s->loop);
}

static void
count_user(void *arg, struct user *user)
{
	(void)user;
	++*(int *)arg;
}

struct slow_query *
house_slow_query(void)
{
	return atomic_exchange(&house.slow, NULL);
}

void
house_close(void)
{
	struct slow_query *slow;
	int left = 0;

	for (int i = 0; i < house.nworkers; i++) {
		house_call(i, release, NULL);
		house_call(i, stop, NULL);
		pthread_join(house.workers[i].thread, NULL);
	}
	cr_assert_eq(budget_used(&house.commons.clients), 0);
	users_each(house.commons.users, count_user, &left);
	cr_assert_eq(left, 0, "%d users are referred to still", left);
	for (int i = 0; i < house.npeers; i++)
		hang_up(&house.peers[i]);
	helpers_free(&house.commons.helpers, discard);
	helpers_free(&house.commons.askers, discard);
	for (int i = 0; i < house.nworkers; i++) {
		struct worker *w = &house.workers[i];

		mailbox_free(&w->mailbox, discard);
		shard_free(&w->shard);
		loop_free(&w->loop);
	}
	slow = house_slow_query();
	slow_query_free(&slow);
	users_free(&house.commons.users);
	limits_free(&house.commons.limits);
	hosts_free(&house.commons.hosts);
	attempts_free(&house.commons.attempts);
	close(house.listening);
}

/* --- peers --- */

static struct peer *
add_peer(int fd, bool is_server)
{
	struct peer *p = &house.peers[house.npeers++];

	cr_assert_leq(house.npeers, PEERS_MAX);
	*p = (struct peer){ .fd = fd, .is_server = is_server };
	return p;
}

static void
accept_client(struct shard *s, void *arg)
{
	shard_accept(s, *(int *)arg);
}

struct peer *
client_connect(int worker)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	house_call(worker, accept_client, &fds[1]);
	return add_peer(fds[0], false);
}

struct peer *
client_open(int worker, const char *parameters)
{
	struct peer *c = client_connect(worker);

	say_startup(c, parameters);
	return c;
}

struct peer *
client_cancel(int worker, const struct peer *whom)
{
	struct peer *c = client_connect(worker);

	say_cancel(c, whom->pid, whom->key, whom->key_size);
	return c;
}

static bool
somebody_knocks(int patience)
{
	struct pollfd ready = { .fd = house.listening, .events = POLLIN };

	return poll(&ready, 1, patience) == 1;
}

bool
backend_is_unwanted(void)
{
	house_settle();
	return !somebody_knocks(0);
}

struct peer *
backend_accept(void)
{
	int on = 1, fd;

	cr_assert(somebody_knocks(PATIENCE_MS), "nobody connects to PostgreSQL");
	fd = accept4(house.listening, NULL, NULL, SOCK_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return add_peer(fd, true);
}

void
backend_let_in(struct peer *s)
{
	uint8_t startup[1000];
	size_t n;

	hear_startup(s, startup, sizeof(startup), &n);
	say(s, "R(0) S(server_version=15.4) S(client_encoding=UTF8) S(DateStyle=ISO, MDY) S(TimeZone=UTC) "
	       "S(standard_conforming_strings=on) S(application_name=) K Z(I)");
}

struct peer *
backend_open(void)
{
	struct peer *s = backend_accept();

	backend_let_in(s);
	return s;
}

void
pair_open(struct peer **c, struct peer **s)
{
	*c = client_open(0, "user=alice,database=one");
	*s = backend_open();
	client_welcome(*c);
}

struct session *
session_of(struct shard *s, const struct peer *c)
{
	struct client key = { .id = c->pid };
	struct client *found = SPLAY_FIND(client_set, &s->clients, &key);

	return found == NULL ? NULL : found->owner;
}

/* --- moving --- */

struct journey {
	const struct peer *client;
	const char *database;
	int to;
	bool gone;
};

static bool
leave_with_session(struct shard *s, void *arg)
{
	struct journey *j = arg;
	struct session *session = session_of(s, j->client);
	struct parcel *p;

	if (session == NULL || !session_is_movable(session))
		return false;
	p = memory_zalloc(sizeof(*p));
	p->mail.kind = MAIL_SESSION;
	p->session = session_pack(session);
	mailbox_post(house.workers[j->to].mailbox, &p->mail);
	return true;
}

void
move_client(struct peer *c, int from, int to)
{
	struct journey j = { .client = c, .to = to };

	house_until(from, leave_with_session, &j);
}

static void
leave_with_server(struct shard *s, void *arg)
{
	struct journey *j = arg;
	struct tenant *t = tenants_find(s->tenants, j->database);
	struct server_parcel *sp = NULL;
	struct pool *pool;
	struct parcel *p;

	cr_assert_not_null(t);
	LIST_FOREACH(pool, &t->pools, link) {
		if (sp == NULL)
			sp = server_pack(pool);
	}
	if (sp == NULL)
		return;
	j->gone = true;
	p = memory_zalloc(sizeof(*p));
	p->mail.kind = MAIL_SERVER;
	p->server = sp;
	mailbox_post(house.workers[j->to].mailbox, &p->mail);
}

bool
move_server(const char *database, int from, int to)
{
	struct journey j = { .database = database, .to = to };

	house_call(from, leave_with_server, &j);
	return j.gone;
}
