#include "pg/writer.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "pg/message.h"

#define LENGTH_SIZE 4

static void
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* The mark counts from the first unread byte, which stays where it is when the buffer drops consumed
 * bytes or grows. */
size_t
writer_begin(struct buffer *b, uint8_t type)
{
	if (type != 0)
		writer_u8(b, type);
	size_t mark = buffer_left(b);
	writer_u32(b, 0);
	return mark;
}

void
writer_end(struct buffer *b, size_t mark)
{
	size_t size = buffer_left(b) - mark;

	assert(size >= LENGTH_SIZE && size <= INT32_MAX);
	put_u32(b->data + b->off + mark, (uint32_t)size);
}

void
writer_u8(struct buffer *b, uint8_t v)
{
	buffer_append(b, &v, 1);
}

void
writer_u16(struct buffer *b, uint16_t v)
{
	uint8_t bytes[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	buffer_append(b, bytes, sizeof(bytes));
}

void
writer_u32(struct buffer *b, uint32_t v)
{
	uint8_t bytes[4];

	put_u32(bytes, v);
	buffer_append(b, bytes, sizeof(bytes));
}

void
writer_string(struct buffer *b, const char *s)
{
	buffer_append(b, s, strlen(s) + 1);
}

void
writer_bytes(struct buffer *b, const void *bytes, size_t n)
{
	buffer_append(b, bytes, n);
}

static void
write_field(struct buffer *b, char field, const char *text)
{
	writer_u8(b, (uint8_t)field);
	writer_string(b, text);
}

void
writer_error(struct buffer *b, const struct error *e)
{
	bool fails = e->severity == SEVERITY_ERROR || e->severity == SEVERITY_FATAL;
	size_t m = writer_begin(b, fails ? BE_ERROR_RESPONSE : BE_NOTICE_RESPONSE);

	write_field(b, 'S', severity_name(e->severity));
	write_field(b, 'V', severity_name(e->severity));
	write_field(b, 'C', e->sqlstate);
	write_field(b, 'M', e->message);
	if (e->detail[0] != '\0')
		write_field(b, 'D', e->detail);
	if (e->hint[0] != '\0')
		write_field(b, 'H', e->hint);
	writer_u8(b, 0);
	writer_end(b, m);
}

void
writer_ready_for_query(struct buffer *b, uint8_t transaction_status)
{
	size_t m = writer_begin(b, BE_READY_FOR_QUERY);

	writer_u8(b, transaction_status);
	writer_end(b, m);
}

static void
write_string_message(struct buffer *b, uint8_t type, const char *text)
{
	size_t m = writer_begin(b, type);

	writer_string(b, text);
	writer_end(b, m);
}

void
writer_command_complete(struct buffer *b, const char *tag)
{
	write_string_message(b, BE_COMMAND_COMPLETE, tag);
}

void
writer_query(struct buffer *b, const char *sql)
{
	write_string_message(b, FE_QUERY, sql);
}

void
writer_parameter_status(struct buffer *b, const char *name, const char *value)
{
	size_t m = writer_begin(b, BE_PARAMETER_STATUS);

	writer_string(b, name);
	writer_string(b, value);
	writer_end(b, m);
}

/* pg_type.typlen of what we send; -1 for all of variable length. */
static int16_t
type_length(uint32_t oid)
{
	static const struct {
		uint32_t oid;
		int16_t length;
	} fixed[] = {
		{ 20, 8 },
		{ 23, 4 },
	};

	for (size_t i = 0; i < lengthof(fixed); i++) {
		if (fixed[i].oid == oid)
			return fixed[i].length;
	}
	return -1;
}

void
writer_row_description(struct buffer *b, size_t ncolumns, const char *const *names,
	const uint32_t *oids, const uint16_t *formats)
{
	size_t m = writer_begin(b, BE_ROW_DESCRIPTION);

	assert(ncolumns <= UINT16_MAX);
	writer_u16(b, (uint16_t)ncolumns);
	for (size_t i = 0; i < ncolumns; i++) {
		writer_string(b, names[i]);
		writer_u32(b, 0); /* of no table, */
		writer_u16(b, 0); /* and no column of it */
		writer_u32(b, oids[i]);
		writer_u16(b, (uint16_t)type_length(oids[i]));
		writer_u32(b, UINT32_MAX); /* no type modifier */
		writer_u16(b, formats != NULL ? formats[i] : 0);
	}
	writer_end(b, m);
}
