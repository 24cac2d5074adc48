#include "daemon/control.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/console.h"
#include "daemon/desk.h"
#include "daemon/message.h"
#include "daemon/process.h"
#include "daemon/spreader.h"
#include "daemon/worker.h"
#include "http/http.h"
#include "monitor/monitor.h"
#include "reports/reports.h"
#include "session/walk.h"
#include "tenant/lease.h"
#include "tenant/limits.h"
#include "threat/habit.h"

#define UPKEEP_PERIOD (200 * USEC_PER_MSEC)
#define HTTP_RETRY 5			/* seconds */
#define OWN_FILES 100			/* logs, event loops, HTTP, dialogues with the catalogue */
#define DRAIN_PERIOD (50 * USEC_PER_MSEC)

struct drain;

struct control {
	struct loop *loop;
	struct mailbox *mailbox;
	struct workers workers;
	struct inquirer inquirer;
	struct desk *desk;
	struct spreader *spreader;
	struct leases *leases;
	struct monitor *monitor;
	struct reports reports;
	struct console *console;
	struct http *http;
	usec_t http_retry_at;		/* 0: it listens as it should */
	const struct config *config;
	char *path;
	struct listener_set *tcp, *local;
	bool paused;			/* by signal */
	bool stopping;			/* shutdown under way */
	struct drain *drain;		/* of a shutdown that waits */
	struct traffic last_totals;	/* at the last stats_period, all tenants */
};

/* --- inquiries --- */

static void
ask(void *arg, struct inquiry *q)
{
	workers_ask(&((struct control *)arg)->workers, q);
}

/* --- taking a snapshot --- */

struct apply {
	struct inquiry inquiry;
	struct control *control;
	const struct config *config;
	const struct config *before;	/* freed when no tenant is left of it: here, since that takes a while */
	console_done_fn *done;
	void *arg;
	bool again;			/* it is not the first visit */
	struct walk walks[BUDGET_WORKERS];
};

/* Another one may have begun meanwhile: then it is that one's snapshot that tenants catch up with. */
static void
apply_visit(struct shard *s, struct inquiry *q)
{
	struct apply *a = container_of(q, struct apply, inquiry);
	struct walk *w = &a->walks[s->index];

	if (!a->again)
		shard_set_config(s, a->config);
	if (!a->again || w->more)
		shard_catch_up(s, w);
}

static bool
apply_has_more(const struct apply *a)
{
	for (int i = 0; i < a->inquiry.nworkers; i++) {
		if (a->walks[i].more)
			return true;
	}
	return false;
}

static void
apply_log_settings(const struct config *c)
{
	struct error e;

	if (!log_open_file(c->logfile, &e))
		log_error("%s", e.message);
	if (!log_open_syslog(c->syslog ? c->syslog_ident : NULL, c->syslog_facility, &e))
		log_error("%s", e.message);
	log_set_verbose(c->verbose);
	log_set_rate(c->log_rate);
}

/* An address that can't be had stops no traffic: it is tried again, as the old process of a restart may have it still. */
static void
open_http(struct control *k, const struct config *c)
{
	bool failed_before = k->http_retry_at != 0;
	struct error e;

	if (!http_configure(k->http, c, &e)) {
		if (!failed_before)
			log_error("HTTP: %s%s%s; it is tried again every %d s", e.message, e.hint[0] != '\0' ? ": " : "",
				  e.hint, HTTP_RETRY);
		k->http_retry_at = clock_now() + HTTP_RETRY * USEC_PER_SEC;
		return;
	}
	if (failed_before)
		log_info("HTTP: listening on %s now", c->http_listen);
	k->http_retry_at = 0;
}

/* Descriptors that configuration c may need. Hosts without a cap count nothing: how many they take is not known. */
static int64_t
files_of(const struct config *c)
{
	int64_t n = OWN_FILES + c->max_client_conn + (int64_t)c->max_login_clients;

	for (size_t i = 0; i < c->nhosts; i++)
		n += c->hosts[i].max_connections;
	return n;
}

static void
apply_finish(struct inquiry *q)
{
	struct apply *a = container_of(q, struct apply, inquiry);

	if (apply_has_more(a)) {
		a->again = true;
		ask(a->control, q);
		return;
	}
	/* Not a's own: of two that are under way at once, the older may end last. */
	apply_log_settings(a->control->config);
	monitor_set_config(a->control->monitor, a->control->config);
	a->control->http_retry_at = 0;	/* another address may have another fault */
	open_http(a->control, a->control->config);
	if (files_of(a->config) > files_of(a->before))
		process_warn_of_files(files_of(a->config));
	config_unref(&a->config);
	config_unref(&a->before);
	a->done(a->arg, NULL);
	for (int i = 0; i < q->nworkers; i++)
		walk_release(&a->walks[i]);
	free(a);
}

/* Takes the reference to c. */
static void
apply(struct control *k, const struct config *c, console_done_fn *done, void *arg)
{
	struct apply *a = memory_zalloc(sizeof(*a));

	a->inquiry.visit = apply_visit;
	a->inquiry.finish = apply_finish;
	a->control = k;
	a->config = config_ref(c);
	a->done = done;
	a->arg = arg;
	/* From here on it is what the next change builds on, though the workers have not all taken it yet. */
	a->before = k->config;
	k->config = c;
	workers_configure(&k->workers, c);	/* a worker that knows of a new host opens connections at once */
	limits_set_config(k->workers.commons.limits, c);
	leases_set_config(k->leases, c);
	desk_set_config(k->desk, c);	/* a worker that knows of a catalogue asks at once */
	ask(k, &a->inquiry);
}

static void
reload(void *arg, console_done_fn *done, void *done_arg)
{
	struct control *k = arg;
	struct error e;
	const struct config *c;

	log_info("reading configuration again from %s", k->path);
	log_reopen();
	monitor_reopen(k->monitor);
	c = config_load(k->path, k->config, NULL, &e);
	if (c == NULL) {
		log_error("configuration not changed: %s", e.message);
		done(done_arg, &e);
		return;
	}
	apply(k, c, done, done_arg);
}

static void
set(void *arg, const char *key, const char *value, console_done_fn *done, void *done_arg)
{
	struct control *k = arg;
	struct error e;
	const struct config *c = config_with(k->config, key, value, &e);

	if (c == NULL)
		done(done_arg, &e);
	else
		apply(k, c, done, done_arg);
}

/* --- forgetting --- */

struct reset {
	struct inquiry inquiry;
	struct control *control;
	void (*done)(void *arg);
	void *arg;
};

static void
reset_visit(struct shard *s, struct inquiry *q)
{
	(void)q;
	query_store_reset(&s->queries, clock_now());
	applications_reset(&s->applications);
}

static void
reset_finish(struct inquiry *q)
{
	struct reset *r = container_of(q, struct reset, inquiry);

	monitor_reset(r->control->monitor);
	r->done(r->arg);
	free(r);
}

static void
reset_statistics(void *arg, void (*done)(void *arg), void *done_arg)
{
	struct reset *r = memory_zalloc(sizeof(*r));

	r->inquiry.visit = reset_visit;
	r->inquiry.finish = reset_finish;
	r->control = arg;
	r->done = done;
	r->arg = done_arg;
	ask(arg, &r->inquiry);
}

/* --- shutdown --- */

static void
end(struct control *k)
{
	loop_stop(k->loop);
}

/* Ask the workers now and then whether they are done. */
struct drain {
	struct inquiry inquiry;
	struct control *control;
	enum shutdown_mode mode;
	bool done[BUDGET_WORKERS];
};

static void
drain_visit(struct shard *s, struct inquiry *q)
{
	struct drain *d = container_of(q, struct drain, inquiry);

	worker_stop_tcp(s);
	if (d->mode == SHUTDOWN_WAIT_FOR_SERVERS) {
		struct error e;

		error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "server shutting down");
		if (!s->paused)
			shard_pause(s, NULL);
		shard_refuse_waiters(s, &e);
		d->done[s->index] = shard_is_quiet(s, NULL);
	} else {
		d->done[s->index] = s->nclients == 0;
	}
}

static void
drain_again(void *arg)
{
	struct drain *d = arg;

	ask(d->control, &d->inquiry);
}

static void
drain_finish(struct inquiry *q)
{
	struct drain *d = container_of(q, struct drain, inquiry);
	struct control *k = d->control;
	bool done = true;

	listener_close(k->tcp);
	for (int i = 0; i < q->nworkers; i++)
		done &= d->done[i];
	if (!done) {
		loop_after(k->loop, DRAIN_PERIOD, drain_again, d);
		return;
	}
	log_info(d->mode == SHUTDOWN_WAIT_FOR_SERVERS ? "the last server has come back, exiting" :
							 "the last client has gone, exiting");
	end(k);
}

static void
shut_down(void *arg, enum shutdown_mode mode)
{
	struct control *k = arg;
	struct drain *d;

	if (k->stopping || mode == SHUTDOWN_NOW) {
		end(k);
		return;
	}
	process_notify("STOPPING=1");
	k->stopping = true;
	atomic_store(&k->workers.commons.stopping, true);
	d = k->drain = memory_zalloc(sizeof(*d));
	d->inquiry.visit = drain_visit;
	d->inquiry.finish = drain_finish;
	d->control = k;
	d->mode = mode;
	ask(k, &d->inquiry);
}

/* --- signals --- */

static void
on_quit(void *arg)
{
	log_info("got SIGQUIT, exiting at once");
	end(arg);
}

static void
on_term(void *arg)
{
	struct control *k = arg;

	log_info(k->stopping ? "got SIGTERM again, exiting at once" :
			       "got SIGTERM: no new clients from now on, exiting when the last has gone");
	shut_down(k, SHUTDOWN_WAIT_FOR_CLIENTS);
}

static void
on_int(void *arg)
{
	struct control *k = arg;

	log_info(k->stopping ? "got SIGINT again, exiting at once" :
			       "got SIGINT: no server is lent from now on, exiting when the last has come back");
	shut_down(k, SHUTDOWN_WAIT_FOR_SERVERS);
}

static void
on_reloaded(void *arg, const struct error *e)
{
	(void)arg;
	(void)e;
	process_notify("READY=1");
}

static void
on_hup(void *arg)
{
	log_info("got SIGHUP");
	process_notify("RELOADING=1");
	reload(arg, on_reloaded, arg);
}

static void
on_usr1(void *arg)
{
	struct control *k = arg;

	log_info("got SIGUSR1: pausing all databases");
	console_pause(k->console);
}

static void
on_usr2(void *arg)
{
	struct control *k = arg;

	if (k->stopping) {
		log_info("got SIGUSR2 while shutting down, ignoring");
		return;
	}
	log_info("got SIGUSR2: resuming all databases");
	console_resume(k->console);
}

static void
watch_signals(struct control *k)
{
	static const struct {
		int number;
		void (*fn)(void *arg);
	} signals[] = {
		{ SIGQUIT, on_quit }, { SIGTERM, on_term }, { SIGINT, on_int },
		{ SIGHUP, on_hup },   { SIGUSR1, on_usr1 }, { SIGUSR2, on_usr2 },
	};

	for (size_t i = 0; i < lengthof(signals); i++)
		loop_on_signal(k->loop, signals[i].number, signals[i].fn, k);
}

/* --- statistics --- */

struct roll {
	struct inquiry inquiry;
	struct control *control;
	struct traffic totals[BUDGET_WORKERS];
};

static void
roll_visit(struct shard *s, struct inquiry *q)
{
	struct roll *r = container_of(q, struct roll, inquiry);
	struct tenant *t = NULL;

	shard_roll_statistics(s);
	while ((t = tenants_next(s->tenants, t)) != NULL)
		traffic_add(&r->totals[s->index], &t->traffic);
}

static void
log_statistics(const struct traffic *avg)
{
	log_info("stats: %lld xacts/s, %lld queries/s, %lld client parses/s, %lld server parses/s, %lld binds/s, "
		 "in %lld B/s, out %lld B/s, xact %lld us, query %lld us, wait %lld us",
		 (long long)avg->xact_count, (long long)avg->query_count, (long long)avg->client_parse_count,
		 (long long)avg->server_parse_count, (long long)avg->bind_count, (long long)avg->received,
		 (long long)avg->sent, (long long)avg->xact_time, (long long)avg->query_time,
		 (long long)avg->wait_time);
}

static void roll_start(void *arg);

static void
roll_finish(struct inquiry *q)
{
	struct roll *r = container_of(q, struct roll, inquiry);
	struct control *k = r->control;
	struct traffic totals = { 0 }, avg;
	struct traffic_history h = { .older = k->last_totals, .newer_at = k->config->stats_period };

	for (int i = 0; i < q->nworkers; i++)
		traffic_add(&totals, &r->totals[i]);
	h.newer = totals;
	traffic_average(&h, &avg);
	k->last_totals = totals;
	console_roll_statistics(k->console);
	if (k->config->log_stats)
		log_statistics(&avg);
	free(r);
	loop_after(k->loop, k->config->stats_period, roll_start, k);
}

static void
roll_start(void *arg)
{
	struct control *k = arg;
	struct roll *r = memory_zalloc(sizeof(*r));

	r->inquiry.visit = roll_visit;
	r->inquiry.finish = roll_finish;
	r->control = k;
	ask(k, &r->inquiry);
}

/* --- mail --- */

static void
on_mail(void *arg, struct mail *m)
{
	struct control *k = arg;
	struct visit_message *v;
	struct client_message *cm;
	struct lookup *lookup;
	struct client *c;
	struct slow_query *q;

	switch ((enum message_kind)m->kind) {
	case MESSAGE_JOB_DONE:
		container_of(m, struct helper_job, mail)->done(container_of(m, struct helper_job, mail));
		return;
	case MESSAGE_CLIENT:
		cm = container_of(m, struct client_message, mail);
		c = cm->client;
		free(cm);
		console_adopt(k->console, c);
		return;
	case MESSAGE_VISITED:
		v = container_of(m, struct visit_message, mail);
		if (--v->inquiry->pending == 0)
			v->inquiry->finish(v->inquiry);
		free(v);
		return;
	case MESSAGE_FOUND:
		lookup = container_of(m, struct lookup, mail);
		lookup->found(lookup);
		return;
	case MESSAGE_SLOW:
		q = container_of(m, struct slow_query, mail);
		atomic_fetch_sub(&k->workers.commons.slow_waiting, 1);
		monitor_slow_query(k->monitor, q);
		return;
	case MESSAGE_THREAT:
		atomic_fetch_sub(&k->workers.commons.threats_waiting, 1);
		monitor_threat(k->monitor, container_of(m, struct threat, mail));
		return;
	case MESSAGE_FIND_TENANT:
		desk_answer(k->desk, container_of(m, struct tenant_question, mail));
		return;
	case MESSAGE_VISIT:
	case MESSAGE_WAKE:
	case MESSAGE_HOST:
	case MESSAGE_EVICT:
	case MESSAGE_LOOK_UP:
	case MESSAGE_TENANT_FOUND:
	case MESSAGE_SESSION:
	case MESSAGE_SERVER:
	case MESSAGE_STOP:
	case MESSAGE_KINDS:
		log_error("the control thread got message %d, which is not for it", m->kind);
		return;
	}
}

/* --- the wishes of console and HTTP --- */

static void
later(void *arg, usec_t delay, void (*fn)(void *), void *fn_arg)
{
	loop_after(((struct control *)arg)->loop, delay, fn, fn_arg);
}

static const struct config *
get_config(void *arg)
{
	return ((struct control *)arg)->config;
}

static void
look_up(void *arg, struct lookup *k)
{
	workers_look_up(&((struct control *)arg)->workers, k);
}

static void
create_tenant(void *arg, const char *name, const char *line, console_done_fn *done, void *done_arg)
{
	desk_create(((struct control *)arg)->desk, name, line, done, done_arg);
}

static void
alter_tenant(void *arg, const char *name, const char *line, console_done_fn *done, void *done_arg)
{
	desk_alter(((struct control *)arg)->desk, name, line, done, done_arg);
}

static void
drop_tenant(void *arg, const char *name, console_done_fn *done, void *done_arg)
{
	desk_drop(((struct control *)arg)->desk, name, done, done_arg);
}

static void
move_tenant(void *arg, const char *name, const char *line, console_done_fn *done, void *done_arg)
{
	desk_move(((struct control *)arg)->desk, name, line, done, done_arg);
}

static bool
is_stopping(void *arg)
{
	return ((struct control *)arg)->stopping;
}

static struct console_ops console_ops = {
	.reload = reload,
	.set = set,
	.shutdown = shut_down,
	.reset_statistics = reset_statistics,
	.stopping = is_stopping,
	.look_up = look_up,
	.create_tenant = create_tenant,
	.alter_tenant = alter_tenant,
	.drop_tenant = drop_tenant,
	.move_tenant = move_tenant,
};

static struct http_ops http_ops = {
	.reset_statistics = reset_statistics,
	.stopping = is_stopping,
};

static void
on_upkeep(void *arg)
{
	struct control *k = arg;

	console_upkeep(k->console);
	log_tell_more();
	if (k->http_retry_at != 0 && clock_now() >= k->http_retry_at)
		open_http(k, k->config);
}

/* --- life --- */

static int
count_workers(const struct config *c)
{
	long n = c->workers > 0 ? c->workers : sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		n = 1;
	return n > BUDGET_WORKERS ? BUDGET_WORKERS : (int)n;
}

/* Signals are for this thread: the others are born with all of them blocked. */
static void
block_signals(int how)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(how, &all, NULL);
}

struct control *
control_new(const struct config *c, const char *path, struct listener_set *tcp, struct listener_set *local)
{
	struct control *k = memory_zalloc(sizeof(*k));
	int n = count_workers(c);

	process_warn_of_files(files_of(c));
	block_signals(SIG_BLOCK);
	k->config = c;
	k->path = memory_strdup(path);
	k->tcp = tcp;
	k->local = local;
	k->loop = loop_new();
	k->mailbox = mailbox_new(k->loop, on_mail, k);
	workers_init(&k->workers, n, c, k->mailbox);
	workers_listen(&k->workers, tcp, local);
	k->inquirer = (struct inquirer){
		.nworkers = n,
		.daemon = k,
		.ask = ask,
		.later = later,
		.config = get_config,
	};
	console_ops.inquirer = &k->inquirer;
	http_ops.daemon = k;
	k->leases = leases_new(k->loop, k->workers.commons.limits, c);
	k->desk = desk_new(k->loop, k->mailbox, MESSAGE_JOB_DONE, MESSAGE_TENANT_FOUND, k->workers.commons.askers,
			   k->workers.commons.hosts, &k->inquirer, c);
	k->spreader = spreader_new(&k->inquirer, k->workers.commons.spreads);
	k->monitor = monitor_new(k->loop, k->mailbox, MESSAGE_JOB_DONE, k->workers.commons.askers, &k->inquirer, c);
	monitor_set_habits(k->monitor, k->workers.commons.habits);
	k->reports = (struct reports){
		.inquirer = &k->inquirer,
		.commons = &k->workers.commons,
		.monitor = k->monitor,
		.catalogue = desk_catalogue(k->desk),
	};
	k->console = console_new(k->loop, k->mailbox, MESSAGE_JOB_DONE, &k->reports, &console_ops, k);
	k->http = http_new(k->loop, &k->reports, &http_ops);
	watch_signals(k);
	loop_every(k->loop, UPKEEP_PERIOD, on_upkeep, k);
	loop_after(k->loop, c->stats_period, roll_start, k);
	return k;
}

static void
control_free(struct control *k)
{
	http_free(&k->http);
	console_free(&k->console);
	reports_release(&k->reports);
	monitor_free(&k->monitor);
	habits_free(&k->workers.commons.habits);
	mailbox_free(&k->mailbox, message_discard);
	loop_free(&k->loop);
	desk_free(&k->desk);
	spreader_free(&k->spreader);
	config_unref(&k->config);
	free(k->drain);
	free(k->path);
	free(k);
}

void
control_run(struct control **kp)
{
	struct control *k = *kp;
	struct error e;

	*kp = NULL;
	workers_start(&k->workers);
	open_http(k, k->config);
	block_signals(SIG_UNBLOCK);
	process_notify("READY=1");
	log_info("process up: pgusher, %d workers, max_client_conn=%d", k->workers.n, k->config->max_client_conn);
	loop_run(k->loop);
	block_signals(SIG_BLOCK);	/* the end has begun; nothing may cut it short */
	process_notify("STOPPING=1");
	error_set(&e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "server shutting down");
	console_close(k->console, &e);
	monitor_close(k->monitor);
	desk_close(k->desk);
	spreader_stop(k->spreader);
	leases_free(&k->leases);
	workers_stop(&k->workers, &e);
	if (!monitor_save(k->monitor))
		k->workers.commons.habits = NULL;
	listener_close(k->tcp);
	listener_close(k->local);
	process_remove_pid(k->config->pidfile);
	control_free(k);
}
