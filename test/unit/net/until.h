/*
 * until: serve a loop until something has happened; a test that waits too long fails.
 */
#ifndef TEST_NET_UNTIL_H
#define TEST_NET_UNTIL_H

#include <stdbool.h>

#include "net/loop.h"

/* Serve l until is(arg), which is asked about every millisecond, or twenty seconds are over: false. */
bool until(struct loop *l, bool (*is)(void *arg), void *arg);

/* Likewise, with as much patience as is given. */
bool until_within(struct loop *l, bool (*is)(void *arg), void *arg, usec_t patience);

/* Serve what is ready now. */
void turn(struct loop *l);

#endif
