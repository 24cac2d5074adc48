#include "session/values.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "pg/reader.h"

static json_t *
show_bytes(const uint8_t *p, size_t n)
{
	char hex[2 + 2 * VALUE_SIZE + 1] = "\\x";

	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 + 2 * i, 3, "%02x", p[i]);
	return json_string(hex);
}

static json_t *
show_value(const uint8_t *p, size_t n, bool binary)
{
	size_t told = n > VALUE_SIZE ? string_whole_chars((const char *)p, VALUE_SIZE) : n;
	json_t *text = binary ? NULL : json_stringn((const char *)p, told);

	return text != NULL ? text : show_bytes(p, told);
}

/* Formats: none, one for all, or one each. */
struct format_codes {
	uint16_t n;
	const uint8_t *codes;
};

static bool
is_binary(const struct format_codes *f, uint16_t i)
{
	if (f->n == 0)
		return false;
	return f->codes[2 * (f->n == 1 ? 0 : i) + 1] == 1;
}

static bool
add_value(json_t *list, struct reader *r, bool binary)
{
	uint32_t n = reader_u32(r);
	const uint8_t *p;

	if (n == UINT32_MAX) {
		json_array_append_new(list, json_null());
		return reader_ok(r);
	}
	p = reader_bytes(r, n);
	if (!reader_ok(r))
		return false;
	json_array_append_new(list, show_value(p, n, binary));
	return true;
}

static void
add_values(json_t *list, struct reader *r, const struct format_codes *f, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (i == VALUES_MAX || !add_value(list, r, is_binary(f, i))) {
			json_array_append_new(list, json_string("..."));
			return;
		}
	}
}

char *
values_of_bind(const uint8_t *p, size_t n)
{
	struct format_codes f;
	struct reader r;
	uint16_t count;
	json_t *list;
	char *text;

	reader_init(&r, p, n);
	f.n = reader_u16(&r);
	f.codes = reader_bytes(&r, 2 * (size_t)f.n);
	count = reader_u16(&r);
	if (!reader_ok(&r) || (f.n > 1 && f.n != count))
		return NULL;
	list = json_array();
	add_values(list, &r, &f, count);
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}
