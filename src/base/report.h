/*
 * report: columns and rows, told once and rendered by whoever shows them
 * (console rows now; JSON and OpenMetrics later).
 *
 * A row is a plain struct that its filler sets by field name; the column table
 * says which field stands under which heading, so a value can't slip into its
 * neighbour's place:
 *
 *	struct pool_row { const char *database; int64_t cl_active; };
 *	static const struct column pool_columns[] = {
 *		{ "database", COLUMN_TEXT, offsetof(struct pool_row, database) },
 *		{ "cl_active", COLUMN_INT4, offsetof(struct pool_row, cl_active) },
 *	};
 *
 * Fields: COLUMN_TEXT is a const char * (NULL: SQL NULL), all others int64_t
 * (REPORT_NULL: SQL NULL).  The report copies every value as text, in one
 * buffer, so that a row may be built on one thread and shown on another.
 */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum column_type {
	COLUMN_TEXT,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_NUMERIC,
	COLUMN_MSEC,		/* microseconds, shown as milliseconds with three decimals: numeric */
	COLUMN_PERCENT,		/* hundredths of a percent, shown as percent with two decimals: numeric */
	COLUMN_BYTEA,		/* a const char * of "\x..." text, or NULL */
};

struct column {
	const char *name;
	enum column_type type;
	size_t offset;		/* of the field in the row's struct */
};

#define REPORT_NULL INT64_MIN

struct report {
	const struct column *columns;	/* borrowed, static */
	size_t ncolumns;
	size_t nrows;
	struct buffer cells;	/* per cell: int32 length in host order (-1: NULL), then the text */
};

void report_init(struct report *r, const struct column *columns, size_t ncolumns);
void report_release(struct report *r);

/* Copy one row: row points to the struct that the columns describe. */
void report_add(struct report *r, const void *row);

/* Move all rows of src, which has the same columns, behind those of dst; src is empty after. */
void report_take(struct report *dst, struct report *src);

/* Walk the cells in row order: start with *pos = 0.  false at the end.
 * *text is borrowed from the report and not NUL-terminated; *len is -1 for NULL. */
bool report_next_cell(const struct report *r, size_t *pos, const char **text, int32_t *len);

#endif
