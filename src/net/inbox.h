/*
 * inbox: bytes that were read and not used yet.
 *
 * What a read brings is looked at in the loop's scratch, in place.  Only what
 * is left unused (a message of which the end is missing, requests that wait
 * for a server) is kept, in memory that goes away when it is used.  So an
 * idle connection keeps nothing.
 */
#ifndef NET_INBOX_H
#define NET_INBOX_H

#include "base/buffer.h"
#include "net/stream.h"

struct inbox {
	struct buffer *kept;	/* NULL: nothing */
};

/* Read once.  > 0: so many bytes are at *p, those kept before in front; valid until inbox_keep, which must follow.
 * 0, -1, < -1: as stream_read.  want: how long the unfinished message will be, 0 if unknown. */
ssize_t inbox_read(struct inbox *in, struct stream *s, size_t want, const uint8_t **p);

/* What is kept, to look at again without reading; 0: nothing. inbox_keep must follow. */
size_t inbox_kept(const struct inbox *in, const uint8_t **p);

/* Of the n bytes at p, `used` are done with; keep the rest. */
void inbox_keep(struct inbox *in, const uint8_t *p, size_t n, size_t used);

/* Behind inbox_keep: overwrite those of the n bytes at p that lie in the loop's scratch.  They held a secret. */
void inbox_wipe_scratch(struct loop *l, const uint8_t *p, size_t n);

void inbox_release(struct inbox *in);	/* wipes: it may hold a password */

#endif
