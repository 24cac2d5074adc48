#include "config/ini.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/file.h"
#include "config/scan.h"

#define INCLUDE "%include"

/* A file that is being read, and what includes it. */
struct source {
	const char *name;
	const struct source *from;
};

struct reader {
	const struct ini_ops *ops;
	void *arg;
	struct error *e;
	const struct source *source;
	int depth;
	size_t files;
	size_t bytes;
	bool failed;	/* an error ended it */
	bool over;	/* nothing more is read, of no file */
};

static void parse_text(struct reader *r, const char *name, char *text, size_t size);

static bool __attribute__((format(printf, 2, 3))) refuse(struct reader *r, const char *fmt, ...)
{
	char message[sizeof(r->e->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	error_set(r->e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s", message);
	return false;
}

static void
trim_end(char *start)
{
	size_t n = strlen(start);

	while (n > 0 && scan_is_blank(start[n - 1]))
		n--;
	start[n] = '\0';
}

static bool
read_file(struct reader *r, const char *path)
{
	size_t size;
	char *text;

	if (++r->files > INI_FILES_MAX) {
		r->over = true;
		return refuse(r, "more than %d files are included", INI_FILES_MAX);
	}
	text = file_read(path, &size, r->e);
	if (text == NULL)
		return false;
	r->bytes += size;
	r->over = r->bytes > INI_BYTES_MAX;
	bool ok = !r->over || refuse(r, "the files hold more than %d bytes", INI_BYTES_MAX);
	parse_text(r, path, text, size);
	file_free(text, size);
	return ok;
}

static bool
is_being_read(const struct reader *r, const char *path)
{
	const struct source *s = r->source;

	while (s != NULL && strcmp(s->name, path) != 0)
		s = s->from;
	return s != NULL;
}

static bool
include_file(struct reader *r, char *path)
{
	trim_end(path);
	if (!r->ops->follow_includes)
		return refuse(r, "%%include is not allowed here");
	if (*path == '\0')
		return refuse(r, "%%include needs the name of a file");
	if (is_being_read(r, path))
		return refuse(r, "%%include \"%s\": that is this file, or one that includes it", path);
	if (r->depth >= INI_DEPTH_MAX)
		return refuse(r, "%%include \"%s\": more than %d files include each other", path,
			INI_DEPTH_MAX);
	if (strpbrk(path, "*?") != NULL && access(path, F_OK) < 0)
		return refuse(r, "could not read \"%s\": %%include takes one file, and no pattern", path);
	r->depth++;
	bool ok = read_file(r, path);
	r->depth--;
	return ok;
}

/* p is behind the "["; returns what follows the "]", or NULL. */
static char *
parse_section(struct reader *r, char *p, const struct ini_place *at)
{
	char *end = strchr(p, ']');

	if (end == NULL) {
		trim_end(p);
		r->ops->section(r->arg, p, at, r->e); /* what follows is meant for it */
		refuse(r, "the section's name has no closing \"]\"");
		return NULL;
	}
	*end = '\0';
	if (!r->ops->section(r->arg, p, at, r->e))
		return NULL;
	return scan_blanks(end + 1);
}

static bool
parse_pair(struct reader *r, char *p, const struct ini_place *at)
{
	char *key = p;
	char *end;

	if (*p == '\'' || *p == '"') {
		end = scan_quoted(p, &key);
		if (end == NULL)
			return refuse(r, "a name in quotes has no closing quote");
	} else {
		end = scan_name(p);
	}
	char *equals = scan_blanks(end);
	if (*equals != '=')
		return refuse(r,
			"a line must read \"key = value\"; a name with blanks goes in quotes");
	*end = '\0';
	if (*key == '\0')
		return refuse(r, "there is no name before the \"=\"");
	char *value = scan_blanks(equals + 1);
	trim_end(value);
	return r->ops->pair(r->arg, key, value, at, r->e);
}

static bool
parse_line(struct reader *r, char *p, const struct ini_place *at)
{
	p = scan_blanks(p);
	while (*p == '[') {
		p = parse_section(r, p + 1, at);
		if (p == NULL)
			return false;
	}
	if (*p == '\0' || *p == '#' || *p == ';')
		return true;
	if (*p != '%')
		return parse_pair(r, p, at);
	size_t n = (size_t)(scan_word(p) - p);
	if (n != strlen(INCLUDE) || strncmp(p, INCLUDE, n) != 0)
		return refuse(r, "the only directive is \"%%include FILE\"");
	return include_file(r, scan_blanks(p + n));
}

void
ini_error_place(struct error *e, const struct ini_place *at)
{
	char message[sizeof(e->message)];

	string_copy(message, e->message, sizeof(message));
	int n = snprintf(e->message, sizeof(e->message), "%s:%d: ", at->file, at->line);
	if (n > 0 && (size_t)n < sizeof(e->message))
		string_copy(e->message + n, message, sizeof(e->message) - (size_t)n);
}

static void
tell(struct reader *r, const struct ini_place *at)
{
	if (r->ops->refused != NULL) {
		r->ops->refused(r->arg, at, r->e);
		return;
	}
	ini_error_place(r->e, at);
	r->failed = true;
	r->over = true;
}

static bool
parse_line_at(struct reader *r, char *line, size_t size, const struct ini_place *at)
{
	return size > INI_LINE_MAX ? refuse(r, "the line is longer than %d bytes", INI_LINE_MAX) : parse_line(r, line, at);
}

/* Where a zero byte is, every line may have some. */
static bool
is_text(struct reader *r, const char *line, size_t size, bool first)
{
	if (memchr(line, '\0', size) == NULL)
		return true;
	if (first && size >= 2 && (memcmp(line, "\xff\xfe", 2) == 0 || memcmp(line, "\xfe\xff", 2) == 0))
		return refuse(r, "the file is UTF-16: save it as UTF-8");
	return refuse(r, "the line holds a zero byte: is this a text file?");
}

static void
parse_text(struct reader *r, const char *name, char *text, size_t size)
{
	struct source source = { name, r->source };
	struct ini_place at = { name, 0 };
	char *end = text + size;
	char *line = text;
	bool good = true;

	*end = '\0';
	r->source = &source;
	if (size >= strlen(SCAN_BOM) && memcmp(text, SCAN_BOM, strlen(SCAN_BOM)) == 0)
		line += strlen(SCAN_BOM);
	while (line < end && good && !r->over) {
		char *eol = memchr(line, '\n', (size_t)(end - line));
		eol = eol == NULL ? end : eol;
		*eol = '\0';
		at.line++;
		good = is_text(r, line, (size_t)(eol - line), at.line == 1);
		if (!good || !parse_line_at(r, line, (size_t)(eol - line), &at))
			tell(r, &at);
		line = eol + 1;
	}
	r->source = source.from;
}

bool
ini_read(const char *path, const struct ini_ops *ops, void *arg, struct error *e)
{
	struct reader r = { .ops = ops, .arg = arg, .e = e };

	return read_file(&r, path) && !r.failed;
}

bool
ini_parse(const char *name, char *text, size_t size, const struct ini_ops *ops, void *arg,
	struct error *e)
{
	struct reader r = { .ops = ops, .arg = arg, .e = e };

	parse_text(&r, name, text, size);
	return !r.failed;
}
