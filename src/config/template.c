#include "config/template.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/keys.h"
#include "config/scan.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/value.h"

#define SIGN_TENANT "{tenant}"
#define SIGN_SHARD "{shard}"

#define NKEYS (section_databases.groups[0].nkeys)
#define KEY(i) (&section_databases.groups[0].keys[i])
#define BIT(i) (UINT64_C(1) << (i))

struct signs {
	const char *tenant;
	char shard[12];
};

static void
signs_init(struct signs *s, const struct config *c, const char *name)
{
	s->tenant = name;
	snprintf(s->shard, sizeof(s->shard), "%d", config_shard(c, name));
}

/* What stands at p, and how long its sign is; NULL: there is none. */
static const char *
find_sign(const struct signs *s, const char *p, size_t *n)
{
	if (strncmp(p, SIGN_TENANT, strlen(SIGN_TENANT)) == 0) {
		*n = strlen(SIGN_TENANT);
		return s->tenant;
	}
	if (strncmp(p, SIGN_SHARD, strlen(SIGN_SHARD)) == 0) {
		*n = strlen(SIGN_SHARD);
		return s->shard;
	}
	return NULL;
}

/* With signs replaced, into `to` (NULL: only measure).  Returns the size with its NUL. */
static size_t
replace_signs(const struct signs *s, const char *text, char *to)
{
	size_t size = 0;

	while (*text != '\0') {
		size_t length;
		const char *word = *text == '{' ? find_sign(s, text, &length) : NULL;
		size_t n = word == NULL ? 1 : strlen(word);

		if (to != NULL)
			memcpy(to + size, word == NULL ? text : word, n);
		text += word == NULL ? 1 : length;
		size += n;
	}
	if (to != NULL)
		to[size] = '\0';
	return size + 1;
}

bool
template_has_sign(const char *text)
{
	return text != NULL && strchr(text, '{') != NULL &&
	       (strstr(text, SIGN_TENANT) != NULL || strstr(text, SIGN_SHARD) != NULL);
}

static bool
is_text_row(const struct key *k)
{
	return (k->flags & KEY_ALIAS) == 0 && value_is_text(k);
}

/* The field of d, which is not written to by those who only look. */
static const char *
text_of(const struct key *k, const struct config_database *d)
{
	const char *text;

	memcpy(&text, (const char *)d + k->offset, sizeof(text));
	return text;
}

uint64_t
template_signs(const struct config_database *d)
{
	uint64_t signs = 0;

	for (size_t i = 0; i < NKEYS; i++)
		if (is_text_row(KEY(i)) && template_has_sign(text_of(KEY(i), d)))
			signs |= BIT(i);
	return signs;
}

/* What was set under another name of its field. */
static uint64_t
join_aliases(uint64_t set)
{
	for (size_t i = 0; set >> i != 0; i++)
		for (size_t j = 0; (set & BIT(i)) != 0 && (KEY(i)->flags & KEY_ALIAS) != 0 && j < NKEYS; j++)
			if (KEY(j)->offset == KEY(i)->offset)
				set |= BIT(j);
	return set;
}

void
template_fill(struct config_database *d, uint64_t set, const struct config_database *t)
{
	if (t == NULL)
		return;
	set = join_aliases(set);
	for (size_t i = 0; i < NKEYS; i++) {
		const struct key *k = KEY(i);

		if ((set & BIT(i)) != 0 || (k->flags & KEY_ALIAS) != 0)
			continue;
		if (value_is_text(k))
			*value_text(k, d) = text_of(k, t);
		else
			value_set_number(k, d, value_number(k, t));
	}
}

void
template_expand(const struct config *c, struct config_database *d, struct config_arena *arena)
{
	struct signs s;

	signs_init(&s, c, d->name);
	for (size_t i = 0; i < NKEYS; i++) {
		const char *text = is_text_row(KEY(i)) ? text_of(KEY(i), d) : NULL;

		if (!template_has_sign(text))
			continue;
		char *room = arena_alloc(arena, replace_signs(&s, text, NULL));
		replace_signs(&s, text, room);
		*value_text(KEY(i), d) = room;
	}
}

struct config_database *
template_make(const struct config *c, const struct config_database *d, uint64_t own, const char *name)
{
	size_t size = sizeof(*d);
	struct signs s;

	signs_init(&s, c, name);
	for (size_t i = 0; own >> i != 0; i++)
		if ((own & BIT(i)) != 0 && text_of(KEY(i), d) != NULL)
			size += replace_signs(&s, text_of(KEY(i), d), NULL);
	struct config_database *made = memory_alloc(size);
	char *room = (char *)(made + 1);
	*made = *d;
	made->name = name;
	made->autodb = true;
	for (size_t i = 0; own >> i != 0; i++) {
		if ((own & BIT(i)) == 0 || text_of(KEY(i), d) == NULL)
			continue;
		*value_text(KEY(i), made) = room;
		room += replace_signs(&s, text_of(KEY(i), d), room);
	}
	if (made->dbname == NULL)
		made->dbname = name;
	return made;
}

/* --- checks --- */

static bool
check_braces(const char *key, const char *text, struct error *e)
{
	static const struct signs none = { .tenant = "" };
	size_t n;

	for (const char *p = text; p != NULL && (p = strpbrk(p, "{}")) != NULL; p += n) {
		if (find_sign(&none, p, &n) != NULL)
			continue;
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" for %s: in [tenants] there are " SIGN_TENANT " and " SIGN_SHARD ", and no other braces", text,
			key);
		return false;
	}
	return true;
}

bool
template_check(const struct config_database *d, struct error *e)
{
	return check_braces("host", d->host, e) && check_braces("dbname", d->dbname, e) && check_braces("user", d->user, e);
}

/* --- names --- */

bool
config_is_tenant_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

	return n > 0 && n <= TENANT_NAME_MAX && name[n] == '\0' && name[0] != '.' && name[0] != '-' &&
	       strstr(name, "..") == NULL && !config_is_reserved(name);
}

void
config_fold_name(const struct config *c, char *name)
{
	if (c->tenant_case == TENANT_CASE_LOWER && config_find_database(c, name) == NULL)
		string_fold(name);
}

int
config_shard(const struct config *c, const char *name)
{
	return (int)(string_hash(name) % (uint32_t)c->tenant_shards);
}

/* --- lines that are made --- */

void
config_free_line(struct config_database *d)
{
	if (d != NULL)
		memory_wipe(d, malloc_usable_size(d));
	free(d);
}

struct config_database *
config_make_autodb(const struct config *c, const char *name)
{
	if (c->template != NULL && config_is_tenant_name(name))
		return template_make(c, c->template, c->index->template_signs, name);
	return c->autodb == NULL ? NULL : template_make(c, c->autodb, 0, name);
}

/* TLS with servers of its own needs a context, and those are made when the files are loaded. */
static bool
find_slot(const struct config *c, struct config_database *d, struct error *e)
{
	for (size_t i = 0; i < c->index->nslots; i++) {
		if (!slot_fits(&c->index->slots[i], d))
			continue;
		d->tls_slot = (uint32_t)i;
		return true;
	}
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
		"of the server_tls_* keys, what the catalogue says can only change sslmode, verify-ca and verify-full only if there "
		"is a server_tls_ca_file, and only since the files were read with tenant_catalogue: give the others to \"*\" in "
		"[tenants], or the tenant a line of its own there");
	return false;
}

static uint64_t
text_bits(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < NKEYS; i++)
		if (is_text_row(KEY(i)))
			bits |= BIT(i);
	return bits;
}

static bool
parse_line(const struct config *c, const char *text, struct config_arena *arena, struct config_database *d, uint64_t *set,
	   struct error *e)
{
	struct key_section line = section_databases;
	size_t size = strlen(text) + 1;
	char *copy = memcpy(arena_alloc(arena, size), text, size), *rest = scan_blanks(copy);

	line.name = NULL;
	if (settings_is_uri(rest)) {
		char *uri = rest;

		rest = scan_word(uri);
		if (*rest != '\0')
			*rest++ = '\0';
		if (!settings_parse_uri(&line, uri, d, arena, set, e))
			return false;
	}
	if (!settings_parse(&line, rest, d, arena, set, e))
		return false;
	return template_check(d, e) && find_slot(c, d, e);
}

struct config_database *
config_make_line(const struct config *c, const char *name, const char *text, struct error *e)
{
	const struct config_database *t = c->template != NULL ? c->template : &c->index->nothing;
	struct config_database line = *t, *made = NULL;
	struct config_arena *arena;
	uint64_t set = 0;

	if (!config_is_tenant_name(name)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "\"%.70s\" is no name that a tenant may have", name);
		return NULL;
	}
	arena = arena_new();
	if (parse_line(c, text, arena, &line, &set, e))
		made = template_make(c, &line, (set & text_bits()) | c->index->template_signs, name);
	arena_free(&arena);
	return made;
}
