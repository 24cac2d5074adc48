/*
 * exchange_inside: exchanges, as the connection that they are on sees them.
 */
#ifndef HTTP_EXCHANGE_INSIDE_H
#define HTTP_EXCHANGE_INSIDE_H

#include "http/exchange.h"

struct connection;
struct evhttp_request;

/* evhttp has a request of c: find out who answers it, and let that begin. */
void exchange_begin(struct connection *c, struct evhttp_request *req);

/* The connection ends before there is an answer.  Returns the request, which is the caller's now. */
struct evhttp_request *exchange_give_up(struct exchange *x);

/* It has taken too long: answer so. */
void exchange_time_out(struct exchange *x);

#endif
