#include "config/settings.h"

#include "base/sqlstate.h"
#include "config/connstr.h"
#include "config/value.h"

bool
settings_refuse_key(const struct key_section *s, const char *name, struct error *e)
{
	const struct key *near = key_suggest(s, name);

	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "unknown key \"%.60s\" in [%s]%s%s%s", name, s->name,
		near == NULL ? "" : ": do you mean ", near == NULL ? "" : near->name, near == NULL ? "" : "?");
	return false;
}

bool
settings_parse(const struct key_section *s, char *text, void *base, struct config_arena *arena, uint64_t *set,
	       struct error *e)
{
	enum connstr_step step;
	char *name, *value;

	while ((step = connstr_next(&text, &name, &value, e)) == CONNSTR_PAIR) {
		const struct key *k = key_find(s, name);

		if (k == NULL)
			return settings_refuse_key(s, name, e);
		if (!value_parse(k, base, value, arena, e))
			return false;
		if (set != NULL)
			*set |= UINT64_C(1) << (k - s->groups[0].keys);
	}
	return step == CONNSTR_END;
}

void
settings_reset(const struct key_section *s, void *base, struct config_arena *arena)
{
	struct key_walk w = { 0, 0 };
	const struct key *k;

	while ((k = key_next(s, &w)) != NULL)
		value_reset(k, base, arena);
}
