/*
 * metrics: GET /metrics, OpenMetrics text for Prometheus.
 */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/exchange.h"

void metrics_serve(struct exchange *x);

#endif
