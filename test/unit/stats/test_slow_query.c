#include "stats/slow_query.h"

#include <criterion/criterion.h>

#include "base/memory.h"

/* Under ASan this finds what is forgotten. */
Test(slow_query, frees_all_it_has)
{
	struct slow_query *q = memory_zalloc(sizeof(*q));
	char **strings[] = {
		&q->tenant, &q->user, &q->database, &q->client, &q->application_name, &q->text, &q->values, &q->plan, &q->plan_note,
	};

	for (size_t i = 0; i < lengthof(strings); i++)
		*strings[i] = memory_strdup("some text");
	slow_query_free(&q);
	cr_assert_eq(q, NULL);
	slow_query_free(&q);
}
