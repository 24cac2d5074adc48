/*
 * SHOW SLOW_QUERIES: the last ones, the latest first.  The monitor keeps them.
 */
#include <string.h>

#include "base/memory.h"
#include "reports/inside.h"
#include "reports/sum_row.h"

struct slow_row {
	const char *at, *tenant, *user, *database, *client, *application_name, *digest, *kind;
	int64_t total, wait, first_byte, blocked;
	int64_t rows, bytes_in, bytes_out;
	const char *sqlstate, *traceparent, *application, *route, *plan, *plan_note, *text;
};

#define ROW(field) offsetof(struct slow_row, field)

static const struct column columns[] = {
	{ "at", COLUMN_TEXT, ROW(at) },
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "user", COLUMN_TEXT, ROW(user) },
	{ "database", COLUMN_TEXT, ROW(database) },
	{ "client", COLUMN_TEXT, ROW(client) },
	{ "application_name", COLUMN_TEXT, ROW(application_name) },
	{ "digest", COLUMN_TEXT, ROW(digest) },
	{ "kind", COLUMN_TEXT, ROW(kind) },
	{ "total_ms", COLUMN_MSEC, ROW(total) },
	{ "wait_ms", COLUMN_MSEC, ROW(wait) },
	{ "first_byte_ms", COLUMN_MSEC, ROW(first_byte) },
	{ "blocked_ms", COLUMN_MSEC, ROW(blocked) },
	{ "rows", COLUMN_INT8, ROW(rows) },
	{ "bytes_in", COLUMN_INT8, ROW(bytes_in) },
	{ "bytes_out", COLUMN_INT8, ROW(bytes_out) },
	{ "sqlstate", COLUMN_TEXT, ROW(sqlstate) },
	{ "traceparent", COLUMN_TEXT, ROW(traceparent) },
	{ "application", COLUMN_TEXT, ROW(application) },
	{ "route", COLUMN_TEXT, ROW(route) },
	{ "plan", COLUMN_TEXT, ROW(plan) },
	{ "plan_note", COLUMN_TEXT, ROW(plan_note) },
	{ "text", COLUMN_TEXT, ROW(text) },
};

/* What was not said is NULL. */
static const char *
said(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void
add_slow(struct stock *rows, const struct slow_query *q)
{
	char at[CLOCK_ISO_SIZE], digest[HASH_TEXT];

	stock_add(rows,
		&(struct slow_row){
			.at = clock_iso(q->at, at),
			.tenant = q->tenant,
			.user = q->user,
			.database = q->database,
			.client = q->client,
			.application_name = q->application_name,
			.digest = hash_print(digest, q->hash),
			.kind = sql_verb_name(q->verb),
			.total = q->sample.total,
			.wait = q->sample.wait,
			.first_byte = q->sample.first_byte,
			.blocked = q->sample.blocked,
			.rows = (int64_t)q->sample.rows,
			.bytes_in = (int64_t)q->sample.bytes_in,
			.bytes_out = (int64_t)q->sample.bytes_out,
			.sqlstate = said(q->sqlstate),
			.traceparent = said(q->trace.traceparent),
			.application = said(q->trace.application),
			.route = said(q->trace.route),
			.plan = q->plan,
			.plan_note = q->plan_note,
			.text = q->text,
		});
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct slow_query *q = NULL;

	(void)all;
	while (rows->nrows < o->wish.top && (q = monitor_next_slow(o->work.reports->monitor, q)) != NULL) {
		if (report_is_wanted(o, q->tenant))
			add_slow(rows, q);
	}
}

const struct report_kind report_slow_queries = {
	.name = "SLOW_QUERIES",
	.help = "a row a query that took slow_query_threshold or longer, the latest first",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .add = add },
};
