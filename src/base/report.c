#include "base/report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
report_init(struct report *r, const struct column *columns, size_t ncolumns)
{
	*r = (struct report){ .columns = columns, .ncolumns = ncolumns, .cells = BUFFER_INIT };
}

void
report_release(struct report *r)
{
	buffer_release(&r->cells);
	r->nrows = 0;
}

/* NULL text: SQL NULL. */
static void
add_cell(struct report *r, const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;
	int32_t cell = text != NULL ? (int32_t)len : -1;

	assert(len <= INT32_MAX);
	buffer_append(&r->cells, &cell, sizeof(cell));
	buffer_append(&r->cells, text, len);
}

static void
add_number(struct report *r, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	add_cell(r, v == REPORT_NULL ? NULL : text);
}

/* v / scale with as many decimals as scale has noughts, exact for all that fits. */
static void
add_scaled(struct report *r, int64_t v, int64_t scale, int decimals)
{
	char text[28];
	int64_t rest = v % scale;

	snprintf(text, sizeof(text), "%s%" PRId64 ".%0*" PRId64, v < 0 && v > -scale ? "-" : "", v / scale,
		decimals, rest < 0 ? -rest : rest);
	add_cell(r, v == REPORT_NULL ? NULL : text);
}

void
report_add(struct report *r, const void *row)
{
	for (size_t i = 0; i < r->ncolumns; i++) {
		const struct column *c = &r->columns[i];
		const char *field = (const char *)row + c->offset;
		const char *text;
		int64_t number;
		switch (c->type) {
		case COLUMN_TEXT:
		case COLUMN_BYTEA:
			memcpy(&text, field, sizeof(text));
			add_cell(r, text);
			break;
		case COLUMN_INT4:
		case COLUMN_INT8:
		case COLUMN_NUMERIC:
			memcpy(&number, field, sizeof(number));
			add_number(r, number);
			break;
		case COLUMN_MSEC:
			memcpy(&number, field, sizeof(number));
			add_scaled(r, number, 1000, 3);
			break;
		case COLUMN_PERCENT:
			memcpy(&number, field, sizeof(number));
			add_scaled(r, number, 100, 2);
			break;
		}
	}
	r->nrows++;
}

void
report_take(struct report *dst, struct report *src)
{
	assert(dst->columns == src->columns && dst->ncolumns == src->ncolumns);
	buffer_append(&dst->cells, buffer_head(&src->cells), buffer_left(&src->cells));
	dst->nrows += src->nrows;
	report_release(src);
}

bool
report_next_cell(const struct report *r, size_t *pos, const char **text, int32_t *len)
{
	const uint8_t *cell = buffer_head(&r->cells) + *pos;

	if (*pos >= buffer_left(&r->cells))
		return false;
	memcpy(len, cell, sizeof(*len));
	*text = (const char *)cell + sizeof(*len);
	*pos += sizeof(*len) + (*len > 0 ? (size_t)*len : 0);
	return true;
}
