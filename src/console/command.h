/*
 * command: what can be said on the console: one table, from which statements
 * are looked up and SHOW HELP is made.
 */
#ifndef CONSOLE_COMMAND_H
#define CONSOLE_COMMAND_H

#include "base/error.h"
#include "base/report.h"
#include "console/syntax.h"

struct dialogue;
struct order;

enum argument {
	ARGUMENT_NONE,
	ARGUMENT_OPTIONAL, /* a name */
	ARGUMENT_REQUIRED,
	ARGUMENT_SETTING, /* name and value */
	ARGUMENT_TENANT, /* TENANT and a name */
	ARGUMENT_TENANT_LINE, /* ... and, in quotes, its line */
	ARGUMENT_TENANT_OPTIONAL_LINE,
	ARGUMENT_TENANT_TO_LINE, /* ... behind TO */
	ARGUMENT_NETWORK, /* and a tenant behind AT */
	ARGUMENT_BAN, /* ... and how long, and why */
};

struct command {
	const char *word;
	const char *usage; /* its arguments in HELP; NULL: it is not listed */
	enum argument argument;
	bool admin; /* not for stats_users */
	void (*run)(struct dialogue *d, const struct command *c, const struct sentence *s);
	const struct order *order; /* for run: which */
};

/* The columns of what a statement will answer. */
struct shape {
	size_t ncolumns; /* 0: no rows */
	const struct column *columns;
};

/* text is no command: fill e (08P01, as clients of PgBouncer expect).  If its first word is one, the hint is its
 * grammar. */
void command_error(struct error *e, const char *text);

/* Carry out a statement: answered at once, or by a task. An empty one is the caller's to answer. */
void command_run(struct dialogue *d, const struct sentence *s, const char *text);

/* Would it be carried out?  false: e says why not (08P01, 42501). */
bool command_check(const struct dialogue *d, const struct sentence *s, const char *text,
	struct shape *shape, struct error *e);

#endif
