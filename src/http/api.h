/*
 * api: what answers under /api/system, and for those who watch over us.
 *
 * Each function ends its exchange; see http/route.h.
 */
#ifndef HTTP_API_H
#define HTTP_API_H

#include "http/exchange.h"
#include "http/parameters.h"

/* What query_order_find knows. */
#define SORT_WORDS "total, calls, mean, p95, max, errors, slow, rows, wait"

extern const struct parameters performance_parameters, tenants_parameters, pools_parameters, some_parameters;

void performance_serve(struct exchange *x);		/* api_performance.c */
void tenants_serve(struct exchange *x);			/* api_lists.c */
void pools_serve(struct exchange *x);
void hosts_serve(struct exchange *x);
void limits_serve(struct exchange *x);
void bans_serve(struct exchange *x);
void threats_serve(struct exchange *x);
void catalogue_serve(struct exchange *x);
void config_serve(struct exchange *x);
void reset_statistics_serve(struct exchange *x);	/* api_reset.c */
void healthz_serve(struct exchange *x);			/* health.c */
void readyz_serve(struct exchange *x);

#endif
