#include "reports/stock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* What is larger, malloc takes from the kernel anew each time; that costs more than the copying. */
#define CHUNK (64 * 1024)

/* Of a row, field by field: int64_t; or of text its size with a NUL as int32_t (0: it is NULL), then the text. */
struct stock_chunk {
	STAILQ_ENTRY(stock_chunk) link;
	size_t used, size;
	uint8_t bytes[];
};

void
stock_init(struct stock *s, const struct column *columns, size_t ncolumns)
{
	*s = (struct stock){ .columns = columns, .ncolumns = ncolumns };
	STAILQ_INIT(&s->chunks);
}

void
stock_release(struct stock *s)
{
	struct stock_chunk *c;

	while ((c = STAILQ_FIRST(&s->chunks)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->chunks, link);
		free(c);
	}
	s->nrows = 0;
}

/* --- in --- */

static bool
is_text(const struct column *c)
{
	return c->type == COLUMN_TEXT || c->type == COLUMN_BYTEA;
}

static const char *
text_of(const struct column *c, const void *row)
{
	const char *text;

	memcpy(&text, (const char *)row + c->offset, sizeof(text));
	return text;
}

static size_t
measure(const struct stock *s, const void *row)
{
	size_t n = s->ncolumns * sizeof(int64_t);

	for (size_t i = 0; i < s->ncolumns; i++) {
		const struct column *c = &s->columns[i];
		const char *text = is_text(c) ? text_of(c, row) : NULL;

		n += text != NULL ? strlen(text) + 1 : 0;
	}
	return n;
}

static uint8_t *
put_text(uint8_t *p, const char *text)
{
	size_t len = text != NULL ? strlen(text) + 1 : 0;
	int32_t size = (int32_t)len;

	assert(len <= INT32_MAX);
	memcpy(p, &size, sizeof(size));
	if (len > 0)
		memcpy(p + sizeof(size), text, len);
	return p + sizeof(size) + len;
}

/* A chunk with room for n more bytes. */
static struct stock_chunk *
make_room(struct stock *s, size_t n)
{
	struct stock_chunk *c = STAILQ_LAST(&s->chunks, stock_chunk, link);
	size_t size = n > CHUNK - sizeof(*c) ? n : CHUNK - sizeof(*c);

	if (c != NULL && c->size - c->used >= n)
		return c;
	c = memory_alloc(sizeof(*c) + size);
	c->used = 0;
	c->size = size;
	STAILQ_INSERT_TAIL(&s->chunks, c, link);
	return c;
}

void
stock_add(struct stock *s, const void *row)
{
	struct stock_chunk *chunk = make_room(s, measure(s, row));
	uint8_t *p = chunk->bytes + chunk->used;

	for (size_t i = 0; i < s->ncolumns; i++) {
		const struct column *c = &s->columns[i];

		if (is_text(c)) {
			p = put_text(p, text_of(c, row));
		} else {
			memcpy(p, (const char *)row + c->offset, sizeof(int64_t));
			p += sizeof(int64_t);
		}
	}
	chunk->used = (size_t)(p - chunk->bytes);
	s->nrows++;
}

void
stock_take(struct stock *dst, struct stock *src)
{
	assert(dst->columns == src->columns && dst->ncolumns == src->ncolumns);
	STAILQ_CONCAT(&dst->chunks, &src->chunks);
	dst->nrows += src->nrows;
	src->nrows = 0;
}

/* --- out --- */

/* A text at p, and what follows it. */
static const uint8_t *
get_text(const uint8_t *p, const char **text)
{
	int32_t size;

	memcpy(&size, p, sizeof(size));
	p += sizeof(size);
	*text = size > 0 ? (const char *)p : NULL;
	return p + size;
}

/* Set the fields of a row again; texts are borrowed from the stock.  Returns what follows. */
static const uint8_t *
get_row(const struct stock *s, const uint8_t *p, char *row)
{
	for (size_t i = 0; i < s->ncolumns; i++) {
		const struct column *c = &s->columns[i];
		const char *text;

		if (is_text(c)) {
			p = get_text(p, &text);
			memcpy(row + c->offset, &text, sizeof(text));
		} else {
			memcpy(row + c->offset, p, sizeof(int64_t));
			p += sizeof(int64_t);
		}
	}
	return p;
}

/* Of the row's struct, as far as the columns know it. */
static size_t
row_size(const struct stock *s)
{
	size_t size = 0;

	for (size_t i = 0; i < s->ncolumns; i++) {
		if (s->columns[i].offset + sizeof(int64_t) > size)
			size = s->columns[i].offset + sizeof(int64_t);
	}
	return size;
}

static int
compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* A row in its chunk. */
struct place {
	const uint8_t *at;
	unsigned nsorted;
};

static int
compare_places(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;
	const uint8_t *pa = a->at, *pb = b->at;
	int r = 0;

	for (unsigned i = 0; i < a->nsorted && r == 0; i++) {
		const char *ta, *tb;

		pa = get_text(pa, &ta);
		pb = get_text(pb, &tb);
		r = compare_texts(ta, tb);
	}
	return r;
}

static void
find_places(const struct stock *s, struct place *places, unsigned nsorted, char *row)
{
	const struct stock_chunk *c;

	STAILQ_FOREACH(c, &s->chunks, link) {
		const uint8_t *end = c->bytes + c->used;

		for (const uint8_t *p = c->bytes; p < end; p = get_row(s, p, row))
			*places++ = (struct place){ p, nsorted };
	}
}

/* Those behind places[i] that are equal to it, added to row.  Returns how many they are with it. */
static size_t
merge_equal(const struct stock *s, const struct place *places, size_t n, const struct stock_merge *m, char *row,
	char *other)
{
	size_t same = 1;

	get_row(s, places[0].at, row);
	if (m->merge == NULL || places[0].nsorted == 0)
		return same;
	for (; same < n && compare_places(&places[0], &places[same]) == 0; same++) {
		get_row(s, places[same].at, other);
		m->merge(row, other);
	}
	return same;
}

void
stock_write_merged(const struct stock *s, unsigned nsorted, const struct stock_merge *m, struct report *r)
{
	char *row = memory_zalloc(row_size(s)), *other = memory_zalloc(row_size(s));
	struct place *places = memory_alloc((s->nrows + 1) * sizeof(*places));

	find_places(s, places, nsorted, row);
	if (nsorted > 0)
		qsort(places, s->nrows, sizeof(*places), compare_places);
	for (size_t i = 0; i < s->nrows;) {
		i += merge_equal(s, &places[i], s->nrows - i, m, row, other);
		if (m->finish != NULL)
			m->finish(m->arg, row);
		report_add(r, row);
	}
	free(places);
	free(other);
	free(row);
}

void
stock_write(const struct stock *s, unsigned nsorted, struct report *r)
{
	stock_write_merged(s, nsorted, &(struct stock_merge){ .merge = NULL }, r);
}
