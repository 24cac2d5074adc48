#include "console/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/command.h"
#include "console/dialogue.h"
#include "session/walk.h"
#include "tenant/catalogue.h"

struct order {
	const char *tag; /* of the answer */
	/* To one database, or (NULL) to all on the shard. false: there was nothing to do. */
	bool (*apply)(struct shard *s, struct tenant *t);
	/* Of an order to all, what takes its time with each: in slices, behind apply.  NULL: nothing. */
	void (*each)(struct shard *s, struct tenant *t);
	bool ends_clients;	  /* likewise, all of the shard */
	bool (*has_settled)(struct shard *s, const struct tenant *t); /* NULL: it is done at once */
	const struct order *undo; /* of one that was canceled while it settled */
	bool needs_running;	  /* refused while everything is paused */
	bool needs_paused;	  /* it is an error if there was nothing to do */
};

/* An order under way. */
struct errand {
	struct task task;
	const struct order *order;
	char *name; /* of the database; NULL: all */
	char *line; /* what the catalogue says of it; NULL: it was not asked */
	struct {
		bool unknown; /* there is no such database */
		bool must_ask; /* the catalogue knows whether there is */
		bool refused; /* everything is paused already */
		bool did;     /* there was something to do */
		bool unsettled;
		struct walk walk;
	} parts[BUDGET_WORKERS];
};

static struct errand *
errand_of(struct inquiry *q)
{
	return container_of(task_of(q), struct errand, task);
}

/* --- what the orders do --- */

/* Call one for each tenant of the shard, or for t. */
static bool
each(struct shard *s, struct tenant *t, bool (*one)(struct shard *s, struct tenant *t))
{
	bool did = false;

	if (t != NULL)
		return one(s, t);
	while ((t = tenants_next(s->tenants, t)) != NULL)
		did |= one(s, t);
	return did;
}

static bool
pause_lending(struct shard *s, struct tenant *t)
{
	if (t != NULL)
		shard_pause(s, t);
	else
		shard_hold(s);
	return true;
}

/* Unless it is resumed already. */
static void
close_idle_servers(struct shard *s, struct tenant *t)
{
	(void)s;
	if (t->paused)
		tenant_close_servers(t, false, "pause");
}

static bool
is_paused(struct shard *s, struct tenant *t)
{
	(void)s;
	return t->paused;
}

static bool
resume_lending(struct shard *s, struct tenant *t)
{
	bool did = (t == NULL && s->paused) || each(s, t, is_paused);

	if (did)
		shard_resume(s, t);
	return did;
}

static void
drop_servers(struct pool *p, const struct error *e)
{
	for (int i = 0; i < PLACES; i++) {
		struct server *server, *next;

		TAILQ_FOREACH_SAFE(server, &p->servers[i], link, next)
			server_close(server, e, e->message);
	}
}

static void
say_killed(struct error *e)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN, "terminated by an administrator");
}

static bool
count_kill(struct shard *s, struct tenant *t)
{
	(void)s;
	t->kills++;
	return true;
}

static void
kill_servers(struct shard *s, struct tenant *t)
{
	struct error e;
	struct pool *p;

	(void)s;
	say_killed(&e);
	LIST_FOREACH(p, &t->pools, link)
		drop_servers(p, &e);
}

static bool
kill_servers_and_clients(struct shard *s, struct tenant *t)
{
	struct error e;

	pause_lending(s, t);
	each(s, t, count_kill);
	if (t == NULL)
		return true;
	say_killed(&e);
	shard_kill_clients(s, t, &e);
	kill_servers(s, t);
	return true;
}

static void
renew_servers(struct shard *s, struct tenant *t)
{
	(void)s;
	t->generation++;	/* those on their way from a part of it to another are closed, too */
	tenant_close_servers(t, true, "database configuration changed");
}

static bool
reconnect(struct shard *s, struct tenant *t)
{
	if (t != NULL)
		renew_servers(s, t);
	return true;
}

static bool
do_nothing(struct shard *s, struct tenant *t)
{
	(void)s;
	(void)t;
	return true;
}

static bool
disable(struct shard *s, struct tenant *t)
{
	(void)s;
	t->disabled = true;
	return true;
}

static bool
enable(struct shard *s, struct tenant *t)
{
	(void)s;
	t->disabled = false;
	return true;
}

static bool
has_old_servers(struct shard *s, struct tenant *t)
{
	struct server *server;
	struct pool *p;

	(void)s;
	LIST_FOREACH(p, &t->pools, link) {
		for (int i = 0; i < PLACES; i++) {
			TAILQ_FOREACH(server, &p->servers[i], link) {
				if (pool_is_outdated(server))
					return true;
			}
		}
	}
	return false;
}

static bool
have_old_servers_gone(struct shard *s, const struct tenant *t)
{
	struct tenant *own = t != NULL ? tenants_find(s->tenants, t->name) : NULL;

	return !each(s, own, has_old_servers);
}

const struct order order_resume = {
	.tag = "RESUME",
	.apply = resume_lending,
	.needs_paused = true,
};
const struct order order_pause = {
	.tag = "PAUSE",
	.apply = pause_lending,
	.each = close_idle_servers,
	.has_settled = shard_is_quiet,
	.undo = &order_resume,
	.needs_running = true,
};
const struct order order_kill = {
	.tag = "KILL",
	.apply = kill_servers_and_clients,
	.each = kill_servers,
	.ends_clients = true,
	.needs_running = true,
};
const struct order order_reconnect = { .tag = "RECONNECT", .apply = reconnect, .each = renew_servers };
const struct order order_wait_close = {
	.tag = "WAIT_CLOSE",
	.apply = do_nothing,
	.has_settled = have_old_servers_gone,
};
const struct order order_disable = { .tag = "DISABLE", .apply = disable };
const struct order order_enable = { .tag = "ENABLE", .apply = enable };

/* --- on the workers --- */

/* The database, on each worker that has it; its own worker makes it if need be, so that the order holds when somebody
 * comes.  NULL: it is not here; the part says if that is wrong. */
static struct tenant *
open_tenant(struct errand *e, struct shard *s)
{
	struct tenant *t = tenants_find(s->tenants, e->name);
	struct error error;

	if (t != NULL || tenant_worker(e->name, s->nworkers) != s->index)
		return t;
	if (e->line == NULL && tenants_must_ask(s->tenants, e->name)) {
		e->parts[s->index].must_ask = true;
		return NULL;
	}
	if (e->line != NULL)
		t = tenants_put(s->tenants, e->name, e->line, &error);
	else
		t = shard_open_tenant(s, e->name, &error);
	e->parts[s->index].unknown = t == NULL;
	return t;
}

/* Clients first: each is told, whether it has a server or not. */
static void
go_through(const struct order *o, struct shard *s, struct walk *w)
{
	struct client *c = NULL;
	struct tenant *t = NULL;
	struct error e;

	say_killed(&e);
	while (o->ends_clients && (c = walk_client(w, s, c)) != NULL) {
		if (c->owner != NULL)
			client_close(c, &e, e.message);
	}
	while (o->each != NULL && (t = walk_tenant(w, s, t)) != NULL)
		o->each(s, t);
}

static void
go_on(struct errand *e, struct shard *s)
{
	struct walk *w = &e->parts[s->index].walk;

	for (;;) {
		walk_begin(w, WALK_SLICE);
		go_through(e->order, s, w);
		if (!w->lost)
			break;
		walk_again(w);
	}
	if (e->order->has_settled != NULL)
		e->parts[s->index].unsettled = !w->more && !e->order->has_settled(s, NULL);
}

static void
visit_apply(struct shard *s, struct inquiry *q)
{
	struct errand *e = errand_of(q);
	struct tenant *t = e->name != NULL ? open_tenant(e, s) : NULL;

	if (e->name != NULL && t == NULL)
		return;
	if (e->order->needs_running && s->paused) {
		e->parts[s->index].refused = true;
		return;
	}
	e->parts[s->index].did = e->order->apply(s, t);
	if (t == NULL)
		go_on(e, s);
	else if (e->order->has_settled != NULL)
		e->parts[s->index].unsettled = !e->order->has_settled(s, t);
}

static void
visit_again(struct shard *s, struct inquiry *q)
{
	struct errand *e = errand_of(q);

	if (e->parts[s->index].walk.more)
		go_on(e, s);
}

static void
visit_settling(struct shard *s, struct inquiry *q)
{
	struct errand *e = errand_of(q);
	struct tenant *t = e->name != NULL ? tenants_find(s->tenants, e->name) : NULL;
	bool gone = e->name != NULL && t == NULL;

	e->parts[s->index].unsettled = !gone && !e->order->has_settled(s, t);
}

/* --- on the control thread --- */

static void
release_errand(struct task *t)
{
	struct errand *e = container_of(t, struct errand, task);

	for (int i = 0; i < BUDGET_WORKERS; i++)
		walk_release(&e->parts[i].walk);
	free(e->name);
	memory_free_secret(e->line);
	free(e);
}

static void
start_errand(struct console *k, struct dialogue *d, const struct order *order, const char *name);

static void
undo_errand(struct task *t)
{
	struct errand *e = container_of(t, struct errand, task);

	if (e->order->undo != NULL)
		start_errand(t->console, NULL, e->order->undo, e->name);
}

static void
finish_settling(struct inquiry *q)
{
	struct errand *e = errand_of(q);
	bool unsettled = false, more = false;

	for (int i = 0; i < q->nworkers; i++) {
		unsettled |= e->parts[i].unsettled;
		more |= e->parts[i].walk.more;
	}
	/* Whoever gave it may have gone: it is done to all that it was given for. */
	if (more) {
		task_ask(&e->task, visit_again, finish_settling);
		return;
	}
	if (unsettled && e->task.dialogue != NULL) {
		task_ask_later(&e->task, visit_settling, finish_settling);
		return;
	}
	if (e->task.dialogue != NULL)
		dialogue_complete(e->task.dialogue, e->order->tag);
	task_end(&e->task);
}

/* The message may speak of the database between its two parts. */
static void
fail(struct errand *e, const char *before, const char *name, const char *after)
{
	if (e->task.dialogue != NULL)
		dialogue_fail_with(e->task.dialogue, SQLSTATE_PROTOCOL_VIOLATION, "%s%.64s%s",
			before, name, after);
	task_end(&e->task);
}

static void finish_apply(struct inquiry *q);

static void
on_found(void *arg, const char *line, const struct error *error)
{
	struct errand *e = arg;

	if (line != NULL) {
		e->line = memory_strdup(line);
		task_ask(&e->task, visit_apply, finish_apply);
		return;
	}
	if (e->task.dialogue != NULL && strcmp(error->sqlstate, SQLSTATE_INVALID_CATALOG_NAME) != 0) {
		dialogue_fail(e->task.dialogue, error);
		task_end(&e->task);
		return;
	}
	fail(e, "no such database: ", e->name, "");
}

/* Nobody has used it yet, and it is in no file. */
static void
ask_catalogue(struct errand *e)
{
	for (int i = 0; i < e->task.inquiry.nworkers; i++)
		e->parts[i].must_ask = false;
	catalogue_find(e->task.console->reports->catalogue, e->name, on_found, e);
}

static void
finish_apply(struct inquiry *q)
{
	struct errand *e = errand_of(q);
	bool unknown = false, refused = false, did = false, must_ask = false;

	for (int i = 0; i < q->nworkers; i++) {
		unknown |= e->parts[i].unknown;
		refused |= e->parts[i].refused;
		did |= e->parts[i].did;
		must_ask |= e->parts[i].must_ask;
	}
	if (must_ask)
		ask_catalogue(e);
	else if (unknown)
		fail(e, "no such database: ", e->name, "");
	else if (refused)
		fail(e, "already suspended/paused", "", "");
	else if (!did && e->order->needs_paused && e->name != NULL)
		fail(e, "database ", e->name, " is not paused");
	else if (!did && e->order->needs_paused)
		fail(e, "pooler is not paused/suspended", "", "");
	else
		finish_settling(q);
}

static void
start_errand(struct console *k, struct dialogue *d, const struct order *order, const char *name)
{
	struct errand *e = memory_zalloc(sizeof(*e));

	e->order = order;
	e->name = name != NULL ? memory_strdup(name) : NULL;
	e->task.release = release_errand;
	e->task.undo = undo_errand;
	task_start(&e->task, k, d);
	task_ask(&e->task, visit_apply, finish_apply);
}

void
console_pause(struct console *k)
{
	start_errand(k, NULL, &order_pause, NULL);
}

void
console_resume(struct console *k)
{
	start_errand(k, NULL, &order_resume, NULL);
}

void
order_run(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct console *k = d->console;
	const char *name = s->subject != NULL ? s->subject : s->argument; /* TENANT may stand before it */

	if (name != NULL && config_is_reserved(name))
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION,
			"%s does not apply to the console itself", c->word);
	else if (c->order == &order_resume && k->ops->stopping(k->daemon))
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "pooler is shutting down");
	else
		start_errand(k, d, c->order, name);
}
