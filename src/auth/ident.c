/* Maps of names; their contract is in auth/hba.h. */
#include "auth/hba.h"

#include <stdlib.h>
#include <string.h>

#include "auth/hba_text.h"
#include "base/memory.h"

struct entry {
	char *map;
	char *system_name;
	char *user; /* NULL: all */
};

struct ident {
	struct entry *entries;
	size_t n, room;
};

enum column {
	COLUMN_MAP,
	COLUMN_SYSTEM_NAME,
	COLUMN_USER,
	COLUMNS,
};

static const char *const column_names[COLUMNS] = {
	[COLUMN_MAP] = "name of the map",
	[COLUMN_SYSTEM_NAME] = "system's name",
	[COLUMN_USER] = "database user",
};

static struct entry *
add_entry(struct ident *i)
{
	if (i->n == i->room) {
		i->room = i->room == 0 ? 16 : 2 * i->room;
		i->entries = memory_realloc(i->entries, i->room * sizeof(*i->entries));
	}
	memset(&i->entries[i->n], 0, sizeof(*i->entries));
	return &i->entries[i->n++];
}

/* Why a column can't be used, or NULL. */
static const char *
find_fault(const struct hba_field *f, enum column column)
{
	if (f->n != 1)
		return "is a list";
	if (f->tokens[0].text[0] == '\0')
		return "is empty";
	if (column != COLUMN_MAP && f->tokens[0].text[0] == '/')
		return "is a regular expression, which is not supported";
	if (column == COLUMN_USER && f->tokens[0].text[0] == '+' && !f->tokens[0].quoted)
		return "is a group, and groups are not known here";
	return NULL;
}

static bool
check_columns(const struct hba_line *line, struct error *e)
{
	size_t column;

	if (line->n > COLUMNS)
		return hba_refuse(e, line->file, line->number, "something follows the %s", column_names[COLUMN_USER]);
	for (column = 0; column < COLUMNS; column++) {
		const char *fault = "is missing";

		if (column < line->n)
			fault = find_fault(&line->fields[column], (enum column)column);
		if (fault != NULL)
			return hba_refuse(e, line->file, line->number, "the %s %s", column_names[column], fault);
	}
	return true;
}

static char *
take_text(struct hba_line *line, enum column column)
{
	char *text = line->fields[column].tokens[0].text;

	line->fields[column].tokens[0].text = NULL;
	return text;
}

static bool
read_entry(struct ident *i, struct hba_line *line, struct error *e)
{
	struct entry *entry;

	if (!check_columns(line, e))
		return false;
	entry = add_entry(i);
	entry->map = take_text(line, COLUMN_MAP);
	entry->system_name = take_text(line, COLUMN_SYSTEM_NAME);
	if (!hba_token_is(line->fields[COLUMN_USER].tokens, "all"))
		entry->user = take_text(line, COLUMN_USER);
	return true;
}

static bool
read_entries(struct ident *i, struct hba_text *t, hba_refused_fn *refused, void *arg, struct error *e)
{
	struct hba_line line;
	enum hba_outcome outcome;
	bool good = true;

	while ((good || refused != NULL) && (outcome = hba_text_read(t, &line, e)) != HBA_END) {
		if (outcome == HBA_FAILED)
			hba_text_skip(t);
		if (outcome == HBA_LINE && read_entry(i, &line, e)) {
			hba_line_release(&line);
			continue;
		}
		hba_line_release(&line);
		good = false;
		if (refused != NULL)
			refused(arg, e);
	}
	return good;
}

struct ident *
ident_parse(const char *name, const char *text, size_t size, hba_refused_fn *refused, void *arg,
	struct error *e)
{
	struct hba_source source = { .read = NULL };
	struct ident *i = memory_zalloc(sizeof(*i));
	struct hba_text t;

	hba_text_init(&t, &source, name, text, size);
	if (!read_entries(i, &t, refused, arg, e))
		ident_free(&i);
	return i;
}

void
ident_free(struct ident **i)
{
	struct ident *old = *i;
	size_t k;

	*i = NULL;
	if (old == NULL)
		return;
	for (k = 0; k < old->n; k++) {
		free(old->entries[k].map);
		free(old->entries[k].system_name);
		free(old->entries[k].user);
	}
	free(old->entries);
	free(old);
}

bool
ident_has_map(const struct ident *i, const char *map)
{
	size_t k;

	for (k = 0; i != NULL && k < i->n; k++)
		if (strcmp(i->entries[k].map, map) == 0)
			return true;
	return false;
}

bool
ident_allows(const struct ident *i, const char *map, const char *system_name, const char *user)
{
	size_t k;

	for (k = 0; i != NULL && k < i->n; k++) {
		const struct entry *entry = &i->entries[k];

		if (strcmp(entry->map, map) == 0 && strcmp(entry->system_name, system_name) == 0 &&
			(entry->user == NULL || strcmp(entry->user, user) == 0))
			return true;
	}
	return false;
}
