/*
 * writer: messages appended to a buffer.
 *
 *	size_t m = writer_begin(b, BE_PARAMETER_STATUS);
 *	writer_string(b, name);
 *	writer_string(b, value);
 *	writer_end(b, m);
 *
 * Between begin and end the buffer must not be consumed from.
 */
#ifndef PG_WRITER_H
#define PG_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* type 0: a message without a letter (startup, cancel, SSL request).  Returns the mark for writer_end. */
size_t writer_begin(struct buffer *b, uint8_t type);
void writer_end(struct buffer *b, size_t mark);

void writer_u8(struct buffer *b, uint8_t v);
void writer_u16(struct buffer *b, uint16_t v);
void writer_u32(struct buffer *b, uint32_t v);
void writer_string(struct buffer *b, const char *s);	/* with its NUL */
void writer_bytes(struct buffer *b, const void *bytes, size_t n);

/* Whole messages that several floors send. */
void writer_error(struct buffer *b, const struct error *e);	/* ErrorResponse or, by severity, NoticeResponse: S,V,C,M(,D,H) */
void writer_ready_for_query(struct buffer *b, uint8_t transaction_status);
void writer_command_complete(struct buffer *b, const char *tag);
void writer_parameter_status(struct buffer *b, const char *name, const char *value);
void writer_query(struct buffer *b, const char *sql);
/* names: ncolumns NUL-terminated strings; in parallel oids (25 text, 23 int4, 20 int8, 1700 numeric,
 * 17 bytea) and formats (0 text, 1 binary; NULL: all text). */
void writer_row_description(struct buffer *b, size_t ncolumns, const char *const *names,
	const uint32_t *oids, const uint16_t *formats);

#endif
