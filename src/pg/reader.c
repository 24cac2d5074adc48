#include "pg/reader.h"

#include <string.h>

void
reader_init(struct reader *r, const void *bytes, size_t n)
{
	r->pos = n > 0 ? bytes : (const uint8_t *)"";
	r->end = r->pos + n;
	r->failed = false;
}

const uint8_t *
reader_bytes(struct reader *r, size_t n)
{
	const uint8_t *bytes = r->pos;

	if (r->failed || n > (size_t)(r->end - r->pos)) {
		r->failed = true;
		return NULL;
	}
	r->pos += n;
	return bytes;
}

uint8_t
reader_u8(struct reader *r)
{
	const uint8_t *p = reader_bytes(r, 1);

	return p != NULL ? p[0] : 0;
}

uint16_t
reader_u16(struct reader *r)
{
	const uint8_t *p = reader_bytes(r, 2);

	return p != NULL ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t
reader_u32(struct reader *r)
{
	const uint8_t *p = reader_bytes(r, 4);

	if (p == NULL)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

const char *
reader_string(struct reader *r)
{
	const uint8_t *nul = memchr(r->pos, 0, reader_left(r));

	if (nul == NULL) {
		r->failed = true;
		return "";
	}
	return (const char *)reader_bytes(r, (size_t)(nul - r->pos) + 1);
}
