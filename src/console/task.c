#include "console/dialogue.h"
#include "console/inside.h"

#define LATER (50 * USEC_PER_MSEC)

void
task_start(struct task *t, struct console *k, struct dialogue *d)
{
	t->console = k;
	t->dialogue = d;
	if (d != NULL)
		d->task = t;
	LIST_INSERT_HEAD(&k->tasks, t, link);
}

static void
ask(void *arg)
{
	struct task *t = arg;

	inquirer_ask(t->console->ops->inquirer, &t->inquiry);
}

void
task_ask(struct task *t, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q))
{
	t->inquiry.visit = visit;
	t->inquiry.finish = finish;
	ask(t);
}

void
task_ask_later(struct task *t, void (*visit)(struct shard *s, struct inquiry *q),
	void (*finish)(struct inquiry *q))
{
	const struct inquirer *inquirer = t->console->ops->inquirer;

	t->inquiry.visit = visit;
	t->inquiry.finish = finish;
	inquirer->later(inquirer->daemon, LATER, ask, t);
}

void
task_end(struct task *t)
{
	struct dialogue *d = t->dialogue;

	LIST_REMOVE(t, link);
	t->release(t);
	if (d == NULL)
		return;
	d->task = NULL;
	dialogue_go_on(d);
}
