#include "monitor/lookout.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "monitor/history.h"

#define PERIOD (10 * USEC_PER_SEC)
#define ALARMS_MAX 100		/* of a worker, each time */
#define ROUNDING USEC_PER_MSEC	/* timers may be early by so much */

/* What one worker says. */
struct part {
	struct query_sum sum;
	struct query_alarms alarms;
};

struct lookout {
	struct inquiry inquiry;
	const struct inquirer *inquirer;
	struct loop *loop;
	const struct lookout_ops *ops;
	void *arg;
	struct query_alarm_rules rules;	/* read by the workers while asking */
	struct query_alarm_rules next_rules;
	usec_t period;
	bool forget;			/* the answer to the present question */
	struct part *parts;		/* by worker */
};

static void
clear_part(struct part *p)
{
	query_alarms_release(&p->alarms);
	memset(&p->alarms, 0, sizeof(p->alarms));
	memset(&p->sum.n, 0, sizeof(p->sum.n));
	histogram_clear(&p->sum.latency);
}

/* ---- on the workers ---- */

static void
visit(struct shard *s, struct inquiry *q)
{
	struct lookout *w = container_of(q, struct lookout, inquiry);
	struct part *p = &w->parts[s->index];

	query_sum_add(&p->sum, &s->queries.sum);
	query_find_alarms(&s->queries, &w->rules, clock_now(), ALARMS_MAX, &p->alarms);
}

/* ---- on the control thread ---- */

static void
tell_sum(struct lookout *w)
{
	struct query_sum total = { .latency = HISTOGRAM_INIT };

	for (int i = 0; i < w->inquirer->nworkers; i++)
		query_sum_add(&total, &w->parts[i].sum);
	w->ops->sum(w->arg, &total);
	query_sum_release(&total);
}

static void
tell_alarms(struct lookout *w)
{
	for (int i = 0; i < w->inquirer->nworkers; i++) {
		const struct query_alarms *a = &w->parts[i].alarms;

		for (size_t k = 0; k < a->n; k++)
			w->ops->alarm(w->arg, &a->list[k]);
	}
}

static void ask(void *arg);

/* Also when a minute is over, so that the points of the history are whole ones. */
static void
ask_later(struct lookout *w)
{
	usec_t left = history_left(clock_wall()) + ROUNDING;

	loop_after(w->loop, w->period < left ? w->period : left, ask, w);
}

static void
finish(struct inquiry *q)
{
	struct lookout *w = container_of(q, struct lookout, inquiry);

	if (!w->forget) {
		tell_sum(w);
		tell_alarms(w);
	}
	for (int i = 0; i < w->inquirer->nworkers; i++)
		clear_part(&w->parts[i]);
	ask_later(w);
}

static void
ask(void *arg)
{
	struct lookout *w = arg;

	w->rules = w->next_rules;
	w->forget = false;
	inquirer_ask(w->inquirer, &w->inquiry);
}

void
lookout_configure(struct lookout *w, const struct config *c)
{
	w->period = c->alert_baseline_period < PERIOD ? c->alert_baseline_period : PERIOD;
	w->next_rules = (struct query_alarm_rules){
		.slow_share = c->alert_slow_percent / 100.0,
		.min_calls = (unsigned)c->alert_min_queries,
		.regression = c->alert_regression_percent / 100.0,
	};
}

void
lookout_forget(struct lookout *w)
{
	w->forget = true;
}

/* ---- life ---- */

struct lookout *
lookout_new(struct loop *l, const struct inquirer *in, const struct config *c, const struct lookout_ops *ops, void *arg)
{
	struct lookout *w = memory_zalloc(sizeof(*w));

	w->inquiry.visit = visit;
	w->inquiry.finish = finish;
	w->inquirer = in;
	w->loop = l;
	w->ops = ops;
	w->arg = arg;
	w->parts = memory_zalloc((size_t)in->nworkers * sizeof(*w->parts));
	lookout_configure(w, c);
	ask_later(w);
	return w;
}

void
lookout_free(struct lookout **wp)
{
	struct lookout *w = *wp;

	if (w == NULL)
		return;
	*wp = NULL;
	for (int i = 0; i < w->inquirer->nworkers; i++) {
		query_sum_release(&w->parts[i].sum);
		query_alarms_release(&w->parts[i].alarms);
	}
	free(w->parts);
	free(w);
}
