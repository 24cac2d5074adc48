#include "net/mailbox.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"
#include "net/helpers.h"
#include "until.h"

#define SENDERS 4
#define LETTERS 5000

struct letter {
	struct mail mail;
	int sender, number;
};

struct office {
	struct loop *loop;
	struct mailbox *mailbox;
	int next[SENDERS];	/* the number that is to come */
	int total;
	bool out_of_order;
};

struct sender {
	pthread_t thread;
	struct mailbox *to;
	int index;
};

static void
on_letter(void *arg, struct mail *m)
{
	struct letter *l = container_of(m, struct letter, mail);
	struct office *o = arg;

	o->out_of_order |= l->number != o->next[l->sender]++;
	o->total++;
	free(l);
}

static void
post(struct mailbox *to, int sender, int number)
{
	struct letter *l = memory_zalloc(sizeof(*l));

	l->sender = sender;
	l->number = number;
	mailbox_post(to, &l->mail);
}

static void *
send_letters(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; i < LETTERS; i++)
		post(s->to, s->index, i);
	return NULL;
}

static int discarded;

static void
discard(struct mail *m)
{
	discarded++;
	free(container_of(m, struct letter, mail));
}

static void
begin(struct office *o)
{
	*o = (struct office){ .loop = loop_new() };
	o->mailbox = mailbox_new(o->loop, on_letter, o);
}

static void
end(struct office *o)
{
	mailbox_free(&o->mailbox, discard);
	cr_assert_null(o->mailbox);
	loop_free(&o->loop);
}

static bool
has_all(void *arg)
{
	return ((struct office *)arg)->total == SENDERS * LETTERS;
}

Test(mailbox, several_threads_each_in_order)
{
	struct sender senders[SENDERS];
	struct office o;

	begin(&o);
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .to = o.mailbox, .index = i };
		cr_assert_eq(pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
	}
	cr_assert(until(o.loop, has_all, &o), "%d came", o.total);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	cr_assert_not(o.out_of_order);
	end(&o);
	cr_assert_eq(discarded, 0);
}

/* Letters that come one at a time wake the loop each time. */
Test(mailbox, wakes_the_loop_every_time)
{
	struct office o;

	begin(&o);
	for (int i = 0; i < 100; i++) {
		post(o.mailbox, 0, i);
		turn(o.loop);
		cr_assert_eq(o.total, i + 1);
	}
	end(&o);
}

Test(mailbox, what_is_left_is_discarded)
{
	struct office o;

	begin(&o);
	post(o.mailbox, 0, 0);
	post(o.mailbox, 0, 1);
	end(&o);
	cr_assert_eq(discarded, 2);
	mailbox_free(&o.mailbox, discard);
}

/* A ball that two loops throw to each other. */
struct player {
	pthread_t thread;
	struct loop *loop;
	struct mailbox *mailbox;
	struct player *other;
};

#define THROWS 2000

static void
on_ball(void *arg, struct mail *m)
{
	struct player *p = arg;
	struct letter *l = container_of(m, struct letter, mail);

	/* The last but one tells the other to stop, too. */
	if (l->number++ >= THROWS - 1)
		loop_stop(p->loop);
	if (l->number > THROWS)
		free(l);
	else
		mailbox_post(p->other->mailbox, &l->mail);
}

static void *
play(void *arg)
{
	loop_run(((struct player *)arg)->loop);
	return NULL;
}

Test(mailbox, two_loops, .timeout = 120)
{
	struct player p[2];

	for (int i = 0; i < 2; i++) {
		p[i].loop = loop_new();
		p[i].mailbox = mailbox_new(p[i].loop, on_ball, &p[i]);
		p[i].other = &p[1 - i];
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&p[i].thread, NULL, play, &p[i]);
	post(p[0].mailbox, 0, 0);
	for (int i = 0; i < 2; i++)
		pthread_join(p[i].thread, NULL);
	for (int i = 0; i < 2; i++) {
		mailbox_free(&p[i].mailbox, discard);
		loop_free(&p[i].loop);
	}
	cr_assert_eq(discarded, 0);
}

/* --- helpers, whose jobs come back as mail --- */

struct sum {
	struct helper_job job;
	int a, b, result;
};

static int finished, orphans;

static void
work_sum(struct helper_job *job)
{
	struct sum *s = container_of(job, struct sum, job);

	s->result = s->a + s->b;
}

static void
done_sum(struct helper_job *job)
{
	struct sum *s = container_of(job, struct sum, job);

	if (job->owner == NULL)
		orphans++;
	else if (s->result == s->a + s->b)
		finished++;
	free(s);
}

static void
on_job(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard_job(struct mail *m)
{
	free(container_of(m, struct sum, job.mail));
}

static bool
is_all_done(void *arg)
{
	(void)arg;
	return finished + orphans == 200;
}

Test(helpers, jobs_come_back_to_their_loop)
{
	struct loop *loop = loop_new();
	struct mailbox *mb = mailbox_new(loop, on_job, NULL);
	struct helpers *h = helpers_new(3);

	for (int i = 0; i < 200; i++) {
		struct sum *s = memory_zalloc(sizeof(*s));

		*s = (struct sum){ .a = i, .b = 7, .job = { .work = work_sum, .done = done_sum, .reply = mb } };
		s->job.owner = i % 10 == 0 ? NULL : loop;
		helpers_submit(h, &s->job);
	}
	cr_assert(until(loop, is_all_done, NULL));
	cr_assert_eq(finished, 180);
	cr_assert_eq(orphans, 20);
	helpers_free(&h, discard_job);
	mailbox_free(&mb, discard_job);
	loop_free(&loop);
}
