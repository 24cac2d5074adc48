#include "net/loop.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "until.h"

static struct loop *loop, *same;
static char said[100];

static void
begin(void)
{
	loop = same = loop_new();
}

static void
end(void)
{
	loop_free(&loop);
	cr_assert_null(loop);
}

TestSuite(loop, .init = begin, .fini = end);

struct speaker {
	struct deferred deferred;
	const char *word;
	struct speaker *next;	/* deferred by this one */
};

static void
speak(struct deferred *d)
{
	struct speaker *s = container_of(d, struct speaker, deferred);

	strcat(said, s->word);
	if (s->next != NULL)
		loop_defer(same, &s->next->deferred, speak);
}

Test(loop, deferred_run_in_order_and_once)
{
	struct speaker a = { .word = "a" }, b = { .word = "b" };

	loop_defer(loop, &a.deferred, speak);
	loop_defer(loop, &b.deferred, speak);
	loop_defer(loop, &a.deferred, speak);
	cr_assert_str_eq(said, "");
	turn(loop);
	cr_assert_str_eq(said, "ab");
	loop_defer(loop, &a.deferred, speak);
	turn(loop);
	cr_assert_str_eq(said, "aba");
}

Test(loop, deferred_may_defer)
{
	struct speaker c = { .word = "c" }, b = { .word = "b", .next = &c }, a = { .word = "a", .next = &b };

	loop_defer(loop, &a.deferred, speak);
	turn(loop);
	cr_assert_str_eq(said, "abc");
}

/* What is to be freed at the end of the turn is freed even if there is no further turn. */
Test(loop, freeing_runs_what_is_deferred_to_the_last)
{
	struct speaker b = { .word = "b" }, a = { .word = "a", .next = &b };

	loop_defer(loop, &a.deferred, speak);
	loop_free(&loop);
	cr_assert_str_eq(said, "ab");
}

static void
count(void *arg)
{
	++*(int *)arg;
}

static bool
is_five(void *arg)
{
	return *(int *)arg >= 5;
}

Test(loop, every_and_after)
{
	int ticks = 0, once = 0, never = 0;

	loop_every(loop, USEC_PER_MSEC, count, &ticks);
	loop_after(loop, USEC_PER_MSEC, count, &once);
	loop_after(loop, 3600 * USEC_PER_SEC, count, &never);
	cr_assert(until(loop, is_five, &ticks));
	cr_assert_eq(once, 1);
	cr_assert_eq(never, 0);
}
