/*
 * reports: what there is to see, as tables; the console and HTTP show the same ones.
 *
 * A report is a row of the table in reports.c: its name, its columns, how its rows are made
 * on each worker (look), and what is added on the control thread (add) before it is sorted
 * and given to who asked.  Each has its row struct, column table and functions in a file of
 * its kind.
 *
 * Workers are never held up: they copy plain fields, a slice at a time if there is much to
 * see (walk.h, stock.h); what is costly is done on the control thread.
 *
 * Control thread, but for `look`.
 */
#ifndef REPORTS_REPORTS_H
#define REPORTS_REPORTS_H

#include <bsd/sys/queue.h>

#include "base/error.h"
#include "base/report.h"
#include "monitor/monitor.h"
#include "session/inquiry.h"
#include "stats/queries.h"

/* What is asked for.  Borrowed strings are copied by report_ask. */
struct report_filter {
	const char *tenant;	/* NULL: all */
	enum query_order order;
	unsigned top;		/* rows at most; 0: the report's own bound */
	usec_t window;		/* 0: since the counting began */
};

struct report_kind {
	const char *name;	/* "QUERIES" */
	const char *help;	/* a line for people: what a row is */
	const struct column *columns;
	size_t ncolumns;
	bool takes_tenant;	/* SHOW QUERIES acme */
	bool needs_tenant;	/* only of one: SHOW TENANT acme */
	bool admin;		/* not for stats_users */
	/* the rest is for this folder */
	const struct report_maker *maker;
};

struct catalogue;
struct console_facts;

/* What reports are made of. */
struct reports {
	const struct inquirer *inquirer;
	struct commons *commons;
	struct monitor *monitor;
	struct catalogue *catalogue;		/* of tenants; NULL in tests */
	const struct console_facts *console;	/* what the console tells about itself; set by it */
	usec_t slice;			/* private: what a visit may take; 0: as much as is good; negative: one thing */
	LIST_HEAD(, report_work) works;		/* private: under way; zero-filled is empty */
};

/* Forget what is under way; nothing is visited any more, and nobody is answered. */
void reports_release(struct reports *r);

/* NULL: no such report.  Without case. */
const struct report_kind *report_find(const char *name);

/* All, in the order of the table: NULL starts, NULL ends. */
const struct report_kind *report_next(const struct report_kind *after);

/* A report that is being made. */
struct report_order;

/* rows is borrowed for the call, or NULL with e: why there is none (3D000: no such tenant in use). */
typedef void report_done_fn(void *arg, struct report *rows, const struct error *e);

/* Make one; f may be NULL, and its tenant counts only if the kind takes one.  done is called once, later, never from
 * within this call; unless it is abandoned. */
struct report_order *report_ask(struct reports *r, const struct report_kind *kind, const struct report_filter *f,
				report_done_fn *done, void *arg);

/* Who asked is gone: done will not be called. */
void report_abandon(struct report_order **o);

#endif
