#include "auth/hba_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/sqlstate.h"

void
hba_text_init(struct hba_text *t, struct hba_source *source, const char *name, const char *text, size_t size)
{
	memset(t, 0, sizeof(*t));
	t->source = source;
	t->name = name;
	t->at = text;
	t->end = text + size;
	t->line = 1;
}

bool
hba_refuse(struct error *e, const char *file, int line, const char *fmt, ...)
{
	char what[sizeof(e->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s:%d: %s", file, line, what);
	return false;
}

bool
hba_token_is(const struct hba_token *token, const char *keyword)
{
	return !token->quoted && strcmp(token->text, keyword) == 0;
}

/* --- characters --- */

#define LINE_ENDS '\n'

/* What follows; a line that is continued goes on in the next.  Carriage returns before the end of a
 * line are not looked at, whatever made them. */
static int
peek(struct hba_text *t)
{
	while (t->at < t->end && *t->at == '\\') {
		const char *p = t->at + 1;

		while (p < t->end && *p == '\r')
			p++;
		if (p < t->end && *p != '\n')
			break;
		t->at = p < t->end ? p + 1 : p;
		t->line++;
	}
	return t->at < t->end ? (unsigned char)*t->at : LINE_ENDS;
}

static bool
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_comment(struct hba_text *t)
{
	while (peek(t) != LINE_ENDS)
		t->at++;
}

/* Skip what stands between tokens; was there a comma? */
static bool
skip_gap(struct hba_text *t)
{
	bool comma = false;
	int c;

	for (c = peek(t); is_blank(c) || c == ','; c = peek(t)) {
		comma = comma || c == ',';
		t->at++;
	}
	if (c == '#')
		skip_comment(t);
	return comma;
}

/* --- tokens --- */

static bool
ends_token(int c)
{
	return c == LINE_ENDS || is_blank(c) || c == ',' || c == '#';
}

static bool
collect_token(struct hba_text *t, struct buffer *text, bool *quoted, struct error *e)
{
	bool open = false, closed = false; /* closed: just now; the next quote is a literal one */
	int c;

	for (c = peek(t); open ? c != LINE_ENDS : !ends_token(c); c = peek(t)) {
		uint8_t byte = (uint8_t)c;

		t->at++;
		if (c == '\0')
			return hba_refuse(e, t->name, t->line, "the line holds a zero byte: is this a text file?");
		if (c != '"') {
			buffer_append(text, &byte, 1);
			closed = false;
			continue;
		}
		if (buffer_left(text) == 0 && !open && !closed)
			*quoted = true;
		if (!open && closed)
			buffer_append(text, &byte, 1);
		closed = open;
		open = !open;
	}
	return !open || hba_refuse(e, t->name, t->line, "a closing quote is missing");
}

static bool
read_token(struct hba_text *t, struct hba_token *token, struct error *e)
{
	struct buffer text = BUFFER_INIT;
	bool good;

	token->quoted = false;
	good = collect_token(t, &text, &token->quoted, e);
	if (good && ++t->source->tokens > HBA_TOKENS_MAX)
		good = hba_refuse(e, t->name, t->line, "there are more than %d words", HBA_TOKENS_MAX);
	buffer_append(&text, "", 1);
	token->text = good ? memory_strdup((const char *)buffer_head(&text)) : NULL;
	buffer_wipe(&text);
	return good;
}

/* --- fields --- */

/* Room for one more of n elements, in an array that doubles. */
static void *
grow(void *array, size_t n, size_t size)
{
	return (n & (n - 1)) != 0 ? array : memory_realloc(array, (n == 0 ? 1 : 2 * n) * size);
}

static void
add_token(struct hba_field *f, struct hba_token token)
{
	f->tokens = grow(f->tokens, f->n, sizeof(*f->tokens));
	f->tokens[f->n++] = token;
}

void
hba_field_release(struct hba_field *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		memory_free_secret(f->tokens[i].text);
	free(f->tokens);
	*f = (struct hba_field){ NULL, 0 };
}

/* Take the tokens of a line's fields. */
static void
join_line(struct hba_field *f, struct hba_line *line)
{
	size_t i, k;

	for (i = 0; i < line->n; i++) {
		for (k = 0; k < line->fields[i].n; k++)
			add_token(f, line->fields[i].tokens[k]);
		line->fields[i].n = 0;
	}
	hba_line_release(line);
}

static bool
read_all(struct hba_text *t, struct hba_field *f, struct error *e)
{
	struct hba_line line;
	enum hba_outcome outcome;

	while ((outcome = hba_text_read(t, &line, e)) == HBA_LINE)
		join_line(f, &line);
	return outcome == HBA_END;
}

static char *
open_file(struct hba_text *t, const char *file, size_t *size, struct error *e)
{
	struct hba_source *source = t->source;
	struct error inner = { .message = "" };
	char *text = NULL;

	if (source->read == NULL)
		hba_refuse(e, t->name, t->line, "\"@%.100s\": another file can't be named here", file);
	else if (t->depth >= HBA_DEPTH_MAX)
		hba_refuse(e, t->name, t->line, "\"@%.100s\": files name each other too deeply", file);
	else if (++source->files > HBA_FILES_MAX)
		hba_refuse(e, t->name, t->line, "more than %d files are named", HBA_FILES_MAX);
	else if ((text = source->read(source->arg, t->name, file, size, &inner)) == NULL)
		hba_refuse(e, t->name, t->line, "\"@%.100s\": %s", file, inner.message);
	return text;
}

/* file is beside the file from. */
static char *
join_path(const char *from, const char *file)
{
	const char *slash = file[0] == '/' ? NULL : strrchr(from, '/');
	size_t folder = slash != NULL ? (size_t)(slash - from) + 1 : 0;
	char *path = memory_alloc(folder + strlen(file) + 1);

	memcpy(path, from, folder);
	strcpy(path + folder, file);
	return path;
}

/* "@file": its tokens, of whatever lines and fields. */
static bool
read_file(struct hba_text *t, const char *file, struct hba_field *f, struct error *e)
{
	struct hba_text inner;
	size_t size = 0;
	char *text = open_file(t, file, &size, e);
	char *path;
	bool good;

	if (text == NULL)
		return false;
	path = join_path(t->name, file);
	hba_text_init(&inner, t->source, path, text, size);
	inner.depth = t->depth + 1;
	good = read_all(&inner, f, e);
	free(path);
	free(text);
	return good;
}

static bool
read_element(struct hba_text *t, struct hba_field *f, struct error *e)
{
	struct hba_token token;
	bool good;

	if (!read_token(t, &token, e))
		return false;
	if (token.quoted || token.text[0] != '@' || token.text[1] == '\0') {
		add_token(f, token);
		return true;
	}
	good = read_file(t, token.text + 1, f, e);
	memory_free_secret(token.text);
	return good;
}

/* token ( "," token )*  and the gap behind. */
static bool
read_field(struct hba_text *t, struct hba_field *f, struct error *e)
{
	do {
		if (!read_element(t, f, e))
			return false;
	} while (skip_gap(t) && peek(t) != LINE_ENDS);
	return true;
}

/* --- lines --- */

void
hba_line_release(struct hba_line *line)
{
	size_t i;

	for (i = 0; i < line->n; i++)
		hba_field_release(&line->fields[i]);
	free(line->fields);
	line->fields = NULL;
	line->n = 0;
}

static bool
read_fields(struct hba_text *t, struct hba_line *line, struct error *e)
{
	while (peek(t) != LINE_ENDS) {
		struct hba_field f = { NULL, 0 };

		if (!read_field(t, &f, e)) {
			hba_field_release(&f);
			return false;
		}
		line->fields = grow(line->fields, line->n, sizeof(*line->fields));
		line->fields[line->n++] = f;
	}
	return true;
}

static void
skip_empty_lines(struct hba_text *t)
{
	for (;;) {
		skip_gap(t);
		if (t->at == t->end || peek(t) != LINE_ENDS)
			return;
		t->at++;
		t->line++;
	}
}

enum hba_outcome
hba_text_read(struct hba_text *t, struct hba_line *line, struct error *e)
{
	skip_empty_lines(t);
	*line = (struct hba_line){ .file = t->name, .number = t->line };
	if (t->at == t->end)
		return HBA_END;
	if (read_fields(t, line, e))
		return HBA_LINE;
	hba_line_release(line);
	return HBA_FAILED;
}

void
hba_text_skip(struct hba_text *t)
{
	skip_comment(t);
}
