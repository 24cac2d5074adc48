/*
 * SHOW CATALOGUE: one row, how it stands with the catalogue of tenants (tenant/catalogue.h).
 */
#include "tenant/catalogue.h"

#include "base/memory.h"
#include "reports/inside.h"

struct catalogue_row {
	const char *configured, *connected;
	int64_t known, absent, asked, hits, notified;
	const char *answered_at, *last_error;
	int64_t memory;
};

#define ROW(field) offsetof(struct catalogue_row, field)

static const struct column columns[] = {
	{ "configured", COLUMN_TEXT, ROW(configured) },
	{ "connected", COLUMN_TEXT, ROW(connected) },
	{ "known", COLUMN_INT8, ROW(known) },
	{ "absent", COLUMN_INT8, ROW(absent) },
	{ "asked", COLUMN_INT8, ROW(asked) },
	{ "hits", COLUMN_INT8, ROW(hits) },
	{ "notified", COLUMN_INT8, ROW(notified) },
	{ "answered_at", COLUMN_TEXT, ROW(answered_at) },
	{ "last_error", COLUMN_TEXT, ROW(last_error) },
	{ "memory", COLUMN_INT8, ROW(memory) },
};

static const char *
yes_or_no(bool b)
{
	return b ? "yes" : "no";
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	struct catalogue_facts f = { .configured = false };
	char at[CLOCK_ISO_SIZE];

	(void)all;
	if (o->work.reports->catalogue != NULL)
		catalogue_facts(o->work.reports->catalogue, &f);
	stock_add(rows,
		&(struct catalogue_row){
			.configured = yes_or_no(f.configured),
			.connected = yes_or_no(f.connected),
			.known = (int64_t)f.known,
			.absent = (int64_t)f.absent,
			.asked = (int64_t)f.asked,
			.hits = (int64_t)f.hits,
			.notified = (int64_t)f.notified,
			.answered_at = f.answered_at != 0 ? clock_iso(f.answered_at, at) : NULL,
			.last_error = f.last_error[0] != '\0' ? f.last_error : NULL,
			.memory = (int64_t)f.memory,
		});
}

const struct report_kind report_catalogue = {
	.name = "CATALOGUE",
	.help = "how it stands with the catalogue of tenants",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.maker = &(const struct report_maker){ .add = add },
};
