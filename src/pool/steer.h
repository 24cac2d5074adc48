/*
 * steer: finds out how many servers of a host should work at a time.
 *
 * Pure: no clock, no I/O, nothing of pools.  It says which number is to hold for the next slot of time, and is told
 * what was done in the last one.
 *
 * What is done is measured in *work*: each statement that ended counts with what it takes when nothing is in its way
 * (its digest's baseline), not with what it took.  So a change of the mix of statements does not look like one of speed.
 * By Little's law this is what TCP Vegas looks at: with `limit` servers busy, work by second = limit * baseline / time
 * taken, and limit - work is the queue that we make inside the server.  But where Vegas trusts its baseline to be true,
 * we only compare: a baseline that was learned under load is as good as any.
 *
 *	limit
 *	 high      ┌────────┐                 ┌──
 *	 level ····│········│·················│····   pairs of slots: low high, high low, low high ...
 *	 low   ────┘        └────────┴────────┘       (so that what drifts meets both)
 *
 * A pair gives the gain: log(work at high / work at low).  When the mean of some pairs is clearly above what more
 * servers have to bring to be worth it, the level goes up; when it is clearly below, down; when pair after pair it is
 * not clear, we are about where we want to be: the level drifts a little, and pairs come closer together.
 *
 * Far above the best number little changes from one number to the next, and much noise hides that.  There Vegas helps: if
 * statements take many times their baseline, less proof is asked for fewer, and more for more.
 *
 * When much more or less is done than in the last comparison, the load is another one: then the search is wide again.
 *
 * A slot that was not full (nobody waited) says nothing about numbers: there the level stays.
 */
#ifndef POOL_STEER_H
#define POOL_STEER_H

#include <stdbool.h>

#include "base/clock.h"

enum steer_state {
	STEER_MEASURING,	/* too little is known: it has just begun, or nobody waits */
	STEER_GROWING,
	STEER_SHRINKING,
	STEER_PROBING,		/* it is not clear yet whether more or fewer are better */
	STEER_STEADY,		/* neither is */
};

/* What a slot brought. */
struct steer_slot {
	double work;		/* us of baseline, by us of time */
	double gradient;	/* time taken by baseline */
	unsigned done;		/* statements */
	bool full;		/* somebody waited all the time */
};

struct steer {
	int floor, ceiling;
	int limit;		/* for the slot that comes now */
	double level;		/* log of the number that we believe in */
	double half;		/* half the distance between low and high, log */
	int low, high;
	unsigned turn;		/* slots of this comparison that are over */
	int rest, resting;	/* slots at the level after this comparison; still to come */
	double work_low;	/* of the present pair */
	double work_high;
	unsigned pairs;
	double sum, sum_squares;	/* of gains */
	double noise;		/* variance of gains, as they came lately */
	double gradient;	/* of the last slots */
	double usual;		/* log of the work in the last comparison; what came since: */
	double present;
	double gain;		/* mean of the last comparison, by doubling */
	enum steer_state state;
};

/* Bounds, 1 <= floor <= ceiling; where to begin. */
void steer_init(struct steer *s, int floor, int ceiling, int start);

/* Other bounds: the limit obeys at once. */
void steer_bound(struct steer *s, int floor, int ceiling);

/* A slot is over: s->limit is for the next one. */
void steer_next(struct steer *s, const struct steer_slot *slot);

/* The number that we believe in. */
int steer_level(const struct steer *s);

const char *steer_state_name(enum steer_state state);

#endif
