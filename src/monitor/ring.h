/*
 * ring: the latest things of a kind; who owns them is the user's business.
 */
#ifndef MONITOR_RING_H
#define MONITOR_RING_H

#include <stddef.h>

#define RING_SIZE 1000

struct ring {
	void *items[RING_SIZE];
	size_t oldest, n;
};

/* By age: 0 is the latest; NULL: there are not so many. */
static inline void *
ring_at(const struct ring *r, size_t age)
{
	return age < r->n ? r->items[(r->oldest + r->n - 1 - age) % RING_SIZE] : NULL;
}

/* NULL: it is empty. */
static inline void *
ring_take_oldest(struct ring *r)
{
	void *item;

	if (r->n == 0)
		return NULL;
	item = r->items[r->oldest];
	r->oldest = (r->oldest + 1) % RING_SIZE;
	r->n--;
	return item;
}

/* Returns what had to make room, or NULL. */
static inline void *
ring_push(struct ring *r, void *item)
{
	void *gone = r->n == RING_SIZE ? ring_take_oldest(r) : NULL;

	r->items[(r->oldest + r->n++) % RING_SIZE] = item;
	return gone;
}

/* The one before `after`: NULL starts, NULL ends.  A whole walk looks at half a million pointers at worst: a report
 * does that now and then. */
static inline void *
ring_next(const struct ring *r, const void *after)
{
	size_t age = 0;

	if (after == NULL)
		return ring_at(r, 0);
	while (age < r->n && ring_at(r, age) != after)
		age++;
	return ring_at(r, age + 1);
}

#endif
