#include "stats/order.h"

#include <strings.h>

static double
by_total(const struct query_sum *s)
{
	return (double)s->n.total;
}

static double
by_calls(const struct query_sum *s)
{
	return (double)s->n.calls;
}

static double
by_mean(const struct query_sum *s)
{
	return s->n.calls == 0 ? 0 : (double)s->n.total / (double)s->n.calls;
}

static double
by_p95(const struct query_sum *s)
{
	return (double)histogram_quantile(&s->latency, 0.95);
}

static double
by_max(const struct query_sum *s)
{
	return (double)s->n.max;
}

static double
by_errors(const struct query_sum *s)
{
	return (double)s->n.errors;
}

static double
by_slow(const struct query_sum *s)
{
	return (double)s->n.slow;
}

static double
by_rows(const struct query_sum *s)
{
	return (double)s->n.rows;
}

static double
by_wait(const struct query_sum *s)
{
	return (double)s->n.wait;
}

/* It is not above the greatest.  Nor above 20 times the mean, since a twentieth of all take that long or longer.  A
 * quantile is told as the middle of its bucket, so there may be a 32nd more. */
static double
p95_at_most(const struct query_sum *s)
{
	double bound = by_max(s), by_markov = 20 * by_mean(s);

	return (bound < by_markov ? bound : by_markov) * (1 + 1.0 / 32) + 1;
}

const struct query_measure query_orders[QUERY_ORDERS] = {
	[QUERY_BY_TOTAL] = { "total", by_total, NULL },
	[QUERY_BY_CALLS] = { "calls", by_calls, NULL },
	[QUERY_BY_MEAN] = { "mean", by_mean, NULL },
	[QUERY_BY_P95] = { "p95", by_p95, p95_at_most },
	[QUERY_BY_MAX] = { "max", by_max, NULL },
	[QUERY_BY_ERRORS] = { "errors", by_errors, NULL },
	[QUERY_BY_SLOW] = { "slow", by_slow, NULL },
	[QUERY_BY_ROWS] = { "rows", by_rows, NULL },
	[QUERY_BY_WAIT] = { "wait", by_wait, NULL },
};

int
query_order_find(const char *word)
{
	for (int i = 0; i < QUERY_ORDERS; i++) {
		if (strcasecmp(word, query_orders[i].name) == 0)
			return i;
	}
	return -1;
}

const char *
query_order_name(enum query_order o)
{
	return query_orders[o].name;
}
