#include "daemon/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "client/attempts.h"
#include "client/bans.h"
#include "daemon/message.h"
#include "session/parts.h"
#include "tenant/spread.h"
#include "threat/habit.h"
#include "pool/pace.h"
#include "tenant/limits.h"

#define UPKEEP_PERIOD (200 * USEC_PER_MSEC)
#define HELPER_THREADS 2
#define ASKER_THREADS 16	/* started as they are needed */

struct worker {
	struct workers *all;
	int index;
	pthread_t thread;
	struct loop *loop;
	struct mailbox *mailbox;
	struct acceptor *tcp, *local;	/* NULL: not accepting there */
	struct shard shard;
	struct stop_message *stop;
	struct deferred deferred;
};

static struct worker *
worker_of(struct shard *s)
{
	return container_of(s, struct worker, shard);
}

/* --- moving clients --- */

static void
post_client(struct deferred *d)
{
	struct client_message *m = container_of(d, struct client_message, deferred);
	struct workers *ws = worker_of(m->from)->all;

	if (m->client->state == CLIENT_CLOSING) {
		free(m);
		return;
	}
	shard_give_up(m->from, m->client);
	mailbox_post(m->to == CONSOLE ? ws->control : ws->list[m->to]->mailbox, &m->mail);
}

static void
move(struct shard *s, struct client *c, int to)
{
	struct client_message *m = memory_zalloc(sizeof(*m));

	m->mail.kind = MESSAGE_CLIENT;
	m->client = c;
	m->to = to;
	m->from = s;
	loop_defer(s->loop, &m->deferred, post_client);
}

/* --- lookups --- */

void
workers_look_up(struct workers *ws, struct lookup *k)
{
	k->mail.kind = MESSAGE_LOOK_UP;
	mailbox_post(ws->list[tenant_worker(k->database, ws->n)]->mailbox, &k->mail);
}

static void
look_up(struct shard *s, struct lookup *k)
{
	workers_look_up(worker_of(s)->all, k);
}

static void
give_back_lookup(struct shard *s, struct lookup *k)
{
	(void)s;
	k->mail.kind = MESSAGE_FOUND;
	mailbox_post(k->reply, &k->mail);
}

/* --- slow queries --- */

/* The control thread has better to do than to read what nobody can: beyond this, records are thrown away. */
#define SLOW_WAITING 10000

static void
tell_slow(struct shard *s, struct slow_query *q)
{
	struct commons *commons = s->commons;

	if (atomic_load_explicit(&commons->slow_waiting, memory_order_relaxed) >= SLOW_WAITING) {
		atomic_fetch_add(&commons->slow_lost, 1);
		slow_query_free(&q);
		return;
	}
	atomic_fetch_add(&commons->slow_waiting, 1);
	q->mail.kind = MESSAGE_SLOW;
	mailbox_post(worker_of(s)->all->control, &q->mail);
}

/* --- tenants --- */

static void
find_tenant(struct shard *s, struct tenant_question *q)
{
	q->mail.kind = MESSAGE_FIND_TENANT;
	mailbox_post(worker_of(s)->all->control, &q->mail);
}

static void
move_session(struct shard *s, struct session_parcel *p, int to)
{
	struct session_message *m = memory_zalloc(sizeof(*m));

	m->mail.kind = MESSAGE_SESSION;
	m->session = p;
	mailbox_post(worker_of(s)->all->list[to]->mailbox, &m->mail);
}

static void
move_server(struct shard *s, struct server_parcel *p, int to)
{
	struct server_message *m = memory_zalloc(sizeof(*m));

	m->mail.kind = MESSAGE_SERVER;
	m->server = p;
	mailbox_post(worker_of(s)->all->list[to]->mailbox, &m->mail);
}

static void
tell_threat(struct shard *s, struct threat *t)
{
	t->mail.kind = MESSAGE_THREAT;
	mailbox_post(worker_of(s)->all->control, &t->mail);
}

static const struct shard_ops shard_ops = {
	.move = move,
	.look_up = look_up,
	.found = give_back_lookup,
	.slow = tell_slow,
	.threat = tell_threat,
	.find_tenant = find_tenant,
	.move_session = move_session,
	.move_server = move_server,
};

/* --- budgets --- */

static void
wake(struct pools *p, uint64_t workers)
{
	struct workers *ws = worker_of(container_of(p, struct shard, pools))->all;

	for (int i = 0; i < ws->n; i++) {
		struct mail *m;

		if ((workers & UINT64_C(1) << i) == 0)
			continue;
		m = memory_zalloc(sizeof(*m));
		m->kind = MESSAGE_WAKE;
		mailbox_post(ws->list[i]->mailbox, m);
	}
}

static void
tell_of_host(void *arg, int worker)
{
	struct workers *ws = arg;
	struct mail *m = memory_zalloc(sizeof(*m));

	m->kind = MESSAGE_HOST;
	mailbox_post(ws->list[worker]->mailbox, m);
}

static const struct hosts_ops hosts_ops = {
	.tell = tell_of_host,
};

static void
evict_elsewhere(struct pools *p, const char *user)
{
	struct worker *w = worker_of(container_of(p, struct shard, pools));
	size_t size = strlen(user) + 1;

	for (int i = 0; i < w->all->n; i++) {
		struct evict_message *m;

		if (i == w->index)
			continue;
		m = memory_zalloc(sizeof(*m) + size);
		m->mail.kind = MESSAGE_EVICT;
		memcpy(m->user, user, size);
		mailbox_post(w->all->list[i]->mailbox, &m->mail);
	}
}

static const struct pools_ops pools_ops = {
	.wake = wake,
	.evict_elsewhere = evict_elsewhere,
	.ask_secret = lookup_for_pool,
	.hand_over = parts_hand_over,
};

/* --- mail --- */

static void
take_job(struct worker *w, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)w;
	job->done(job);
}

static void
take_client(struct worker *w, struct mail *m)
{
	struct client_message *cm = container_of(m, struct client_message, mail);
	struct client *c = cm->client;

	free(cm);
	shard_adopt(&w->shard, c);
}

static void
note_visit(struct worker *w, usec_t took)
{
	atomic_llong *longest = &w->all->commons.longest_visit;
	long long known = atomic_load_explicit(longest, memory_order_relaxed);

	while (took > known && !atomic_compare_exchange_weak(longest, &known, took))
		;
}

static void
visit(struct deferred *d)
{
	struct visit_message *v = container_of(d, struct visit_message, deferred);

	/* A shard that has been released has nothing to look at, and must not be given anything. */
	if (v->worker->stop == NULL) {
		usec_t since = clock_now();

		v->inquiry->visit(&v->worker->shard, v->inquiry);
		note_visit(v->worker, clock_now() - since);
	}
	v->mail.kind = MESSAGE_VISITED;
	mailbox_post(v->worker->all->control, &v->mail);
}

static void
take_visit(struct worker *w, struct mail *m)
{
	struct visit_message *v = container_of(m, struct visit_message, mail);

	v->worker = w;
	loop_defer_past_ready(w->loop, &v->deferred, visit);
}

static void
take_wake(struct worker *w, struct mail *m)
{
	free(m);
	pools_retry(&w->shard.pools);
}

static void
take_host(struct worker *w, struct mail *m)
{
	free(m);
	pools_collect(&w->shard.pools);
}

static void
take_evict(struct worker *w, struct mail *m)
{
	struct evict_message *e = container_of(m, struct evict_message, mail);

	pools_evict_user(&w->shard.pools, e->user);
	free(e);
}

static void
take_lookup(struct worker *w, struct mail *m)
{
	lookup_serve(&w->shard, container_of(m, struct lookup, mail));
}

static void
take_found(struct worker *w, struct mail *m)
{
	struct lookup *k = container_of(m, struct lookup, mail);

	(void)w;
	k->found(k);
}

static void
take_tenant(struct worker *w, struct mail *m)
{
	arrivals_take(&w->shard, container_of(m, struct tenant_question, mail));
}

static void
take_session(struct worker *w, struct mail *m)
{
	struct session_message *sm = container_of(m, struct session_message, mail);
	struct session_parcel *p = sm->session;

	free(sm);
	session_unpack(&w->shard, &p);
}

static void
take_server(struct worker *w, struct mail *m)
{
	struct server_message *sm = container_of(m, struct server_message, mail);
	struct server_parcel *p = sm->server;

	free(sm);
	server_unpack(&w->shard, &p);
}

static void
leave(struct deferred *d)
{
	loop_stop(container_of(d, struct worker, deferred)->loop);
}

static void
take_stop(struct worker *w, struct mail *m)
{
	w->stop = container_of(m, struct stop_message, mail);
	acceptor_free(&w->tcp);
	acceptor_free(&w->local);
	shard_release(&w->shard, &w->stop->error);
	/* Behind the visits that are due: their messages are given back. */
	loop_defer_past_ready(w->loop, &w->deferred, leave);
}

static void (*const take[MESSAGE_KINDS])(struct worker *w, struct mail *m) = {
	[MESSAGE_JOB_DONE] = take_job,
	[MESSAGE_CLIENT] = take_client,
	[MESSAGE_VISIT] = take_visit,
	[MESSAGE_WAKE] = take_wake,
	[MESSAGE_HOST] = take_host,
	[MESSAGE_EVICT] = take_evict,
	[MESSAGE_LOOK_UP] = take_lookup,
	[MESSAGE_FOUND] = take_found,
	[MESSAGE_TENANT_FOUND] = take_tenant,
	[MESSAGE_SESSION] = take_session,
	[MESSAGE_SERVER] = take_server,
	[MESSAGE_STOP] = take_stop,
};

static void
on_mail(void *arg, struct mail *m)
{
	struct worker *w = arg;

	/* Behind MESSAGE_STOP: nobody would close what a client that joins now opens. */
	if (w->stop != NULL)
		message_discard(m);
	else
		take[m->kind](w, m);
}

void
message_discard(struct mail *m)
{
	struct helper_job *job;
	struct client_message *cm;
	struct lookup *k;
	struct slow_query *q;
	struct threat *t;
	struct tenant_question *tq;
	struct session_message *sm;
	struct server_message *vm;

	switch ((enum message_kind)m->kind) {
	case MESSAGE_JOB_DONE:
		job = container_of(m, struct helper_job, mail);
		job->owner = NULL;
		job->done(job);
		return;
	case MESSAGE_CLIENT:
		cm = container_of(m, struct client_message, mail);
		client_discard(cm->client);
		free(cm);
		return;
	case MESSAGE_LOOK_UP:
	case MESSAGE_FOUND:
		k = container_of(m, struct lookup, mail);
		lookup_free(&k);
		return;
	case MESSAGE_SLOW:
		q = container_of(m, struct slow_query, mail);
		slow_query_free(&q);
		return;
	case MESSAGE_THREAT:
		t = container_of(m, struct threat, mail);
		threat_free(&t);
		return;
	case MESSAGE_FIND_TENANT:
	case MESSAGE_TENANT_FOUND:
		tq = container_of(m, struct tenant_question, mail);
		tenant_question_free(&tq);
		return;
	case MESSAGE_SESSION:
		sm = container_of(m, struct session_message, mail);
		session_discard(&sm->session);
		free(sm);
		return;
	case MESSAGE_SERVER:
		vm = container_of(m, struct server_message, mail);
		server_discard(&vm->server);
		free(vm);
		return;
	case MESSAGE_VISIT:
	case MESSAGE_VISITED:
	case MESSAGE_WAKE:
	case MESSAGE_HOST:
	case MESSAGE_EVICT:
	case MESSAGE_STOP:
	case MESSAGE_KINDS:
		free(m);	/* mail is their first member */
		return;
	}
}

/* --- life --- */

static void
on_accepted(void *arg, int fd)
{
	shard_accept(&((struct worker *)arg)->shard, fd);
}

static void
on_upkeep(void *arg)
{
	shard_upkeep(&((struct worker *)arg)->shard);
}

static struct worker *
worker_new(struct workers *ws, int index, int n, const struct config *c)
{
	struct worker *w = memory_zalloc(sizeof(*w));

	w->all = ws;
	w->index = index;
	w->loop = loop_new();
	w->mailbox = mailbox_new(w->loop, on_mail, w);
	shard_init(&w->shard, index, n, w->loop, w->mailbox, MESSAGE_JOB_DONE, c, &ws->commons, &shard_ops,
		   &pools_ops, w);
	loop_every(w->loop, UPKEEP_PERIOD, on_upkeep, w);
	return w;
}

void
workers_configure(struct workers *ws, const struct config *c)
{
	hosts_set_config(ws->commons.hosts, c);
	bans_configure(ws->commons.bans, &(struct ban_settings){
		.failures = c->ban_failures,
		.time = c->ban_time,
		.time_max = c->ban_time_max,
		.accept_rate = c->accept_rate,
		.cancel_rate = c->cancel_rate,
	});
}

void
workers_init(struct workers *ws, int n, const struct config *c, struct mailbox *control)
{
	memset(ws, 0, sizeof(*ws));
	ws->n = n;
	ws->control = control;
	ws->commons.users = users_new();
	ws->commons.hosts = hosts_new(c);
	hosts_set_ops(ws->commons.hosts, n, &hosts_ops, ws);
	ws->commons.attempts = attempts_new();
	ws->commons.habits = habits_new();
	ws->commons.paces = paces_new(n);
	ws->commons.bans = bans_new();
	ws->commons.limits = limits_new(c);
	ws->commons.spreads = spreads_new(n);
	workers_configure(ws, c);
	ws->commons.helpers = helpers_new(HELPER_THREADS);
	ws->commons.askers = helpers_new(ASKER_THREADS);
	atomic_store(&ws->commons.next_id, 1);
	ws->list = memory_zalloc((size_t)n * sizeof(*ws->list));
	for (int i = 0; i < n; i++)
		ws->list[i] = worker_new(ws, i, n, c);
}

void
workers_listen(struct workers *ws, const struct listener_set *tcp, const struct listener_set *local)
{
	for (int i = 0; i < ws->n; i++) {
		struct worker *w = ws->list[i];

		w->tcp = acceptor_new(w->loop, tcp, on_accepted, w);
		w->local = acceptor_new(w->loop, local, on_accepted, w);
	}
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker %d", w->index);
	pthread_setname_np(pthread_self(), name);
	loop_run(w->loop);
	return NULL;
}

void
workers_start(struct workers *ws)
{
	for (int i = 0; i < ws->n; i++) {
		if (pthread_create(&ws->list[i]->thread, NULL, run, ws->list[i]) != 0) {
			log_fatal("cannot start worker %d", i);
			abort();
		}
	}
}

void
workers_ask(struct workers *ws, struct inquiry *q)
{
	q->nworkers = q->pending = ws->n;
	for (int i = 0; i < ws->n; i++) {
		struct visit_message *v = memory_zalloc(sizeof(*v));

		v->mail.kind = MESSAGE_VISIT;
		v->inquiry = q;
		mailbox_post(ws->list[i]->mailbox, &v->mail);
	}
}

void
worker_stop_tcp(struct shard *s)
{
	acceptor_free(&worker_of(s)->tcp);
}

static void
worker_free(struct worker *w)
{
	mailbox_free(&w->mailbox, message_discard);
	shard_free(&w->shard);
	loop_free(&w->loop);
	free(w->stop);
	free(w);
}

void
workers_stop(struct workers *ws, const struct error *e)
{
	for (int i = 0; i < ws->n; i++) {
		struct stop_message *m = memory_zalloc(sizeof(*m));

		m->mail.kind = MESSAGE_STOP;
		m->error = *e;
		mailbox_post(ws->list[i]->mailbox, &m->mail);
	}
	for (int i = 0; i < ws->n; i++)
		pthread_join(ws->list[i]->thread, NULL);
	helpers_free(&ws->commons.helpers, message_discard);
	helpers_free(&ws->commons.askers, message_discard);
	for (int i = 0; i < ws->n; i++)
		worker_free(ws->list[i]);
	free(ws->list);
	users_free(&ws->commons.users);
	hosts_free(&ws->commons.hosts);
	attempts_free(&ws->commons.attempts);
	paces_free(&ws->commons.paces);
	bans_free(&ws->commons.bans);
	limits_free(&ws->commons.limits);
	spreads_free(&ws->commons.spreads);
}
