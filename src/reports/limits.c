/*
 * SHOW LIMITS: a row a limit that somebody is counted for (tenant/limits.h).  There may be very many
 * (each address is somebody): those that were hit most are told first.
 */
#include <string.h>

#include "base/memory.h"
#include "reports/choice.h"
#include "reports/inside.h"
#include "tenant/limits.h"

struct limit_row {
	const char *scope, *name, *kind;
	int64_t limit, burst, used, passed, delayed, refused, shadowed, delayed_time;
	const char *mode, *source;
};

#define ROW(field) offsetof(struct limit_row, field)

static const struct column columns[] = {
	{ "scope", COLUMN_TEXT, ROW(scope) },
	{ "name", COLUMN_TEXT, ROW(name) },
	{ "kind", COLUMN_TEXT, ROW(kind) },
	{ "limit", COLUMN_INT8, ROW(limit) },
	{ "burst", COLUMN_INT8, ROW(burst) },
	{ "used", COLUMN_INT8, ROW(used) },
	{ "passed", COLUMN_INT8, ROW(passed) },
	{ "delayed", COLUMN_INT8, ROW(delayed) },
	{ "refused", COLUMN_INT8, ROW(refused) },
	{ "shadowed", COLUMN_INT8, ROW(shadowed) },
	{ "delayed_ms", COLUMN_MSEC, ROW(delayed_time) },
	{ "mode", COLUMN_TEXT, ROW(mode) },
	{ "source", COLUMN_TEXT, ROW(source) },
};

struct look {
	const struct report_order *order;
	struct choice choice;
	struct stock *rows;
};

/* "10.0.0.7@acme" */
#define CLIENT_SEPARATOR '@'

/* Of one tenant: its own; those of its clients have its name behind their address. */
static bool
is_wanted(const struct report_order *o, const struct limit_facts *f)
{
	const char *at;

	if (o->wish.tenant == NULL || f->scope == LIMIT_TENANT)
		return report_is_wanted(o, f->name);
	if (f->scope != LIMIT_CLIENT)
		return false;
	at = strchr(f->name, CLIENT_SEPARATOR);
	return at != NULL && report_is_wanted(o, at + 1);
}

static int64_t
rank_of(const struct limit_facts *f)
{
	uint64_t hits = f->delayed + f->refused + f->shadowed;

	return hits < INT64_MAX ? (int64_t)hits : INT64_MAX;
}

static void
note(void *arg, const struct limit_facts *f)
{
	struct look *l = arg;

	if (is_wanted(l->order, f))
		choice_note(&l->choice, rank_of(f));
}

/* Under the limits' lock: only copied. */
static void
add_limit(void *arg, const struct limit_facts *f)
{
	struct look *l = arg;

	if (!is_wanted(l->order, f) || !choice_takes(&l->choice, rank_of(f)))
		return;
	stock_add(l->rows,
		&(struct limit_row){
			.scope = limit_scope_name(f->scope),
			.name = f->name,
			.kind = limit_kind_name(f->kind),
			.limit = f->kind == LIMIT_KIND_TRANSACTION ? f->limit / USEC_PER_MSEC : f->limit,
			.burst = f->burst > 0 ? f->burst : REPORT_NULL,
			.used = f->used,
			.passed = (int64_t)f->passed,
			.delayed = (int64_t)f->delayed,
			.refused = (int64_t)f->refused,
			.shadowed = (int64_t)f->shadowed,
			.delayed_time = f->delayed_time,
			.mode = f->shadow ? "shadow" : "enforce",
			.source = f->leased ? "redis" : "local",
		});
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	struct limits *limits = o->work.reports->commons->limits;
	struct look l = { .order = o, .rows = rows };

	(void)all;
	if (limits == NULL)
		return;
	limits_each(limits, note, &l);
	choice_settle(&l.choice, o->wish.top);
	limits_each(limits, add_limit, &l);
	choice_release(&l.choice);
}

const struct report_kind report_limits = {
	.name = "LIMITS",
	.help = "a row a limit that somebody is counted for, those that were hit most",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .add = add, .nsorted = 3, .many = true },
};
