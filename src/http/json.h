/*
 * json: reports as JSON; what the console shows as rows.
 *
 * A row is an object with the columns as keys.  Numbers are as the console shows them (times
 * in milliseconds with three decimals), NULL is null.
 */
#ifndef HTTP_JSON_H
#define HTTP_JSON_H

#include "base/json.h"
#include "base/report.h"

/* "key": [ {...}, ... ] */
void json_put_rows(struct json *j, const char *key, const struct report *r);

#endif
