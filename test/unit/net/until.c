#include "until.h"

#define PATIENCE (20 * USEC_PER_SEC)

struct wait {
	struct loop *loop;
	bool (*is)(void *arg);
	void *arg;
	usec_t deadline;
	bool happened;
};

static void
look(void *arg)
{
	struct wait *w = arg;

	w->happened = w->is(w->arg);
	if (w->happened || clock_now() > w->deadline)
		loop_stop(w->loop);
	else
		loop_after(w->loop, USEC_PER_MSEC, look, w);
}

bool
until_within(struct loop *l, bool (*is)(void *arg), void *arg, usec_t patience)
{
	struct wait w = { .loop = l, .is = is, .arg = arg, .deadline = clock_now() + patience };

	loop_after(l, 0, look, &w);
	loop_run(l);
	return w.happened;
}

bool
until(struct loop *l, bool (*is)(void *arg), void *arg)
{
	return until_within(l, is, arg, PATIENCE);
}

static bool
is_second_look(void *arg)
{
	return ++*(int *)arg == 2;
}

void
turn(struct loop *l)
{
	int looks = 0;

	until(l, is_second_look, &looks);
}
