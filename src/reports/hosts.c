/*
 * SHOW HOSTS: a row a PostgreSQL server, and its budget of connections (tenant/host.h).
 */
#include "base/memory.h"
#include "reports/inside.h"
#include "tenant/host.h"

struct host_row {
	const char *host;
	int64_t port, max_connections, used, side, admin_reserve, tenants, waiting, longest_wait;
	int64_t granted, evictions, yielded, refused, failures;
	const char *status, *down_since, *last_error;
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
		});
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
	.maker = &(const struct report_maker){ .add = add, .nsorted = 1 },
};
