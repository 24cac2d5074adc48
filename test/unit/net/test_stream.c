#include "net/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "until.h"

static struct loop *loop;
static struct stream s;
static int peer;
static char got[100];
static ssize_t last_read;
static int drained;

static void
on_readable(struct stream *stream)
{
	size_t n = strlen(got);

	last_read = stream_read(stream, got + n, sizeof(got) - n - 1);
	if (last_read <= 0 && last_read != -1)
		stream_pause(stream);
}

static void
on_drained(struct stream *stream)
{
	(void)stream;
	drained++;
}

static const struct stream_ops ops = { .readable = on_readable, .drained = on_drained };

static void
begin(void)
{
	int fds[2];

	loop = loop_new();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	peer = fds[1];
	stream_open(&s, fds[0], &ops);
	stream_attach(&s, loop);
}

static void
end(void)
{
	stream_close(&s);
	stream_close(&s);
	if (peer >= 0)
		close(peer);
	loop_free(&loop);
}

TestSuite(stream, .init = begin, .fini = end);

static void
send_text(const char *text)
{
	cr_assert_eq(send(peer, text, strlen(text), 0), strlen(text));
	turn(loop);
}

Test(stream, pauses_and_resumes)
{
	send_text("a");
	cr_assert_str_eq(got, "a");
	stream_pause(&s);
	stream_pause(&s);
	send_text("b");
	cr_assert_str_eq(got, "a");
	cr_assert(stream_has_input(&s));
	stream_resume(&s);
	stream_resume(&s);
	turn(loop);
	cr_assert_str_eq(got, "ab");
	cr_assert_not(stream_has_input(&s));
}

Test(stream, moves_to_another_loop)
{
	struct loop *other = loop_new();

	stream_detach(&s);
	send_text("a");
	cr_assert_str_eq(got, "");
	stream_attach(&s, other);
	turn(other);
	cr_assert_str_eq(got, "a");
	/* Paused it stays. */
	stream_pause(&s);
	stream_detach(&s);
	stream_attach(&s, loop);
	send_text("b");
	cr_assert_str_eq(got, "a");
	stream_resume(&s);
	turn(loop);
	cr_assert_str_eq(got, "ab");
	loop_free(&other);
}

static bool
reads_all(void *arg)
{
	static char trash[50000];
	size_t *left = arg;
	ssize_t n = recv(peer, trash, sizeof(trash), 0);

	if (n > 0)
		*left -= (size_t)n;
	return *left == 0 && drained > 0;
}

Test(stream, a_backlog_moves_along)
{
	static uint8_t big[1000000];
	struct loop *other = loop_new();
	size_t left = sizeof(big);

	cr_assert_not(stream_send_bytes(&s, big, sizeof(big)));
	stream_detach(&s);
	cr_assert_gt(stream_backlog_size(&s), 0);
	stream_attach(&s, other);
	cr_assert(until(other, reads_all, &left));
	cr_assert(stream_is_drained(&s));
	cr_assert_eq(drained, 1);
	loop_free(&other);
}

Test(stream, notices_that_the_peer_has_gone)
{
	cr_assert_not(stream_peer_gone(&s));
	cr_assert_eq(send(peer, "bye", 3, 0), 3);
	cr_assert_not(stream_peer_gone(&s));
	close(peer);
	peer = -1;
	cr_assert(stream_peer_gone(&s));
	/* Its last words are there still. */
	turn(loop);
	cr_assert_str_eq(got, "bye");
	cr_assert_eq(last_read, 0);
}

/* The rest of a backlog is given up, and whoever waits for it is told. */
Test(stream, a_peer_that_breaks_a_backlog)
{
	static uint8_t big[1000000];

	cr_assert_not(stream_send_bytes(&s, big, sizeof(big)));
	close(peer);
	peer = -1;
	turn(loop);
	cr_assert(s.broken);
	cr_assert_eq(drained, 1);
	cr_assert(stream_send_bytes(&s, "x", 1));
	cr_assert(stream_peer_gone(&s));
}

static bool
is_reset(void *arg)
{
	(void)arg;
	return last_read == -ECONNRESET;
}

Test(stream, a_reset_is_an_error)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger hard = { .l_onoff = 1 };
	socklen_t size = sizeof(a);
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listening, 1), 0);
	getsockname(listening, (struct sockaddr *)&a, &size);
	close(peer);
	peer = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(peer, (struct sockaddr *)&a, sizeof(a)), 0);
	stream_close(&s);
	stream_open(&s, accept(listening, NULL, NULL), &ops);
	stream_attach(&s, loop);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(peer);
	peer = -1;
	cr_assert(until(loop, is_reset, NULL));
	close(listening);
}
