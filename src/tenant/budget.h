/*
 * budget: a limit that spans workers.
 *
 * An atomic count of connections, taken and given back when one opens or
 * closes, never per query.  A worker that is refused leaves its mark; who
 * gives back learns which workers to wake, so that waiters are served.
 *
 * Any thread, lock-free.
 */
#ifndef TENANT_BUDGET_H
#define TENANT_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_WORKERS 64	/* workers at most: one bit each */

struct budget {
	atomic_int used;
	_Atomic uint64_t waiting;	/* bit n: worker n waits for some to be given back */
};

/* Take one if fewer than limit are used (limit 0: no limit). */
bool budget_take(struct budget *b, int limit);

/* Give one back. Returns the workers that wait (bits), and forgets them. */
uint64_t budget_give(struct budget *b);

/* Worker n wants to be told. */
void budget_wait(struct budget *b, int worker);

/* Does it?  And: no more. */
bool budget_is_awaited(const struct budget *b, int worker);
void budget_forget(struct budget *b, int worker);

int budget_used(struct budget *b);

#endif
