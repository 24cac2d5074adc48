/*
 * SHOW QUERIES: a row a digest, of one tenant or of all together.
 */
#include "base/memory.h"
#include "reports/gather.h"
#include "reports/inside.h"
#include "reports/sum_row.h"

struct queries_row {
	const char *digest, *kind;
	struct sum_row sum;
	int64_t tenants;
	const char *tables, *text;
};

#define ROW(field) offsetof(struct queries_row, field)

static const struct column columns[] = {
	{ "digest", COLUMN_TEXT, ROW(digest) },
	{ "kind", COLUMN_TEXT, ROW(kind) },
	SUM_ROW_COUNTS(ROW(sum)),
	SUM_ROW_TIMES(ROW(sum)),
	{ "cache_hits", COLUMN_INT8, ROW(sum.cache_hits) },
	{ "tenants", COLUMN_INT8, ROW(tenants) },
	{ "tables", COLUMN_TEXT, ROW(tables) },
	{ "text", COLUMN_TEXT, ROW(text) },
};

static void
add_query(struct stock *rows, const struct query_row *q)
{
	char digest[HASH_TEXT];
	struct queries_row row = {
		.digest = hash_print(digest, q->hash),
		.kind = q->other ? NULL : sql_verb_name(q->verb),
		.tenants = q->other ? REPORT_NULL : q->tenants,
		.tables = q->tables,
		.text = q->other ? "other" : q->text,
	};

	sum_row_fill(&row.sum, &q->sum);
	stock_add(rows, &row);
}

static void
add_queries(struct stock *rows, const struct query_rows *queries)
{
	for (size_t i = 0; i < queries->n; i++)
		add_query(rows, &queries->list[i]);
}

void
performance_queries(const struct performance *p, struct report *r)
{
	struct stock rows;

	stock_init(&rows, columns, lengthof(columns));
	add_queries(&rows, &p->digests);
	report_init(r, columns, lengthof(columns));
	stock_write(&rows, 0, r);
	stock_release(&rows);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)o;
	add_queries(rows, &all->performance.digests);
}

const struct report_kind report_queries = {
	.name = "QUERIES",
	.help = "a row a statement, its literals aside",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .gathers = GATHER_DIGESTS, .add = add },
};
