#include "reports/choice.h"

#include <stdlib.h>

#include "base/memory.h"

void
choice_note(struct choice *c, int64_t rank)
{
	if (c->nranks == c->room) {
		c->room = c->room > 0 ? 2 * c->room : 64;
		c->ranks = memory_realloc(c->ranks, c->room * sizeof(*c->ranks));
	}
	c->ranks[c->nranks++] = rank;
}

/* The highest first. */
static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

void
choice_settle(struct choice *c, size_t n)
{
	if (c->nranks <= n) {
		c->least = INT64_MIN;
		c->above = c->equal = n;	/* one that is new since takes nobody's place */
		return;
	}
	qsort(c->ranks, c->nranks, sizeof(*c->ranks), compare);
	c->above = 0;
	c->least = n > 0 ? c->ranks[n - 1] : INT64_MAX;
	while (c->above < n && c->ranks[c->above] > c->least)
		c->above++;
	c->equal = n - c->above;
}

bool
choice_takes(struct choice *c, int64_t rank)
{
	size_t *left = rank > c->least ? &c->above : &c->equal;

	if (rank < c->least || *left == 0)
		return false;
	(*left)--;
	return true;
}

void
choice_release(struct choice *c)
{
	free(c->ranks);
	*c = (struct choice){ .ranks = NULL };
}
