#include "net/gather.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "until.h"

/* A stream whose other end is read by the test. */
static struct loop *loop;
static struct gather *g;
static struct stream to;
static int peer;
static int drained;

static void
on_readable(struct stream *s)
{
	(void)s;
}

static void
on_drained(struct stream *s)
{
	(void)s;
	drained++;
}

static const struct stream_ops ops = { .readable = on_readable, .drained = on_drained };

static void
connect_pair(int type)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	stream_open(&to, fds[0], &ops);
	stream_attach(&to, loop);
}

static void
begin(void)
{
	loop = loop_new();
	g = loop_gather(loop);
}

static void
end(void)
{
	stream_close(&to);
	close(peer);
	loop_free(&loop);
}

TestSuite(gather, .init = begin, .fini = end);

/* One record is one send. */
static void
expect_record(const char *wanted)
{
	char got[100];
	ssize_t n = recv(peer, got, sizeof(got) - 1, 0);

	cr_assert_geq(n, 0, "nothing came; wanted %s", wanted);
	got[n] = '\0';
	cr_assert_str_eq(got, wanted);
}

static void
expect_nothing(void)
{
	char c;

	cr_assert_lt(recv(peer, &c, 1, 0), 0);
}

static void
put(const char *text)
{
	buffer_append(gather_write(g), text, strlen(text));
	gather_wrote(g);
}

Test(gather, all_goes_out_at_once)
{
	static const char relayed[] = "0123456789";

	connect_pair(SOCK_SEQPACKET);
	gather_begin(g, &to);
	gather_ref(g, relayed, 3);
	put("ab");
	put("cd");
	gather_ref(g, relayed + 3, 4);
	gather_ref(g, relayed + 7, 3);
	gather_ref(g, relayed, 0);
	put("");
	put("e");
	cr_assert_eq(gather_size(g), 15);
	expect_nothing();
	cr_assert(gather_flush(g));
	cr_assert_eq(gather_size(g), 0);
	expect_record("012abcd3456789e");
	expect_nothing();
}

Test(gather, nothing_is_nothing)
{
	connect_pair(SOCK_SEQPACKET);
	gather_begin(g, &to);
	cr_assert(gather_flush(g));
	expect_nothing();
	gather_begin(g, &to);
	put("lost");
	gather_ref(g, "lost", 4);
	gather_drop(g);
	cr_assert_eq(gather_size(g), 0);
	gather_begin(g, &to);
	put("kept");
	gather_flush(g);
	expect_record("kept");
	expect_nothing();
}

/* Many small messages that were read together are relayed as one piece. */
Test(gather, neighbours_are_one_piece)
{
	static uint8_t bytes[5000];
	static uint8_t got[sizeof(bytes)];

	connect_pair(SOCK_SEQPACKET);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	gather_begin(g, &to);
	for (size_t i = 0; i < sizeof(bytes); i += 5)
		gather_ref(g, bytes + i, 5);
	cr_assert(gather_flush(g));
	cr_assert_eq(recv(peer, got, sizeof(got), 0), sizeof(bytes));
	cr_assert_eq(memcmp(got, bytes, sizeof(bytes)), 0);
}

Test(gather, beginning_twice_aborts, .signal = SIGABRT)
{
	cr_assert_not_null(freopen("/dev/null", "w", stderr));
	connect_pair(SOCK_STREAM);
	gather_begin(g, &to);
	gather_begin(g, &to);
}

/* --- everything arrives, in order --- */

struct flow {
	struct buffer sent, got;
};

/* The peer reads a little at a time. */
static bool
has_all(void *arg)
{
	struct flow *f = arg;
	size_t n = 1 + (size_t)random() % 60000;
	ssize_t got = recv(peer, buffer_reserve(&f->got, n), n, 0);

	if (got > 0)
		buffer_added(&f->got, (size_t)got);
	return buffer_left(&f->got) >= buffer_left(&f->sent);
}

static void
expect_all(struct flow *f)
{
	cr_assert(until(loop, has_all, f), "%zu of %zu bytes came", buffer_left(&f->got), buffer_left(&f->sent));
	cr_assert_eq(buffer_left(&f->got), buffer_left(&f->sent));
	cr_assert_eq(memcmp(buffer_head(&f->got), buffer_head(&f->sent), buffer_left(&f->got)), 0);
	turn(loop);
	cr_assert(stream_is_drained(&to));
	buffer_release(&f->sent);
	buffer_release(&f->got);
}

/* A piece of a random kind and size. */
static void
add_piece(struct flow *f, const uint8_t *noise, size_t max)
{
	size_t n = (size_t)random() % max, at = (size_t)random() % max;

	buffer_append(&f->sent, noise + at, n);
	if (random() % 2 == 0) {
		gather_ref(g, noise + at, n);
	} else {
		buffer_append(gather_write(g), noise + at, n);
		gather_wrote(g);
	}
}

static void
flow(int pieces, size_t max, int small_buffer)
{
	static uint8_t noise[200000];
	struct flow f = { .sent = BUFFER_INIT };

	connect_pair(SOCK_STREAM);
	if (small_buffer > 0)
		setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &small_buffer, sizeof(small_buffer));
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)random();
	for (int round = 0; round < 3; round++) {
		gather_begin(g, &to);
		for (int i = 0; i < pieces; i++)
			add_piece(&f, noise, max);
		gather_flush(g);
	}
	expect_all(&f);
}

Test(gather, more_pieces_than_fit)
{
	flow(1000, 30, 0);
}

Test(gather, the_arena_moves_while_it_grows)
{
	flow(60, 3000, 0);
}

Test(gather, a_backlog_over_a_tiny_buffer)
{
	flow(200, 1000, 4608);
	cr_assert_geq(drained, 1);
}

Test(gather, large_pieces)
{
	flow(8, 100000, 4608);
	cr_assert_geq(drained, 1);
}

Test(gather, says_when_there_is_a_backlog)
{
	static uint8_t big[1000000];

	connect_pair(SOCK_STREAM);
	gather_begin(g, &to);
	gather_ref(g, big, sizeof(big));
	cr_assert_not(gather_flush(g));
	cr_assert_gt(stream_backlog_size(&to), 0);
	/* With nothing more to send it says so still. */
	gather_begin(g, &to);
	cr_assert_not(gather_flush(g));
}

/* The peer is gone: what is sent is swallowed, and nobody is stopped. */
Test(gather, a_broken_stream_swallows)
{
	connect_pair(SOCK_STREAM);
	close(peer);
	peer = -1;
	for (int i = 0; i < 3; i++) {
		gather_begin(g, &to);
		put("hello");
		cr_assert(gather_flush(g));
	}
	cr_assert(to.broken);
}
