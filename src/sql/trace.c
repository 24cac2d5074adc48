#include "sql/trace.h"

#include <string.h>

#include "base/memory.h"
#include "sql/utf8.h"

/* Where the value of which key goes. */
static const struct field {
	const char *key;
	size_t offset, size;
} fields[] = {
#define FIELD(name) { #name, offsetof(struct sql_trace, name), sizeof(((struct sql_trace *)NULL)->name) }
	FIELD(traceparent),
	FIELD(application),
	FIELD(route),
	FIELD(controller),
	FIELD(action),
	FIELD(framework),
	FIELD(db_driver),
#undef FIELD
};

/* What is not read yet. */
struct cursor {
	const char *at, *end;
};

static bool
skip_byte(struct cursor *c, char byte)
{
	if (c->at == c->end || *c->at != byte)
		return false;
	c->at++;
	return true;
}

static void
skip_blanks(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) != NULL && *c->at != '\0')
		c->at++;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of a value, with %XX and \x made one. */
static char
read_byte(struct cursor *c)
{
	if (*c->at == '%' && c->end - c->at >= 3) {
		int high = hex_digit(c->at[1]), low = hex_digit(c->at[2]);
		if (high >= 0 && low >= 0) {
			c->at += 3;
			return (char)(high << 4 | low);
		}
	}
	if (*c->at == '\\' && c->end - c->at >= 2)
		c->at++;
	return *c->at++;
}

/* Up to the quote that ends it, at most size - 1 bytes of it; false: there is no such quote. */
static bool
read_value(struct cursor *c, char *out, size_t size)
{
	size_t n = 0;

	while (c->at < c->end && *c->at != '\'') {
		char byte = read_byte(c);
		if (n < size - 1)
			out[n++] = byte;
	}
	out[n] = '\0';
	return skip_byte(c, '\'');
}

/* Copy what is fit to be shown, whole characters only; a NUL ends it. */
static void
copy_clean(char *out, size_t size, const char *from)
{
	size_t n = strlen(from), length = 0;

	while (n > 0) {
		size_t whole = utf8_size(from, n);
		bool shown = whole > 1 || (whole == 1 && *from >= ' ' && *from != 0x7f);
		/* C1: U+0080..U+009F */
		if (whole == 2 && *from == '\xc2' && (unsigned char)from[1] < 0xa0)
			shown = false;
		size_t step = whole > 0 ? whole : 1, width = shown ? whole : 1;
		if (length + width >= size)
			break;
		memcpy(out + length, shown ? from : "?", width);
		length += width;
		from += step;
		n -= step;
	}
	out[length] = '\0';
}

static bool
is_lower_hex(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") >= n;
}

/* W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>; neither id is all zeros, version ff is forbidden. */
static bool
is_traceparent(const char *p)
{
	return strlen(p) == 55 && p[2] == '-' && p[35] == '-' && p[52] == '-'
		&& is_lower_hex(p, 2) && is_lower_hex(p + 3, 32) && is_lower_hex(p + 36, 16)
		&& is_lower_hex(p + 53, 2) && strncmp(p, "ff", 2) != 0
		&& strspn(p + 3, "0") < 32 && strspn(p + 36, "0") < 16;
}

static const struct field *
find_field(const char *key, size_t n)
{
	for (size_t i = 0; i < lengthof(fields); i++) {
		if (strlen(fields[i].key) == n && memcmp(fields[i].key, key, n) == 0)
			return &fields[i];
	}
	return NULL;
}

/* The first one counts. */
static bool
take_pair(struct sql_trace *t, const char *key, size_t n, const char *value)
{
	const struct field *f = find_field(key, n);

	if (f == NULL || value[0] == '\0')
		return false;
	char *to = (char *)t + f->offset;
	if (to[0] != '\0' || (to == t->traceparent && !is_traceparent(value)))
		return false;
	copy_clean(to, f->size, value);
	return true;
}

/* key='value' */
static bool
read_pair(struct cursor *c, struct sql_trace *t, bool *said)
{
	char value[512];
	const char *key = c->at;

	while (c->at < c->end && *c->at != '=' && *c->at != ' ' && *c->at != ',')
		c->at++;
	size_t n = (size_t)(c->at - key);
	skip_blanks(c);
	if (!skip_byte(c, '='))
		return false;
	skip_blanks(c);
	if (!skip_byte(c, '\'') || !read_value(c, value, sizeof(value)))
		return false;
	*said |= take_pair(t, key, n, value);
	return true;
}

bool
sql_trace_parse(struct sql_trace *t, const char *comment, size_t n)
{
	struct cursor c = { .at = comment, .end = comment + n };
	bool said = false;

	memset(t, 0, sizeof(*t));
	do
		skip_blanks(&c);
	while (read_pair(&c, t, &said) && (skip_blanks(&c), skip_byte(&c, ',')));
	return said;
}
