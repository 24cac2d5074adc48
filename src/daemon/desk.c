#include "daemon/desk.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "daemon/move.h"
#include "tenant/catalogue.h"

#define CARRIED 500	/* changes that one visit brings to a worker */

/* Something that the workers are to be told. */
struct change {
	STAILQ_ENTRY(change) link;
	char *line;		/* NULL: it is gone */
	console_done_fn *done;	/* NULL: nobody waits */
	void *arg;
	char name[];
};

STAILQ_HEAD(change_list, change);

/* Some of them on their way. */
struct round {
	struct inquiry inquiry;
	LIST_ENTRY(round) link;
	struct change_list changes;
};

/* A command under way. */
struct command {
	LIST_ENTRY(command) link;
	struct desk *desk;
	console_done_fn *done;
	void *arg;
	char name[];
};

STAILQ_HEAD(question_list, mail);

struct moving {
	LIST_ENTRY(moving) link;
	struct move *move;
	struct question_list questions;	/* wait for its end */
	bool changed;			/* what the catalogue says, meanwhile */
};

struct desk {
	struct loop *loop;
	struct mailbox *mailbox;
	int job_mail, found_mail;
	struct helpers *askers;
	struct hosts *hosts;
	const struct inquirer *inquirer;
	struct catalogue *catalogue;
	struct change_list changes;	/* to be carried at the end of the turn */
	struct deferred deferred;
	LIST_HEAD(, round) rounds;
	LIST_HEAD(, command) commands;
	LIST_HEAD(, moving) moves;
	LIST_HEAD(, asking) askings;
};

/* A question that the catalogue has. */
struct asking {
	LIST_ENTRY(asking) link;
	struct desk *desk;
	struct tenant_question *question;
};

static struct moving *
find_move(struct desk *d, const char *name)
{
	struct moving *m;

	LIST_FOREACH(m, &d->moves, link) {
		if (strcmp(move_tenant(m->move), name) == 0)
			return m;
	}
	return NULL;
}

/* --- changes, to the workers --- */

static void
free_changes(struct change_list *list)
{
	struct change *c;

	while ((c = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		memory_free_secret(c->line);
		free(c);
	}
}

static void
visit_round(struct shard *s, struct inquiry *q)
{
	const struct round *r = container_of(q, struct round, inquiry);
	const struct change *c;

	STAILQ_FOREACH(c, &r->changes, link)
		shard_set_line(s, c->name, c->line);
}

static void
finish_round(struct inquiry *q)
{
	struct round *r = container_of(q, struct round, inquiry);
	struct change *c;

	LIST_REMOVE(r, link);
	STAILQ_FOREACH(c, &r->changes, link) {
		if (c->done != NULL)
			c->done(c->arg, NULL);
	}
	free_changes(&r->changes);
	free(r);
}

static void
carry_changes(struct deferred *deferred)
{
	struct desk *d = container_of(deferred, struct desk, deferred);

	while (d->catalogue != NULL && !STAILQ_EMPTY(&d->changes)) {
		struct round *r = memory_zalloc(sizeof(*r));
		struct change *c;

		STAILQ_INIT(&r->changes);
		for (int n = 0; n < CARRIED && (c = STAILQ_FIRST(&d->changes)) != NULL; n++) {
			STAILQ_REMOVE_HEAD(&d->changes, link);
			STAILQ_INSERT_TAIL(&r->changes, c, link);
		}
		r->inquiry.visit = visit_round;
		r->inquiry.finish = finish_round;
		LIST_INSERT_HEAD(&d->rounds, r, link);
		inquirer_ask(d->inquirer, &r->inquiry);
	}
}

static void
put_change(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg)
{
	size_t size = strlen(name) + 1;
	struct change *c = memory_zalloc(sizeof(*c) + size);

	memcpy(c->name, name, size);
	c->line = line != NULL ? memory_strdup(line) : NULL;
	c->done = done;
	c->arg = arg;
	STAILQ_INSERT_TAIL(&d->changes, c, link);
	loop_defer(d->loop, &d->deferred, carry_changes);
}

static void
on_changed(void *arg, const char *name, const char *line)
{
	struct desk *d = arg;
	struct moving *m = find_move(d, name);

	if (m != NULL)
		m->changed = true;
	else
		put_change(d, name, line, NULL, NULL);
}

static const struct catalogue_ops catalogue_ops = { .changed = on_changed };

/* --- questions, of the workers --- */

static void
give_back(struct desk *d, struct tenant_question *q)
{
	q->mail.kind = d->found_mail;
	mailbox_post(q->reply, &q->mail);
}

static void
on_found(void *arg, const char *line, const struct error *e)
{
	struct asking *a = arg;
	struct desk *d = a->desk;
	struct tenant_question *q = a->question;
	struct moving *m = find_move(d, q->name);

	LIST_REMOVE(a, link);
	free(a);
	if (m != NULL) {
		STAILQ_INSERT_TAIL(&m->questions, &q->mail, link);
		return;
	}
	if (line != NULL)
		q->line = memory_strdup(line);
	else
		q->error = *e;
	give_back(d, q);
}

void
desk_answer(struct desk *d, struct tenant_question *q)
{
	struct moving *m = find_move(d, q->name);
	struct asking *a;

	if (m != NULL) {
		STAILQ_INSERT_TAIL(&m->questions, &q->mail, link);
		return;
	}
	a = memory_zalloc(sizeof(*a));
	a->desk = d;
	a->question = q;
	LIST_INSERT_HEAD(&d->askings, a, link);
	catalogue_find(d->catalogue, q->name, on_found, a);
}

/* --- commands --- */

static bool
refuse(const struct error *e, console_done_fn *done, void *arg)
{
	done(arg, e);
	return false;
}

/* Is it one of the catalogue's, and does nobody else change it? */
static bool
may_change(struct desk *d, const char *name, console_done_fn *done, void *arg)
{
	const struct config *c = d->inquirer->config(d->inquirer->daemon);
	struct error e;

	if (c->tenant_catalogue[0] == '\0') {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_OBJECT_NOT_IN_STATE, "there is no catalogue of tenants");
		error_hint(&e, "Set tenant_catalogue, or change the configuration file and RELOAD.");
		return refuse(&e, done, arg);
	}
	if (config_find_database(c, name) != NULL) {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_OBJECT_NOT_IN_STATE,
			  "tenant \"%s\" has a line in the configuration file", name);
		error_hint(&e, "Change the line, and RELOAD.");
		return refuse(&e, done, arg);
	}
	if (find_move(d, name) != NULL) {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_OBJECT_IN_USE, "tenant \"%s\" is being moved", name);
		return refuse(&e, done, arg);
	}
	return true;
}

static bool
is_good_line(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg)
{
	struct error e;
	struct config_database *db = config_make_line(d->inquirer->config(d->inquirer->daemon), name, line, &e);

	if (db == NULL)
		return refuse(&e, done, arg);
	config_free_line(db);
	return true;
}

static bool
has_query(const char *query, const char *key, console_done_fn *done, void *arg)
{
	struct error e;

	if (query[0] != '\0')
		return true;
	error_set(&e, SEVERITY_ERROR, SQLSTATE_OBJECT_NOT_IN_STATE, "the catalogue can't be changed from here: %s is empty",
		  key);
	return refuse(&e, done, arg);
}

/* The catalogue says so now; the workers are to know before the console is answered. */
static void
on_kept(void *arg, const char *line, const struct error *e)
{
	struct command *c = arg;
	struct desk *d = c->desk;

	LIST_REMOVE(c, link);
	if (line == NULL && strcmp(e->sqlstate, SQLSTATE_INVALID_CATALOG_NAME) != 0)
		c->done(c->arg, NULL);	/* it is changed, and they hear of it as soon as it can be asked */
	else
		put_change(d, c->name, line, c->done, c->arg);
	free(c);
}

static void
on_written(void *arg, const struct error *e)
{
	struct command *c = arg;

	if (e == NULL) {
		catalogue_find(c->desk->catalogue, c->name, on_kept, c);
		return;
	}
	LIST_REMOVE(c, link);
	c->done(c->arg, e);
	free(c);
}

static struct command *
add_command(struct desk *d, const char *name, console_done_fn *done, void *arg)
{
	size_t size = strlen(name) + 1;
	struct command *c = memory_zalloc(sizeof(*c) + size);

	memcpy(c->name, name, size);
	c->desk = d;
	c->done = done;
	c->arg = arg;
	LIST_INSERT_HEAD(&d->commands, c, link);
	return c;
}

static void
save(struct desk *d, const char *name, const char *line, bool must_be_new, console_done_fn *done, void *arg)
{
	const struct config *c = d->inquirer->config(d->inquirer->daemon);

	if (may_change(d, name, done, arg) && has_query(c->tenant_save_query, "tenant_save_query", done, arg) &&
	    is_good_line(d, name, line, done, arg))
		catalogue_save(d->catalogue, name, line, must_be_new, on_written, add_command(d, name, done, arg));
}

void
desk_create(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg)
{
	save(d, name, line, true, done, arg);
}

void
desk_alter(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg)
{
	save(d, name, line, false, done, arg);
}

void
desk_drop(struct desk *d, const char *name, console_done_fn *done, void *arg)
{
	const struct config *c = d->inquirer->config(d->inquirer->daemon);

	if (may_change(d, name, done, arg) && has_query(c->tenant_drop_query, "tenant_drop_query", done, arg))
		catalogue_drop(d->catalogue, name, on_written, add_command(d, name, done, arg));
}

/* --- moves --- */

void
desk_move(struct desk *d, const char *name, const char *line, console_done_fn *done, void *arg)
{
	const struct config *c = d->inquirer->config(d->inquirer->daemon);
	const struct move_tools tools = {
		.desk = d,
		.catalogue = d->catalogue,
		.inquirer = d->inquirer,
		.mailbox = d->mailbox,
		.job_mail = d->job_mail,
		.askers = d->askers,
		.hosts = d->hosts,
	};
	struct moving *m;

	if (!may_change(d, name, done, arg) || !has_query(c->tenant_save_query, "tenant_save_query", done, arg))
		return;
	m = memory_zalloc(sizeof(*m));
	STAILQ_INIT(&m->questions);
	m->move = move_start(&tools, name, line, done, arg);
	LIST_INSERT_HEAD(&d->moves, m, link);
}

/* Whatever the workers have now, what the catalogue says counts. */
static void
on_settled(void *arg, const char *line, const struct error *e)
{
	struct command *c = arg;

	LIST_REMOVE(c, link);
	if (line != NULL || strcmp(e->sqlstate, SQLSTATE_INVALID_CATALOG_NAME) == 0)
		put_change(c->desk, c->name, line, NULL, NULL);
	free(c);
}

void
desk_move_over(struct desk *d, struct move *move)
{
	struct moving *m = find_move(d, move_tenant(move));
	struct mail *mail;

	LIST_REMOVE(m, link);
	if (m->changed)
		catalogue_find(d->catalogue, move_tenant(move), on_settled, add_command(d, move_tenant(move), NULL, NULL));
	while ((mail = STAILQ_FIRST(&m->questions)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->questions, link);
		desk_answer(d, container_of(mail, struct tenant_question, mail));
	}
	free(m);
}

/* --- life --- */

struct desk *
desk_new(struct loop *l, struct mailbox *mb, int job_mail, int found_mail, struct helpers *askers, struct hosts *hosts,
	 const struct inquirer *inquirer, const struct config *c)
{
	struct desk *d = memory_zalloc(sizeof(*d));

	d->loop = l;
	d->mailbox = mb;
	d->job_mail = job_mail;
	d->found_mail = found_mail;
	d->askers = askers;
	d->hosts = hosts;
	d->inquirer = inquirer;
	d->catalogue = catalogue_new(l, mb, job_mail, askers, hosts, c, &catalogue_ops, d);
	STAILQ_INIT(&d->changes);
	return d;
}

void
desk_set_config(struct desk *d, const struct config *c)
{
	catalogue_set_config(d->catalogue, c);
}

struct catalogue *
desk_catalogue(struct desk *d)
{
	return d->catalogue;
}

void
desk_close(struct desk *d)
{
	struct moving *m;

	catalogue_free(&d->catalogue);
	LIST_FOREACH(m, &d->moves, link)
		move_stop(m->move);
}

static void
free_moving(struct moving *m)
{
	struct mail *mail;

	while ((mail = STAILQ_FIRST(&m->questions)) != NULL) {
		struct tenant_question *q = container_of(mail, struct tenant_question, mail);

		STAILQ_REMOVE_HEAD(&m->questions, link);
		tenant_question_free(&q);
	}
	move_free(&m->move);
	free(m);
}

void
desk_free(struct desk **dp)
{
	struct desk *d = *dp;
	struct asking *a, *next_asking;
	struct command *c, *next_command;
	struct moving *m, *next_moving;
	struct round *r, *next_round;

	if (d == NULL)
		return;
	*dp = NULL;
	LIST_FOREACH_SAFE(a, &d->askings, link, next_asking) {
		tenant_question_free(&a->question);
		free(a);
	}
	LIST_FOREACH_SAFE(c, &d->commands, link, next_command)
		free(c);
	LIST_FOREACH_SAFE(m, &d->moves, link, next_moving)
		free_moving(m);
	LIST_FOREACH_SAFE(r, &d->rounds, link, next_round) {
		free_changes(&r->changes);
		free(r);
	}
	free_changes(&d->changes);
	free(d);
}
