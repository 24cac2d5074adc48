/*
 * SHOW ALERTS: the last ones, the latest first.  The monitor keeps them.
 */
#include "base/memory.h"
#include "reports/inside.h"
#include "reports/sum_row.h"

struct alert_row {
	int64_t id;
	const char *at, *last_at, *kind, *tenant, *digest;
	int64_t value, limit;	/* thousandths, as a time in milliseconds is shown; of a percentage, too */
	int64_t times;
	const char *delivery, *message, *text;
};

#define ROW(field) offsetof(struct alert_row, field)

static const struct column columns[] = {
	{ "id", COLUMN_INT8, ROW(id) },
	{ "at", COLUMN_TEXT, ROW(at) },
	{ "last_at", COLUMN_TEXT, ROW(last_at) },
	{ "kind", COLUMN_TEXT, ROW(kind) },
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "digest", COLUMN_TEXT, ROW(digest) },
	{ "value", COLUMN_MSEC, ROW(value) },
	{ "limit", COLUMN_MSEC, ROW(limit) },
	{ "times", COLUMN_INT8, ROW(times) },
	{ "delivery", COLUMN_TEXT, ROW(delivery) },
	{ "message", COLUMN_TEXT, ROW(message) },
	{ "text", COLUMN_TEXT, ROW(text) },
};

static int64_t
thousandths(double v)
{
	return (int64_t)(v * 1000 + 0.5);
}

static void
add_alert(struct stock *rows, const struct alert *a)
{
	char at[CLOCK_ISO_SIZE], last_at[CLOCK_ISO_SIZE], digest[HASH_TEXT];

	stock_add(rows,
		&(struct alert_row){
			.id = (int64_t)a->id,
			.at = clock_iso(a->at, at),
			.last_at = clock_iso(a->last_at, last_at),
			.kind = alert_kind_name(a->kind),
			.tenant = a->tenant,
			.digest = hash_print(digest, a->hash),
			.value = thousandths(a->value),
			.limit = thousandths(a->limit),
			.times = (int64_t)a->times,
			.delivery = alert_delivery_name(a->delivery),
			.message = a->message,
			.text = a->text,
		});
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct alert *a = NULL;

	(void)all;
	while (rows->nrows < o->wish.top && (a = monitor_next_alert(o->work.reports->monitor, a)) != NULL) {
		if (report_is_wanted(o, a->tenant))
			add_alert(rows, a);
	}
}

const struct report_kind report_alerts = {
	.name = "ALERTS",
	.help = "a row an alert, the latest first",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .add = add },
};
