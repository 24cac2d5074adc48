#include "base/strings.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
string_to_int64(const char *s, int64_t *out)
{
	bool negative = *s == '-';
	int64_t v = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (*s == '\0')
		return false;
	/* Counted downwards, because INT64_MIN has no positive twin. */
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *s - '0', &v))
			return false;
	}
	if (!negative && v == INT64_MIN)
		return false;
	*out = negative ? v : -v;
	return true;
}

char
string_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

void
string_fold(char *s)
{
	for (; *s != '\0'; s++)
		*s = string_lower(*s);
}

bool
string_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
string_equal_nocase(const char *a, const char *b)
{
	for (; string_lower(*a) == string_lower(*b); a++, b++) {
		if (*a == '\0')
			return true;
	}
	return false;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
in_list(const char *list, const char *name, int (*compare)(const char *, const char *, size_t))
{
	size_t len = strlen(name);

	while (list != NULL && len > 0) {
		while (is_space(*list))
			list++;
		size_t item = strcspn(list, ",");
		const char *next = list[item] == ',' ? list + item + 1 : NULL;
		while (item > 0 && is_space(list[item - 1]))
			item--;
		if (item == len && compare(list, name, len) == 0)
			return true;
		list = next;
	}
	return false;
}

bool
string_in_list(const char *list, const char *name)
{
	return in_list(list, name, strncmp);
}

bool
string_in_list_nocase(const char *list, const char *name)
{
	return in_list(list, name, strncasecmp);
}

/* Bytes of the UTF-8 character that starts with this one; 1 for what starts none. */
static size_t
char_size(unsigned char lead)
{
	if (lead >= 0xf0)
		return 4;
	if (lead >= 0xe0)
		return 3;
	return lead >= 0xc0 ? 2 : 1;
}

bool
string_nth(const char *list, int n, char *buf, size_t size)
{
	for (; n > 0 && list != NULL; n--) {
		list = strchr(list, ',');
		list = list != NULL ? list + 1 : NULL;
	}
	buf[0] = '\0';
	if (list == NULL)
		return false;
	snprintf(buf, size, "%.*s", (int)strcspn(list, ","), list);
	return true;
}

size_t
string_whole_chars(const char *s, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)s[n - back];
		if ((c & 0xc0) == 0x80)
			continue;
		return char_size(c) > back ? n - back : n;
	}
	return n;
}

char *
string_copy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size);

	if (n == size)
		n = string_whole_chars(src, size - 1);
	memcpy(dst, src, n);
	dst[n] = '\0';
	return dst;
}

uint32_t
string_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}
