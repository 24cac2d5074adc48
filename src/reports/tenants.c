/*
 * SHOW TENANTS: a row a tenant in use, by what its queries cost; the last one is the rest
 * of them, if there are more.
 */
#include "base/memory.h"
#include "reports/gather.h"
#include "reports/inside.h"
#include "reports/sum_row.h"

struct tenant_row {
	const char *tenant;
	int64_t clients, servers;
	struct sum_row sum;
	const char *state, *host, *source;
	int64_t port, weight, waiting;
};

#define ROW(field) offsetof(struct tenant_row, field)

static const struct column columns[] = {
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "clients", COLUMN_INT8, ROW(clients) },
	{ "servers", COLUMN_INT8, ROW(servers) },
	SUM_ROW_COUNTS(ROW(sum)),
	{ "slow_percent", COLUMN_PERCENT, ROW(sum.slow_percent) },
	SUM_ROW_TIMES(ROW(sum)),
	{ "bytes_in", COLUMN_INT8, ROW(sum.bytes_in) },
	{ "bytes_out", COLUMN_INT8, ROW(sum.bytes_out) },
	{ "state", COLUMN_TEXT, ROW(state) },
	{ "host", COLUMN_TEXT, ROW(host) },
	{ "port", COLUMN_INT4, ROW(port) },
	{ "source", COLUMN_TEXT, ROW(source) },
	{ "weight", COLUMN_INT4, ROW(weight) },
	{ "waiting", COLUMN_INT8, ROW(waiting) },
};

static void
add_tenants(struct stock *rows, const struct performance *p)
{
	for (size_t i = 0; i < p->tenants.n; i++) {
		const struct query_row *q = &p->tenants.list[i];
		struct tenant_row row = {
			.tenant = q->other ? "other" : q->tenant,
			.clients = p->loads[i].clients,
			.servers = p->loads[i].servers,
			.state = p->loads[i].state,
			.host = p->loads[i].host,
			.source = p->loads[i].source,
			.port = p->loads[i].port,
			.weight = p->loads[i].weight,
			.waiting = p->loads[i].waiting,
		};

		sum_row_fill(&row.sum, &q->sum);
		stock_add(rows, &row);
	}
}

void
performance_tenants(const struct performance *p, struct report *r)
{
	struct stock rows;

	stock_init(&rows, columns, lengthof(columns));
	add_tenants(&rows, p);
	report_init(r, columns, lengthof(columns));
	stock_write(&rows, 0, r);
	stock_release(&rows);
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	(void)o;
	add_tenants(rows, &all->performance);
}

const struct report_kind report_tenants = {
	.name = "TENANTS",
	.help = "a row a tenant in use, by what its queries cost",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .gathers = GATHER_TENANTS, .add = add },
};
