/*
 * http: the HTTP API, the metrics and the page, on a listener of its own.
 *
 *	GET  /                                 the page (index.html, with its script and style)
 *	GET  /healthz  /readyz                 alive; can serve
 *	GET  /metrics                          OpenMetrics
 *	GET  /openapi.json
 *	GET  /api/system/query-performance     ?tenant= &window=5m|1h|all &top= &sort=
 *	GET  /api/system/tenants               ?top= &sort=
 *	GET  /api/system/pools                 ?tenant=
 *	GET  /api/system/config
 *	POST /api/system/reset-statistics      (scope operate)
 *
 * Routes are a table (route.c).  Who may: on loopback and Unix sockets everybody may read
 * unless http_auth = token; every POST needs a bearer token with the scope; a token that is
 * bound to a tenant sees nothing but that tenant.  Other addresses need TLS and tokens, or
 * the configuration is refused.
 *
 * Control thread; libevent's evhttp.  Nothing blocks: answers that need the workers are
 * sent when the report is there.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "config/config.h"
#include "net/loop.h"
#include "reports/reports.h"

struct http;

struct http_ops {
	void (*reset_statistics)(void *daemon, void (*done)(void *arg), void *arg);
	bool (*stopping)(void *daemon);		/* /readyz says 503 */
	void *daemon;
};

/* Nothing listens until http_configure. reports and ops stay. */
struct http *http_new(struct loop *l, struct reports *r, const struct http_ops *ops);

/* Listen as c says, also after a reload or SET: another address closes the old listener when the new one is open.
 * false: e says why (the old one goes on). */
bool http_configure(struct http *h, const struct config *c, struct error *e);

/* Close listener and connections; then free. */
void http_free(struct http **h);

#endif
