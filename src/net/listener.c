#include "net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/sqlstate.h"
#include "net/address.h"

/* Connections accepted per wake-up at most: the clients that are there already want their turn too. */
#define ACCEPT_BATCH 32

static bool
fail(struct error *e, const char *what, const char *where, int err)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_IO_ERROR, "cannot %s %s: %s", what, where, strerror(err));
	if (err == EADDRINUSE)
		error_hint(e, "Is another pooler running there? Stop it, or choose another port.");
	return false;
}

static bool
add_socket(struct listener_set *set, int fd, const char *where, struct error *e)
{
	if (set->n == LISTENER_MAX) {
		close(fd);
		error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIGURATION_LIMIT, "cannot listen on %s: more than %d sockets",
			  where, LISTENER_MAX);
		return false;
	}
	set->fds[set->n++] = fd;
	return true;
}

/* Those of a set that is only tried do not listen, so the kernel lets them stand in each other's way. */
static bool
is_taken(const struct listener_set *set, const struct sockaddr *sa)
{
	static const uint8_t any[16];
	struct address a, b;
	size_t size;

	address_from_sockaddr(&a, sa);
	size = a.family == AF_INET ? 4 : 16;
	for (int i = 0; i < set->n; i++) {
		address_of_self(&b, set->fds[i]);
		if (a.family == b.family && a.port == b.port &&
		    (memcmp(a.ip, b.ip, size) == 0 || memcmp(a.ip, any, size) == 0 || memcmp(b.ip, any, size) == 0))
			return true;
	}
	return false;
}

static bool
open_address(struct listener_set *set, const struct addrinfo *ai, const char *where, const struct listen_options *o,
	     struct error *e)
{
	int on = 1;
	int fd;

	if (o->only_try && !o->reuse_port && is_taken(set, ai->ai_addr)) {
		fail(e, "listen on", where, errno = EADDRINUSE);
		e->hint[0] = '\0';	/* it is no other pooler */
		return false;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(e, "make a socket for", where, errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (o->reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (o->defer_accept) {
		int seconds = 45;
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	}
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || (!o->only_try && listen(fd, o->backlog) < 0)) {
		int err = errno;
		close(fd);
		return (o->only_try && err == EADDRINUSE) || fail(e, "listen on", where, err);
	}
	return add_socket(set, fd, where, e);
}

static bool
open_name(struct listener_set *set, const char *name, int port, const struct listen_options *o, struct error *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	char service[12], where[300];
	bool any = strcmp(name, "*") == 0;
	bool ok = true;
	int result, opened = set->n;

	snprintf(service, sizeof(service), "%d", port);
	snprintf(where, sizeof(where), strchr(name, ':') != NULL ? "[%s]:%d" : "%s:%d", name, port);
	result = getaddrinfo(any ? NULL : name, service, &hints, &list);
	if (result != 0) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "cannot look up \"%s\" to listen there: %s", name,
			  gai_strerror(result));
		return false;
	}
	for (const struct addrinfo *ai = list; ai != NULL && ok; ai = ai->ai_next) {
		/* "*" on a machine without IPv6: the other family is enough. */
		ok = open_address(set, ai, where, o, e) || (any && (set->n > opened || o->only_try) && errno == EAFNOSUPPORT);
	}
	freeaddrinfo(list);
	return ok;
}

static bool
open_names(struct listener_set *set, const char *addresses, int port, const struct listen_options *o,
	   struct error *e)
{
	char *list = memory_strdup(addresses), *save = NULL;
	bool ok = true;

	for (char *name = strtok_r(list, ", \t", &save); name != NULL && ok; name = strtok_r(NULL, ", \t", &save))
		ok = open_name(set, name, port, o, e);
	free(list);
	return ok;
}

/* A socket file without a listener behind it is left over from a crash. */
static bool
remove_stale(const struct sockaddr_un *un, struct error *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	if (alive)
		return fail(e, "listen on", un->sun_path, EADDRINUSE);
	if (unlink(un->sun_path) < 0 && errno != ENOENT && errno != ENOTDIR)
		return fail(e, "replace the left-over socket", un->sun_path, errno);
	return true;
}

/* *gid: -1 if it is to be left. */
static bool
find_group(const struct listen_options *o, int64_t *gid, struct error *e)
{
	const struct group *g;

	*gid = -1;
	if (o->unix_group == NULL || o->unix_group[0] == '\0')
		return true;
	g = getgrnam(o->unix_group);
	if (g != NULL)
		*gid = g->gr_gid;
	if (g != NULL || string_to_int64(o->unix_group, gid))
		return true;
	error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "unix_socket_group \"%s\" does not exist", o->unix_group);
	return false;
}

static bool
set_access(const char *path, const struct listen_options *o, struct error *e)
{
	int64_t gid;

	if (!find_group(o, &gid, e))
		return false;
	if (gid >= 0 && chown(path, (uid_t)-1, (gid_t)gid) < 0)
		return fail(e, "set the group of", path, errno);
	if (chmod(path, (mode_t)o->unix_mode) < 0)
		return fail(e, "set the mode of", path, errno);
	return true;
}

static bool
open_path(struct listener_set *set, const char *path, const struct listen_options *o, struct error *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return fail(e, "listen on", path, ENAMETOOLONG);
	string_copy(un.sun_path, path, sizeof(un.sun_path));
	if (!remove_stale(&un, e))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, o->backlog) < 0) {
		int err = errno;
		if (fd >= 0)
			close(fd);
		return fail(e, "listen on", un.sun_path, err);
	}
	string_copy(set->unix_path, un.sun_path, sizeof(set->unix_path));
	return add_socket(set, fd, un.sun_path, e) && set_access(un.sun_path, o, e);
}

static bool
name_path(char path[UNIX_PATH], const char *dir, int port, struct error *e)
{
	int n = snprintf(path, UNIX_PATH, "%s/.s.PGSQL.%d", dir, port);

	return n < UNIX_PATH || fail(e, "use unix_socket_dir", dir, ENAMETOOLONG);
}

static bool
open_unix(struct listener_set *set, const char *dir, int port, const struct listen_options *o, struct error *e)
{
	char path[UNIX_PATH];

	return name_path(path, dir, port, e) && open_path(set, path, o, e);
}

/* --- trying --- */

static bool
try_unix(const char *dir, int port, const struct listen_options *o, struct error *e)
{
	char path[UNIX_PATH];
	struct stat st;
	int64_t gid;
	int err = 0;

	if (!name_path(path, dir, port, e))
		return false;
	if (stat(dir, &st) < 0 || (S_ISDIR(st.st_mode) && access(dir, W_OK | X_OK) < 0))
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	return err == 0 ? find_group(o, &gid, e) : fail(e, "listen on", path, err);
}

bool
listener_try(const char *addresses, int port, const char *unix_dir, const struct listen_options *o, struct error *e)
{
	struct listen_options trial = *o;
	struct listener_set set = { .n = 0 };
	bool ok;

	trial.only_try = true;
	ok = (addresses == NULL || open_names(&set, addresses, port, &trial, e)) &&
	     (unix_dir == NULL || unix_dir[0] == '\0' || try_unix(unix_dir, port, o, e));
	listener_close(&set);
	return ok;
}

/* --- opening --- */

bool
listener_open_path(struct listener_set *set, const char *path, const struct listen_options *o, struct error *e)
{
	memset(set, 0, sizeof(*set));
	if (open_path(set, path, o, e))
		return true;
	listener_close(set);
	return false;
}

bool
listener_open(struct listener_set *set, const char *addresses, int port, const char *unix_dir,
	      const struct listen_options *o, struct error *e)
{
	memset(set, 0, sizeof(*set));
	if ((addresses == NULL || open_names(set, addresses, port, o, e)) &&
	    (unix_dir == NULL || unix_dir[0] == '\0' || open_unix(set, unix_dir, port, o, e)))
		return true;
	listener_close(set);
	return false;
}

void
listener_inherit(struct listener_set *tcp, struct listener_set *local, int first, int n)
{
	memset(tcp, 0, sizeof(*tcp));
	memset(local, 0, sizeof(*local));
	for (int fd = first; fd < first + n && fd < first + LISTENER_MAX; fd++) {
		int family = 0;
		socklen_t len = sizeof(family);
		struct listener_set *set;

		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		set = family == AF_UNIX ? local : tcp;
		set->fds[set->n++] = fd;
	}
}

void
listener_close(struct listener_set *set)
{
	for (int i = 0; i < set->n; i++)
		close(set->fds[i]);
	set->n = 0;
	if (set->unix_path[0] != '\0')
		unlink(set->unix_path);
	set->unix_path[0] = '\0';
}

struct acceptor {
	void (*accepted)(void *arg, int fd);
	void *arg;
	int n;
	struct event events[LISTENER_MAX];
	struct event retry;		/* out of descriptors: look again later */
	bool resting;
};

static void
rest(struct acceptor *a, int err)
{
	static const struct timeval a_while = { 0, 200000 };

	log_error("cannot accept connections for now: %s", strerror(err));
	a->resting = true;
	for (int i = 0; i < a->n; i++)
		event_del(&a->events[i]);
	event_add(&a->retry, &a_while);
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd;
	(void)what;
	a->resting = false;
	for (int i = 0; i < a->n; i++)
		event_add(&a->events[i], NULL);
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && !a->resting; i++) {
		int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (c >= 0)
			a->accepted(a->arg, c);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			rest(a, errno);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;	/* EAGAIN: a colleague was faster, or all are in */
	}
}

struct acceptor *
acceptor_new(struct loop *l, const struct listener_set *set, void (*accepted)(void *arg, int fd), void *arg)
{
	struct acceptor *a = memory_zalloc(sizeof(*a));

	a->accepted = accepted;
	a->arg = arg;
	a->n = set->n;
	event_assign(&a->retry, loop_event_base(l), -1, 0, on_rested, a);
	for (int i = 0; i < a->n; i++) {
		event_assign(&a->events[i], loop_event_base(l), set->fds[i], EV_READ | EV_PERSIST, on_connection, a);
		event_add(&a->events[i], NULL);
	}
	return a;
}

void
acceptor_free(struct acceptor **ap)
{
	struct acceptor *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	for (int i = 0; i < a->n; i++)
		event_del(&a->events[i]);
	event_del(&a->retry);
	free(a);
}
