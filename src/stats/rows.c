#include "stats/rows.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "stats/ranking.h"
#include "stats/store.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* --- orders --- */

static double
by_total(const struct query_sum *s)
{
	return (double)s->n.total;
}

static double
by_calls(const struct query_sum *s)
{
	return (double)s->n.calls;
}

static double
by_mean(const struct query_sum *s)
{
	return s->n.calls == 0 ? 0 : (double)s->n.total / (double)s->n.calls;
}

static double
by_p95(const struct query_sum *s)
{
	return (double)histogram_quantile(&s->latency, 0.95);
}

static double
by_max(const struct query_sum *s)
{
	return (double)s->n.max;
}

static double
by_errors(const struct query_sum *s)
{
	return (double)s->n.errors;
}

static double
by_slow(const struct query_sum *s)
{
	return (double)s->n.slow;
}

static double
by_rows(const struct query_sum *s)
{
	return (double)s->n.rows;
}

static double
by_wait(const struct query_sum *s)
{
	return (double)s->n.wait;
}

/* It is not above the greatest.  Nor above 20 times the mean, since a twentieth of all take that long or longer.  A
 * quantile is told as the middle of its bucket, so there may be a 32nd more. */
static double
p95_at_most(const struct query_sum *s)
{
	double bound = by_max(s), by_markov = 20 * by_mean(s);

	return (bound < by_markov ? bound : by_markov) * (1 + 1.0 / 32) + 1;
}

static const struct {
	const char *name;
	double (*measure)(const struct query_sum *s);
	double (*at_most)(const struct query_sum *s);	/* where that is cheaper */
} orders[QUERY_ORDERS] = {
	[QUERY_BY_TOTAL] = { "total", by_total, NULL },
	[QUERY_BY_CALLS] = { "calls", by_calls, NULL },
	[QUERY_BY_MEAN] = { "mean", by_mean, NULL },
	[QUERY_BY_P95] = { "p95", by_p95, p95_at_most },
	[QUERY_BY_MAX] = { "max", by_max, NULL },
	[QUERY_BY_ERRORS] = { "errors", by_errors, NULL },
	[QUERY_BY_SLOW] = { "slow", by_slow, NULL },
	[QUERY_BY_ROWS] = { "rows", by_rows, NULL },
	[QUERY_BY_WAIT] = { "wait", by_wait, NULL },
};

int
query_order_find(const char *word)
{
	for (int i = 0; i < QUERY_ORDERS; i++) {
		if (strcasecmp(word, orders[i].name) == 0)
			return i;
	}
	return -1;
}

const char *
query_order_name(enum query_order o)
{
	return orders[o].name;
}

/* --- rows --- */

static struct query_row *
add_row(struct query_rows *r)
{
	if (r->n == r->room) {
		r->room = r->room == 0 ? 16 : r->room * 2;
		r->list = memory_realloc(r->list, r->room * sizeof(*r->list));
	}
	r->list[r->n] = (struct query_row){ .hash = 0 };
	return &r->list[r->n++];
}

static void
release_row(struct query_row *row)
{
	free(row->tenant);
	free(row->text);
	free(row->tables);
	query_sum_release(&row->sum);
}

void
query_rows_release(struct query_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		release_row(&r->list[i]);
	free(r->list);
	*r = (struct query_rows){ .list = NULL };
}

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

	choose_by(&hopeful, top > DEAR_LOOKS ? top : DEAR_LOOKS, crowd, orders[o].at_most);
	*c = (struct choice){ .left_out = hopeful.left_out };
	ranking_init(&c->ranking, top, hopeful.ranking.n);
	for (size_t i = 0; i < hopeful.ranking.n; i++) {
		const struct ranked *one = &hopeful.ranking.list[i];
		bool hopeless = ranking_is_full(&c->ranking) && one->by < c->ranking.list[0].by;
		const struct query_sum *s = one->thing;

		offer(c, hopeless ? -1 : orders[o].measure(s), one->tie, s);
	}
	ranking_sort(&c->ranking);
	ranking_release(&hopeful.ranking);
}

/* The first `top` of them. */
static void
choose(struct choice *c, size_t top, const struct crowd *crowd, enum query_order o)
{
	if (orders[o].at_most != NULL)
		choose_dearly(c, top, crowd, o);
	else
		choose_by(c, top, crowd, orders[o].measure);
}

/* --- collecting --- */

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
		struct query_row *row = add_row(r);

		tell_digest(row, e->digest);
		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		row->trend = e->trend;
		query_sum_add(&row->sum, &e->sum);
	}
	ranking_release(&choice.ranking);
	if (t->other.sum.n.calls > 0) {
		struct query_row *row = add_row(r);

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
		struct query_row *row = add_row(r);

		tell_digest(row, d);
		row->tenants = d->tenants;
		row->trend = d->trend;
		query_sum_add(&row->sum, &d->sum);
	}
	ranking_release(&choice.ranking);
	if (s->other.n.calls > 0) {
		struct query_row *row = add_row(r);

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
	row = add_row(r);
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
		struct query_row *row = add_row(r);

		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		query_sum_add(&row->sum, &t->sum);
	}
	ranking_release(&choice.ranking);
	collect_rest(s, choice.left_out > s->gone.max ? choice.left_out : s->gone.max, r);
}

/* --- merging --- */

static bool
is_same(const struct query_row *a, const struct query_row *b)
{
	if (a->hash != b->hash || (a->tenant == NULL) != (b->tenant == NULL))
		return false;
	return a->tenant == NULL || strcmp(a->tenant, b->tenant) == 0;
}

static uint64_t
key_of(const struct query_row *row)
{
	return row->hash ^ (row->tenant == NULL ? 0 : XXH3_64bits(row->tenant, strlen(row->tenant)));
}

/* Takes what is in src. */
static void
add_to_row(struct query_row *dst, struct query_row *src)
{
	query_sum_add(&dst->sum, &src->sum);
	dst->tenants += src->tenants;
	if (!dst->parsed && src->parsed) {
		char *tables = dst->tables;

		dst->parsed = true;
		dst->verb = src->verb;
		dst->reads_only = src->reads_only;
		dst->tables = src->tables;
		src->tables = tables;
	}
	release_row(src);
}

/* Where rows are, by key: open addressing over places + 1; 0 is free. */
struct places {
	size_t *at, size;
};

/* The place of a row like this one, to be read or written. */
static size_t *
find_place(const struct places *p, const struct query_rows *r, const struct query_row *row)
{
	size_t i = key_of(row) & (p->size - 1);

	while (p->at[i] != 0 && !is_same(&r->list[p->at[i] - 1], row))
		i = (i + 1) & (p->size - 1);
	return &p->at[i];
}

void
query_rows_merge(struct query_rows *dst, struct query_rows *src)
{
	struct places places = { .size = 16 };

	while (places.size < 2 * (dst->n + src->n))
		places.size *= 2;
	places.at = memory_zalloc(places.size * sizeof(*places.at));
	for (size_t i = 0; i < dst->n; i++)
		*find_place(&places, dst, &dst->list[i]) = i + 1;
	for (size_t i = 0; i < src->n; i++) {
		size_t *place = find_place(&places, dst, &src->list[i]);

		if (*place != 0) {
			add_to_row(&dst->list[*place - 1], &src->list[i]);
			continue;
		}
		*add_row(dst) = src->list[i];
		*place = dst->n;
	}
	free(places.at);
	free(src->list);
	*src = (struct query_rows){ .list = NULL };
}

/* --- sorting --- */

static bool
is_tenant(const struct query_row *row)
{
	return row->hash == 0 && row->tenant != NULL && !row->other;
}

/* A row that is cut off; of tenants, the rest is told. */
static void
cut_row(struct query_row *row, struct query_rows *others)
{
	struct query_row *rest;

	if (!is_tenant(row)) {
		release_row(row);
		return;
	}
	if (others->n == 0) {
		rest = add_row(others);
		rest->tenant = memory_strdup("");
		rest->other = true;
	}
	query_sum_add(&others->list[0].sum, &row->sum);
	release_row(row);
}

void
query_rows_sort(struct query_rows *r, enum query_order o, size_t top)
{
	struct query_rows sorted = { .list = NULL }, others = { .list = NULL };
	struct ranking ranking;

	ranking_init(&ranking, r->n, r->n);
	for (size_t i = 0; i < r->n; i++) {
		struct query_row *row = &r->list[i];

		if (row->other)
			*add_row(&others) = *row;
		else
			ranking_offer(&ranking, orders[o].measure(&row->sum), key_of(row), row);
	}
	ranking_sort(&ranking);
	for (size_t i = 0; i < ranking.n; i++) {
		struct query_row *row = &r->list[(const struct query_row *)ranking.list[i].thing - r->list];

		if (i < top)
			*add_row(&sorted) = *row;
		else
			cut_row(row, &others);
	}
	for (size_t i = 0; i < others.n; i++)
		*add_row(&sorted) = others.list[i];
	ranking_release(&ranking);
	free(others.list);
	free(r->list);
	*r = sorted;
}
