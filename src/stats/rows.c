#include "stats/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stats/order.h"
#include "stats/ranking.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct query_row *
query_rows_add(struct query_rows *r)
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
		*query_rows_add(dst) = src->list[i];
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
		rest = query_rows_add(others);
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
			*query_rows_add(&others) = *row;
		else
			ranking_offer(&ranking, query_orders[o].measure(&row->sum), key_of(row), row);
	}
	ranking_sort(&ranking);
	for (size_t i = 0; i < ranking.n; i++) {
		struct query_row *row = &r->list[(const struct query_row *)ranking.list[i].thing - r->list];

		if (i < top)
			*query_rows_add(&sorted) = *row;
		else
			cut_row(row, &others);
	}
	for (size_t i = 0; i < others.n; i++)
		*query_rows_add(&sorted) = others.list[i];
	ranking_release(&ranking);
	free(others.list);
	free(r->list);
	*r = sorted;
}
