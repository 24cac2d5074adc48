#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 352		/* the longest double, its decimals, a NUL */
#define DECIMALS_MAX 9
#define REPLACEMENT "\xef\xbf\xbd"

static void
append(struct json *j, const char *s)
{
	buffer_append(j->out, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void
append_formatted(struct json *j, const char *fmt, ...)
{
	char text[NUMBER_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(j, text);
}

static void
begin_value(struct json *j, const char *key)
{
	if (j->more)
		append(j, ",");
	if (key != NULL)
		append_formatted(j, "\"%s\":", key);
	j->more = true;
}

void
json_open(struct json *j, const char *key, char bracket)
{
	begin_value(j, key);
	buffer_append(j->out, &bracket, 1);
	j->more = false;
}

void
json_close(struct json *j, char bracket)
{
	buffer_append(j->out, &bracket, 1);
	j->more = true;
}

/* ---- strings ---- */

/* What the second byte of a character may be, where that depends on the first one (RFC 3629, section 4). */
static void
bound_second(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
}

/* How many bytes the character has that s begins with; 0: none does. */
static size_t
character_size(const unsigned char *s, size_t n)
{
	size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	unsigned char low, high;

	if (size <= 1)
		return size;
	if (size > n)
		return 0;
	bound_second(s[0], &low, &high);
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return size;
}

/* Of C0 controls, DEL, C1 controls, quote and backslash; -1: this character can stand as it is. */
static int
code_to_escape(const unsigned char *s, size_t size)
{
	if (size == 1 && (s[0] < 0x20 || s[0] == 0x7f || s[0] == '"' || s[0] == '\\'))
		return s[0];
	return size == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? s[1] : -1;
}

static void
append_escape(struct json *j, int code)
{
	static const char digits[] = "0123456789abcdef";
	const char unicode[] = { '\\', 'u', '0', '0', digits[code >> 4], digits[code & 15] };

	switch (code) {
	case '"':
		append(j, "\\\"");
		return;
	case '\\':
		append(j, "\\\\");
		return;
	case '\n':
		append(j, "\\n");
		return;
	case '\t':
		append(j, "\\t");
		return;
	default:
		buffer_append(j->out, unicode, sizeof(unicode));
		return;
	}
}

/* One character (or byte that is none) that can't stand as it is; returns its size. */
static size_t
append_unusual(struct json *j, size_t size, int code)
{
	if (size == 0) {
		append(j, REPLACEMENT);
		return 1;
	}
	append_escape(j, code);
	return size;
}

static void
append_escaped(struct json *j, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t plain = 0;	/* where the stretch begins that can be copied */

	for (size_t i = 0; i < n;) {
		size_t size = character_size(s + i, n - i);
		int code = size == 0 ? -1 : code_to_escape(s + i, size);

		if (size > 0 && code < 0) {
			i += size;
			continue;
		}
		buffer_append(j->out, text + plain, i - plain);
		i += append_unusual(j, size, code);
		plain = i;
	}
	buffer_append(j->out, text + plain, n - plain);
}

void
json_put_text(struct json *j, const char *key, const char *s, size_t n)
{
	begin_value(j, key);
	append(j, "\"");
	append_escaped(j, s, n);
	append(j, "\"");
}

void
json_put_string(struct json *j, const char *key, const char *s)
{
	if (s == NULL)
		json_put_null(j, key);
	else
		json_put_text(j, key, s, strlen(s));
}

/* ---- the rest ---- */

void
json_put_int(struct json *j, const char *key, int64_t value)
{
	begin_value(j, key);
	append_formatted(j, "%" PRId64, value);
}

void
json_put_bool(struct json *j, const char *key, bool value)
{
	begin_value(j, key);
	append(j, value ? "true" : "false");
}

void
json_put_null(struct json *j, const char *key)
{
	begin_value(j, key);
	append(j, "null");
}

void
json_put_number(struct json *j, const char *key, double value, int decimals)
{
	if (!isfinite(value)) {
		json_put_null(j, key);
		return;
	}
	begin_value(j, key);
	append_formatted(j, "%.*f", decimals > DECIMALS_MAX ? DECIMALS_MAX : decimals, value);
}

void
json_put_msec(struct json *j, const char *key, usec_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	begin_value(j, key);
	append_formatted(j, "%s%" PRIu64 ".%03" PRIu64, value < 0 ? "-" : "", size / 1000, size % 1000);
}

void
json_put_hex(struct json *j, const char *key, uint64_t value)
{
	begin_value(j, key);
	append_formatted(j, "\"%016" PRIx64 "\"", value);
}

void
json_put_time(struct json *j, const char *key, usec_t wall)
{
	char text[CLOCK_ISO_SIZE];

	json_put_string(j, key, clock_iso(wall, text));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The size of the string that s begins with, quotes included. */
static size_t
string_size(const char *s)
{
	size_t n = 1;

	while (s[n] != '\0' && s[n] != '"')
		n += s[n] == '\\' && s[n + 1] != '\0' ? 2 : 1;
	return s[n] == '"' ? n + 1 : n;
}

/* A quoted stretch: escapes stay, but bytes that may not stand are replaced as elsewhere. */
static void
append_quoted(struct json *j, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		size_t size = character_size(u + i, n - i);
		int code = size == 0 ? -1 : code_to_escape(u + i, size);

		if (size > 0 && (code < 0 || code == '"' || code == '\\')) {
			buffer_append(j->out, s + i, size);
			i += size;
		} else {
			i += append_unusual(j, size, code);
		}
	}
}

void
json_put_raw(struct json *j, const char *key, const char *text)
{
	begin_value(j, key);
	while (*text != '\0') {
		size_t n = *text == '"' ? string_size(text) : 1;

		if (*text == '"')
			append_quoted(j, text, n);
		else if (!is_blank(*text))
			buffer_append(j->out, text, 1);
		text += n;
	}
}
