/*
 * metrics_tenants: which tenants have series of their own.
 *
 * However many tenants there are, metrics_top_tenants of them are shown by name, all others
 * together as "other".  A counter that falls is taken for one that began anew, and what it
 * says then is counted twice; so none may fall, whoever comes and goes:
 *
 *	tenants that are shown + "other" + "former" = all
 *
 * - While there is room, everybody is shown, from its first query on.
 * - Later, a tenant that is busier than one of those shown takes its place.  Its series then
 *	begins at 0; what it had counted before stays in "other".
 * - What one that goes had shown is added to "former".
 * - The load of one that is shown is remembered and fades (by half in three quarters of an hour),
 *	so that places do not change hands with every lull; at most one in ten does a scrape.
 *
 * A tenant whose name is no valid UTF-8, is longer than METRICS_NAME_MAX, or is one of those
 * words, is never shown.
 *
 * Control thread.
 */
#ifndef HTTP_METRICS_TENANTS_H
#define HTTP_METRICS_TENANTS_H

#include "http/metrics_collect.h"

#define METRICS_NAME_MAX 128

/* May it be the value of a label beside those two? */
bool metrics_name_fits(const char *name);

#define METRICS_OTHER "other"
#define METRICS_FORMER "former"

/* Between scrapes. */
struct metrics_shown {
	char *name;
	int64_t load;			/* that it is remembered for */
	usec_t load_at;
	struct metrics_counts base;	/* what is in "other" */
	struct metrics_counts last;	/* as it was seen last, base included */
	const struct metrics_tenant *now;	/* in this scrape; private */
};

struct metrics_tenants {
	struct metrics_shown *list;	/* by name */
	size_t n, room;
	struct metrics_counts former;
	bool anybody_left;		/* former is told */
	bool overflowed;		/* there were more than could be shown */
	usec_t since;			/* of the counting of queries */
};

void metrics_tenants_release(struct metrics_tenants *t);

/* The names, for metrics_scrape.shown. */
char **metrics_tenants_names(const struct metrics_tenants *t);

/* One row of what is told. */
struct metrics_row {
	const char *name;		/* borrowed, of the tenants */
	struct metrics_counts counts;
	struct metrics_level level;
	const struct metrics_peer *peer;	/* borrowed from the scrape; NULL: none */
};

/* What is told of all tenants: named ones, then "other" and "former" where there are such. */
struct metrics_told {
	struct metrics_counts counts;	/* of all */
	struct metrics_level level;
	struct metrics_row *rows;
	size_t nrows, nnamed;
	int64_t other_tenants;		/* in use, and not shown */
};

/* The answers are there: decide who is shown (top at most), and say what of it. */
void metrics_tenants_settle(struct metrics_tenants *t, struct metrics_scrape *s, unsigned top, usec_t now,
			    struct metrics_told *told);
void metrics_told_release(struct metrics_told *told);

#endif
