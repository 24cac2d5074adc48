#include "sql/setting.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/strings.h"
#include "sql/lexer.h"

static const struct {
	const char *word;
	enum setting_verb verb;
} verbs[] = {
	{ "SET", SETTING_SET },
	{ "RESET", SETTING_RESET },
	{ "SHOW", SETTING_SHOW },
	{ "DISCARD", SETTING_DISCARD_ALL },
};

#define THREE(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

/* Every statement is asked this: three letters are enough to tell nearly all others. */
static bool
begins_like_a_verb(const char *text)
{
	switch (THREE(string_lower(text[0]), string_lower(text[1]), string_lower(text[2]))) {
	case THREE('s', 'e', 't'):
	case THREE('r', 'e', 's'):
	case THREE('s', 'h', 'o'):
	case THREE('d', 'i', 's'):
		return true;
	default:
		return false;
	}
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Is there more behind a semicolon?  It may be one in a literal. */
static bool
may_have_several(const char *text, size_t n)
{
	const char *end = text + n, *more = memchr(text, ';', n);

	if (more == NULL)
		return false;
	while (more < end && (*more == ';' || is_blank(*more) || *more == '\0'))
		more++;
	return more < end;
}

bool
setting_may_begin(const char *text, size_t n, bool whole)
{
	while (n > 0 && (is_blank(*text) || *text == ';')) {
		text++;
		n--;
	}
	if (n < 4)
		return !whole;
	if (*text == '/' || *text == '-')
		return true;	/* behind a comment there may be anything */
	return begins_like_a_verb(text) || may_have_several(text, n);
}

static bool
is_word(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && t->size == strlen(word) && strncasecmp(t->start, word, t->size) == 0;
}

static enum setting_verb
verb_of(const struct token *t)
{
	for (size_t i = 0; i < lengthof(verbs); i++) {
		if (is_word(t, verbs[i].word))
			return verbs[i].verb;
	}
	return SETTING_NONE;
}

/* A name's part, with or without quotes; the case of a setting's name never counts. */
static bool
is_part(const struct token *t, const char *part, size_t n)
{
	size_t quotes = t->kind == TOKEN_QUOTED;

	return (t->kind == TOKEN_WORD || quotes != 0) && t->size == n + 2 * quotes &&
	       strncasecmp(t->start + quotes, part, n) == 0;
}

/* The name in two parts, or both in one pair of quotes; t its first token; behind it, t is the last one. */
static bool
take_name(struct lexer *l, struct token *t, const char *name)
{
	const char *dot = strchr(name, '.');

	if (t->kind == TOKEN_QUOTED && is_part(t, name, strlen(name)))
		return true;
	if (!is_part(t, name, (size_t)(dot - name)))
		return false;
	lexer_next(l, t);
	if (t->kind != TOKEN_DOT)
		return false;
	lexer_next(l, t);
	return is_part(t, dot + 1, strlen(dot + 1));
}

/* What stands between the quotes, in which they are doubled. */
static bool
copy_quoted(const struct token *t, char quote, char *value, size_t size)
{
	size_t n = 0;

	if (t->size < 2 || t->start[0] != quote || t->start[t->size - 1] != quote)
		return false;
	for (size_t i = 1; i + 1 < t->size; i++) {
		if (t->start[i] == quote && t->start[++i] != quote)
			return false;
		if (n + 1 >= size)
			return false;
		value[n++] = t->start[i];
	}
	value[n] = '\0';
	return true;
}

static bool
copy_plain(const struct token *t, char *value, size_t size)
{
	if (t->size >= size)
		return false;
	for (size_t i = 0; i < t->size; i++)
		value[i] = string_lower(t->start[i]);
	value[t->size] = '\0';
	return true;
}

static bool
copy_value(const struct token *t, char *value, size_t size)
{
	switch ((int)t->kind) {
	case TOKEN_STRING:
		return copy_quoted(t, '\'', value, size);
	case TOKEN_QUOTED:
		return copy_quoted(t, '"', value, size);
	case TOKEN_WORD:
	case TOKEN_NUMBER:
		return copy_plain(t, value, size);
	default:
		return false;
	}
}

/* To the first token of the next statement. */
static void
skip_semicolons(struct lexer *l, struct token *t)
{
	do
		lexer_next(l, t);
	while (t->kind == TOKEN_SEMICOLON);
}

static bool
is_at_end(struct lexer *l)
{
	struct token t;

	lexer_next(l, &t);
	if (t.kind == TOKEN_SEMICOLON)
		skip_semicolons(l, &t);
	return t.kind == TOKEN_END;
}

static enum setting_verb
take_value(struct lexer *l, char *value, size_t size)
{
	struct token t;

	lexer_next(l, &t);
	if (!is_word(&t, "TO") && !(t.kind == TOKEN_OPERATOR && t.size == 1 && t.start[0] == '='))
		return SETTING_WRONG;
	lexer_next(l, &t);
	if (is_word(&t, "DEFAULT"))
		return is_at_end(l) ? SETTING_RESET : SETTING_WRONG;
	return copy_value(&t, value, size) && is_at_end(l) ? SETTING_SET : SETTING_WRONG;
}

/* Behind RESET or DISCARD, at t. */
static enum setting_verb
take_all(struct lexer *l, const struct token *t, enum setting_verb verb)
{
	if (!is_word(t, "ALL"))
		return SETTING_NONE;
	if (!is_at_end(l))
		return SETTING_ALL_AMONG;
	return verb == SETTING_RESET ? SETTING_RESET_ALL : SETTING_DISCARD_ALL;
}

/* The statement whose first token is t. */
static enum setting_verb
take_statement(struct lexer *l, struct token *t, const char *name, char *value, size_t size)
{
	enum setting_verb verb = verb_of(t);
	bool local;

	if (verb == SETTING_NONE)
		return SETTING_NONE;
	lexer_next(l, t);
	if (verb == SETTING_DISCARD_ALL || (verb == SETTING_RESET && is_word(t, "ALL")))
		return take_all(l, t, verb);
	local = verb == SETTING_SET && is_word(t, "LOCAL");
	if (local || (verb == SETTING_SET && is_word(t, "SESSION")))
		lexer_next(l, t);
	if (!take_name(l, t, name))
		return SETTING_NONE;
	if (local)
		return SETTING_WRONG;
	if (verb == SETTING_SET)
		return take_value(l, value, size);
	return is_at_end(l) ? verb : SETTING_WRONG;
}

/* Is one of the statements behind the first one of this kind?  That is never right. */
static enum setting_verb
look_among(const char *text, size_t n, const char *name, char *value, size_t size)
{
	enum setting_verb found = SETTING_NONE;
	struct lexer l;
	struct token t;

	lexer_init(&l, text, n);
	skip_semicolons(&l, &t);
	while (t.kind != TOKEN_END) {
		struct lexer here = l;
		struct token first = t;

		switch (take_statement(&here, &first, name, value, size)) {
		case SETTING_NONE:
			break;
		case SETTING_RESET_ALL:
		case SETTING_DISCARD_ALL:
		case SETTING_ALL_AMONG:
			found = SETTING_ALL_AMONG;
			break;
		case SETTING_SET:
		case SETTING_RESET:
		case SETTING_SHOW:
		case SETTING_WRONG:
			return SETTING_WRONG;
		}
		while (t.kind != TOKEN_SEMICOLON && t.kind != TOKEN_END)
			lexer_next(&l, &t);
		if (t.kind == TOKEN_SEMICOLON)
			skip_semicolons(&l, &t);
	}
	return found;
}

enum setting_verb
setting_read(const char *text, size_t n, const char *name, char *value, size_t size)
{
	enum setting_verb verb;
	struct lexer l;
	struct token t;

	lexer_init(&l, text, n);
	skip_semicolons(&l, &t);
	verb = take_statement(&l, &t, name, value, size);
	if (verb != SETTING_NONE && verb != SETTING_ALL_AMONG)
		return verb;
	return may_have_several(text, n) ? look_among(text, n, name, value, size) : verb;
}
