#include "threat/habit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/sqlstate.h"

#define FIRST_LINE "pgusher habits 1"
#define LINE_MAX_SIZE 4096

/* --- reading --- */

/* One role of the file. */
struct part {
	struct part *next;
	char *tenant, *role;
	struct buffer keys;	/* uint64_t */
};

struct reading {
	FILE *file;
	const char *path;
	unsigned line;
	bool begun, ended;
	struct part *parts, **end;
	struct part *present;
	struct error *e;
};

static bool
fail(struct reading *r, const char *what)
{
	error_set(r->e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%.200s:%u: %s", r->path, r->line, what);
	error_hint(r->e, "Repair the file, or put it out of the way, and RELOAD; until then it is not written.");
	return false;
}

static bool
is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* A name in quotes at *p; NULL: there is none.  *p is moved behind it. */
static char *
read_name(const char **p)
{
	const char *at = *p;
	char *name, *out;

	if (*at++ != '"')
		return NULL;
	out = name = memory_alloc(strlen(at) + 1);
	while (*at != '"' && *at != '\0') {
		if (*at == '\\' && is_octal(at + 1)) {
			*out++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else if (*at == '\\' && at[1] != '\0') {
			*out++ = at[1];
			at += 2;
		} else {
			*out++ = *at++;
		}
	}
	*out = '\0';
	if (*at != '"' || strlen(name) != (size_t)(out - name)) {
		free(name);
		return NULL;
	}
	*p = at + 1;
	return name;
}

static bool
read_role(struct reading *r, const char *p)
{
	struct part *part = memory_zalloc(sizeof(*part));

	*r->end = part;
	r->end = &part->next;
	r->present = part;
	part->tenant = read_name(&p);
	if (part->tenant == NULL || *p++ != ' ')
		return fail(r, "a tenant's name in quotes is expected");
	part->role = read_name(&p);
	if (part->role == NULL || *p != '\0')
		return fail(r, "a role's name in quotes is expected");
	return true;
}

static bool
read_key(struct reading *r, const char *line)
{
	uint64_t key;

	if (strlen(line) != 16 || strspn(line, "0123456789abcdef") != 16)
		return fail(r, "16 hex digits are expected, or \"role\", or \"end\"");
	if (r->present == NULL)
		return fail(r, "a role is expected first");
	key = strtoull(line, NULL, 16);
	buffer_append(&r->present->keys, &key, sizeof(key));
	return true;
}

static bool
read_line(struct reading *r, const char *line)
{
	if (!r->begun) {
		r->begun = true;
		return strcmp(line, FIRST_LINE) == 0 || fail(r, "this is no file of learned statements, or of another version");
	}
	if (r->ended)
		return fail(r, "there is something behind the end");
	if (strcmp(line, "end") == 0) {
		r->ended = true;
		return true;
	}
	if (strncmp(line, "role ", 5) == 0)
		return read_role(r, line + 5);
	return read_key(r, line);
}

static bool
read_file(struct reading *r)
{
	char line[LINE_MAX_SIZE];

	while (fgets(line, sizeof(line), r->file) != NULL) {
		size_t n = strcspn(line, "\n");

		r->line++;
		if (line[n] != '\n' && !feof(r->file))
			return fail(r, "the line is too long");
		line[n] = '\0';
		if (!read_line(r, line))
			return false;
	}
	if (ferror(r->file) != 0) {
		error_set(r->e, SEVERITY_ERROR, SQLSTATE_IO_ERROR, "cannot read %.200s: %s", r->path, strerror(errno));
		return false;
	}
	return r->ended || fail(r, "the end is missing");
}

static void
free_parts(struct part *p)
{
	while (p != NULL) {
		struct part *next = p->next;

		free(p->tenant);
		free(p->role);
		buffer_release(&p->keys);
		free(p);
		p = next;
	}
}

/* What the file does not have is forgotten: a role may come twice, so that is done first. */
static void
apply(struct habits *hs, struct part *parts)
{
	struct habit *h = NULL;

	while ((h = habits_next(hs, h)) != NULL) {
		if (habit_count(h) > 0)
			habit_replace(h, NULL, 0);
	}
	for (struct part *p = parts; p != NULL; p = p->next) {
		size_t n = buffer_left(&p->keys) / sizeof(uint64_t);
		uint64_t *keys = memory_alloc((n + 1) * sizeof(*keys));

		if (n > 0)
			memcpy(keys, buffer_head(&p->keys), n * sizeof(*keys));
		habit_replace(habits_open(hs, p->tenant, p->role), keys, n);
		free(keys);
	}
}

bool
habit_file_load(struct habits *hs, const char *path, struct error *e)
{
	struct reading r = { .path = path, .e = e, .end = &r.parts };
	bool done;

	r.file = fopen(path, "re");
	if (r.file == NULL && errno == ENOENT) {
		apply(hs, NULL);
		return true;
	}
	if (r.file == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_IO_ERROR, "cannot read %.200s: %s", path, strerror(errno));
		return false;
	}
	done = read_file(&r);
	fclose(r.file);
	if (done)
		apply(hs, r.parts);
	free_parts(r.parts);
	return done;
}

/* --- writing --- */

static void
write_name(FILE *f, const char *name)
{
	fputc('"', f);
	for (const char *p = name; *p != '\0'; p++) {
		uint8_t c = (uint8_t)*p;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < ' ' || c > '~')
			fprintf(f, "\\%03o", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
write_habit(FILE *f, struct habit *h)
{
	size_t n;
	uint64_t *keys = habit_copy(h, &n);

	if (n > 0) {
		qsort(keys, n, sizeof(*keys), compare);
		fputs("role ", f);
		write_name(f, habit_tenant(h));
		fputc(' ', f);
		write_name(f, habit_role(h));
		fputc('\n', f);
	}
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%016" PRIx64 "\n", keys[i]);
	free(keys);
}

static bool
write_all(FILE *f, struct habits *hs)
{
	struct habit *h = NULL;

	fputs(FIRST_LINE "\n", f);
	while ((h = habits_next(hs, h)) != NULL)
		write_habit(f, h);
	fputs("end\n", f);
	return fflush(f) == 0 && ferror(f) == 0 && fsync(fileno(f)) == 0;
}

/* The name in its folder is on disk, too. */
static void
sync_folder(const char *path)
{
	char *copy = memory_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

static bool
write_file(struct habits *hs, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool done;

	if (f == NULL)
		return false;
	done = write_all(f, hs);
	return fclose(f) == 0 && done;
}

bool
habit_file_save(struct habits *hs, const char *path, struct error *e)
{
	size_t size = strlen(path) + sizeof(".new");
	char *fresh = memory_alloc(size);
	bool done;

	snprintf(fresh, size, "%s.new", path);
	done = write_file(hs, fresh) && rename(fresh, path) == 0;
	if (!done) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_IO_ERROR, "cannot write %.200s: %s", path, strerror(errno));
		unlink(fresh);
	} else {
		sync_folder(path);
	}
	free(fresh);
	return done;
}
