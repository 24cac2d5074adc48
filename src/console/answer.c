/*
 * answer: what the console says to an operator.  It is collected in d->out
 * and sent by the dialogue.
 */
#include "console/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "console/binary.h"
#include "console/dialogue.h"
#include "pg/message.h"
#include "pg/writer.h"

/* pg_type.oid of our columns. */
static const uint32_t type_oids[] = {
	[COLUMN_TEXT] = 25,
	[COLUMN_INT4] = 23,
	[COLUMN_INT8] = 20,
	[COLUMN_NUMERIC] = 1700,
	[COLUMN_MSEC] = 1700,
	[COLUMN_PERCENT] = 1700,
	[COLUMN_BYTEA] = 17,
};

static uint16_t
format_of(const struct formats *f, size_t column)
{
	if (f->n <= 1)
		return f->n == 0 ? 0 : f->list[0];
	return f->list[column];
}

void
answer_describe(struct buffer *b, const struct column *columns, size_t n, const struct formats *f)
{
	const char **names = memory_alloc(n * sizeof(*names));
	uint32_t *oids = memory_alloc(n * sizeof(*oids));
	uint16_t *formats = memory_alloc(n * sizeof(*formats));

	for (size_t i = 0; i < n; i++) {
		names[i] = columns[i].name;
		oids[i] = type_oids[columns[i].type];
		formats[i] = format_of(f, i);
	}
	writer_row_description(b, n, names, oids, formats);
	free(names);
	free(oids);
	free(formats);
}

static void
write_cell(struct buffer *b, enum column_type type, bool binary, const char *text, int32_t len)
{
	struct buffer value = BUFFER_INIT;

	if (len < 0) {
		writer_u32(b, UINT32_MAX);
		return;
	}
	if (binary) {
		binary_write(&value, type, text, (size_t)len);
		text = (const char *)buffer_head(&value);
		len = (int32_t)buffer_left(&value);
	}
	writer_u32(b, (uint32_t)len);
	if (len > 0)
		writer_bytes(b, text, (size_t)len);
	buffer_release(&value);
}

void
dialogue_rows(struct dialogue *d, const struct report *r)
{
	static const struct formats all_text = { .n = 0 };
	const struct formats *f = d->executing ? &d->formats : &all_text;
	const char *text;
	int32_t len;
	size_t pos = 0;

	if (!d->executing)
		answer_describe(&d->out, r->columns, r->ncolumns, f);
	for (size_t row = 0; row < r->nrows; row++) {
		size_t m = writer_begin(&d->out, BE_DATA_ROW);

		writer_u16(&d->out, (uint16_t)r->ncolumns);
		for (size_t i = 0; i < r->ncolumns && report_next_cell(r, &pos, &text, &len); i++)
			write_cell(&d->out, r->columns[i].type, format_of(f, i) != 0, text, len);
		writer_end(&d->out, m);
	}
}

/* A NoticeResponse by hand: the detail may be longer than struct error takes. */
void
dialogue_notice(struct dialogue *d, const char *message, const char *detail)
{
	const struct {
		char field;
		const char *text;
	} fields[] = {
		{ 'S', severity_name(SEVERITY_NOTICE) },
		{ 'V', severity_name(SEVERITY_NOTICE) },
		{ 'C', SQLSTATE_SUCCESS },
		{ 'M', message },
		{ 'D', detail },
	};
	size_t m = writer_begin(&d->out, BE_NOTICE_RESPONSE);

	for (size_t i = 0; i < lengthof(fields); i++) {
		if (fields[i].text == NULL)
			continue;
		writer_u8(&d->out, (uint8_t)fields[i].field);
		writer_string(&d->out, fields[i].text);
	}
	writer_u8(&d->out, 0);
	writer_end(&d->out, m);
}

void
dialogue_complete(struct dialogue *d, const char *tag)
{
	writer_command_complete(&d->out, tag);
}

void
dialogue_fail(struct dialogue *d, const struct error *e)
{
	struct error own = *e;

	own.severity = SEVERITY_ERROR;
	client_log(d->client, LOG_WARNING, "console: %s", own.message);
	writer_error(&d->out, &own);
	d->failed = true;
	d->skipping = d->executing;
}

void
dialogue_fail_with(struct dialogue *d, const char *sqlstate, const char *fmt, ...)
{
	struct error e;
	va_list ap;

	va_start(ap, fmt);
	error_vset(&e, SEVERITY_ERROR, sqlstate, fmt, ap);
	va_end(ap);
	dialogue_fail(d, &e);
}
