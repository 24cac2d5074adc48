#include "sql/utf8.h"

#include <stdint.h>

/* Which second bytes may follow which first ones (RFC 3629, 4); further ones are 0x80..0xbf. */
static const struct {
	uint8_t first, last, low, high, size;
} forms[] = {
	{ 0x00, 0x7f, 0, 0, 1 },
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 },
	{ 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t
utf8_size(const char *p, size_t n)
{
	const uint8_t *u = (const uint8_t *)p;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (u[0] < forms[i].first || u[0] > forms[i].last)
			continue;
		if (n < forms[i].size)
			return 0;
		if (forms[i].size > 1 && (u[1] < forms[i].low || u[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].size; k++) {
			if ((u[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].size;
	}
	return 0;
}
