/*
 * attempts: who failed to log in, and how long it has to wait for another try.
 *
 * Counted per address (without its port; Unix sockets are one address, and so
 * are the IPv6 addresses of one /64) and user, for the whole process.  Two
 * failures in a row cost nothing.  From the third on, the next attempt of that
 * pair begins 250 ms after the last failure, then 500 ms, up to 5 s; and they
 * begin one after another, so that many connections guess no faster than one.
 * A success, or ten minutes without a failure, and all is forgotten.
 *
 * Bounded: of more than ATTEMPTS_MAX pairs, those that failed longest ago are
 * forgotten.  Any thread: a lock is taken, at each login and never else.
 */
#ifndef CLIENT_ATTEMPTS_H
#define CLIENT_ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "net/address.h"

#define ATTEMPTS_MAX 16384
#define ATTEMPTS_FREE 2
#define ATTEMPTS_PAUSE (250 * USEC_PER_MSEC)
#define ATTEMPTS_PAUSE_MAX (5 * USEC_PER_SEC)
#define ATTEMPTS_MEMORY (600 * USEC_PER_SEC)

struct attempts;

struct attempts *attempts_new(void);
void attempts_free(struct attempts **a);	/* NULL is fine */

/* How long until this pair may make an attempt.  0: now; and then it counts as begun, so who asks next has to wait. */
usec_t attempts_delay(struct attempts *a, const struct address *address, const char *user, usec_t now);

/* What became of it. */
void attempts_failed(struct attempts *a, const struct address *address, const char *user, usec_t now);
void attempts_succeeded(struct attempts *a, const struct address *address, const char *user);

/* Pairs that are remembered. */
size_t attempts_count(struct attempts *a);

/* Calls of attempts_failed since the process began; nothing of that is ever forgotten. */
uint64_t attempts_failed_ever(struct attempts *a);

#endif
