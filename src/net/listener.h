/*
 * listener: the sockets that clients connect to.
 *
 * The sockets are opened once, by the control thread, before the workers
 * start (or come from the service manager); every worker's loop accepts on
 * every one of them.  The kernel hands a connection to whoever calls first,
 * which is good enough, since a client is moved to its tenant's worker anyway,
 * and it keeps one rule for TCP, Unix sockets and inherited ones.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>

#include "base/error.h"
#include "net/loop.h"

#define LISTENER_MAX 32
#define UNIX_PATH 108

/* Open listening sockets, non-blocking. */
struct listener_set {
	int n;
	int fds[LISTENER_MAX];
	char unix_path[UNIX_PATH];	/* removed when the set is closed; "" if there is none */
};

struct listen_options {
	int backlog;
	bool reuse_port;
	bool defer_accept;
	int unix_mode;
	const char *unix_group;		/* "" : leave it */
	bool only_try;			/* private */
};

/* Open a socket for each address of `addresses` ("*", "127.0.0.1, ::1, name"; "" for none) on port, and
 * unix_dir/.s.PGSQL.port ("" for none).  A stale Unix socket is replaced, a live one is an error.
 * false: e says which and why; nothing stays open. */
bool listener_open(struct listener_set *set, const char *addresses, int port, const char *unix_dir,
		   const struct listen_options *o, struct error *e);

/* Likewise for a Unix socket of this path. */
bool listener_open_path(struct listener_set *set, const char *path, const struct listen_options *o, struct error *e);

/* Could all of listener_open be opened?  Nobody can connect meanwhile, no file is made, and what is in use could be.  false:
 * e says what listener_open would. */
bool listener_try(const char *addresses, int port, const char *unix_dir, const struct listen_options *o, struct error *e);

/* Take over fds first .. first+n-1 that the service manager has opened: TCP sockets and Unix sockets. */
void listener_inherit(struct listener_set *tcp, struct listener_set *local, int first, int n);

/* Close the sockets and remove the Unix socket's file. */
void listener_close(struct listener_set *set);

struct acceptor;

/* Accept on all sockets of the set in this loop.  accepted takes the fd (non-blocking, close-on-exec). */
struct acceptor *acceptor_new(struct loop *l, const struct listener_set *set, void (*accepted)(void *arg, int fd),
			      void *arg);
void acceptor_free(struct acceptor **a);	/* stops accepting; the sockets stay */

#endif
