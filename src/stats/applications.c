#include "stats/applications.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

_Static_assert(2 * APPLICATIONS_MAX < lengthof(((struct applications *)0)->by_hash), "a search must find an empty place");

void
applications_init(struct applications *a)
{
	*a = (struct applications){ .n = 0 };
}

void
applications_release(struct applications *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i]->name);
		free(a->list[i]);
	}
	applications_init(a);
}

void
applications_reset(struct applications *a)
{
	const struct application_counts nothing = { .calls = 0 };

	a->none.n = a->other.n = nothing;
	for (size_t i = 0; i < a->n; i++)
		a->list[i]->n = nothing;
}

static uint32_t
hash_name(const char *name)
{
	uint32_t h = string_hash(name);

	return h ^ h >> 16;
}

struct application *
applications_find(struct applications *a, const char *name)
{
	size_t at = hash_name(name) % lengthof(a->by_hash);
	struct application *made;

	if (*name == '\0')
		return &a->none;
	for (; a->by_hash[at] != NULL; at = (at + 1) % lengthof(a->by_hash)) {
		if (strcmp(a->by_hash[at]->name, name) == 0)
			return a->by_hash[at];
	}
	/* The words for none and others are no names. */
	if (a->n == APPLICATIONS_MAX || strcmp(name, "other") == 0 || strcmp(name, "none") == 0)
		return &a->other;
	made = memory_zalloc(sizeof(*made));
	made->name = memory_strdup(name);
	a->by_hash[at] = a->list[a->n++] = made;
	return made;
}

void
application_count(struct application *a, const struct query_sample *q)
{
	a->n.calls++;
	a->n.errors += q->failed;
	a->n.slow += q->slow;
	a->n.total += q->total;
}
