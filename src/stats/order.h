/*
 * order: the measures that rows are ordered by; greatest first.
 */
#ifndef STATS_ORDER_H
#define STATS_ORDER_H

#include "stats/rows.h"

struct query_measure {
	const char *name;
	double (*measure)(const struct query_sum *s);
	double (*at_most)(const struct query_sum *s);	/* where the measure is dear: it is not above this */
};

extern const struct query_measure query_orders[QUERY_ORDERS];

#endif
