#include "net/helpers.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "until.h"

#define MOST 4

/* A job that works until the gate opens. */
struct task {
	struct helper_job job;
	bool waits;
	sigset_t mask;
};

static struct loop *loop;
static struct mailbox *mailbox;
static struct helpers *helpers;
static sem_t gate, at_work;
static int finished;		/* came back to the loop */
static atomic_int discarded;	/* did not */
static int hoped;

static void
work(struct helper_job *job)
{
	struct task *t = container_of(job, struct task, job);

	sem_post(&at_work);
	if (t->waits)
		sem_wait(&gate);
}

static void
done(struct helper_job *job)
{
	finished++;
	free(container_of(job, struct task, job));
}

static void
on_job(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard(struct mail *m)
{
	atomic_fetch_add(&discarded, 1);
	free(container_of(m, struct task, job.mail));
}

static struct task *
new_task(bool waits)
{
	struct task *t = memory_zalloc(sizeof(*t));

	*t = (struct task){ .job = { .work = work, .done = done, .reply = mailbox }, .waits = waits };
	return t;
}

static bool
is_finished(void *arg)
{
	(void)arg;
	return finished >= hoped;
}

static void
await_finished(int n)
{
	hoped = n;
	cr_assert(until(loop, is_finished, NULL), "%d of %d jobs came back", finished, n);
}

static void
await_at_work(int n)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 5;
	while (n-- > 0)
		cr_assert_eq(sem_timedwait(&at_work, &end), 0, "no thread has taken it");
}

static void
open_gate(int n)
{
	while (n-- > 0)
		sem_post(&gate);
}

static int
count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	cr_assert_not_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
setup(void)
{
	sem_init(&gate, 0, 0);
	sem_init(&at_work, 0, 0);
	loop = loop_new();
	mailbox = mailbox_new(loop, on_job, NULL);
	helpers = helpers_new(MOST);
}

static void
teardown(void)
{
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	loop_free(&loop);
}

TestSuite(helpers_threads, .init = setup, .fini = teardown, .timeout = 60);

Test(helpers_threads, none_before_the_first_job)
{
	int before = count_threads();
	struct helpers *idle = helpers_new(16);

	cr_assert_eq(count_threads(), before);
	helpers_free(&idle, discard);
	cr_assert_null(idle);
}

Test(helpers_threads, one_serves_jobs_that_come_one_by_one)
{
	int before = count_threads();

	for (int i = 0; i < 20; i++) {
		helpers_submit(helpers, &new_task(false)->job);
		await_finished(i + 1);
	}
	cr_assert_eq(count_threads(), before + 1);
}

Test(helpers_threads, as_many_as_jobs_at_work_up_to_the_most)
{
	int before = count_threads();

	for (int n = 1; n <= MOST; n++) {
		helpers_submit(helpers, &new_task(true)->job);
		await_at_work(1);
		cr_assert_eq(count_threads(), before + n);
	}
	for (int i = 0; i < 3; i++)
		helpers_submit(helpers, &new_task(true)->job);
	cr_assert_eq(count_threads(), before + MOST);
	open_gate(MOST + 3);
	await_finished(MOST + 3);
}

Test(helpers_threads, who_hangs_holds_up_nobody_else)
{
	for (int i = 0; i < MOST - 1; i++)
		helpers_submit(helpers, &new_task(true)->job);
	await_at_work(MOST - 1);
	for (int i = 0; i < 50; i++)
		helpers_submit(helpers, &new_task(false)->job);
	await_finished(50);
	open_gate(MOST - 1);
	await_finished(50 + MOST - 1);
}

static void
work_ask_mask(struct helper_job *job)
{
	sigset_t *mask = &container_of(job, struct task, job)->mask;

	sigemptyset(mask);
	pthread_sigmask(SIG_SETMASK, NULL, mask);
}

static void
done_compare_masks(struct helper_job *job)
{
	struct task *t = container_of(job, struct task, job);
	sigset_t here;

	sigemptyset(&here);
	pthread_sigmask(SIG_SETMASK, NULL, &here);
	cr_expect(sigismember(&t->mask, SIGTERM) && sigismember(&t->mask, SIGHUP), "the helper takes signals");
	cr_expect_not(sigismember(&here, SIGTERM), "who submitted takes them no more");
	done(job);
}

Test(helpers_threads, take_no_signals)
{
	struct task *t = new_task(false);

	t->job.work = work_ask_mask;
	t->job.done = done_compare_masks;
	helpers_submit(helpers, &t->job);
	await_finished(1);
}

Test(helpers_threads, an_offer_is_refused_when_too_many_wait)
{
	struct task *extra = new_task(false);

	for (int i = 0; i < MOST; i++)
		cr_assert(helpers_offer(helpers, &new_task(true)->job));
	await_at_work(MOST);
	for (int i = 0; i < HELPERS_QUEUE; i++)
		cr_assert(helpers_offer(helpers, &new_task(false)->job), "offer %d", i);
	cr_assert_not(helpers_offer(helpers, &extra->job));
	open_gate(MOST);
	await_finished(MOST + HELPERS_QUEUE);
	cr_assert(helpers_offer(helpers, &extra->job));
	await_finished(MOST + HELPERS_QUEUE + 1);
}

/* A flood of them does not hold up a login, and takes no room from it either. */
Test(helpers_threads, spare_ones_come_last)
{
	const int at_a_time = MOST - 1;
	struct task *urgent[3];

	for (int i = 0; i < at_a_time; i++)
		cr_assert(helpers_offer_spare(helpers, &new_task(true)->job));
	await_at_work(at_a_time);
	for (int i = 0; i < HELPERS_QUEUE; i++)
		cr_assert(helpers_offer_spare(helpers, &new_task(true)->job), "offer %d", i);
	for (size_t i = 0; i < lengthof(urgent); i++)
		urgent[i] = new_task(false);
	cr_assert_not(helpers_offer_spare(helpers, &urgent[0]->job));
	for (size_t i = 0; i < lengthof(urgent); i++)
		cr_assert(helpers_offer(helpers, &urgent[i]->job));
	await_finished(lengthof(urgent));	/* no gate was opened: there is a thread for them */
	cr_assert_eq(finished, lengthof(urgent));
	open_gate(at_a_time + HELPERS_QUEUE);
	await_finished((int)lengthof(urgent) + at_a_time + HELPERS_QUEUE);
}

Test(helpers_threads, spare_ones_that_were_not_started_are_discarded)
{
	for (int i = 0; i < MOST; i++)
		helpers_submit(helpers, &new_task(true)->job);
	await_at_work(MOST);
	for (int i = 0; i < 10; i++)
		cr_assert(helpers_offer_spare(helpers, &new_task(true)->job));
	open_gate(MOST + 10);
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	cr_assert_eq(discarded, MOST + 10);
}

Test(helpers_threads, what_was_not_started_is_discarded)
{
	for (int i = 0; i < MOST; i++)
		helpers_submit(helpers, &new_task(true)->job);
	await_at_work(MOST);
	for (int i = 0; i < 10; i++)
		helpers_submit(helpers, &new_task(true)->job);
	open_gate(MOST + 10);
	helpers_free(&helpers, discard);
	mailbox_free(&mailbox, discard);
	cr_assert_eq(discarded, MOST + 10);
}

/* A directory that hangs must not keep the process from ending. */
Test(helpers_threads, who_hangs_is_left_behind)
{
	usec_t start = clock_now();

	helpers_submit(helpers, &new_task(true)->job);
	helpers_submit(helpers, &new_task(true)->job);
	await_at_work(2);
	helpers_free(&helpers, discard);
	cr_assert_lt(clock_now() - start, 20 * USEC_PER_SEC);
	mailbox_free(&mailbox, discard);
	cr_assert_eq(discarded, 0);
	open_gate(2);
	while (atomic_load(&discarded) < 2)
		cr_assert_lt(clock_now() - start, 60 * USEC_PER_SEC);
}

Test(helpers_threads, what_was_not_begun_can_be_taken_back)
{
	struct task *first, *tasks[3];

	for (int i = 0; i < MOST; i++)
		helpers_submit(helpers, &(first = new_task(true))->job);
	await_at_work(MOST);
	for (int i = 0; i < 3; i++)
		helpers_submit(helpers, &(tasks[i] = new_task(false))->job);
	cr_assert_not(helpers_withdraw(helpers, &first->job), "it is at work");
	cr_assert(helpers_withdraw(helpers, &tasks[1]->job));
	cr_assert_not(helpers_withdraw(helpers, &tasks[1]->job));
	free(tasks[1]);
	cr_assert(helpers_withdraw(helpers, &tasks[2]->job), "the last of the queue");
	free(tasks[2]);
	helpers_submit(helpers, &new_task(false)->job);
	open_gate(MOST);
	await_finished(MOST + 2);
}
