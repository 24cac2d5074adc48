/*
 * gather: what one handler sends to one stream, put together and sent at once.
 *
 * Pieces are either referred to (bytes that stay where they are until the
 * flush: the scratch, a buffer) or written into the gather's own arena
 * (rewritten headers, our own messages).  Neighbours in memory become one
 * piece, so a batch that is relayed as it came is one send of one piece.
 *
 *	gather_begin(g, stream);
 *	gather_ref(g, p, n);                       relay these bytes
 *	writer_query(gather_write(g), "..."); gather_wrote(g);   a message of our own
 *	gather_flush(g);                           one sendmsg
 *
 * One per loop; a handler that has begun one flushes it before another begins.
 */
#ifndef NET_GATHER_H
#define NET_GATHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "net/stream.h"

struct gather;

struct gather *gather_new(void);
void gather_free(struct gather **g);

/* Start collecting for `to`; aborts if the last one was not flushed. */
void gather_begin(struct gather *g, struct stream *to);

/* n bytes at p, which stay there until the flush. */
void gather_ref(struct gather *g, const void *p, size_t n);

/* Write behind what is there with writer_* or buffer_append, then tell. */
struct buffer *gather_write(struct gather *g);
void gather_wrote(struct gather *g);

/* Bytes collected and not sent yet. */
size_t gather_size(const struct gather *g);

/* Append what was collected from byte `from` on to out.  false: that is more than max, or has been sent already. */
bool gather_copy(const struct gather *g, size_t from, size_t max, struct buffer *out);

/* Send what there is.  false: the stream has a backlog now. */
bool gather_flush(struct gather *g);

/* Forget what there is: the stream is gone. */
void gather_drop(struct gather *g);

#endif
