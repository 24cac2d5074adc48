#include "console/provision.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/command.h"
#include "console/dialogue.h"

struct provision {
	struct task task;
	const char *tag; /* of the answer */
};

static void
release(struct task *t)
{
	free(container_of(t, struct provision, task));
}

static struct provision *
start(struct dialogue *d, const char *tag)
{
	struct provision *p = memory_zalloc(sizeof(*p));

	p->tag = tag;
	p->task.release = release;
	task_start(&p->task, d->console, d);
	return p;
}

static void
on_done(void *arg, const struct error *e)
{
	struct provision *p = arg;
	struct dialogue *d = p->task.dialogue;

	if (d != NULL && e == NULL)
		dialogue_complete(d, p->tag);
	else if (d != NULL)
		dialogue_fail(d, e);
	task_end(&p->task);
}

/* The console's own databases are no tenants. */
static bool
refuse_reserved(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	if (!config_is_reserved(s->subject))
		return false;
	dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "%s does not apply to the console itself", c->word);
	return true;
}

static bool
refuse_name(struct dialogue *d, const struct sentence *s)
{
	struct error e;

	if (config_is_tenant_name(s->subject))
		return false;
	error_set(&e, SEVERITY_ERROR, SQLSTATE_INVALID_PARAMETER, "\"%.100s\" can't be the name of a tenant",
		s->subject);
	error_hint(&e, "Names have letters, digits, _, - and ., and no more than 63 of them; the first is none of - and .");
	dialogue_fail(d, &e);
	return true;
}

void
provision_create(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct console *k = d->console;

	if (!refuse_reserved(d, c, s) && !refuse_name(d, s))
		k->ops->create_tenant(k->daemon, s->subject, s->value != NULL ? s->value : "", on_done,
			start(d, "CREATE TENANT"));
}

void
provision_alter(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct console *k = d->console;

	if (!refuse_reserved(d, c, s))
		k->ops->alter_tenant(k->daemon, s->subject, s->value, on_done, start(d, "ALTER TENANT"));
}

void
provision_drop(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct console *k = d->console;

	if (!refuse_reserved(d, c, s))
		k->ops->drop_tenant(k->daemon, s->subject, on_done, start(d, "DROP TENANT"));
}

/* libpq would look for a count behind "MOVE ", the tag of SQL's MOVE. */
void
provision_move(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct console *k = d->console;

	if (!refuse_reserved(d, c, s))
		k->ops->move_tenant(k->daemon, s->subject, s->value, on_done, start(d, "MOVED TENANT"));
}
