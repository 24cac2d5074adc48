/*
 * json: writes JSON, one value behind the other.
 *
 *	struct json j = { .out = &buffer };
 *
 *	json_open(&j, NULL, '{');
 *	json_put_string(&j, "tenant", name);	{"tenant":"acme",
 *	json_put_int(&j, "rows", 3);		 "rows":3,
 *	json_open(&j, "types", '[');
 *	json_put_int(&j, NULL, 25);			 "types":[25]}
 *	json_close(&j, ']');
 *	json_close(&j, '}');
 *
 * Commas are set where they belong.  key is NULL in an array and for the outermost value;
 * it needs no escaping.  (json_put_: jansson has the names without.)
 *
 * Strings may hold any bytes: what comes out is UTF-8 in one line without control characters
 * (a byte that is part of no character becomes U+FFFD).  So the log takes it as it is.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"

struct json {
	struct buffer *out;	/* borrowed; appended to, without a NUL */
	bool more;		/* private: a comma is due */
};

void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */

void json_put_string(struct json *j, const char *key, const char *s);	/* NULL: null */
void json_put_text(struct json *j, const char *key, const char *s, size_t n);
void json_put_int(struct json *j, const char *key, int64_t value);
void json_put_bool(struct json *j, const char *key, bool value);
void json_put_null(struct json *j, const char *key);

/* With so many decimals (at most 9); what is no number is null. */
void json_put_number(struct json *j, const char *key, double value, int decimals);

/* Microseconds as milliseconds: 12.345 */
void json_put_msec(struct json *j, const char *key, usec_t value);

/* 64 bits as 16 hex digits in quotes: more than a JSON number can hold for most readers. */
void json_put_hex(struct json *j, const char *key, uint64_t value);

/* Wall-clock time as clock_iso writes it. */
void json_put_time(struct json *j, const char *key, usec_t wall);

/* A text that is JSON already, which the caller knows; blanks between its tokens go. */
void json_put_raw(struct json *j, const char *key, const char *text);

#endif
