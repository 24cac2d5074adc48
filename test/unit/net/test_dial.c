#include "net/dial.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sqlstate.h"
#include "until.h"

static struct loop *loop;
static struct stream_options options;

static void
begin(void)
{
	loop = loop_new();
}

static void
end(void)
{
	loop_free(&loop);
}

TestSuite(dial, .init = begin, .fini = end);

/* How an attempt came out. */
struct outcome {
	int calls;
	int fd;
	struct address at;
	struct error e;
};

static void
on_dialed(void *arg, int fd, const struct address *at, const struct error *e)
{
	struct outcome *o = arg;

	o->calls++;
	o->fd = fd;
	o->at = *at;
	if (e != NULL)
		o->e = *e;
}

static bool
is_done(void *arg)
{
	return ((struct outcome *)arg)->calls > 0;
}

static struct outcome
dial(const char *host, int port)
{
	struct outcome o = { .calls = 0 };

	dial_start(loop, host, port, &options, on_dialed, &o);
	cr_assert_eq(o.calls, 0, "answered from within dial_start");
	cr_assert(until(loop, is_done, &o), "no answer for %s", host);
	cr_assert_eq(o.calls, 1);
	return o;
}

/* A socket on a free port of the loopback; listening, or (backlog 0) only bound. */
static int
bind_loopback(int backlog, int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (backlog > 0)
		cr_assert_eq(listen(fd, backlog), 0);
	getsockname(fd, (struct sockaddr *)&a, &size);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
expect_connected(struct outcome *o, int listening, const char *text)
{
	char buf[ADDRESS_TEXT], c;
	int fd = accept(listening, NULL, NULL);

	cr_assert_geq(o->fd, 0, "%s", o->e.message);
	cr_assert_str_eq(address_host(&o->at, buf), text);
	cr_assert_eq(send(fd, "!", 1, 0), 1);
	cr_assert_eq(recv(o->fd, &c, 1, 0), 1);
	close(fd);
	close(o->fd);
}

Test(dial, connects_by_address)
{
	int port, listening = bind_loopback(5, &port);
	struct outcome o = dial("127.0.0.1", port);

	cr_assert_eq(o.at.port, port);
	expect_connected(&o, listening, "127.0.0.1");
	close(listening);
}

/* Its addresses are tried in turn; ::1 refuses. */
Test(dial, connects_by_name)
{
	int port, listening = bind_loopback(5, &port);
	struct outcome o = dial("localhost", port);

	expect_connected(&o, listening, "127.0.0.1");
	close(listening);
}

Test(dial, refused)
{
	int port, fd = bind_loopback(0, &port);
	char wanted[100];
	struct outcome o = dial("127.0.0.1", port);

	snprintf(wanted, sizeof(wanted), "connect failed: 127.0.0.1:%d: Connection refused", port);
	cr_assert_lt(o.fd, 0);
	cr_assert_str_eq(o.e.message, wanted);
	cr_assert_str_eq(o.e.sqlstate, SQLSTATE_CANNOT_ESTABLISH);
	close(fd);
}

Test(dial, unix_sockets)
{
	char dir[] = "/tmp/pgusher-dial-XXXXXX";
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM, 0);
	struct outcome o;

	cr_assert_not_null(mkdtemp(dir));
	o = dial(dir, 4711);
	cr_assert_lt(o.fd, 0);
	cr_assert(strstr(o.e.message, "/.s.PGSQL.4711: No such file or directory") != NULL, "%s", o.e.message);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.4711", dir);
	cr_assert_eq(bind(listening, (struct sockaddr *)&un, sizeof(un)), 0);
	cr_assert_eq(listen(listening, 5), 0);
	o = dial(dir, 4711);
	expect_connected(&o, listening, "unix");
	close(listening);
	unlink(un.sun_path);
	rmdir(dir);
}

Test(dial, a_path_that_is_too_long)
{
	char path[200];
	struct outcome o;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	o = dial(path, 5432);
	cr_assert_lt(o.fd, 0);
	cr_assert(strstr(o.e.message, "is too long") != NULL, "%s", o.e.message);
}

/* --- giving up, at each stage --- */

static void
expect_silence(struct outcome *o)
{
	for (int i = 0; i < 5; i++)
		turn(loop);
	cr_assert_eq(o->calls, 0, "called after dial_cancel");
}

Test(dial, cancelled_at_once)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost", "/nowhere", "", "nosuchhost.invalid" };
	int port, listening = bind_loopback(5, &port);

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct outcome o = { .calls = 0 };
		struct dial *d = dial_start(loop, hosts[i], port, &options, on_dialed, &o);

		dial_cancel(&d);
		cr_assert_null(d);
		dial_cancel(&d);
		expect_silence(&o);
	}
	close(listening);
}

static void
cancel(void *arg)
{
	dial_cancel(arg);
}

Test(dial, cancelled_in_the_look_up)
{
	struct outcome o = { .calls = 0 };
	struct dial *d = dial_start(loop, "nosuchhost.invalid", 5432, &options, on_dialed, &o);

	turn(loop);
	if (o.calls == 0) {	/* a name server may be as quick as that */
		dial_cancel(&d);
		expect_silence(&o);
	}
}

/* Nobody accepts: the third connection to a backlog of one hangs in the air. */
Test(dial, cancelled_while_it_connects)
{
	int port, listening = bind_loopback(1, &port);
	struct dial *d[8];
	struct outcome o[8] = { { .calls = 0 } };
	int pending = 0;

	for (int i = 0; i < 8; i++)
		d[i] = dial_start(loop, "127.0.0.1", port, &options, on_dialed, &o[i]);
	for (int i = 0; i < 5; i++)
		turn(loop);
	for (int i = 0; i < 8; i++) {
		if (o[i].calls == 0) {
			pending++;
			dial_cancel(&d[i]);
		} else {
			close(o[i].fd);
			o[i].calls = 0;
		}
	}
	cr_assert_gt(pending, 0);
	for (int i = 0; i < 8; i++)
		expect_silence(&o[i]);
	close(listening);
}

/* Queued behind the start, so before anything has come of it. */
Test(dial, cancelled_in_the_first_turn)
{
	int port, listening = bind_loopback(5, &port);
	struct outcome o = { .calls = 0 };
	struct dial *d = dial_start(loop, "127.0.0.1", port, &options, on_dialed, &o);

	loop_after(loop, 0, cancel, &d);
	turn(loop);
	if (o.calls == 0)
		expect_silence(&o);
	else
		close(o.fd);
	close(listening);
}
