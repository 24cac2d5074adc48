/*
 * route: what is where: a table of paths (route.c), each with who may and who answers.
 *
 * A new answer is a row of that table, a struct for its parameters with a table that says
 * how they are read (http/parameters.h), and a function `serve` that ends in exactly one
 * exchange_reply_* or exchange_problem (http/exchange.h), now or when a report is there.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include <stdbool.h>

#include "http/exchange.h"
#include "http/parameters.h"

enum method {
	METHOD_GET = 1 << 0,	/* HEAD goes with it: the same without the body */
	METHOD_POST = 1 << 1,
};

/* What a token that is bound to a tenant gets. */
enum bound_view {
	BOUND_NOTHING,		/* 403: this shows all tenants */
	BOUND_OWN,		/* its own tenant only: `serve` looks at exchange_tenant */
	BOUND_EVERYTHING,	/* there is nothing of tenants in it */
};

struct route {
	const char *path;
	enum method method;
	int scope;			/* enum http_scope that a token needs; 0: public, no token is asked for */
	enum bound_view bound;
	const struct parameters *parameters;	/* NULL: none */
	void (*serve)(struct exchange *x);
};

/* NULL: there is no such path for this method; *methods: those it has (0: no such path at all). */
const struct route *route_of_path(const char *path, enum method method, unsigned *methods);

/* All, in the order of the table: NULL starts, NULL ends. */
const struct route *route_next(const struct route *after);

#endif
