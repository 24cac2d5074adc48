/*
 * SHOW BANS: a row a ban that is in force (client/bans.h); of too many, the latest.
 */
#include "client/bans.h"

#include "base/memory.h"
#include "reports/choice.h"
#include "reports/inside.h"

struct ban_row {
	const char *network, *tenant, *since, *until;
	int64_t seconds_left, times, refused;
	const char *by, *reason;
};

#define ROW(field) offsetof(struct ban_row, field)

static const struct column columns[] = {
	{ "network", COLUMN_TEXT, ROW(network) },
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "since", COLUMN_TEXT, ROW(since) },
	{ "until", COLUMN_TEXT, ROW(until) },
	{ "seconds_left", COLUMN_INT8, ROW(seconds_left) },
	{ "times", COLUMN_INT4, ROW(times) },
	{ "refused", COLUMN_INT8, ROW(refused) },
	{ "by", COLUMN_TEXT, ROW(by) },
	{ "reason", COLUMN_TEXT, ROW(reason) },
};

struct look {
	const struct report_order *order;
	struct choice choice;
	struct stock *rows;
	usec_t now, wall;
};

/* Those by hand before all others. */
static int64_t
rank_of(const struct ban_facts *f)
{
	return f->automatic ? f->since : INT64_MAX / 2 + f->since;
}

static void
note(void *arg, const struct ban_facts *f)
{
	struct look *l = arg;

	if (report_is_wanted(l->order, f->tenant))
		choice_note(&l->choice, rank_of(f));
}

static void
add_ban(void *arg, const struct ban_facts *f)
{
	struct look *l = arg;
	char since[CLOCK_ISO_SIZE], until[CLOCK_ISO_SIZE];

	if (!report_is_wanted(l->order, f->tenant) || !choice_takes(&l->choice, rank_of(f)))
		return;
	stock_add(l->rows,
		&(struct ban_row){
			.network = f->network,
			.tenant = f->tenant,
			.since = clock_iso(l->wall - (l->now - f->since), since),
			.until = f->until != 0 ? clock_iso(l->wall + (f->until - l->now), until) : NULL,
			.seconds_left = f->until != 0 ? (f->until - l->now + USEC_PER_SEC - 1) / USEC_PER_SEC : REPORT_NULL,
			.times = f->times,
			.refused = (int64_t)f->refused,
			.by = f->automatic ? "auto" : "console",
			.reason = f->reason != NULL && f->reason[0] != '\0' ? f->reason : NULL,
		});
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	struct bans *bans = o->work.reports->commons->bans;
	struct look l = { .order = o, .rows = rows, .now = clock_now(), .wall = clock_wall() };

	(void)all;
	if (bans == NULL)
		return;
	bans_each(bans, l.now, note, &l);
	choice_settle(&l.choice, o->wish.top);
	bans_each(bans, l.now, add_ban, &l);
	choice_release(&l.choice);
}

const struct report_kind report_bans = {
	.name = "BANS",
	.help = "a row an address or network that is banned, at a tenant or at all",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .add = add, .nsorted = 2, .many = true },
};
