#include "console/syntax.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

/* Reads from p, and writes what it has unquoted to out. */
struct cursor {
	const char *p, *end;
	const char *name_end; /* behind the last name */
	char *out;
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_in_word(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x80 || (u >= '0' && u <= '9') ||
		(string_lower(c) >= 'a' && string_lower(c) <= 'z') ||
		(c != '\0' && strchr("_.$-", c) != NULL);
}

static bool
starts_with(const char *p, const char *end, const char *two)
{
	return end - p >= 2 && p[0] == two[0] && p[1] == two[1];
}

/* p is behind the opening mark; comments nest, as in SQL.  Returns what follows the closing one,
 * or the end. */
static const char *
skip_block_comment(const char *p, const char *end)
{
	for (int depth = 1; p < end && depth > 0;) {
		if (starts_with(p, end, "/*") || starts_with(p, end, "*/")) {
			depth += p[0] == '/' ? 1 : -1;
			p += 2;
		} else {
			p++;
		}
	}
	return p;
}

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end) {
		if (is_blank(*p)) {
			p++;
		} else if (starts_with(p, end, "--")) {
			while (p < end && *p != '\n')
				p++;
		} else if (starts_with(p, end, "/*")) {
			p = skip_block_comment(p + 2, end);
		} else {
			break;
		}
	}
	return p;
}

/* p is at an opening quote.  Returns what follows the closing one; NULL: there is none. */
static const char *
skip_quoted(const char *p, const char *end)
{
	const char quote = *p++;

	for (; p < end; p++) {
		if (*p != quote)
			continue;
		if (p + 1 == end || p[1] != quote)
			return p + 1;
		p++;
	}
	return NULL;
}

/* One step over a statement's text, which is not at a blank; quotes are one step. */
static const char *
skip_step(const char *p, const char *end)
{
	if (*p == '\'' || *p == '"')
		p = skip_quoted(p, end);
	else
		p++;
	return p != NULL ? p : end;
}

bool
syntax_next(const char **text, const char **statement, size_t *len)
{
	const char *p = *text, *end = p + strlen(p), *start, *last;

	while ((p = skip_blanks(p, end)) < end && *p == ';')
		p++;
	start = last = p;
	while (p < end && *p != ';') {
		last = p = skip_step(p, end);
		p = skip_blanks(p, end);
	}
	*text = p < end ? p + 1 : end;
	*statement = start;
	*len = (size_t)(last - start);
	return *len > 0;
}

/* --- one statement --- */

static void
pass_blanks(struct cursor *c)
{
	c->p = skip_blanks(c->p, c->end);
}

static bool
is_at_end(struct cursor *c)
{
	pass_blanks(c);
	return c->p == c->end;
}

static const char *
put(struct cursor *c, const char *text, size_t n)
{
	const char *at = c->out;

	memcpy(c->out, text, n);
	c->out += n;
	*c->out++ = '\0';
	return at;
}

static const char *
take_word(struct cursor *c)
{
	const char *start = c->p;

	while (c->p < c->end && is_in_word(*c->p))
		c->p++;
	return c->p > start ? put(c, start, (size_t)(c->p - start)) : NULL;
}

static const char *
take_quoted(struct cursor *c)
{
	const char quote = *c->p, *at = c->out;
	const char *after = skip_quoted(c->p, c->end);

	if (after == NULL)
		return NULL;
	for (const char *p = c->p + 1; p < after - 1; p++) {
		*c->out++ = *p;
		if (*p == quote)
			p++;
	}
	*c->out++ = '\0';
	c->p = after;
	return at;
}

static const char *
take_name(struct cursor *c)
{
	const char *name;

	pass_blanks(c);
	name = c->p < c->end && *c->p == '"' ? take_quoted(c) : take_word(c);
	c->name_end = c->p;
	return name;
}

static const char *
take_value(struct cursor *c)
{
	const char *start, *last;

	if (is_at_end(c))
		return NULL;
	if (*c->p == '\'' || *c->p == '"')
		return take_quoted(c);
	for (start = last = c->p; c->p < c->end; c->p++) {
		if (!is_blank(*c->p))
			last = c->p + 1;
	}
	return put(c, start, (size_t)(last - start));
}

/* Is this word (any case) next? Then it is behind us. */
static bool
pass_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	pass_blanks(c);
	if ((size_t)(c->end - c->p) < n || (c->p + n < c->end && is_in_word(c->p[n])))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (string_lower(c->p[i]) != word[i])
			return false;
	}
	c->p += n;
	c->name_end = NULL;
	return true;
}

static bool
pass_equals(struct cursor *c)
{
	pass_blanks(c);
	if (c->p < c->end && *c->p == '=') {
		c->p++;
		return true;
	}
	return pass_word(c, "to");
}

/* What ends a statement: nothing, or a string. */
static bool
parse_end(struct sentence *s, struct cursor *c)
{
	if (is_at_end(c))
		return true;
	if (*c->p != '\'')
		return false;
	s->value = take_quoted(c);
	return s->value != NULL && is_at_end(c);
}

/* --- by their first word --- */

static bool
parse_setting(struct sentence *s, struct cursor *c)
{
	s->argument = take_name(c);
	if (s->argument == NULL || !pass_equals(c))
		return false;
	s->value = take_value(c);
	return s->value != NULL && is_at_end(c);
}

static bool
parse_tenant(struct sentence *s, struct cursor *c)
{
	pass_blanks(c);
	s->argument = take_word(c);
	if (s->argument == NULL || !string_equal_nocase(s->argument, "tenant"))
		return false;
	s->subject = take_name(c);
	if (s->subject == NULL)
		return false;
	s->to = pass_word(c, "to");
	return parse_end(s, c);
}

static bool
is_in_network(char c)
{
	char l = string_lower(c);

	return (c >= '0' && c <= '9') || (l >= 'a' && l <= 'f') || c == '.' || c == ':' || c == '/';
}

static const char *
take_network(struct cursor *c)
{
	const char *start;

	if (is_at_end(c))
		return NULL;
	if (*c->p == '\'' || *c->p == '"')
		return take_quoted(c);
	if (pass_word(c, "unix"))
		return "unix";
	start = c->p;
	while (c->p < c->end && is_in_network(*c->p) && !starts_with(c->p, c->end, "/*"))
		c->p++;
	if (c->p < c->end && is_in_word(*c->p))
		return NULL;
	return c->p > start ? put(c, start, (size_t)(c->p - start)) : NULL;
}

static bool
parse_ban(struct sentence *s, struct cursor *c)
{
	s->argument = take_network(c);
	if (s->argument == NULL)
		return false;
	if (pass_word(c, "at") && (s->subject = take_name(c)) == NULL)
		return false;
	if (pass_word(c, "for")) {
		pass_blanks(c);
		s->period = take_word(c);
		if (s->period == NULL)
			return false;
	}
	return parse_end(s, c);
}

static const struct {
	const char *verb;
	bool (*parse)(struct sentence *s, struct cursor *c);
} forms[] = {
	{ "set", parse_setting },   { "create", parse_tenant }, { "alter", parse_tenant }, { "drop", parse_tenant },
	{ "move", parse_tenant },   { "ban", parse_ban },	 { "unban", parse_ban },
};

/* All others: one or two names.  c is behind the blanks before the second one, which must be there. */
static bool
parse_subject(struct sentence *s, struct cursor *c)
{
	if (c->p == c->name_end)
		return false;
	s->subject = take_name(c);
	return s->subject != NULL && is_at_end(c);
}

static bool
parse_names(struct sentence *s, struct cursor *c)
{
	if (is_at_end(c))
		return true;
	s->argument = take_name(c);
	if (s->argument == NULL || is_at_end(c))
		return s->argument != NULL;
	return parse_subject(s, c);
}

static bool
parse(struct sentence *s, struct cursor *c)
{
	s->verb = "";
	if (is_at_end(c))
		return true;
	s->verb = take_word(c);
	if (s->verb == NULL)
		return false;
	for (size_t i = 0; i < lengthof(forms); i++) {
		if (string_equal_nocase(s->verb, forms[i].verb))
			return forms[i].parse(s, c);
	}
	return parse_names(s, c);
}

bool
sentence_parse(struct sentence *s, const char *statement, size_t len)
{
	/* No token is longer than its source, and each has its NUL: verb, two names, period and value. */
	size_t size = len + 5;
	char *memory = memory_alloc(size);
	struct cursor c = { .p = statement, .end = statement + len, .out = memory };

	*s = (struct sentence){ .memory = memory, .size = size };
	if (parse(s, &c))
		return true;
	sentence_release(s);
	return false;
}

bool
syntax_begins_with(const char *statement, const char *word)
{
	const char *end = statement + strlen(statement), *p = skip_blanks(statement, end);

	for (; *word != '\0'; p++, word++) {
		if (p == end || string_lower(*p) != string_lower(*word))
			return false;
	}
	return p == end || !is_in_word(*p);
}

void
sentence_release(struct sentence *s)
{
	if (s->memory != NULL)
		memory_wipe(s->memory, s->size);
	free(s->memory);
	*s = (struct sentence){ .verb = "" };
}
