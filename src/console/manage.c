#include "console/manage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "console/command.h"
#include "console/dialogue.h"
#include "console/parameters.h"

/* --- RELOAD and SET --- */

struct change {
	struct task task;
	char tag[200]; /* of the answer */
};

static void
release_change(struct task *t)
{
	free(container_of(t, struct change, task));
}

static struct change *
change_new(struct dialogue *d)
{
	struct change *c = memory_zalloc(sizeof(*c));

	c->task.release = release_change;
	task_start(&c->task, d->console, d);
	return c;
}

static void
on_reloaded(void *arg, const struct error *cause)
{
	struct change *c = arg;
	struct dialogue *d = c->task.dialogue;
	struct error e;

	if (d != NULL && cause == NULL) {
		dialogue_complete(d, "RELOAD");
	} else if (d != NULL) {
		error_set(&e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"RELOAD failed, see logs for additional details");
		error_detail(&e, "%s", cause->message);
		dialogue_fail(d, &e);
	}
	task_end(&c->task);
}

void
manage_reload(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	struct console *k = d->console;

	(void)cmd;
	(void)s;
	k->ops->reload(k->daemon, on_reloaded, change_new(d));
}

static void
on_set(void *arg, const struct error *e)
{
	struct change *c = arg;

	if (c->task.dialogue != NULL && e == NULL)
		dialogue_complete(c->task.dialogue, c->tag);
	else if (c->task.dialogue != NULL)
		dialogue_fail(c->task.dialogue, e);
	task_end(&c->task);
}

void
manage_set(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	struct console *k = d->console;
	struct change *c;

	(void)cmd;
	if (parameter_find(s->argument) != NULL) {
		dialogue_notice(d, "SET ignored", NULL);
		dialogue_complete(d, "SET");
		return;
	}
	c = change_new(d);
	snprintf(c->tag, sizeof(c->tag), "SET %.64s=%.100s", s->argument, s->value);
	k->ops->set(k->daemon, s->argument, s->value, on_set, c);
}

/* --- RESET STATS --- */

static void
on_reset(void *arg)
{
	struct change *c = arg;

	if (c->task.dialogue != NULL)
		dialogue_complete(c->task.dialogue, "RESET");
	task_end(&c->task);
}

void
manage_reset(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	struct console *k = d->console;

	if (string_equal_nocase(s->argument, cmd->usage))
		k->ops->reset_statistics(k->daemon, on_reset, change_new(d));
	else
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "RESET knows %s, not \"%.64s\"",
			cmd->usage, s->argument);
}

/* --- SHUTDOWN and SUSPEND --- */

void
manage_shutdown(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	static const struct {
		const char *word;
		enum shutdown_mode mode;
	} modes[] = {
		{ "", SHUTDOWN_NOW },
		{ "WAIT_FOR_SERVERS", SHUTDOWN_WAIT_FOR_SERVERS },
		{ "WAIT_FOR_CLIENTS", SHUTDOWN_WAIT_FOR_CLIENTS },
	};
	const char *word = s->argument != NULL ? s->argument : "";
	struct console *k = d->console;

	for (size_t i = 0; i < lengthof(modes); i++) {
		if (!string_equal_nocase(modes[i].word, word))
			continue;
		dialogue_complete(d, cmd->word);
		k->ops->shutdown(k->daemon, modes[i].mode);
		return;
	}
	dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "SHUTDOWN knows %s, not \"%.64s\"",
		cmd->usage, word);
}

void
manage_suspend(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	(void)cmd;
	(void)s;
	dialogue_fail_with(d, SQLSTATE_FEATURE_NOT_SUPPORTED,
		"SUSPEND is not in this release; PAUSE is");
}

/* --- KILL_CLIENT --- */

struct search {
	struct task task;
	uint32_t id;
	struct error words; /* the client's last */
	bool found[BUDGET_WORKERS];
};

static void
release_search(struct task *t)
{
	free(container_of(t, struct search, task));
}

static struct search *
search_of(struct inquiry *q)
{
	return container_of(task_of(q), struct search, task);
}

static void
visit_search(struct shard *shard, struct inquiry *q)
{
	struct search *s = search_of(q);

	s->found[shard->index] = shard_kill_client(shard, s->id, &s->words);
}

static void
finish_search(struct inquiry *q)
{
	struct search *s = search_of(q);
	bool found = false;

	for (int i = 0; i < q->nworkers; i++)
		found |= s->found[i];
	found = found || console_kill_client(s->task.console, s->id, &s->words);
	if (s->task.dialogue != NULL && found)
		dialogue_complete(s->task.dialogue, "KILL_CLIENT");
	else if (s->task.dialogue != NULL)
		dialogue_fail_with(s->task.dialogue, SQLSTATE_PROTOCOL_VIOLATION,
			"client not found");
	task_end(&s->task);
}

void
manage_kill_client(struct dialogue *d, const struct command *cmd, const struct sentence *s)
{
	struct search *search;
	int64_t id;

	(void)cmd;
	if (!string_to_int64(s->argument, &id)) {
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION,
			"invalid client pointer supplied");
		return;
	}
	if (id <= 0 || id > UINT32_MAX) {
		dialogue_fail_with(d, SQLSTATE_PROTOCOL_VIOLATION, "client not found");
		return;
	}
	search = memory_zalloc(sizeof(*search));
	search->task.release = release_search;
	search->id = (uint32_t)id;
	error_set(&search->words, SEVERITY_FATAL, SQLSTATE_ADMIN_SHUTDOWN,
		"terminated by an administrator");
	task_start(&search->task, d->console, d);
	task_ask(&search->task, visit_search, finish_search);
}
