/* The first few of thousands, by a measure, and what is told of each. */
#include "stats/rows.h"

#include <string.h>

#include "base/memory.h"
#include "stats/order.h"
#include "stats/ranking.h"
#include "stats/store.h"

/* --- choosing --- */

/* Pointers to things that have a sum. */
struct crowd {
	const void *first;	/* pointer to a thing; NULL among them is none */
	size_t n, step;		/* step: bytes from one to the next */
	size_t sum;		/* where in the thing */
	bool silent;		/* also those that have counted nothing */
};

static const struct query_sum *
sum_at(const struct crowd *c, size_t i)
{
	const char *thing = *(const char *const *)((const char *)c->first + i * c->step);

	return thing == NULL ? NULL : (const struct query_sum *)(thing + c->sum);
}

/* A pass over a crowd. */
struct choice {
	struct ranking ranking;	/* sums */
	usec_t left_out;	/* the longest that the others have */
};

static void
offer(struct choice *c, double by, uint64_t tie, const struct query_sum *s)
{
	s = ranking_offer(&c->ranking, by, tie, s);
	if (s != NULL && c->left_out < s->n.max)
		c->left_out = s->n.max;
}

/* See QUERY_AHEAD. */
static void
ask_ahead(const struct crowd *c, size_t i)
{
	const struct query_sum *s = i < c->n ? sum_at(c, i) : NULL;

	if (s != NULL) {
		__builtin_prefetch(s);
		__builtin_prefetch((const char *)s + sizeof(*s) - 1);
	}
}

static void
choose_by(struct choice *c, size_t top, const struct crowd *crowd, double (*measure)(const struct query_sum *s))
{
	c->left_out = 0;
	ranking_init(&c->ranking, top, crowd->n);
	for (size_t i = 0; i < crowd->n; i++) {
		const struct query_sum *s = sum_at(crowd, i);

		ask_ahead(crowd, i + QUERY_AHEAD);
		if (s != NULL && (s->n.calls > 0 || crowd->silent))
			offer(c, measure(s), i, s);
	}
	ranking_sort(&c->ranking);
}

/* To read a histogram that lies anywhere takes half a microsecond; to read ten thousand, longer than a worker may be held
 * up.  So it is read of those that may be among the first, as long as there are any, and of this many at most: then
 * thousands are much the same, and some of them are as good as others. */
#define DEAR_LOOKS 1000

static void
choose_dearly(struct choice *c, size_t top, const struct crowd *crowd, enum query_order o)
{
	struct choice hopeful;

	choose_by(&hopeful, top > DEAR_LOOKS ? top : DEAR_LOOKS, crowd, query_orders[o].at_most);
	*c = (struct choice){ .left_out = hopeful.left_out };
	ranking_init(&c->ranking, top, hopeful.ranking.n);
	for (size_t i = 0; i < hopeful.ranking.n; i++) {
		const struct ranked *one = &hopeful.ranking.list[i];
		bool hopeless = ranking_is_full(&c->ranking) && one->by < c->ranking.list[0].by;
		const struct query_sum *s = one->thing;

		offer(c, hopeless ? -1 : query_orders[o].measure(s), one->tie, s);
	}
	ranking_sort(&c->ranking);
	ranking_release(&hopeful.ranking);
}

/* The first `top` of them. */
static void
choose(struct choice *c, size_t top, const struct crowd *crowd, enum query_order o)
{
	if (query_orders[o].at_most != NULL)
		choose_dearly(c, top, crowd, o);
	else
		choose_by(c, top, crowd, query_orders[o].measure);
}

/* --- collecting --- */

/* "a, b, ..." */
static char *
name_tables(const struct sql_class *c)
{
	size_t size = sizeof("...");
	char *list, *end;

	if (c == NULL || !c->parsed)
		return NULL;
	for (int i = 0; i < c->ntables; i++)
		size += strlen(c->tables[i]) + strlen(", ");
	end = list = memory_alloc(size);
	*end = '\0';
	for (int i = 0; i < c->ntables; i++) {
		end = stpcpy(end, i > 0 ? ", " : "");
		end = stpcpy(end, c->tables[i]);
	}
	if (c->more_tables)
		strcpy(end, ", ...");
	return list;
}

static void
tell_digest(struct query_row *row, const struct query_digest *d)
{
	row->hash = d->hash;
	row->text = memory_strdup(d->text);
	row->tables = name_tables(d->class);
	row->verb = d->verb;
	if (d->class != NULL && d->class->parsed) {
		row->parsed = true;
		row->verb = d->class->verb;
		row->reads_only = d->class->reads_only;
	}
}


/* Whose sum it is. */
#define OWNER(s, tag) ((const struct tag *)((const char *)(s) - offsetof(struct tag, sum)))

static void
collect_of_tenant(const struct query_tenant *t, enum query_order o, size_t top, struct query_rows *r)
{
	struct crowd entries = {
		.first = t->entries, .n = t->nentries, .step = sizeof(*t->entries), .sum = offsetof(struct query_entry, sum),
	};
	struct choice choice;

	choose(&choice, top, &entries, o);
	for (size_t i = 0; i < choice.ranking.n; i++) {
		const struct query_entry *e = OWNER(choice.ranking.list[i].thing, query_entry);
		struct query_row *row = query_rows_add(r);

		tell_digest(row, e->digest);
		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		row->trend = e->trend;
		query_sum_add(&row->sum, &e->sum);
	}
	ranking_release(&choice.ranking);
	if (t->other.sum.n.calls > 0) {
		struct query_row *row = query_rows_add(r);

		row->tenant = memory_strdup(t->name);
		row->other = true;
		query_tenant_other(t, &row->sum);
	}
}

static void
collect_of_all(const struct query_store *s, enum query_order o, size_t top, struct query_rows *r)
{
	struct crowd digests = {
		.first = &s->digests.slots->thing, .n = s->digests.size, .step = sizeof(*s->digests.slots),
		.sum = offsetof(struct query_digest, sum),
	};
	struct choice choice;

	choose(&choice, top, &digests, o);
	for (size_t i = 0; i < choice.ranking.n; i++) {
		const struct query_digest *d = OWNER(choice.ranking.list[i].thing, query_digest);
		struct query_row *row = query_rows_add(r);

		tell_digest(row, d);
		row->tenants = d->tenants;
		row->trend = d->trend;
		query_sum_add(&row->sum, &d->sum);
	}
	ranking_release(&choice.ranking);
	if (s->other.n.calls > 0) {
		struct query_row *row = query_rows_add(r);

		row->other = true;
		query_sum_add(&row->sum, &s->other);
	}
}

void
query_collect(const struct query_store *s, const struct query_tenant *t, enum query_order o, size_t top,
	      struct query_rows *r)
{
	*r = (struct query_rows){ .list = NULL };
	if (t != NULL)
		collect_of_tenant(t, o, top, r);
	else
		collect_of_all(s, o, top, r);
}

/* What those in r leave of the whole; not the sum of thousands. */
static void
collect_rest(const struct query_store *s, usec_t max, struct query_rows *r)
{
	struct query_sum rest = { .n = s->sum.n }, told = { .n = { .calls = 0 } };
	struct query_row *row;

	for (size_t i = 0; i < r->n; i++)
		query_sum_add(&told, &r->list[i].sum);
	query_counters_subtract(&rest.n, &told.n);
	rest.n.max = max;
	histogram_subtract(&rest.latency, &s->sum.latency, &told.latency);
	query_sum_release(&told);
	if (rest.n.calls == 0) {
		query_sum_release(&rest);
		return;
	}
	row = query_rows_add(r);
	row->tenant = memory_strdup("");
	row->other = true;
	row->sum = rest;
}

void
query_collect_tenants(const struct query_store *s, enum query_order o, size_t top, struct query_rows *r)
{
	struct crowd tenants = {
		.first = s->tenants, .n = s->ntenants, .step = sizeof(*s->tenants),
		.sum = offsetof(struct query_tenant, sum), .silent = true,
	};
	struct choice choice;

	choose(&choice, top, &tenants, o);
	*r = (struct query_rows){ .list = NULL };
	for (size_t i = 0; i < choice.ranking.n; i++) {
		const struct query_tenant *t = OWNER(choice.ranking.list[i].thing, query_tenant);
		struct query_row *row = query_rows_add(r);

		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		query_sum_add(&row->sum, &t->sum);
	}
	ranking_release(&choice.ranking);
	collect_rest(s, choice.left_out > s->gone.max ? choice.left_out : s->gone.max, r);
}
