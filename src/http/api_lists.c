/*
 * api_lists: reports that are lists, as they are.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "http/api.h"
#include "http/json.h"

/* A report on its way into an answer. */
struct list {
	struct exchange *exchange;
	struct report_order *order;
	const char *name;
	size_t top;			/* rows at most; 0: all that there are */
	bool cut;			/* with so many, there may be more; else a row behind them tells of the rest */
};

static void
list_gone(void *arg)
{
	struct list *l = arg;

	report_abandon(&l->order);
	free(l);
}

static void
write_list(struct buffer *out, const struct list *l, const struct report *rows)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_put_time(&j, "generated_at", clock_wall());
	json_put_string(&j, "report", l->name);
	json_put_rows(&j, "rows", rows);
	json_put_int(&j, "count", (int64_t)rows->nrows);
	json_put_bool(&j, "complete", l->top == 0 || rows->nrows + l->cut <= l->top);
	json_close(&j, '}');
	buffer_append(out, "\n", 1);
}

static void
list_done(void *arg, struct report *rows, const struct error *e)
{
	struct list *l = arg;
	struct buffer body = BUFFER_INIT;

	if (rows == NULL) {
		exchange_error(l->exchange, e);
	} else {
		write_list(&body, l, rows);
		exchange_reply_json(l->exchange, 200, &body);
	}
	free(l);
}

static struct list *
serve_list(struct exchange *x, const char *report, const char *name, const struct report_filter *f)
{
	struct list *l = memory_zalloc(sizeof(*l));

	l->exchange = x;
	l->name = name;
	l->top = f->top;
	l->order = report_ask(exchange_reports(x), report_find(report), f, list_done, l);
	exchange_wait(x, list_gone, l);
	return l;
}

/* --- tenants --- */

struct tenants_query {
	int64_t top, sort;
};

static const struct parameter tenants_list[] = {
	{
		.name = "top",
		.kind = PARAMETER_NUMBER,
		.offset = offsetof(struct tenants_query, top),
		.low = 1,
		.high = 500,
		.otherwise = 100,
	},
	{
		.name = "sort",
		.kind = PARAMETER_WORD,
		.offset = offsetof(struct tenants_query, sort),
		.find = query_order_find,
		.words = SORT_WORDS,
		.otherwise = QUERY_BY_TOTAL,
	},
};

const struct parameters tenants_parameters = { tenants_list, lengthof(tenants_list), sizeof(struct tenants_query) };

void
tenants_serve(struct exchange *x)
{
	const struct tenants_query *q = exchange_parameters(x);

	serve_list(x, "TENANTS", "tenants",
		   &(struct report_filter){
			   .tenant = exchange_tenant(x),
			   .top = (unsigned)q->top,
			   .order = (enum query_order)q->sort,
		   });
}

/* --- pools --- */

struct pools_query {
	const char *tenant;
};

static const struct parameter pools_list[] = {
	{ .name = "tenant", .kind = PARAMETER_TENANT, .offset = offsetof(struct pools_query, tenant) },
};

const struct parameters pools_parameters = { pools_list, lengthof(pools_list), sizeof(struct pools_query) };

void
pools_serve(struct exchange *x)
{
	const struct pools_query *q = exchange_parameters(x);

	serve_list(x, "POOLS", "pools", &(struct report_filter){ .tenant = q->tenant });
}

/* --- limits, bans, threats --- */

struct some_query {
	const char *tenant;
	int64_t top;
};

static const struct parameter some_list[] = {
	{ .name = "tenant", .kind = PARAMETER_TENANT, .offset = offsetof(struct some_query, tenant) },
	{
		.name = "top",
		.kind = PARAMETER_NUMBER,
		.offset = offsetof(struct some_query, top),
		.low = 1,
		.high = 500,
		.otherwise = 100,
	},
};

const struct parameters some_parameters = { some_list, lengthof(some_list), sizeof(struct some_query) };

static void
serve_some(struct exchange *x, const char *report, const char *name)
{
	const struct some_query *q = exchange_parameters(x);

	serve_list(x, report, name, &(struct report_filter){ .tenant = q->tenant, .top = (unsigned)q->top })->cut = true;
}

void
limits_serve(struct exchange *x)
{
	serve_some(x, "LIMITS", "limits");
}

void
bans_serve(struct exchange *x)
{
	serve_some(x, "BANS", "bans");
}

void
threats_serve(struct exchange *x)
{
	serve_some(x, "THREATS", "threats");
}

/* --- hosts, catalogue, config --- */

void
hosts_serve(struct exchange *x)
{
	serve_list(x, "HOSTS", "hosts", &(struct report_filter){ .top = 0 });
}

void
catalogue_serve(struct exchange *x)
{
	serve_list(x, "CATALOGUE", "catalogue", &(struct report_filter){ .top = 0 });
}

void
config_serve(struct exchange *x)
{
	serve_list(x, "CONFIG", "config", &(struct report_filter){ .top = 0 });
}
