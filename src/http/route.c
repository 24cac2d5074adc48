#include "http/route.h"

#include <string.h>

#include "base/memory.h"
#include "http/api.h"
#include "http/metrics.h"
#include "http/openapi.h"

static const struct route routes[] = {
	{ "/healthz", METHOD_GET, 0, BOUND_EVERYTHING, NULL, healthz_serve },
	{ "/readyz", METHOD_GET, 0, BOUND_EVERYTHING, NULL, readyz_serve },
	{ "/metrics", METHOD_GET, HTTP_READ, BOUND_NOTHING, NULL, metrics_serve },
	{ "/openapi.json", METHOD_GET, 0, BOUND_EVERYTHING, NULL, openapi_serve },
	{ "/api/system/query-performance", METHOD_GET, HTTP_READ, BOUND_OWN, &performance_parameters,
	  performance_serve },
	{ "/api/system/tenants", METHOD_GET, HTTP_READ, BOUND_OWN, &tenants_parameters, tenants_serve },
	{ "/api/system/pools", METHOD_GET, HTTP_READ, BOUND_OWN, &pools_parameters, pools_serve },
	{ "/api/system/hosts", METHOD_GET, HTTP_READ, BOUND_NOTHING, NULL, hosts_serve },
	{ "/api/system/limits", METHOD_GET, HTTP_READ, BOUND_OWN, &some_parameters, limits_serve },
	{ "/api/system/bans", METHOD_GET, HTTP_READ, BOUND_OWN, &some_parameters, bans_serve },
	{ "/api/system/threats", METHOD_GET, HTTP_READ, BOUND_OWN, &some_parameters, threats_serve },
	{ "/api/system/catalogue", METHOD_GET, HTTP_READ, BOUND_NOTHING, NULL, catalogue_serve },
	{ "/api/system/config", METHOD_GET, HTTP_READ, BOUND_NOTHING, NULL, config_serve },
	{ "/api/system/reset-statistics", METHOD_POST, HTTP_OPERATE, BOUND_NOTHING, NULL, reset_statistics_serve },
};

const struct route *
route_of_path(const char *path, enum method method, unsigned *methods)
{
	const struct route *found = NULL;

	*methods = 0;
	for (size_t i = 0; i < lengthof(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		*methods |= routes[i].method;
		if (routes[i].method == method)
			found = &routes[i];
	}
	return found;
}

const struct route *
route_next(const struct route *after)
{
	const struct route *next = after == NULL ? routes : after + 1;

	return next < routes + lengthof(routes) ? next : NULL;
}
