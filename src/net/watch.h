/*
 * watch: a socket that a library reads and writes by itself (libpq), and a timer.
 *
 * The loop only says when it may.  What is watched changes as the library wants; before it
 * may close or change its socket, nothing may be watched (watch_socket with -1).
 *
 * Belongs to its loop's thread.  ready may free the watch.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"

struct watch;

enum watch_event {
	WATCH_READ = 1 << 0,
	WATCH_WRITE = 1 << 1,
	WATCH_TIME = 1 << 2,	/* alone */
};

/* ready: some of these have come, or-ed. */
struct watch *watch_new(struct loop *l, void (*ready)(void *arg, int events), void *arg);
void watch_free(struct watch **w);

/* Watch fd for these events until told otherwise; 0 or fd -1: for nothing. */
void watch_socket(struct watch *w, int fd, int events);

/* A library may read for as long as there is something: let the peer get ahead of it by a few kilobytes only, so that it
 * comes back here soon.  Of no effect on Unix sockets. */
void watch_narrow(int fd);

/* How many bytes have come in on a socket since it was opened, as near as can be told; grows only. */
uint64_t watch_received(int fd, uint64_t before);

/* WATCH_TIME once, after delay; what was set before is forgotten. */
void watch_timer(struct watch *w, usec_t delay);

#endif
