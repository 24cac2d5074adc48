#include "config/settings.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "config/connstr.h"
#include "config/value.h"

/* What is no word may be a part of a password that should have stood in quotes. */
static bool
is_word(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] == '\0';
}

bool
settings_refuse_key(const struct key_section *s, const char *name, struct error *e)
{
	const struct key *near = key_suggest(s, name);
	char section[40] = "";

	if (!is_word(name)) {
		if (s->name != NULL)
			snprintf(section, sizeof(section), " of [%s]", s->name);
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "a key%s is no word: values with blanks, quotes or = stand "
			"in single quotes", section);
		return false;
	}

	if (s->name != NULL)
		snprintf(section, sizeof(section), " in [%s]", s->name);
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "unknown key \"%.60s\"%s%s%s%s", name, section,
		near == NULL ? "" : ": do you mean ", near == NULL ? "" : near->name, near == NULL ? "" : "?");
	return false;
}

static bool
set_key(const struct key_section *s, const char *name, const char *value, void *base, struct config_arena *arena,
	uint64_t *set, struct error *e)
{
	const struct key *k = key_find(s, name);

	if (k == NULL)
		return settings_refuse_key(s, name, e);
	if (!value_parse(k, base, value, arena, e))
		return false;
	if (set != NULL)
		*set |= UINT64_C(1) << (k - s->groups[0].keys);
	return true;
}

bool
settings_parse(const struct key_section *s, char *text, void *base, struct config_arena *arena, uint64_t *set,
	       struct error *e)
{
	enum connstr_step step;
	char *name, *value;

	if (settings_is_uri(text)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"a URI can't stand here: write host= port= dbname= user= password=, with blanks between them");
		return false;
	}
	while ((step = connstr_next(&text, &name, &value, e)) == CONNSTR_PAIR)
		if (!set_key(s, name, value, base, arena, set, e))
			return false;
	return step == CONNSTR_END;
}

bool
settings_is_uri(const char *text)
{
	return strncmp(text, "postgresql://", strlen("postgresql://")) == 0 || strncmp(text, "postgres://", strlen("postgres://")) == 0;
}

bool
settings_parse_uri(const struct key_section *s, const char *uri, void *base, struct config_arena *arena, uint64_t *set,
		   struct error *e)
{
	PQconninfoOption *options = PQconninfoParse(uri, NULL); /* what it says of errors may quote a password */
	bool ok = options != NULL;

	if (!ok)
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "the postgresql:// URI can't be understood");
	for (PQconninfoOption *o = options; ok && o->keyword != NULL; o++)
		if (o->val != NULL && o->val[0] != '\0')
			ok = set_key(s, o->keyword, o->val, base, arena, set, e);
	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		if (o->val != NULL)
			memory_wipe(o->val, strlen(o->val));
	PQconninfoFree(options);
	return ok;
}

void
settings_reset(const struct key_section *s, void *base, struct config_arena *arena)
{
	struct key_walk w = { 0, 0 };
	const struct key *k;

	while ((k = key_next(s, &w)) != NULL)
		value_reset(k, base, arena);
}
