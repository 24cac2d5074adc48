/*
 * stock: rows of a report as they were found, not written out yet.
 *
 * A worker only copies its rows' fields, at a twentieth of what their text costs; the text
 * is made on the control thread, where it holds up no query.
 *
 * One thread at a time.
 */
#ifndef REPORTS_STOCK_H
#define REPORTS_STOCK_H

#include <bsd/sys/queue.h>

#include "base/report.h"

struct stock_chunk;

struct stock {
	const struct column *columns;	/* borrowed, static */
	size_t ncolumns;
	size_t nrows;
	STAILQ_HEAD(stock_chunks, stock_chunk) chunks;	/* each holds whole rows */
};

void stock_init(struct stock *s, const struct column *columns, size_t ncolumns);
void stock_release(struct stock *s);

/* Copy one row, texts included: row points to the struct that the columns describe. */
void stock_add(struct stock *s, const void *row);

/* Move all rows of src, which has the same columns, behind those of dst; src is empty after. */
void stock_take(struct stock *dst, struct stock *src);

/* Write all rows behind those of r, which has the same columns: sorted by the first nsorted columns, all of
 * them text (NULL comes first), or (0) as they came. */
void stock_write(const struct stock *s, unsigned nsorted, struct report *r);

/* The same, but rows that are equal in these columns become one: merge adds the second to the first.  finish, if not
 * NULL, sees each before it is written. */
struct stock_merge {
	void (*merge)(void *row, const void *other);	/* NULL: none become one */
	void (*finish)(void *arg, void *row);
	void *arg;
};
void stock_write_merged(const struct stock *s, unsigned nsorted, const struct stock_merge *m, struct report *r);

#endif
