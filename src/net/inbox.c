#include "net/inbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define READ_STEP LOOP_SCRATCH
#define ALIGNMENT 64

static ssize_t
read_behind_kept(struct inbox *in, struct stream *s, size_t want, const uint8_t **p)
{
	struct buffer *b = in->kept;
	size_t left = buffer_left(b);
	size_t room = want > left + READ_STEP ? want - left : READ_STEP;
	ssize_t n;

	/* Memory grows with what has come, not with what a header announces. */
	if (room > left + READ_STEP)
		room = left + READ_STEP;
	n = stream_read(s, buffer_reserve(b, room), room);
	if (n <= 0)
		return n;
	buffer_added(b, (size_t)n);
	*p = buffer_head(b);
	return (ssize_t)buffer_left(b);
}

ssize_t
inbox_read(struct inbox *in, struct stream *s, size_t want, const uint8_t **p)
{
	uint8_t *scratch = loop_scratch(s->loop);
	size_t left = in->kept == NULL ? 0 : buffer_left(in->kept);
	size_t at = (left + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	ssize_t n;

	if (left > LOOP_SCRATCH / 2)
		return read_behind_kept(in, s, want, p);
	/* The kernel copies to an aligned place twice as fast; what is kept goes right in front of it. */
	n = stream_read(s, scratch + at, LOOP_SCRATCH - at);
	if (n <= 0)
		return n;
	*p = scratch + at - left;
	if (left > 0) {
		memcpy(scratch + at - left, buffer_head(in->kept), left);
		inbox_release(in);
	}
	return (ssize_t)left + n;
}

size_t
inbox_kept(const struct inbox *in, const uint8_t **p)
{
	if (in->kept == NULL)
		return 0;
	*p = buffer_head(in->kept);
	return buffer_left(in->kept);
}

void
inbox_keep(struct inbox *in, const uint8_t *p, size_t n, size_t used)
{
	if (in->kept != NULL && p == buffer_head(in->kept)) {
		buffer_consume(in->kept, used);
		if (buffer_left(in->kept) == 0)
			inbox_release(in);
		return;
	}
	if (used == n)
		return;
	in->kept = memory_zalloc(sizeof(*in->kept));
	buffer_append(in->kept, p + used, n - used);
}

void
inbox_wipe_scratch(struct loop *l, const uint8_t *p, size_t n)
{
	uint8_t *scratch = loop_scratch(l);

	if (p >= scratch && p < scratch + LOOP_SCRATCH)
		memory_wipe(scratch + (p - scratch), n);
}

void
inbox_release(struct inbox *in)
{
	if (in->kept == NULL)
		return;
	buffer_wipe(in->kept);
	free(in->kept);
	in->kept = NULL;
}
