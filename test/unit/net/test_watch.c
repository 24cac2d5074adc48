#include "net/watch.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/leash.h"
#include "net/resolve.h"
#include "until.h"

static struct loop *loop;
static struct watch *watch;
static int events, pair[2];

static void
on_ready(void *arg, int what)
{
	(void)arg;
	events |= what;
}

static bool
has_event(void *wanted)
{
	return (events & *(int *)wanted) != 0;
}

static void
open_watch(void)
{
	loop = loop_new();
	watch = watch_new(loop, on_ready, NULL);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void
close_watch(void)
{
	watch_free(&watch);
	cr_assert_null(watch);
	loop_free(&loop);
	close(pair[0]);
	close(pair[1]);
}

static bool
come(int wanted)
{
	return until(loop, has_event, &wanted);
}

TestSuite(watch, .init = open_watch, .fini = close_watch);

Test(watch, tells_what_it_was_asked_for)
{
	watch_socket(watch, pair[0], WATCH_READ);
	turn(loop);
	cr_assert_eq(events, 0);
	watch_socket(watch, pair[0], WATCH_READ | WATCH_WRITE);
	cr_assert(come(WATCH_WRITE));
	cr_assert_eq(events, WATCH_WRITE);
	cr_assert_eq(write(pair[1], "x", 1), 1);
	cr_assert(come(WATCH_READ));
}

Test(watch, tells_nothing_when_nothing_is_watched)
{
	watch_socket(watch, pair[0], WATCH_READ);
	watch_socket(watch, -1, 0);
	cr_assert_eq(write(pair[1], "x", 1), 1);
	turn(loop);
	cr_assert_eq(events, 0);
}

Test(watch, a_timer_comes_once_and_the_last_one_counts)
{
	watch_timer(watch, 60 * USEC_PER_SEC);
	watch_timer(watch, 0);
	cr_assert(come(WATCH_TIME));
	events = 0;
	turn(loop);
	cr_assert_eq(events, 0);
}

Test(resolve, addresses_and_folders_need_not_be_asked_for)
{
	static const struct {
		const char *host;
		bool is_name;
	} cases[] = {
		{ "", false },	     { "10.0.0.5", false }, { "::1", false },	{ "/run/postgresql", false },
		{ "@abstract", false }, { "localhost", true }, { "10.0.0", true }, { "db.example.com", true },
	};

	for (size_t i = 0; i < lengthof(cases); i++)
		cr_assert_eq(resolve_is_name(cases[i].host), cases[i].is_name, "%s", cases[i].host);
}

Test(resolve, a_name_has_addresses_or_a_problem)
{
	struct resolve *r = resolve_new("localhost");

	r->job.work(&r->job);
	cr_assert_gt(r->n, 0, "%s", r->problem);
	cr_assert(strcmp(r->addresses[0], "127.0.0.1") == 0 || strcmp(r->addresses[0], "::1") == 0);
	resolve_free(&r);
	r = resolve_new("no-such-host.invalid");
	r->job.work(&r->job);
	cr_assert_eq(r->n, 0);
	cr_assert_neq(r->problem[0], '\0');
	resolve_free(&r);
	cr_assert_null(r);
}

/* --- the leash --- */

static atomic_bool enough;

static void *
pour(void *arg)
{
	static const char bytes[65536];

	while (!atomic_load(&enough)) {
		if (send(*(int *)arg, bytes, sizeof(bytes), MSG_NOSIGNAL) <= 0)
			break;
	}
	return NULL;
}

static void
connect_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &size);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(fds[0], (struct sockaddr *)&at, sizeof(at)), 0);
	fds[1] = accept(listener, NULL, NULL);
	close(listener);
}

Test(leash, a_read_without_end_is_ended, .timeout = 120)
{
	struct leash *l = leash_new(10 * USEC_PER_SEC);
	char bytes[65536];
	pthread_t thread;
	ssize_t n;
	int fds[2];

	connect_pair(fds);
	pthread_create(&thread, NULL, pour, &fds[1]);
	cr_assert(leash_put(l, fds[0]));
	leash_hold(l, 1024 * 1024);
	while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
		;
	leash_let_go(l);
	leash_free(&l);
	cr_assert_null(l);
	atomic_store(&enough, true);
	close(fds[0]);
	pthread_join(thread, NULL);
	close(fds[1]);
}

Test(leash, one_that_takes_too_long_is_ended, .timeout = 120)
{
	struct leash *l = leash_new(50 * USEC_PER_MSEC);
	char byte;
	int fds[2];

	connect_pair(fds);
	cr_assert(leash_put(l, fds[0]));
	leash_hold(l, 1024);
	cr_assert_leq(read(fds[0], &byte, 1), 0);
	leash_let_go(l);
	leash_take(l);
	leash_free(&l);
	close(fds[0]);
	close(fds[1]);
}

Test(leash, between_reads_it_hangs_loose)
{
	struct leash *l = leash_new(1);
	char byte = 0;
	int fds[2];

	connect_pair(fds);
	cr_assert(leash_put(l, fds[0]));
	usleep(100000);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	cr_assert_eq(read(fds[0], &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	leash_free(&l);
	close(fds[0]);
	close(fds[1]);
}
