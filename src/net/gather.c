#include "net/gather.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

#define PIECES_MAX 128
#define ARENA_KEEP (64 * 1024)	/* more than this is given back after a flush */

/* base NULL: len bytes of the arena at offset; the arena may move while it grows. */
struct piece {
	const uint8_t *base;
	size_t offset;
	size_t len;
};

struct gather {
	struct stream *to;	/* NULL: nobody is collecting */
	int npieces;
	size_t size;
	bool overflowed;	/* some of it has been sent, to make room */
	size_t written;		/* bytes of the arena that belong to pieces */
	struct buffer arena;
	struct piece pieces[PIECES_MAX];
};

struct gather *
gather_new(void)
{
	return memory_zalloc(sizeof(struct gather));
}

void
gather_free(struct gather **g)
{
	if (*g == NULL)
		return;
	buffer_release(&(*g)->arena);
	free(*g);
	*g = NULL;
}

void
gather_begin(struct gather *g, struct stream *to)
{
	if (g->to != NULL) {
		log_fatal("gather_begin: another message is being put together");
		abort();
	}
	g->to = to;
	g->overflowed = false;
}

static void
clear(struct gather *g)
{
	g->npieces = 0;
	g->size = 0;
	g->written = 0;
	buffer_clear(&g->arena);
	if (g->arena.cap > ARENA_KEEP)
		buffer_release(&g->arena);
}

static const uint8_t *
piece_bytes(const struct gather *g, const struct piece *p)
{
	return p->base != NULL ? p->base : g->arena.data + p->offset;
}

bool
gather_copy(const struct gather *g, size_t from, size_t max, struct buffer *out)
{
	if (g->overflowed || from > g->size || g->size - from > max)
		return false;
	for (int i = 0; i < g->npieces; i++) {
		const struct piece *p = &g->pieces[i];
		size_t skip = from < p->len ? from : p->len;

		buffer_append(out, piece_bytes(g, p) + skip, p->len - skip);
		from -= skip;
	}
	return true;
}

/* Send the pieces, keep collecting. */
static bool
send_pieces(struct gather *g)
{
	struct iovec iov[PIECES_MAX];
	bool drained;

	if (g->npieces == 0)
		return stream_is_drained(g->to);
	for (int i = 0; i < g->npieces; i++) {
		const struct piece *p = &g->pieces[i];

		iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)piece_bytes(g, p), .iov_len = p->len };
	}
	drained = stream_send(g->to, iov, g->npieces);
	clear(g);
	return drained;
}

static void
make_room(struct gather *g)
{
	send_pieces(g);
	g->overflowed = true;
}

static struct piece *
next_piece(struct gather *g)
{
	return &g->pieces[g->npieces++];
}

void
gather_ref(struct gather *g, const void *p, size_t n)
{
	const uint8_t *base = p;

	if (n == 0)
		return;
	g->size += n;
	if (g->npieces > 0) {
		struct piece *last = &g->pieces[g->npieces - 1];

		if (last->base != NULL && last->base + last->len == base) {
			last->len += n;
			return;
		}
	}
	if (g->npieces == PIECES_MAX) {
		make_room(g);
		g->size = n;
	}
	*next_piece(g) = (struct piece){ .base = base, .len = n };
}

struct buffer *
gather_write(struct gather *g)
{
	if (g->npieces == PIECES_MAX)
		make_room(g);
	return &g->arena;
}

void
gather_wrote(struct gather *g)
{
	size_t n = g->arena.len - g->written;

	if (n == 0)
		return;
	g->size += n;
	if (g->npieces > 0 && g->pieces[g->npieces - 1].base == NULL)
		g->pieces[g->npieces - 1].len += n;
	else
		*next_piece(g) = (struct piece){ .offset = g->written, .len = n };
	g->written = g->arena.len;
}

size_t
gather_size(const struct gather *g)
{
	return g->size;
}

bool
gather_flush(struct gather *g)
{
	bool drained = send_pieces(g);

	g->to = NULL;
	return drained;
}

void
gather_drop(struct gather *g)
{
	clear(g);
	g->to = NULL;
}
