#include "reports/performance.h"

#include <stdlib.h>

#include "base/memory.h"
#include "reports/gather.h"
#include "reports/inside.h"

struct performance_order {
	struct report_work work;
	struct report_wish wish;
	size_t step;			/* of `steps` */
	performance_done_fn *done;	/* NULL: nobody waits for it any more */
	void *arg;
	int nparts;
	struct performance parts[];
};

/* One visit each, so that none holds a worker up for long. */
static const unsigned steps[] = {
	GATHER_SUM | GATHER_TENANTS | GATHER_BOUNDS,
	GATHER_DIGESTS,
};

static struct performance_order *
order_of(struct inquiry *q)
{
	return container_of(work_of(q), struct performance_order, work);
}

static void
release(struct report_work *w)
{
	struct performance_order *o = container_of(w, struct performance_order, work);

	for (int i = 0; i < o->nparts; i++)
		gather_release(&o->parts[i]);
	free(o->wish.tenant);
	free(o);
}

static void
visit(struct shard *s, struct inquiry *q)
{
	struct performance_order *o = order_of(q);
	struct report_wish wish = o->wish;

	wish.what &= steps[o->step];
	gather_look(&o->parts[s->index], &wish, s);
}

static void
finish(struct inquiry *q)
{
	struct performance_order *o = order_of(q);
	struct performance all = { .found = false };

	if (o->done != NULL && ++o->step < lengthof(steps)) {
		work_ask(&o->work);
		return;
	}
	for (int i = 0; i < o->nparts; i++)
		gather_add(&all, &o->parts[i]);
	gather_settle(&all, &o->wish);
	if (o->done != NULL)
		o->done(o->arg, &all);
	gather_release(&all);
	work_end(&o->work);
}

struct performance_order *
performance_ask(struct reports *r, const struct report_filter *f, performance_done_fn *done, void *arg)
{
	static const struct report_filter everything = { .order = QUERY_BY_TOTAL };
	int n = r->inquirer->nworkers;
	struct performance_order *o = memory_zalloc(sizeof(*o) + (size_t)n * sizeof(o->parts[0]));

	wish_make(&o->wish, f != NULL ? f : &everything);
	o->wish.what = GATHER_SUM | GATHER_DIGESTS | GATHER_BOUNDS | (o->wish.tenant == NULL ? GATHER_TENANTS : 0);
	o->done = done;
	o->arg = arg;
	o->nparts = n;
	work_start(&o->work, r, visit, finish, release);
	work_ask(&o->work);
	return o;
}

void
performance_abandon(struct performance_order **o)
{
	if (*o != NULL)
		(*o)->done = NULL;
	*o = NULL;
}
