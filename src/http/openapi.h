/*
 * openapi: the description of this API (OpenAPI 3.1), which is part of the program.
 */
#ifndef HTTP_OPENAPI_H
#define HTTP_OPENAPI_H

#include "http/exchange.h"

void openapi_serve(struct exchange *x);

#endif
