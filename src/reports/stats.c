/*
 * SHOW STATS, STATS_TOTALS, STATS_AVERAGES: a row a database in use; SHOW
 * TOTALS: their sum, a row a counter.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "reports/inside.h"

struct stats_row {
	const char *database;
	struct traffic total, avg;
};

#define TOTAL(name, field)                                                    \
	{                                                                     \
		name, COLUMN_NUMERIC, offsetof(struct stats_row, total.field) \
	}
#define AVG(name, field)                                                    \
	{                                                                   \
		name, COLUMN_NUMERIC, offsetof(struct stats_row, avg.field) \
	}
#define DATABASE                                                              \
	{                                                                     \
		"database", COLUMN_TEXT, offsetof(struct stats_row, database) \
	}

static const struct column stats_columns[] = {
	DATABASE,
	TOTAL("total_server_assignment_count", server_assignment_count),
	TOTAL("total_xact_count", xact_count),
	TOTAL("total_query_count", query_count),
	TOTAL("total_received", received),
	TOTAL("total_sent", sent),
	TOTAL("total_xact_time", xact_time),
	TOTAL("total_query_time", query_time),
	TOTAL("total_wait_time", wait_time),
	TOTAL("total_client_parse_count", client_parse_count),
	TOTAL("total_server_parse_count", server_parse_count),
	TOTAL("total_bind_count", bind_count),
	TOTAL("total_client_login_count", client_login_count),
	AVG("avg_server_assignment_count", server_assignment_count),
	AVG("avg_xact_count", xact_count),
	AVG("avg_query_count", query_count),
	AVG("avg_recv", received),
	AVG("avg_sent", sent),
	AVG("avg_xact_time", xact_time),
	AVG("avg_query_time", query_time),
	AVG("avg_wait_time", wait_time),
	AVG("avg_client_parse_count", client_parse_count),
	AVG("avg_server_parse_count", server_parse_count),
	AVG("avg_bind_count", bind_count),
	AVG("avg_client_login_count", client_login_count),
};

static const struct column totals_columns[] = {
	DATABASE,
	TOTAL("server_assignment_count", server_assignment_count),
	TOTAL("xact_count", xact_count),
	TOTAL("query_count", query_count),
	TOTAL("bytes_received", received),
	TOTAL("bytes_sent", sent),
	TOTAL("xact_time", xact_time),
	TOTAL("query_time", query_time),
	TOTAL("wait_time", wait_time),
	TOTAL("client_parse_count", client_parse_count),
	TOTAL("server_parse_count", server_parse_count),
	TOTAL("bind_count", bind_count),
	TOTAL("client_login_count", client_login_count),
};

static const struct column averages_columns[] = {
	DATABASE,
	AVG("server_assignment_count", server_assignment_count),
	AVG("xact_count", xact_count),
	AVG("query_count", query_count),
	AVG("bytes_received", received),
	AVG("bytes_sent", sent),
	AVG("xact_time", xact_time),
	AVG("query_time", query_time),
	AVG("wait_time", wait_time),
	AVG("avg_client_parse_count", client_parse_count),
	AVG("avg_server_parse_count", server_parse_count),
	AVG("avg_bind_count", bind_count),
	AVG("avg_client_login_count", client_login_count),
};

static void
add_row(struct stock *rows, const char *database, const struct traffic *total,
	const struct traffic_history *h)
{
	struct stats_row row = { .database = database, .total = *total };

	traffic_average(h, &row.avg);
	stock_add(rows, &row);
}

static void
look(const struct report_order *o, struct shard *s, struct part *part)
{
	struct tenant *t = NULL;

	(void)o;
	while ((t = walk_tenant(&part->walk, s, t)) != NULL) {
		const struct traffic_history history = tenant_history(t);

		add_row(&part->rows, t->name, &t->traffic, &history);
	}
}

/* Averages of what one costs count by how many there were. */
static int64_t
weigh(int64_t a, int64_t na, int64_t b, int64_t nb)
{
	return na + nb > 0 ? (a * na + b * nb) / (na + nb) : 0;
}

/* Of a tenant that several workers serve. */
static void
merge(void *row, const void *other)
{
	struct stats_row *to = row;
	const struct stats_row *r = other;
	struct traffic *avg = &to->avg;
	const struct traffic own = to->avg;

	traffic_add(&to->total, &r->total);
	traffic_add(avg, &r->avg);
	avg->xact_time = weigh(own.xact_time, own.xact_count, r->avg.xact_time, r->avg.xact_count);
	avg->query_time = weigh(own.query_time, own.query_count, r->avg.query_time, r->avg.query_count);
	avg->wait_time = weigh(own.wait_time, own.server_assignment_count, r->avg.wait_time,
		r->avg.server_assignment_count);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)all;
	add_row(rows, CONSOLE_DATABASE, &o->work.reports->console->traffic, &o->work.reports->console->history);
}

#define REPORT(title, about, its_columns)                                                                          \
	{                                                                                                          \
		.name = title, .help = about, .columns = its_columns, .ncolumns = lengthof(its_columns),           \
		.maker = &(const struct report_maker){ .look = look, .add = add, .nsorted = 1, .merge = merge }                    \
	}

const struct report_kind report_stats = REPORT("STATS", "a row a database in use: what passed", stats_columns);
const struct report_kind report_stats_totals =
	REPORT("STATS_TOTALS", "the total_ half of STATS", totals_columns);
const struct report_kind report_stats_averages =
	REPORT("STATS_AVERAGES", "the avg_ half of STATS", averages_columns);

/* --- SHOW TOTALS --- */

struct total_row {
	const char *name;
	int64_t value;
};

static const struct column total_columns[] = {
	{ "name", COLUMN_TEXT, offsetof(struct total_row, name) },
	{ "value", COLUMN_NUMERIC, offsetof(struct total_row, value) },
};

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "server_assignment_count", offsetof(struct traffic, server_assignment_count) },
	{ "xact_count", offsetof(struct traffic, xact_count) },
	{ "query_count", offsetof(struct traffic, query_count) },
	{ "client_bytes", offsetof(struct traffic, received) },
	{ "server_bytes", offsetof(struct traffic, sent) },
	{ "xact_time", offsetof(struct traffic, xact_time) },
	{ "query_time", offsetof(struct traffic, query_time) },
	{ "wait_time", offsetof(struct traffic, wait_time) },
	{ "ps_client_parse_count", offsetof(struct traffic, client_parse_count) },
	{ "ps_server_parse_count", offsetof(struct traffic, server_parse_count) },
	{ "ps_bind_count", offsetof(struct traffic, bind_count) },
	{ "client_login_count", offsetof(struct traffic, client_login_count) },
};

static void
add_counters(struct stock *rows, const char *prefix, const struct traffic *t)
{
	char name[64];

	for (size_t i = 0; i < lengthof(counters); i++) {
		struct total_row row = { .name = name };

		snprintf(name, sizeof(name), "%s%s", prefix, counters[i].name);
		memcpy(&row.value, (const char *)t + counters[i].offset, sizeof(row.value));
		stock_add(rows, &row);
	}
}

/* All roll at the same time: the console's stand for the others' times. */
static void
add_totals(const struct report_order *o, const struct part *all, struct stock *rows)
{
	struct traffic_history h = o->work.reports->console->history;
	struct traffic total = all->tally.traffic, avg;

	traffic_add(&total, &o->work.reports->console->traffic);
	traffic_add(&h.older, &all->tally.older);
	traffic_add(&h.newer, &all->tally.newer);
	traffic_average(&h, &avg);
	add_counters(rows, "total_", &total);
	add_counters(rows, "avg_", &avg);
}

const struct report_kind report_totals = {
	.name = "TOTALS",
	.help = "a row a counter: STATS, summed up",
	.columns = total_columns,
	.ncolumns = lengthof(total_columns),
	.maker = &(const struct report_maker){ .look = tally_look, .add = add_totals },
};
