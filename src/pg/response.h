/*
 * response: reading what a backend says in ErrorResponse and NoticeResponse.
 */
#ifndef PG_RESPONSE_H
#define PG_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Parse the body (behind the header) of an ErrorResponse or NoticeResponse; long texts are cut.
 * Unknown fields are skipped; what is missing is ERROR, XX000 and "".  false: malformed, e holds what
 * was understood. */
bool response_parse(const uint8_t *body, size_t n, struct error *e);

/* Just the five letters of field C, "" if there is none; out holds 6 bytes. */
void response_sqlstate(const uint8_t *body, size_t n, char out[6]);

#endif
