#include "config/faults.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct faults_key {
	struct faults_key *next;
	size_t offset;
	struct ini_place at;
};

static bool
has_place(const struct ini_place *at)
{
	return at != NULL && at->file != NULL;
}

void
faults_refuse(struct faults *f, const struct ini_place *at, const struct error *e)
{
	struct error placed = *e;

	if (has_place(at))
		ini_error_place(&placed, at);
	if (f->counts.errors++ == 0)
		f->first = placed;
	if (!f->quiet && f->counts.errors <= FAULTS_TOLD)
		log_error("%s", placed.message);
}

void
faults_warn(struct faults *f, const struct ini_place *at, const char *fmt, ...)
{
	char text[1800];
	va_list ap;

	if (++f->counts.warnings > FAULTS_TOLD)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (has_place(at))
		log_warning("%s:%d: %s", at->file, at->line, text);
	else
		log_warning("%s", text);
}

struct ini_place
faults_keep(struct faults *f, struct config_arena *arena, const struct ini_place *at)
{
	if (f->file == NULL || strcmp(f->file, at->file) != 0)
		f->file = arena_strdup(arena, at->file);
	return (struct ini_place){ f->file, at->line };
}

static struct faults_key *
find_key(struct faults_key *k, size_t offset)
{
	while (k != NULL && k->offset != offset)
		k = k->next;
	return k;
}

void
faults_note_key(struct faults *f, struct config_arena *arena, size_t offset, const struct ini_place *at)
{
	struct faults_key *k = find_key(f->keys, offset);

	if (k == NULL) {
		k = arena_alloc(arena, sizeof(*k));
		k->offset = offset;
		k->next = f->keys;
		f->keys = k;
	}
	k->at = faults_keep(f, arena, at);
}

const struct ini_place *
faults_find_key(const struct faults_key *k, size_t offset)
{
	while (k != NULL && k->offset != offset)
		k = k->next;
	return k == NULL ? NULL : &k->at;
}

const struct ini_place *
faults_key(const struct faults *f, size_t offset)
{
	return faults_find_key(f->keys, offset);
}

static size_t
beyond(size_t n)
{
	return n > FAULTS_TOLD ? n - FAULTS_TOLD : 0;
}

bool
faults_end(struct faults *f, struct error *e)
{
	size_t errors = f->counts.errors;

	if (!f->quiet && beyond(errors) > 0)
		log_error("and %zu more errors", beyond(errors));
	if (beyond(f->counts.warnings) > 0)
		log_warning("and %zu more warnings", beyond(f->counts.warnings));
	if (errors == 0)
		return true;
	*e = f->first;
	if (errors > 1 && !f->quiet && e->hint[0] == '\0')
		error_hint(e, "There %s %zu more error%s: see the log.", errors == 2 ? "is" : "are", errors - 1,
			errors == 2 ? "" : "s");
	return false;
}
