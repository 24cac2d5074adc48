/*
 * head: the request line and the header fields, as they come (RFC 9112).
 *
 *	request = [ CRLF ] method SP target SP version CRLF *( name ":" value CRLF ) CRLF
 *
 * libevent reads requests leniently and answers what it does not like with HTML.  So a
 * request comes here first, and only one that is whole and beyond doubt is passed on: where
 * its body ends is known, and nobody in front of us can have understood it in another way.
 *
 * Pure functions; any thread.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "http/refusal.h"

#define HEAD_MAX 8192
#define BODY_MAX 65536

enum head_state {
	HEAD_SHORT,	/* more is to come */
	HEAD_WHOLE,
	HEAD_REFUSED,
};

struct head {
	size_t skip;	/* bytes before it (an empty line is forgiven) */
	size_t size;	/* of the head, with its empty line */
	size_t body;	/* bytes behind it */
};

/* Look at the n bytes that have come.  REFUSED: r says why; if only the body is too long, h is filled all the same. */
enum head_state head_read(const uint8_t *bytes, size_t n, struct head *h, struct refusal *r);

#endif
