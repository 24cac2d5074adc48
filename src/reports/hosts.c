/*
 * SHOW HOSTS: a row a PostgreSQL server, and its budget of connections (tenant/host.h).
 */
#include "base/memory.h"
#include "pool/pace.h"
#include "reports/inside.h"
#include "tenant/host.h"

struct host_row {
	const char *host;
	int64_t port, max_connections, used, side, admin_reserve, tenants, waiting, longest_wait;
	int64_t granted, evictions, yielded, refused, failures;
	const char *status, *down_since, *last_error;
	const char *pace, *pace_reason;
	int64_t pace_limit, pace_active, pace_waiting, pace_gradient, per_second;
};

#define ROW(field) offsetof(struct host_row, field)

static const struct column columns[] = {
	{ "host", COLUMN_TEXT, ROW(host) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "max_connections", COLUMN_INT4, ROW(max_connections) },
	{ "used", COLUMN_INT4, ROW(used) },
	{ "side", COLUMN_INT4, ROW(side) },
	{ "admin_reserve", COLUMN_INT4, ROW(admin_reserve) },
	{ "tenants", COLUMN_INT4, ROW(tenants) },
	{ "waiting", COLUMN_INT4, ROW(waiting) },
	{ "longest_wait_ms", COLUMN_MSEC, ROW(longest_wait) },
	{ "granted", COLUMN_INT8, ROW(granted) },
	{ "evictions", COLUMN_INT8, ROW(evictions) },
	{ "yielded", COLUMN_INT8, ROW(yielded) },
	{ "refused", COLUMN_INT8, ROW(refused) },
	{ "failures", COLUMN_INT8, ROW(failures) },
	{ "status", COLUMN_TEXT, ROW(status) },
	{ "down_since", COLUMN_TEXT, ROW(down_since) },
	{ "last_error", COLUMN_TEXT, ROW(last_error) },
	{ "pace", COLUMN_TEXT, ROW(pace) },
	{ "pace_limit", COLUMN_INT4, ROW(pace_limit) },
	{ "pace_active", COLUMN_INT4, ROW(pace_active) },
	{ "pace_waiting", COLUMN_INT4, ROW(pace_waiting) },
	{ "pace_gradient", COLUMN_MSEC, ROW(pace_gradient) },	/* thousandths */
	{ "queries_per_second", COLUMN_MSEC, ROW(per_second) },	/* likewise */
	{ "pace_reason", COLUMN_TEXT, ROW(pace_reason) },
};

static const char *
status_of(const struct host_facts *f)
{
	if (f->down_since != 0)
		return "down";
	return f->known ? "up" : "unknown";
}

/* Under the hosts' lock: only copied. */
static void
add_host(void *arg, const struct host_facts *f)
{
	char since[CLOCK_ISO_SIZE];

	stock_add(arg,
		&(struct host_row){
			.host = f->host,
			.port = f->port,
			.max_connections = f->max_connections,
			.used = f->used,
			.side = f->side,
			.admin_reserve = f->admin_reserve,
			.tenants = f->tenants,
			.waiting = f->waiting,
			.longest_wait = f->longest_wait,
			.granted = (int64_t)f->granted,
			.evictions = (int64_t)f->evictions,
			.yielded = (int64_t)f->yielded,
			.refused = (int64_t)f->refused,
			.failures = (int64_t)f->failures,
			.status = status_of(f),
			.down_since = f->down_since != 0 ? clock_iso(f->down_since, since) : NULL,
			.last_error = f->last_error[0] != '\0' ? f->last_error : NULL,
			.pace = "off",
			.pace_limit = REPORT_NULL,
			.pace_active = REPORT_NULL,
			.pace_waiting = REPORT_NULL,
			.pace_gradient = REPORT_NULL,
			.per_second = REPORT_NULL,
		});
}

static int64_t
thousandths(double v)
{
	return (int64_t)(v * 1000 + 0.5);
}

/* Where a size is found out, and how it goes.  Its reason is good as long as the facts are. */
static void
finish_row(const struct report_order *o, void *row)
{
	static struct pace_facts f;	/* of the control thread */
	struct host_row *r = row;
	struct paces *paces = o->work.reports->commons->paces;

	if (paces == NULL || !paces_find(paces, r->host, (int)r->port, &f) || !f.on)
		return;
	r->pace = f.state;
	r->pace_reason = f.reason[0] != '\0' ? f.reason : NULL;
	r->pace_limit = f.limit;
	r->pace_active = f.active;
	r->pace_waiting = f.waiting;
	r->pace_gradient = f.gradient > 0 ? thousandths(f.gradient) : REPORT_NULL;
	r->per_second = thousandths(f.per_second);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)all;
	if (o->work.reports->commons->hosts != NULL)
		hosts_each(o->work.reports->commons->hosts, add_host, rows);
}

const struct report_kind report_hosts = {
	.name = "HOSTS",
	.help = "a row a PostgreSQL server, and its budget of connections",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.maker = &(const struct report_maker){ .add = add, .nsorted = 1, .finish_row = finish_row },
};
