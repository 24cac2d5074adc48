#include "console/show.h"

#include <stdlib.h>

#include "base/memory.h"
#include "console/dialogue.h"

struct show {
	struct task task;
	struct report_order *order;
};

static void
release(struct task *t)
{
	struct show *s = container_of(t, struct show, task);

	report_abandon(&s->order);
	free(s);
}

static void
on_report(void *arg, struct report *rows, const struct error *e)
{
	struct show *s = arg;
	struct dialogue *d = s->task.dialogue;

	s->order = NULL;
	if (d != NULL && rows != NULL) {
		dialogue_rows(d, rows);
		dialogue_complete(d, "SHOW");
	} else if (d != NULL) {
		dialogue_fail(d, e);
	}
	task_end(&s->task);
}

void
show_run(struct dialogue *d, const struct report_kind *kind, const char *tenant)
{
	const struct report_filter filter = { .tenant = tenant };
	struct show *s = memory_zalloc(sizeof(*s));

	s->task.release = release;
	task_start(&s->task, d->console, d);
	s->order = report_ask(d->console->reports, kind, &filter, on_report, s);
}
