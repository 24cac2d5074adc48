/*
 * rate: so much a second, with a burst, as one atomic number (GCRA).
 *
 * A rate has a clock that counts units: so many a second as are allowed.  `taken` is how far all that was let pass has
 * come on it.  Who wants n units is let pass if taken + n is not further ahead of the clock than the burst; else it may
 * take its place all the same and wait until the clock has come so far.  So who waits is served in order, nobody polls,
 * and over any time no more than rate * time + burst is let pass.
 *
 *	     taken - burst      clock              taken
 *	          |<- may be behind ->|<- ahead: the burst ->|     places of those who wait -->
 *
 * Places are in units, not in time: when the rate changes, those who wait are due earlier or later, and no unit is
 * counted twice or lost.
 *
 * Any thread may take; one thread at a time may set the line.  Lock-free.  Pure: `now` is the caller's.
 */
#ifndef TENANT_RATE_H
#define TENANT_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define RATE_NEVER INT64_MAX	/* of a line's end: none */

/* How the clock goes, from `since` on. */
struct rate_line {
	usec_t since;
	int64_t at;		/* what it said then */
	int64_t per_second;	/* units */
	int64_t end;		/* it stops there */
	int64_t burst;		/* units; at least 1 */
	int64_t expected;	/* units a second, to tell how long the way is to what lies behind `end` */
};

struct rate {
	_Atomic int64_t taken;
	atomic_uint turn;	/* odd while the line is being written */
	_Atomic int64_t since, at, per_second, end, burst, expected;
};

/* Zero-filled memory is a rate, too: of nothing a second. */
void rate_init(struct rate *r, usec_t now, int64_t per_second, int64_t burst);

/* The line in force; a consistent copy. */
struct rate_line rate_line(const struct rate *r);
void rate_set_line(struct rate *r, const struct rate_line *line);

/* From now on so much a second; the clock goes on from where it is. */
void rate_change(struct rate *r, usec_t now, int64_t per_second, int64_t burst);

/* What the clock says. */
int64_t rate_clock(const struct rate_line *line, usec_t now);

/* Take n units: 0: at once.  > 0: so long it takes until they are there; they are taken all the same, and *place says
 * from when on (rate_due).  -1: it would be more than max_wait, nothing is taken, and *wait says how long.
 * n = 0: until all that was taken is paid. */
usec_t rate_take(struct rate *r, usec_t now, int64_t n, usec_t max_wait, int64_t *place, usec_t *wait);

/* How long it is until the clock has come to a place; 0: it has. */
usec_t rate_due(const struct rate *r, usec_t now, int64_t place);

/* It was used, whether it was there or not.  room: further ahead of the clock than that it does not come. */
void rate_debit(struct rate *r, usec_t now, int64_t n, int64_t room);

/* It was taken and not used. */
void rate_give(struct rate *r, int64_t n);

/* How far ahead of the clock it is: what is used of the burst, and more if somebody waits; 0: at rest. */
int64_t rate_used(const struct rate *r, usec_t now);

#endif
