/*
 * dial: one attempt to connect to a server.
 *
 * A host is a name, an IPv4 or IPv6 address, or a folder ("/run/postgresql",
 * "" means /tmp) that holds a Unix socket.  Names are looked up without
 * blocking; the addresses of a name are tried in turn.  There is no deadline
 * here: who dials has one and cancels.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/clock.h"
#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/stream.h"

struct dial;

/* Called once, never from within dial_start, and not after dial_cancel.
 * fd >= 0: connected, non-blocking, tuned, the callee's own; `at` is the server's address.
 * fd < 0: e says why (08001; "server DNS lookup failed" or "connect failed" and the system's words). */
typedef void dial_done_fn(void *arg, int fd, const struct address *at, const struct error *e);

/* options is copied. The dial frees itself when it is done. */
struct dial *dial_start(struct loop *l, const char *host, int port, const struct stream_options *options,
			dial_done_fn *done, void *arg);

/* Since when the present address is tried; 0: the name is being looked up. */
usec_t dial_since(const struct dial *d);

/* Give up; sets *d to NULL; NULL is fine. */
void dial_cancel(struct dial **d);

#endif
