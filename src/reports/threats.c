/*
 * SHOW THREATS: what the threat monitor noticed last, the latest first.  The monitor keeps it.
 */
#include "base/memory.h"
#include "reports/inside.h"
#include "reports/sum_row.h"
#include "threat/threat.h"

struct threat_row {
	const char *at, *tenant, *user, *client, *application_name, *mode, *rules, *action, *digest, *text;
};

#define ROW(field) offsetof(struct threat_row, field)

static const struct column columns[] = {
	{ "at", COLUMN_TEXT, ROW(at) },
	{ "tenant", COLUMN_TEXT, ROW(tenant) },
	{ "user", COLUMN_TEXT, ROW(user) },
	{ "client", COLUMN_TEXT, ROW(client) },
	{ "application_name", COLUMN_TEXT, ROW(application_name) },
	{ "mode", COLUMN_TEXT, ROW(mode) },
	{ "rules", COLUMN_TEXT, ROW(rules) },
	{ "action", COLUMN_TEXT, ROW(action) },
	{ "digest", COLUMN_TEXT, ROW(digest) },
	{ "text", COLUMN_TEXT, ROW(text) },
};

static void
add_threat(struct stock *rows, const struct threat *t)
{
	char at[CLOCK_ISO_SIZE], digest[HASH_TEXT], rules[THREAT_NAMES_SIZE];

	stock_add(rows,
		&(struct threat_row){
			.at = clock_iso(t->at, at),
			.tenant = t->tenant,
			.user = t->user,
			.client = t->client,
			.application_name = t->application_name,
			.mode = threat_mode_name(t->mode),
			.rules = threat_rule_names(t->rules, rules),
			.action = t->refused ? "refused" : "told",
			.digest = hash_print(digest, t->hash),
			.text = t->text,
		});
}

static void
add(const struct report_order *o, const struct part *all, struct stock *rows)
{
	const struct threat *t = NULL;

	(void)all;
	while (rows->nrows < o->wish.top && (t = monitor_next_threat(o->work.reports->monitor, t)) != NULL) {
		if (report_is_wanted(o, t->tenant))
			add_threat(rows, t);
	}
}

const struct report_kind report_threats = {
	.name = "THREATS",
	.help = "a row a statement that the threat monitor noticed, the latest first",
	.columns = columns,
	.ncolumns = lengthof(columns),
	.takes_tenant = true,
	.maker = &(const struct report_maker){ .add = add },
};
