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

static const struct {
	const char *name;
	double (*measure)(const struct query_sum *s);
} orders[QUERY_ORDERS] = {
	[QUERY_BY_TOTAL] = { "total", by_total },
	[QUERY_BY_CALLS] = { "calls", by_calls },
	[QUERY_BY_MEAN] = { "mean", by_mean },
	[QUERY_BY_P95] = { "p95", by_p95 },
	[QUERY_BY_MAX] = { "max", by_max },
	[QUERY_BY_ERRORS] = { "errors", by_errors },
	[QUERY_BY_SLOW] = { "slow", by_slow },
	[QUERY_BY_ROWS] = { "rows", by_rows },
	[QUERY_BY_WAIT] = { "wait", by_wait },
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

static void
collect_of_tenant(const struct query_tenant *t, enum query_order o, size_t top, struct query_rows *r)
{
	struct ranking ranking;

	ranking_init(&ranking, top, t->nentries);
	for (unsigned i = 0; i < t->nentries; i++) {
		const struct query_entry *e = t->entries[i];

		if (e->sum.n.calls > 0)
			ranking_offer(&ranking, orders[o].measure(&e->sum), e->hash, e);
	}
	ranking_sort(&ranking);
	for (size_t i = 0; i < ranking.n; i++) {
		const struct query_entry *e = ranking.list[i].thing;
		struct query_row *row = add_row(r);

		tell_digest(row, e->digest);
		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		row->trend = e->trend;
		query_sum_add(&row->sum, &e->sum);
	}
	ranking_release(&ranking);
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
	const struct query_digest *d;
	struct ranking ranking;

	ranking_init(&ranking, top, s->digests.n);
	for (unsigned at = 0; (d = query_table_next(&s->digests, &at)) != NULL;) {
		if (d->sum.n.calls > 0)
			ranking_offer(&ranking, orders[o].measure(&d->sum), d->hash, d);
	}
	ranking_sort(&ranking);
	for (size_t i = 0; i < ranking.n; i++) {
		struct query_row *row = add_row(r);

		d = ranking.list[i].thing;
		tell_digest(row, d);
		row->tenants = (uint32_t)d->refs;
		row->trend = d->trend;
		query_sum_add(&row->sum, &d->sum);
	}
	ranking_release(&ranking);
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

void
query_collect_tenants(const struct query_store *s, enum query_order o, size_t top, struct query_rows *r)
{
	struct query_sum rest = { .n = s->sum.n };
	struct query_sum told = { .n = { .calls = 0 } };
	struct ranking ranking;

	*r = (struct query_rows){ .list = NULL };
	rest.n.max = s->gone.max;
	ranking_init(&ranking, top, s->ntenants);
	for (unsigned i = 0; i < s->ntenants; i++) {
		const struct query_tenant *t = s->tenants[i];

		t = ranking_offer(&ranking, orders[o].measure(&t->sum), t->salt, t);
		if (t != NULL && rest.n.max < t->sum.n.max)
			rest.n.max = t->sum.n.max;
	}
	ranking_sort(&ranking);
	for (size_t i = 0; i < ranking.n; i++) {
		const struct query_tenant *t = ranking.list[i].thing;
		struct query_row *row = add_row(r);

		row->tenant = memory_strdup(t->name);
		row->tenants = 1;
		query_sum_add(&row->sum, &t->sum);
		query_sum_add(&told, &t->sum);
	}
	ranking_release(&ranking);
	/* Not the sum of thousands, but what these few leave of the whole. */
	query_counters_subtract(&rest.n, &told.n);
	histogram_subtract(&rest.latency, &s->sum.latency, &told.latency);
	if (rest.n.calls > 0) {
		struct query_row *row = add_row(r);

		row->tenant = memory_strdup("");
		row->other = true;
		row->sum = rest;
	} else {
		query_sum_release(&rest);
	}
	query_sum_release(&told);
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
