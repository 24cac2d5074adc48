/*
 * choice: the first n of very many things, without a copy of all.
 *
 * What is looked at under somebody's lock is walked twice: first only its rank is noted,
 * then those that are among the first n are copied.
 *
 *	each(choice_note)  ──> choice_settle(n) ──> each(if choice_takes: copy)
 *
 * What comes or goes between the two walks may be told or not; never more than n are.
 * One thread.
 */
#ifndef REPORTS_CHOICE_H
#define REPORTS_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choice {
	int64_t *ranks;
	size_t nranks, room;
	int64_t least;		/* rank that is surely in */
	size_t above, equal;	/* how many may still be taken that rank higher, and as high */
};

/* The higher, the sooner it is chosen.  c is zero-filled before the first. */
void choice_note(struct choice *c, int64_t rank);
void choice_settle(struct choice *c, size_t n);
bool choice_takes(struct choice *c, int64_t rank);
void choice_release(struct choice *c);

#endif
