#include "net/inbox.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct stream from;
static struct inbox in;
static int peer;

static void
ignore(struct stream *s)
{
	(void)s;
}

static const struct stream_ops ops = { .readable = ignore, .drained = ignore };

static void
begin(void)
{
	int fds[2];

	loop = loop_new();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	stream_open(&from, fds[0], &ops);
	stream_attach(&from, loop);
}

static void
end(void)
{
	inbox_release(&in);
	cr_assert_null(in.kept);
	stream_close(&from);
	close(peer);
	loop_free(&loop);
}

TestSuite(inbox, .init = begin, .fini = end);

static void
send_text(const char *text)
{
	cr_assert_eq(send(peer, text, strlen(text), 0), strlen(text));
}

/* Read, expect this, and use so many bytes of it. */
static void
read_and_use(const char *wanted, size_t used)
{
	const uint8_t *p;
	ssize_t n = inbox_read(&in, &from, 0, &p);

	cr_assert_eq(n, strlen(wanted), "%zd bytes, wanted %s", n, wanted);
	cr_assert_eq(memcmp(p, wanted, (size_t)n), 0);
	inbox_keep(&in, p, (size_t)n, used);
}

Test(inbox, keeps_nothing_when_all_is_used)
{
	send_text("hello");
	read_and_use("hello", 5);
	cr_assert_null(in.kept);
}

Test(inbox, what_is_left_stands_in_front_of_what_comes)
{
	send_text("abc");
	read_and_use("abc", 1);
	send_text("def");
	read_and_use("bcdef", 0);
	send_text("g");
	read_and_use("bcdefg", 6);
	cr_assert_null(in.kept);
}

Test(inbox, nothing_to_read_loses_nothing)
{
	const uint8_t *p;

	cr_assert_eq(inbox_read(&in, &from, 0, &p), -1);
	cr_assert_eq(inbox_kept(&in, &p), 0);
	send_text("abc");
	read_and_use("abc", 1);
	cr_assert_eq(inbox_read(&in, &from, 0, &p), -1);
	cr_assert_eq(inbox_kept(&in, &p), 2);
	cr_assert_eq(memcmp(p, "bc", 2), 0);
	inbox_keep(&in, p, 2, 1);
	cr_assert_eq(inbox_kept(&in, &p), 1);
	cr_assert_eq(*p, 'c');
	inbox_keep(&in, p, 1, 1);
	cr_assert_null(in.kept);
}

Test(inbox, tells_the_end)
{
	const uint8_t *p;

	send_text("abc");
	read_and_use("abc", 0);
	shutdown(peer, SHUT_WR);
	cr_assert_eq(inbox_read(&in, &from, 0, &p), 0);
	cr_assert_eq(inbox_kept(&in, &p), 3);
}

/* A large message comes in many reads, and is whole at last. */
Test(inbox, large_messages)
{
	static uint8_t message[500000];
	size_t sent = 0;
	const uint8_t *p;
	ssize_t n = 0;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 31 >> 3);
	while ((size_t)n < sizeof(message)) {
		ssize_t more = send(peer, message + sent, sizeof(message) - sent, 0);

		sent += more > 0 ? (size_t)more : 0;
		n = inbox_read(&in, &from, sizeof(message), &p);
		cr_assert_gt(n, 0);
		cr_assert_eq(memcmp(p, message, (size_t)n), 0);
		inbox_keep(&in, p, (size_t)n, (size_t)n == sizeof(message) ? (size_t)n : 0);
	}
	cr_assert_null(in.kept);
}

/* A peer that announces much and sends little takes little. */
Test(inbox, memory_grows_with_what_has_come)
{
	static uint8_t some[LOOP_SCRATCH - 10];
	const uint8_t *p;
	ssize_t n;

	cr_assert_eq(send(peer, some, sizeof(some), 0), sizeof(some));
	n = inbox_read(&in, &from, 1000 * 1000 * 1000, &p);
	cr_assert_eq(n, sizeof(some));
	inbox_keep(&in, p, (size_t)n, 0);
	for (int i = 0; i < 10; i++) {
		send_text("x");
		n = inbox_read(&in, &from, 1000 * 1000 * 1000, &p);
		inbox_keep(&in, p, (size_t)n, 0);
	}
	cr_assert_lt(in.kept->cap, 8 * LOOP_SCRATCH);
}

/* What was read stands in the scratch until the next read; a login may not leave it there. */
Test(inbox, what_was_secret_is_wiped_from_the_scratch)
{
	const uint8_t *p;
	ssize_t n;

	send_text("a secret");
	n = inbox_read(&in, &from, 0, &p);
	inbox_keep(&in, p, (size_t)n, 2);
	inbox_wipe_scratch(loop, p, (size_t)n);
	cr_assert_null(memmem(loop_scratch(loop), LOOP_SCRATCH, "secret", 6));
	/* What is kept is no longer there, and stays. */
	cr_assert_eq(inbox_kept(&in, &p), 6);
	inbox_wipe_scratch(loop, p, 6);
	cr_assert_eq(memcmp(p, "secret", 6), 0);
	inbox_keep(&in, p, 6, 6);
}
