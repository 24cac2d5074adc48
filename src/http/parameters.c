#include "http/parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

#define NAME_SIZE 64

/* --- escapes (RFC 3986, section 2.1; a plus is a blank, as forms have it) --- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = string_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes into a string of at most size - 1.  false: a broken escape, a NUL, or it is too long. */
static bool
unescape(const char *in, size_t n, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = in[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < n ? hex_digit(in[i + 1]) : -1;
			int low = i + 2 < n ? hex_digit(in[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || len + 1 >= size)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

/* How long the UTF-8 character at s is; 0: it is none (RFC 3629: shortest form, no surrogates). */
static size_t
character(const uint8_t *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		uint8_t low = s[0] == 0xe0 ? 0xa0 : 0x80, high = s[0] == 0xed ? 0x9f : 0xbf;

		return s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		uint8_t low = s[0] == 0xf0 ? 0x90 : 0x80, high = s[0] == 0xf4 ? 0x8f : 0xbf;

		return s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 ? 4 : 0;
	}
	return 0;
}

static bool
is_printable_utf8(const char *text)
{
	const uint8_t *s = (const uint8_t *)text;

	while (*s != '\0') {
		size_t n = character(s);

		if (n == 0 || *s < ' ' || *s == 0x7f)
			return false;
		s += n;
	}
	return true;
}

/* --- one parameter --- */

static void *
field_of(const struct parameter *p, void *values)
{
	return (char *)values + p->offset;
}

static bool
is_text(const struct parameter *p)
{
	return p->kind == PARAMETER_TEXT || p->kind == PARAMETER_TENANT;
}

static bool
set_value(const struct parameter *p, const char *text, void *values, struct refusal *r)
{
	int64_t n;

	switch (p->kind) {
	case PARAMETER_TEXT:
	case PARAMETER_TENANT:
		if (text[0] == '\0')
			return refuse(r, 400, "The parameter \"%s\" has no value.", p->name);
		*(char **)field_of(p, values) = memory_strdup(text);
		return true;
	case PARAMETER_NUMBER:
		if (!string_to_int64(text, &n) || n < p->low || n > p->high)
			return refuse(r, 400, "The parameter \"%s\" must be a number from %lld to %lld.", p->name,
				      (long long)p->low, (long long)p->high);
		*(int64_t *)field_of(p, values) = n;
		return true;
	case PARAMETER_WORD:
		n = p->find(text);
		if (n < 0)
			return refuse(r, 400, "The parameter \"%s\" must be one of: %s.", p->name, p->words);
		*(int64_t *)field_of(p, values) = n;
		return true;
	}
	return false;
}

static const struct parameter *
find(const struct parameters *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	}
	return NULL;
}

/* For who has misspelt one. */
static bool
refuse_name(const struct parameters *ps, const char *name, struct refusal *r)
{
	char known[200] = "";
	size_t n = 0;

	for (size_t i = 0; i < ps->n && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", ps->list[i].name);
	if (ps->n == 0)
		return refuse(r, 400, "There is no parameter \"%s\" here, nor any other.", name);
	return refuse(r, 400, "There is no parameter \"%s\" here; what there is: %s.", name, known);
}

/* "name=value"; *seen: a bit for each that came. */
static bool
take(const struct parameters *ps, const char *pair, size_t n, uint64_t *seen, void *values, struct refusal *r)
{
	const char *equals = memchr(pair, '=', n);
	size_t name_size = equals != NULL ? (size_t)(equals - pair) : n;
	char name[NAME_SIZE], value[PARAMETER_TEXT_MAX + 1] = "";
	const struct parameter *p;

	if (!unescape(pair, name_size, name, sizeof(name)) || !is_printable_utf8(name))
		return refuse(r, 400, "The name of a parameter is too long, or is no text.");
	p = find(ps, name);
	if (p == NULL)
		return refuse_name(ps, name, r);
	if (equals != NULL &&
	    (!unescape(equals + 1, n - name_size - 1, value, sizeof(value)) || !is_printable_utf8(value)))
		return refuse(r, 400, "The value of \"%s\" is too long, or is no text.", name);
	if ((*seen & (UINT64_C(1) << (p - ps->list))) != 0)
		return refuse(r, 400, "The parameter \"%s\" is there twice.", name);
	*seen |= UINT64_C(1) << (p - ps->list);
	return set_value(p, value, values, r);
}

static void *
defaults(const struct parameters *ps)
{
	void *values = memory_zalloc(ps->size);

	for (size_t i = 0; i < ps->n; i++) {
		if (!is_text(&ps->list[i]))
			*(int64_t *)field_of(&ps->list[i], values) = ps->list[i].otherwise;
	}
	return values;
}

void *
parameters_read(const struct parameters *ps, const char *query, struct refusal *r)
{
	void *values = defaults(ps);
	uint64_t seen = 0;

	while (query != NULL && *query != '\0') {
		size_t n = strcspn(query, "&");

		if (n > 0 && !take(ps, query, n, &seen, values, r)) {
			parameters_free(ps, values);
			return NULL;
		}
		query += n + (query[n] == '&');
	}
	return values;
}

void
parameters_free(const struct parameters *ps, void *values)
{
	for (size_t i = 0; values != NULL && i < ps->n; i++) {
		if (is_text(&ps->list[i]))
			free(*(char **)field_of(&ps->list[i], values));
	}
	free(values);
}
