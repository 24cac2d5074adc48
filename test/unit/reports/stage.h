/*
 * stage: shards with tenants that have asked things, and reports about them; all on the
 * test's thread.
 *
 *	stage_open(2, "acme beta", "");
 *	stage_ran("acme", "select 1", 2000);			took 2 ms
 *	stage_expect("QUERIES", NULL, "calls|mean_ms|text", "1|2.000|select $1\n");
 *	stage_close();
 */
#ifndef TEST_REPORTS_STAGE_H
#define TEST_REPORTS_STAGE_H

#include "reports/performance.h"
#include "reports/reports.h"

extern struct reports stage_reports;

/* tenants: their names, all in use; settings: lines of [pgbouncer]. */
void stage_open(int nworkers, const char *tenants, const char *settings);
void stage_close(void);

struct tenant *stage_tenant(const char *name);
void stage_make(const char *name);
void stage_drop(const char *name);

/* A query of this text is over.  The second one takes all there is to say. */
void stage_ran(const char *tenant, const char *text, usec_t total);
void stage_ran_as(const char *tenant, const char *text, const struct query_sample *q);

/* It took too long: the monitor is told.  More of it can be said before. */
struct slow_query *stage_slow_query(const char *tenant, const char *text, usec_t total);

/* Visit all shards for the inquiry that waits, and finish it; false: none waits. */
bool stage_answer(void);

/* The report's rows as lines: these columns of it, with | between.  f may be NULL.  Good until the next one. */
const char *stage_show(const char *report, const struct report_filter *f, const char *columns);

#define stage_expect(report, f, columns, lines)                                                                    \
	cr_assert_str_eq(stage_show(report, f, columns), lines, "%s: %s", report, stage_show(report, f, columns))

#endif
