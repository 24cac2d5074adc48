/*
 * binary: a report's cells, which are text, in the binary format of their type
 * (PostgreSQL's *send functions), for drivers that ask for it in Bind.
 */
#ifndef CONSOLE_BINARY_H
#define CONSOLE_BINARY_H

#include "base/buffer.h"
#include "base/report.h"

/* Append the value (not NULL) of len bytes, without its length.  Numbers are of 64 bits,
 * with up to four decimals if they are numeric; bytea is "\x..." text, as in a report. */
void binary_write(struct buffer *b, enum column_type type, const char *text, size_t len);

#endif
