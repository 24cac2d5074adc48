/*
 * reply: Redis' protocol as data: commands written, replies read (by hiredis' parser, which only this file knows).
 *
 * Pure: no I/O.  Source: the RESP2 specification at redis.io.
 */
#ifndef REDIS_REPLY_H
#define REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* A reply may take so many bytes, and an array so many elements: what is larger is no answer to what we ask. */
#define REDIS_REPLY_BYTES (64 * 1024 * 1024)
#define REDIS_REPLY_ITEMS (1024 * 1024)

enum redis_kind {
	REDIS_NIL,
	REDIS_INTEGER,
	REDIS_TEXT,		/* a string or a status */
	REDIS_LIST,
	REDIS_FAILURE,		/* an error: its words are its text */
};

struct redis_parser;
struct redis_value;

/* Was this built with Redis?  If not, nothing can be read. */
bool redis_is_built(void);

struct redis_parser *redis_parser_new(void);	/* NULL: not built with it */
void redis_parser_free(struct redis_parser **p);	/* NULL is fine */

void redis_parser_feed(struct redis_parser *p, const void *bytes, size_t n);

/* The next whole reply, to be freed; NULL: it is not there yet.  false: these are no replies, nothing more can be read. */
bool redis_parser_next(struct redis_parser *p, struct redis_value **v);

void redis_value_free(struct redis_value **v);

enum redis_kind redis_kind(const struct redis_value *v);
int64_t redis_integer(const struct redis_value *v);			/* 0 if it is none */
const char *redis_text(const struct redis_value *v, size_t *n);		/* NUL behind it; "" if it is none; n may be NULL */
size_t redis_count(const struct redis_value *v);			/* of a list; else 0 */
const struct redis_value *redis_item(const struct redis_value *v, size_t i);

/* Writing: the head of a command of n words, then each of them. */
void redis_write_head(struct buffer *out, size_t n);
void redis_write_word(struct buffer *out, const void *bytes, size_t n);
void redis_write_text(struct buffer *out, const char *word);

#endif
