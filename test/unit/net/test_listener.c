#include "net/listener.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sqlstate.h"
#include "until.h"

#define PORT 4711	/* of Unix sockets only, each in a folder of its own */

static char dir[] = "/tmp/pgusher-listener-XXXXXX";
static char path[108];
static struct listen_options options = { .backlog = 16, .unix_mode = 0751, .unix_group = "" };

static void
make_dir(void)
{
	log_set_stderr(false);
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", dir, PORT);
}

static void
remove_dir(void)
{
	unlink(path);
	cr_assert_eq(rmdir(dir), 0);
}

TestSuite(listener, .init = make_dir, .fini = remove_dir);

static int
port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t size = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &size);
	return ntohs(a.sin_port);
}

static void
open_set(struct listener_set *set, const char *addresses, int port, const char *unix_dir)
{
	struct error e;

	cr_assert(listener_open(set, addresses, port, unix_dir, &options, &e), "%s", e.message);
}

static void
expect_failure(const char *addresses, int port, const char *unix_dir, const char *words)
{
	struct listener_set set;
	struct error e;

	cr_assert_not(listener_open(&set, addresses, port, unix_dir, &options, &e));
	cr_assert(strstr(e.message, words) != NULL, "%s", e.message);
	cr_assert_eq(set.n, 0);
}

static int
connect_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, path, sizeof(path));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
connect_tcp(int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

Test(listener, opens_and_closes)
{
	struct listener_set set;
	struct stat st;
	int fd;

	open_set(&set, "", PORT, dir);
	cr_assert_eq(set.n, 1);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0751);
	fd = connect_unix();
	cr_assert_geq(fd, 0);
	close(fd);
	listener_close(&set);
	cr_assert_lt(stat(path, &st), 0);
	listener_close(&set);
}

Test(listener, nothing_is_fine)
{
	struct listener_set set;

	open_set(&set, "", PORT, "");
	cr_assert_eq(set.n, 0);
	open_set(&set, NULL, PORT, NULL);
	cr_assert_eq(set.n, 0);
}

/* A crash leaves the file behind. */
Test(listener, replaces_a_stale_socket)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct listener_set set;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, path, sizeof(path));
	cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	open_set(&set, "", PORT, dir);
	fd = connect_unix();
	cr_assert_geq(fd, 0);
	close(fd);
	listener_close(&set);
}

Test(listener, a_live_socket_is_left_alone)
{
	struct listener_set set;
	int fd;

	open_set(&set, "", PORT, dir);
	expect_failure("", PORT, dir, "Address already in use");
	fd = connect_unix();
	cr_assert_geq(fd, 0);
	close(fd);
	listener_close(&set);
}

Test(listener, a_port_in_use)
{
	struct listener_set set;
	struct error e;
	struct listener_set second;
	int port;

	open_set(&set, "127.0.0.1", 0, "");
	port = port_of(set.fds[0]);
	cr_assert_not(listener_open(&second, "127.0.0.1", port, "", &options, &e));
	cr_assert(strstr(e.message, "Address already in use") != NULL, "%s", e.message);
	cr_assert_str_neq(e.hint, "");
	/* Nothing stays open: not even the Unix socket, which was not reached. */
	expect_failure("127.0.0.1", port, dir, "Address already in use");
	cr_assert_lt(connect_unix(), 0);
	listener_close(&set);
}

/* The first address could be opened, the second not.  Others on the machine may have the port at the first one. */
Test(listener, all_or_nothing)
{
	struct listener_set set;
	struct error e;
	bool opened = false;

	for (int tries = 0; tries < 100 && !opened; tries++) {
		int port;

		open_set(&set, "127.0.0.2", 0, "");
		port = port_of(set.fds[0]);
		expect_failure("127.0.0.1, 127.0.0.2", port, "", "Address already in use");
		listener_close(&set);
		opened = listener_open(&set, "127.0.0.1, 127.0.0.2", port, "", &options, &e);
	}
	cr_assert(opened, "%s", e.message);
	cr_assert_eq(set.n, 2);
	listener_close(&set);
}

Test(listener, what_can_not_be)
{
	char long_dir[200];

	memset(long_dir, 'x', sizeof(long_dir));
	long_dir[0] = '/';
	long_dir[sizeof(long_dir) - 1] = '\0';
	expect_failure("", PORT, long_dir, "File name too long");
	expect_failure("", PORT, "/nosuchfolder", "No such file or directory");
	options.unix_group = "nosuchgroup";
	expect_failure("", PORT, dir, "unix_socket_group \"nosuchgroup\" does not exist");
	options.unix_group = "";
}

struct visitors {
	int n;
	int fds[50];
};

static void
on_accepted(void *arg, int fd)
{
	struct visitors *v = arg;

	v->fds[v->n++] = fd;
}

static bool
is_full(void *arg)
{
	return ((struct visitors *)arg)->n == 40;
}

/* More than one batch, over several sockets; then nobody is let in any more. */
Test(listener, accepts)
{
	struct loop *loop = loop_new();
	struct visitors v = { .n = 0 };
	struct listener_set set, local;
	struct acceptor *a;
	int fds[41];

	options.backlog = 128;
	open_set(&set, "127.0.0.1", 0, "");
	open_set(&local, "", PORT, dir);
	set.fds[set.n++] = local.fds[0];
	a = acceptor_new(loop, &set, on_accepted, &v);
	for (int i = 0; i < 40; i++)
		fds[i] = i % 10 == 0 ? connect_unix() : connect_tcp(port_of(set.fds[0]));
	cr_assert(until(loop, is_full, &v), "%d came", v.n);
	acceptor_free(&a);
	cr_assert_null(a);
	acceptor_free(&a);
	fds[40] = connect_unix();
	turn(loop);
	cr_assert_eq(v.n, 40);
	for (int i = 0; i < 41; i++)
		close(fds[i]);
	for (int i = 0; i < 40; i++)
		close(v.fds[i]);
	set.n--;
	listener_close(&set);
	listener_close(&local);
	loop_free(&loop);
}

/* What the service manager hands over are neighbouring descriptors of both kinds. */
Test(listener, inherits)
{
	struct listener_set tcp, local, set;
	int first = 200, fd;

	open_set(&set, "127.0.0.1, 127.0.0.2", 0, "");
	open_set(&local, "", PORT, dir);
	dup2(set.fds[0], first);
	dup2(local.fds[0], first + 1);
	dup2(set.fds[1], first + 2);
	listener_close(&set);
	close(local.fds[0]);
	listener_inherit(&tcp, &local, first, 3);
	cr_assert_eq(tcp.n, 2);
	cr_assert_eq(local.n, 1);
	cr_assert_eq(local.fds[0], first + 1);
	fd = connect_unix();
	cr_assert_geq(fd, 0);
	close(fd);
	listener_close(&tcp);
	/* The file is the service manager's. */
	listener_close(&local);
	cr_assert_eq(access(path, F_OK), 0);
}
