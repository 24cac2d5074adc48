/*
 * leash: ends a connection that a library reads for too long.
 *
 * libpq reads a long message for as long as there is something to read, and keeps all of it:
 * a peer that is fast enough can hold up the thread, and fill the memory.  From outside that
 * can be seen only by another thread: this one looks every few milliseconds while a read is
 * under way, and shuts the socket down when too much has come in, or it takes too long.  The
 * library finds the connection closed then.
 *
 *	leash_put(l, fd);		once it is connected
 *	leash_hold(l, most);		before each read
 *	PQconsumeInput(conn);
 *	leash_let_go(l);
 *	leash_take(l);			before the connection is given up
 *
 * The thread runs while a socket is on the leash.
 */
#ifndef NET_LEASH_H
#define NET_LEASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct leash;

/* longest: of one read. */
struct leash *leash_new(usec_t longest);
void leash_free(struct leash **l);

/* The socket keeps being the library's: a duplicate is looked at, and its descriptor may be closed by the library.
 * false: there is no thread, or no descriptor, to be had. */
bool leash_put(struct leash *l, int fd);
void leash_take(struct leash *l);

/* A read begins: it may bring the socket to `most` bytes in all (watch_received), and may not take too long. */
void leash_hold(struct leash *l, uint64_t most);
void leash_let_go(struct leash *l);

#endif
