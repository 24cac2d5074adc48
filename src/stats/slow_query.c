#include "stats/slow_query.h"

#include <stdlib.h>

#include "base/memory.h"

void
slow_query_free(struct slow_query **qp)
{
	struct slow_query *q = *qp;

	*qp = NULL;
	if (q == NULL)
		return;
	free(q->tenant);
	free(q->user);
	free(q->database);
	free(q->client);
	free(q->application_name);
	free(q->text);
	memory_free_secret(q->values);	/* what people have stored, and passwords among it */
	free(q->plan);
	free(q->plan_note);
	free(q);
}
