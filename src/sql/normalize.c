#include "sql/digest.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "sql/shape.h"
#include "sql/utf8.h"

#define CUT "..."

/* Hears the shape and writes it down; what goes beyond size is counted only, since it may be folded yet. */
struct writer {
	struct shape_listener listener;
	char *out;
	size_t size;
	size_t length;
	unsigned literals;	/* the number of the last one */
	char last;		/* byte that was written */
};

static void
put(struct writer *w, const char *bytes, size_t n)
{
	if (n == 0)
		return;
	if (w->length < w->size) {
		size_t room = w->size - w->length;
		memcpy(w->out + w->length, bytes, n < room ? n : room);
	}
	w->length += n;
	w->last = bytes[n - 1];
}

/* Names may hold anything. */
static void
put_text(struct writer *w, const char *p, size_t n)
{
	while (n > 0) {
		size_t good = 0, size;
		while (good < n && (size = utf8_size(p + good, n - good)) != 0)
			good += size;
		put(w, p, good);
		p += good;
		n -= good;
		if (n == 0)
			break;
		put(w, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
		p++;
		n--;
	}
}

static void
put_number(struct writer *w)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "$%u", ++w->literals);

	put(w, text, (size_t)n);
}

/* Behind such a byte, the $ of a parameter would be read as part of something else. */
static bool
would_join(char last)
{
	return last == '$' || last == '_' || (last >= '0' && last <= '9') || (last >= 'a' && last <= 'z')
		|| (last >= 'A' && last <= 'Z') || (unsigned char)last >= 0x80;
}

static void
on_symbol(struct shape_listener *l, const struct token *t, bool literal)
{
	struct writer *w = container_of(l, struct writer, listener);

	if (w->length > 0 && (t->gap || (literal && would_join(w->last))))
		put(w, " ", 1);
	if (literal && t->kind != TOKEN_PARAM)
		put_number(w);
	else
		put_text(w, t->start, t->size);
}

static struct shape_mark
on_mark(struct shape_listener *l)
{
	const struct writer *w = container_of(l, struct writer, listener);

	return (struct shape_mark){ .length = w->length, .literals = w->literals };
}

static void
on_fold(struct shape_listener *l, struct shape_mark since, bool again)
{
	struct writer *w = container_of(l, struct writer, listener);

	w->length = since.length;
	w->literals = since.literals;
	w->last = '.';
	if (!again)
		put(w, ", ...", 5);
}

/* Literals are numbered behind the parameters; a number that no server takes is none. */
static unsigned
find_highest(const char *text, size_t n)
{
	struct lexer l;
	struct token t;
	unsigned highest = 0;

	lexer_init(&l, text, n);
	do {
		lexer_next(&l, &t);
		unsigned number = 0;
		for (size_t i = 1; t.kind == TOKEN_PARAM && i < t.size && number <= UINT16_MAX; i++)
			number = number * 10 + (unsigned)(t.start[i] - '0');
		if (number <= UINT16_MAX && number > highest)
			highest = number;
	} while (t.kind != TOKEN_END);
	return highest;
}

/* The mark comes right behind something, and so is not taken for that of a list, which is behind a blank. */
static size_t
cut(char *out, size_t size)
{
	size_t n = size > sizeof(CUT) ? string_whole_chars(out, size - sizeof(CUT)) : 0;

	while (n > 0 && out[n - 1] == ' ')
		n--;
	string_copy(out + n, CUT, size - n);
	return strlen(out);
}

size_t
sql_normalize(const char *text, size_t n, char *out, size_t size)
{
	struct writer w = {
		.listener = { .symbol = on_symbol, .mark = on_mark, .fold = on_fold },
		.out = out,
		.size = size,
		.literals = find_highest(text, n),
	};
	struct shape s;

	shape_read(&s, text, n, &w.listener);
	if (w.length >= size)
		return cut(out, size);
	out[w.length] = '\0';
	return w.length;
}
