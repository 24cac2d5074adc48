/*
 * SHOW LATENCY: how long queries took, a row an octave of microseconds in which there
 * were any.
 */
#include "base/memory.h"
#include "reports/gather.h"
#include "reports/inside.h"

struct latency_row {
	int64_t from, to;
	int64_t count, percent, cumulative;
};

#define ROW(field) offsetof(struct latency_row, field)

static const struct column columns[] = {
	{ "from_ms", COLUMN_MSEC, ROW(from) },
	{ "to_ms", COLUMN_MSEC, ROW(to) },
	{ "count", COLUMN_INT8, ROW(count) },
	{ "percent", COLUMN_PERCENT, ROW(percent) },
	{ "cumulative_percent", COLUMN_PERCENT, ROW(cumulative) },
};

/* The octave that v lies in: [*from, *to).  Below 16 us buckets are as fine as can be, and one row is enough. */
static void
find_octave(int64_t v, int64_t *from, int64_t *to)
{
	*from = 0;
	*to = HISTOGRAM_SUB;
	while (v >= *to) {
		*from = *to;
		*to *= 2;
	}
}

static int64_t
hundredths(uint64_t part, uint64_t all)
{
	return (int64_t)((double)part * 10000 / (double)all + 0.5);
}

static void
add_octaves(struct stock *rows, const struct histogram *h)
{
	struct latency_row row = { .to = 0 };
	struct histogram_bucket b;
	uint64_t seen = 0;

	for (size_t at = 0; histogram_next(h, &at, &b);) {
		if (row.count > 0 && b.low >= row.to) {
			stock_add(rows, &row);
			row.count = 0;
		}
		find_octave(b.low, &row.from, &row.to);
		seen += b.count;
		row.count += (int64_t)b.count;
		row.percent = hundredths((uint64_t)row.count, h->total);
		row.cumulative = hundredths(seen, h->total);
		if (b.high == INT64_MAX)
			row.to = REPORT_NULL;
	}
	if (row.count > 0)
		stock_add(rows, &row);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)o;
	add_octaves(rows, &all->performance.sum.latency);
}

const struct report_kind report_latency = {
	.name = "LATENCY",
	.help = "how many queries took how long",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .gathers = GATHER_SUM, .add = add },
};
