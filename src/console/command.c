#include "console/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "console/ban.h"
#include "console/dialogue.h"
#include "console/inside.h"
#include "console/manage.h"
#include "console/order.h"
#include "console/parameters.h"
#include "console/provision.h"
#include "console/show.h"

#define BLANKS " \t\n\v\f\r"
#define SHOWN_MAX 300

static void run_show(struct dialogue *d, const struct command *c, const struct sentence *s);

static const struct command commands[] = {
	{ "SHOW", "", ARGUMENT_REQUIRED, false, run_show, NULL },
	{ "SELECT", NULL, ARGUMENT_REQUIRED, false, run_show, NULL },
	{ "SET", "key = value", ARGUMENT_SETTING, true, manage_set, NULL },
	{ "RELOAD", "", ARGUMENT_NONE, true, manage_reload, NULL },
	{ "PAUSE", "[[TENANT] <db>]", ARGUMENT_OPTIONAL, true, order_run, &order_pause },
	{ "RESUME", "[[TENANT] <db>]", ARGUMENT_OPTIONAL, true, order_run, &order_resume },
	{ "DISABLE", "[TENANT] <db>", ARGUMENT_REQUIRED, true, order_run, &order_disable },
	{ "ENABLE", "[TENANT] <db>", ARGUMENT_REQUIRED, true, order_run, &order_enable },
	{ "RECONNECT", "[[TENANT] <db>]", ARGUMENT_OPTIONAL, true, order_run, &order_reconnect },
	{ "WAIT_CLOSE", "[[TENANT] <db>]", ARGUMENT_OPTIONAL, true, order_run, &order_wait_close },
	{ "KILL", "[[TENANT] <db>]", ARGUMENT_OPTIONAL, true, order_run, &order_kill },
	{ "KILL_CLIENT", "<client_id>", ARGUMENT_REQUIRED, true, manage_kill_client, NULL },
	{ "CREATE", "TENANT <name> ['<line>']", ARGUMENT_TENANT_OPTIONAL_LINE, true, provision_create, NULL },
	{ "ALTER", "TENANT <name> '<line>'", ARGUMENT_TENANT_LINE, true, provision_alter, NULL },
	{ "DROP", "TENANT <name>", ARGUMENT_TENANT, true, provision_drop, NULL },
	{ "MOVE", "TENANT <name> TO '<line>'", ARGUMENT_TENANT_TO_LINE, true, provision_move, NULL },
	{ "BAN", "<address>[/<bits>] [AT <tenant>] [FOR <seconds>] ['<reason>']", ARGUMENT_BAN, true, ban_run, NULL },
	{ "UNBAN", "<address>[/<bits>] [AT <tenant>]", ARGUMENT_NETWORK, true, ban_lift, NULL },
	{ "RESET", "STATS", ARGUMENT_REQUIRED, true, manage_reset, NULL },
	{ "SUSPEND", NULL, ARGUMENT_NONE, true, manage_suspend, NULL },
	{ "SHUTDOWN", "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]", ARGUMENT_OPTIONAL, true,
		manage_shutdown, NULL },
};

/* Two words of a text, and nothing from a quote or "=" on: in a tenant's line there may be passwords. */
static size_t
shown_length(const char *text)
{
	size_t n = strspn(text, BLANKS);

	n += strcspn(text + n, BLANKS ";'\"=$");
	n += strspn(text + n, BLANKS);
	n += strcspn(text + n, BLANKS ";'\"=$");
	while (n > 0 && strchr(BLANKS, text[n - 1]) != NULL)
		n--;
	return n < SHOWN_MAX ? n : SHOWN_MAX;
}

void
command_error(struct error *e, const char *text)
{
	size_t n = shown_length(text);
	bool whole = text[n + strspn(text + n, BLANKS ";")] == '\0';

	error_set(e, SEVERITY_ERROR, SQLSTATE_PROTOCOL_VIOLATION, "invalid command '%.*s%s', use SHOW HELP;", (int)n, text,
		whole ? "" : " ...");
	for (size_t i = 0; i < lengthof(commands); i++) {
		const struct command *c = &commands[i];

		if (c->usage != NULL && c->usage[0] != '\0' && syntax_begins_with(text, c->word))
			error_hint(e, "%s %s", c->word, c->usage);
	}
}

static const struct command *
find(const char *word)
{
	for (size_t i = 0; i < lengthof(commands); i++) {
		if (string_equal_nocase(commands[i].word, word))
			return &commands[i];
	}
	return NULL;
}

/* --- what SHOW shows --- */

static bool
is_help(const struct sentence *s)
{
	return string_equal_nocase(s->argument, "help");
}

/* SHOW's argument: a report, a parameter, or HELP. */
static bool
is_shown(const struct sentence *s)
{
	return report_find(s->argument) != NULL || parameter_find(s->argument) != NULL || is_help(s);
}

static void
get_shape(const struct sentence *s, struct shape *shape)
{
	const struct report_kind *kind = report_find(s->argument);
	const struct parameter *parameter = parameter_find(s->argument);

	if (kind != NULL)
		*shape = (struct shape){ kind->ncolumns, kind->columns };
	else if (parameter != NULL)
		*shape = (struct shape){ 1, &parameter->column };
}

static void
show_parameter(struct dialogue *d, const struct parameter *p)
{
	struct report r;

	report_init(&r, &p->column, 1);
	report_add(&r, &p->value);
	dialogue_rows(d, &r);
	report_release(&r);
	dialogue_complete(d, "SHOW");
}

static void
add_text(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

static void
list_reports(struct buffer *b)
{
	const struct report_kind *kind = NULL;

	add_text(b, "\tSHOW HELP");
	for (int n = 1; (kind = report_next(kind)) != NULL; n++) {
		if (kind->needs_tenant)
			continue;
		add_text(b, n % 6 == 0 ? "\n\tSHOW " : "|");
		add_text(b, kind->name);
	}
}

static void
list_reports_of_tenants(struct buffer *b)
{
	const struct report_kind *kind = NULL;
	const char *before = "\n\tSHOW ";

	while ((kind = report_next(kind)) != NULL) {
		if (!kind->takes_tenant || kind->needs_tenant)
			continue;
		add_text(b, before);
		add_text(b, kind->name);
		before = "|";
	}
	add_text(b, " [<db>]\n\tSHOW TENANT <name>");
}

static void
show_help(struct dialogue *d)
{
	struct buffer b = BUFFER_INIT;

	add_text(&b, "\n");
	list_reports(&b);
	list_reports_of_tenants(&b);
	for (size_t i = 1; i < lengthof(commands); i++) {
		if (commands[i].usage == NULL)
			continue;
		add_text(&b, "\n\t");
		add_text(&b, commands[i].word);
		if (commands[i].usage[0] != '\0')
			add_text(&b, " ");
		add_text(&b, commands[i].usage);
	}
	buffer_append(&b, "", 1);
	dialogue_notice(d, "Console usage", (const char *)buffer_head(&b));
	buffer_release(&b);
	dialogue_complete(d, "SHOW");
}

static void
run_show(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	const struct report_kind *kind = report_find(s->argument);

	(void)c;
	if (kind != NULL)
		show_run(d, kind, s->subject);
	else if (is_help(s))
		show_help(d);
	else
		show_parameter(d, parameter_find(s->argument));
}

/* --- checking and running --- */

/* A second name is for reports that can be of one tenant; orders may say TENANT before its name. */
static bool
takes_subject(const struct command *c, const struct sentence *s)
{
	const struct report_kind *kind = c->run == run_show ? report_find(s->argument) : NULL;

	if (c->run == order_run)
		return string_equal_nocase(s->argument, "tenant");
	return kind != NULL && kind->takes_tenant;
}

static bool
has_names(const struct command *c, const struct sentence *s)
{
	return s->subject == NULL || takes_subject(c, s);
}

static bool
fits(const struct command *c, const struct sentence *s)
{
	switch (c->argument) {
	case ARGUMENT_NONE:
		return s->argument == NULL;
	case ARGUMENT_OPTIONAL:
		return has_names(c, s);
	case ARGUMENT_REQUIRED:
		return has_names(c, s) && (c->run != run_show || (s->argument != NULL && is_shown(s)));
	case ARGUMENT_SETTING:
		return s->value != NULL;
	case ARGUMENT_TENANT:
		return s->value == NULL && !s->to;
	case ARGUMENT_TENANT_LINE:
		return s->value != NULL && !s->to;
	case ARGUMENT_TENANT_OPTIONAL_LINE:
		return !s->to;
	case ARGUMENT_TENANT_TO_LINE:
		return s->value != NULL && s->to;
	case ARGUMENT_NETWORK:
		return s->value == NULL && s->period == NULL;
	case ARGUMENT_BAN:
		return true;
	}
	return false;
}

/* What is said is complete? */
static bool
says_enough(const struct command *c, const struct sentence *s, struct error *e)
{
	const struct report_kind *kind = c->run == run_show ? report_find(s->argument) : NULL;

	if (c->argument == ARGUMENT_REQUIRED && s->argument == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_PROTOCOL_VIOLATION,
			"%s needs an argument: %s %s", c->word, c->word, c->usage);
		return false;
	}
	if (kind != NULL && kind->needs_tenant && s->subject == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_PROTOCOL_VIOLATION,
			"SHOW %s needs the name of a tenant: SHOW %s <name>", kind->name, kind->name);
		error_hint(e, "SHOW TENANTS lists those in use.");
		return false;
	}
	return true;
}

static bool
is_allowed(const struct dialogue *d, const struct command *c, const struct sentence *s)
{
	const struct report_kind *kind;

	if (d->admin)
		return true;
	if (c->argument == ARGUMENT_SETTING && parameter_find(s->argument) != NULL)
		return true; /* ignored anyway */
	kind = c->run == run_show ? report_find(s->argument) : NULL;
	return !c->admin && (kind == NULL || !kind->admin);
}

static const struct command *
choose(const struct dialogue *d, const struct sentence *s, const char *text, struct error *e)
{
	const struct command *c = find(s->verb);

	if (c == NULL || !fits(c, s)) {
		command_error(e, text);
		return NULL;
	}
	if (!is_allowed(d, c, s)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INSUFFICIENT_PRIVILEGE,
			"admin access needed");
		error_hint(e, "This command is for users of admin_users.");
		return NULL;
	}
	return says_enough(c, s, e) ? c : NULL;
}

bool
command_check(const struct dialogue *d, const struct sentence *s, const char *text,
	struct shape *shape, struct error *e)
{
	const struct command *c = choose(d, s, text, e);

	*shape = (struct shape){ .ncolumns = 0 };
	if (c == NULL)
		return false;
	if (c->run == run_show)
		get_shape(s, shape);
	return true;
}

/* The name of a tenant as clients would be understood (tenant_case); the caller's to free, or NULL. */
static char *
fold_name(const struct dialogue *d, const char *name)
{
	char *folded = name != NULL ? memory_strdup(name) : NULL;

	if (folded != NULL)
		config_fold_name(console_config(d->console), folded);
	return folded;
}

static void
run(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	bool names_one = c->order != NULL && s->subject == NULL;
	char *argument = fold_name(d, names_one ? s->argument : NULL), *subject = fold_name(d, s->subject);
	struct sentence said = *s;

	if (argument != NULL)
		said.argument = argument;
	said.subject = subject;
	c->run(d, c, &said);
	free(argument);
	free(subject);
}

void
command_run(struct dialogue *d, const struct sentence *s, const char *text)
{
	struct error e;
	const struct command *c = choose(d, s, text, &e);

	if (c == NULL) {
		dialogue_fail(d, &e);
		return;
	}
	if (c->admin)
		client_log(d->client, LOG_INFO, "console: %s%s%.100s%s%.100s", c->word,
			s->argument != NULL ? " " : "", s->argument != NULL ? s->argument : "",
			s->subject != NULL ? " " : "", s->subject != NULL ? s->subject : "");
	run(d, c, s);
}
