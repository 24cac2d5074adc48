#include "http/json.h"

#include <string.h>

#define NUMBER_SIZE 48

/* What report_add writes for these is a JSON number already. */
static bool
is_number(enum column_type type)
{
	switch (type) {
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_NUMERIC:
	case COLUMN_MSEC:
	case COLUMN_PERCENT:
		return true;
	case COLUMN_TEXT:
	case COLUMN_BYTEA:
		return false;
	}
	return false;
}

/* Cells have no NUL behind them. */
static void
put_number(struct json *j, const char *key, const char *text, size_t n)
{
	char number[NUMBER_SIZE];

	memcpy(number, text, n);
	number[n] = '\0';
	json_put_raw(j, key, number);
}

static void
put_cell(struct json *j, const struct column *c, const char *text, int32_t len)
{
	if (len < 0)
		json_put_null(j, c->name);
	else if (is_number(c->type) && len < NUMBER_SIZE)
		put_number(j, c->name, text, (size_t)len);
	else
		json_put_text(j, c->name, text, (size_t)len);
}

void
json_put_rows(struct json *j, const char *key, const struct report *r)
{
	const char *text;
	size_t pos = 0;
	int32_t len;

	json_open(j, key, '[');
	for (size_t i = 0; i < r->nrows; i++) {
		json_open(j, NULL, '{');
		for (size_t k = 0; k < r->ncolumns && report_next_cell(r, &pos, &text, &len); k++)
			put_cell(j, &r->columns[k], text, len);
		json_close(j, '}');
	}
	json_close(j, ']');
}
