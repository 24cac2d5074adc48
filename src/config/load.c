#include "config/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/access.h"
#include "config/connstr.h"
#include "config/contexts.h"
#include "config/file.h"
#include "config/ini.h"
#include "config/keys.h"
#include "config/snapshot.h"
#include "config/userlist.h"
#include "config/value.h"

#define IGNORED_MAX 64
#define PEER_ID_MAX 65535
#define HOST_MAX 253

struct load;

/* What a section's lines are made into. */
struct section {
	const struct key_section *keys;
	bool (*add)(struct load *l, const char *name, char *value, const struct ini_place *at,
		struct error *e);
};

struct load {
	struct config *c;
	struct config_index *index;
	const struct section *section; /* NULL before the first one */
	bool pgbouncer_seen;

	/* a line of each section in which nothing is set */
	struct config_database database;
	struct config_user user;
	struct config_peer peer;
	struct tls_certificate certificate;

	/* keys of a later release that were met outside [pgbouncer] */
	const struct key *ignored[IGNORED_MAX];
	size_t nignored;

	struct config_database *autodb;
	struct slots slots;
};

static bool
refuse_key(const struct key_section *s, const char *name, struct error *e)
{
	const struct key *near = key_suggest(s, name);

	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "unknown key \"%.60s\" in [%s]%s%s%s",
		name, s->name, near == NULL ? "" : ": do you mean ", near == NULL ? "" : near->name,
		near == NULL ? "" : "?");
	return false;
}

static void
note_ignored(struct load *l, const struct key *k)
{
	if ((k->flags & KEY_LATER) == 0 || l->nignored == IGNORED_MAX)
		return;
	for (size_t i = 0; i < l->nignored; i++)
		if (l->ignored[i] == k)
			return;
	l->ignored[l->nignored++] = k;
}

/* The settings of one line, into the struct at base. */
static bool
parse_settings(struct load *l, const struct key_section *s, char *settings, void *base,
	struct error *e)
{
	enum connstr_step step;
	char *name, *value;

	while ((step = connstr_next(&settings, &name, &value, e)) == CONNSTR_PAIR) {
		const struct key *k = key_find(s, name);
		if (k == NULL)
			return refuse_key(s, name, e);
		if (!value_parse(k, base, value, l->index->arena, e))
			return false;
		note_ignored(l, k);
	}
	return step == CONNSTR_END;
}

static bool
add_setting(struct load *l, const char *name, char *value, const struct ini_place *at,
	struct error *e)
{
	const struct key *k = key_find(&section_pgbouncer, name);

	(void)at;
	if (k == NULL)
		return refuse_key(&section_pgbouncer, name, e);
	return value_parse(k, l->c, value, l->c->arena, e);
}

static void
warn_of_repeat(const char *what, const char *name, const struct ini_place *at)
{
	log_warning("%s:%d: %s \"%s\" is there already; this later line counts", at->file, at->line,
		what, name);
}

static struct config_database *
find_or_make_database(struct load *l, const char *name, const struct ini_place *at)
{
	bool fallback = strcmp(name, "*") == 0;
	struct config_database *d = fallback ? l->autodb : lookup_find(&l->index->databases, name);

	if (d != NULL) {
		warn_of_repeat("database", name, at);
		return d;
	}
	d = arena_alloc(l->index->arena, sizeof(*d));
	d->name = arena_strdup(l->index->arena, name);
	if (fallback)
		l->autodb = d;
	else
		lookup_add(&l->index->databases, l->index->arena, d->name, d);
	return d;
}

static bool
add_database(struct load *l, const char *name, char *value, const struct ini_place *at,
	struct error *e)
{
	struct config_database settings = l->database;

	if (config_is_reserved(name)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"the name \"%s\" is reserved: it is the console's database", name);
		return false;
	}
	if (!parse_settings(l, &section_databases, value, &settings, e))
		return false;
	struct config_database *d = find_or_make_database(l, name, at);
	settings.name = d->name;
	settings.autodb = d == l->autodb;
	if (settings.dbname == NULL && !settings.autodb)
		settings.dbname = settings.name;
	*d = settings;
	return true;
}

static struct config_user *
make_user(struct load *l, const char *name)
{
	struct config_user *u = arena_alloc(l->index->arena, sizeof(*u));

	*u = l->user;
	u->name = arena_strdup(l->index->arena, name);
	lookup_add(&l->index->users, l->index->arena, u->name, u);
	return u;
}

static bool
add_user(struct load *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_user settings = l->user;
	struct config_user *u = lookup_find(&l->index->users, name);

	if (!parse_settings(l, &section_users, value, &settings, e))
		return false;
	if (u != NULL)
		warn_of_repeat("user", name, at);
	else
		u = make_user(l, name);
	settings.name = u->name;
	*u = settings; /* no secret is lost: auth_file is read after the ini file */
	return true;
}

static bool
add_peer(struct load *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_peer settings = l->peer;
	int64_t id;
	char text[16];

	if (!string_to_int64(name, &id) || id < 1 || id > PEER_ID_MAX) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" is no peer: [peers] names them by numbers from 1 to %d", name,
			PEER_ID_MAX);
		return false;
	}
	if (!parse_settings(l, &section_peers, value, &settings, e))
		return false;
	if (settings.host == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "peer %d needs a host", (int)id);
		return false;
	}
	snprintf(text, sizeof(text), "%d", (int)id);
	settings.id = (int)id;
	struct config_peer *p = lookup_find(&l->index->peers, text);
	if (p == NULL) {
		p = arena_alloc(l->index->arena, sizeof(*p));
		lookup_add(&l->index->peers, l->index->arena, arena_strdup(l->index->arena, text),
			p);
	} else {
		warn_of_repeat("peer", text, at);
	}
	*p = settings;
	return true;
}

/* In lower case, as what clients ask for is compared with it; "*." may stand before it. */
static bool
fold_host(const char *name, char *host)
{
	size_t n = strlen(name);
	const char *label = strncmp(name, "*.", 2) == 0 ? name + 2 : name;

	if (*label == '\0' || n > HOST_MAX || label[strspn(label, "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0')
		return false;
	for (size_t i = 0; i <= n; i++)
		host[i] = string_lower(name[i]);
	return true;
}

static struct tls_certificate *
find_or_make_certificate(struct load *l, const char *host, const struct ini_place *at)
{
	struct config_arena *arena = l->index->arena;
	struct tls_certificate *t = lookup_find(&l->index->certificates, host);

	if (t != NULL) {
		warn_of_repeat("certificate of", host, at);
		return t;
	}
	t = arena_alloc(arena, sizeof(*t));
	t->host = arena_strdup(arena, host);
	lookup_add(&l->index->certificates, arena, t->host, t);
	return t;
}

static bool
add_certificate(struct load *l, const char *name, char *value, const struct ini_place *at,
	struct error *e)
{
	struct tls_certificate settings = l->certificate;
	char host[HOST_MAX + 1];

	if (!fold_host(name, host)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" is no host name like db.example.com or *.example.com", name);
		return false;
	}
	if (!parse_settings(l, &section_tls_certificates, value, &settings, e))
		return false;
	if (settings.cert_file == NULL || settings.key_file == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"the certificate of \"%.60s\" needs cert_file and key_file", host);
		return false;
	}
	struct tls_certificate *t = find_or_make_certificate(l, host, at);
	settings.host = t->host;
	*t = settings;
	return true;
}

static const struct section sections[] = {
	{ &section_pgbouncer, add_setting },
	{ &section_databases, add_database },
	{ &section_users, add_user },
	{ &section_peers, add_peer },
	{ &section_tls_certificates, add_certificate },
};

static bool
enter_section(void *arg, const char *name, const struct ini_place *at, struct error *e)
{
	struct load *l = arg;

	(void)at;
	for (size_t i = 0; i < lengthof(sections); i++) {
		if (strcmp(sections[i].keys->name, name) != 0)
			continue;
		l->section = &sections[i];
		l->pgbouncer_seen |= sections[i].keys == &section_pgbouncer;
		return true;
	}
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
		"unknown section [%.60s]: there are [pgbouncer], [databases], [users], [peers] and "
		"[tls_certificates]",
		name);
	return false;
}

static bool
take_pair(void *arg, char *key, char *value, const struct ini_place *at, struct error *e)
{
	struct load *l = arg;

	if (l->section == NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" stands before the first [section]", key);
		return false;
	}
	return l->section->add(l, key, value, at, e);
}

static void
reset_keys(const struct key_section *s, void *base, struct config_arena *arena)
{
	struct key_walk w = { 0, 0 };
	const struct key *k;

	while ((k = key_next(s, &w)) != NULL)
		value_reset(k, base, arena);
}

static void
begin_load(struct load *l, struct config *c)
{
	memset(l, 0, sizeof(*l));
	l->c = c;
	l->index = c->index;
	reset_keys(&section_pgbouncer, c, c->arena);
	reset_keys(&section_databases, &l->database, c->index->arena);
	reset_keys(&section_users, &l->user, c->index->arena);
	reset_keys(&section_peers, &l->peer, c->index->arena);
	reset_keys(&section_tls_certificates, &l->certificate, c->index->arena);
}

static void
list_databases(struct load *l)
{
	struct config_arena *arena = l->index->arena;
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	if (l->autodb != NULL)
		l->autodb->tls_slot = slots_number(&l->slots, l->autodb, arena);
	c->autodb = l->autodb;
	c->ndatabases = lookup_count(&l->index->databases);
	c->databases = arena_alloc(arena, c->ndatabases * sizeof(*c->databases));
	for (struct config_database *d; (d = lookup_next(&l->index->databases, &at)) != NULL;) {
		d->tls_slot = slots_number(&l->slots, d, arena);
		c->databases[i++] = d;
	}
	l->index->slots = slots_list(&l->slots, arena, &l->index->nslots);
	slots_release(&l->slots);
}

static void
list_users(struct load *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->nusers = lookup_count(&l->index->users);
	c->users = arena_alloc(l->index->arena, c->nusers * sizeof(*c->users));
	for (void *u; (u = lookup_next(&l->index->users, &at)) != NULL;)
		c->users[i++] = u;
}

static void
list_peers(struct load *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->npeers = lookup_count(&l->index->peers);
	struct config_peer *peers = arena_alloc(l->index->arena, c->npeers * sizeof(*peers));
	c->peers = peers;
	for (const struct config_peer *p; (p = lookup_next(&l->index->peers, &at)) != NULL;)
		peers[i++] = *p;
}

static void
list_certificates(struct load *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->ntls_certificates = lookup_count(&l->index->certificates);
	struct tls_certificate *list = arena_alloc(l->index->arena, c->ntls_certificates * sizeof(*list));
	c->tls_certificates = list;
	for (const struct tls_certificate *t; (t = lookup_next(&l->index->certificates, &at)) != NULL;)
		list[i++] = *t;
}

static struct config_user *
add_file_user(struct load *l, const char *name)
{
	struct config_user *u = lookup_find(&l->index->users, name);

	if (u == NULL)
		u = make_user(l, name);
	u->in_auth_file = true;
	secret_release(&u->secret);
	return u;
}

static void
take_file_user(void *arg, const char *name, const char *password)
{
	secret_parse(&add_file_user(arg, name)->secret, password);
}

static void
keep_running_users(struct load *l, const struct config *running)
{
	for (size_t i = 0; i < running->nusers; i++)
		if (running->users[i]->in_auth_file)
			secret_copy(&add_file_user(l, running->users[i]->name)->secret,
				&running->users[i]->secret);
}

/* Does auth_type let in whom auth_file or auth_query know, and nobody else? */
static bool
needs_users(const struct config *c)
{
	return c->auth_type == AUTH_TRUST || c->auth_type == AUTH_PLAIN || c->auth_type == AUTH_MD5 ||
	       c->auth_type == AUTH_SCRAM_SHA_256 || c->auth_type == AUTH_CERT;
}

static bool
may_query_users(const struct config *c)
{
	bool may = c->auth_user[0] != '\0' || (c->autodb != NULL && c->autodb->auth_user != NULL);

	for (size_t i = 0; i < c->ndatabases && !may; i++)
		may = c->databases[i]->auth_user != NULL;
	return may;
}

static void
warn_of_no_auth_file(const struct config *c)
{
	if (needs_users(c) && !may_query_users(c))
		log_warning("auth_type %s needs an auth_file, none is set: nobody can log in",
			auth_type_name(c->auth_type));
}

static void
warn_if_open(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH)) != 0)
		log_warning("every user of this machine may %s auth_file %s, which holds passwords: "
			    "chmod o-rw %s",
			(st.st_mode & S_IWOTH) != 0 ? "write" : "read", path, path);
}

static bool
load_auth_file(struct load *l, const struct config *running, struct error *e)
{
	const char *path = l->c->auth_file;
	size_t size;

	if (*path == '\0') {
		warn_of_no_auth_file(l->c);
		return true;
	}
	char *text = file_read(path, &size, e);
	if (text == NULL) {
		log_error("could not open auth_file %s: %s; %s", path, strerror(errno),
			running == NULL ? "there are no users" : "the users stay as they are");
		if (running != NULL)
			keep_running_users(l, running);
		return true;
	}
	warn_if_open(path);
	bool ok = userlist_parse(path, text, size, take_file_user, l, e);
	file_free(text, size);
	return ok;
}

static void
keep_restart_keys(struct config *c, const struct config *running)
{
	struct key_walk w = { 0, 0 };
	char old_text[VALUE_TEXT], new_text[VALUE_TEXT];
	const struct key *k;

	while ((k = key_next(&section_pgbouncer, &w)) != NULL) {
		if ((k->flags & KEY_RESTART) == 0 || value_equal(k, c, running))
			continue;
		const char *old_value = value_print(k, running, old_text);
		const char *new_value = value_print(k, c, new_text);
		log_warning("%s stays \"%s\" until the next restart, which makes it \"%s\"",
			k->name, old_value == NULL ? "" : old_value,
			new_value == NULL ? "" : new_value);
		value_copy(k, c, running, c->arena);
	}
}

static void
append_name(char *list, size_t size, const char *name, const char *section)
{
	size_t n = strlen(list);

	snprintf(list + n, size - n, "%s%s%s", n == 0 ? "" : ", ", name, section);
}

static void
warn_of_ignored(const struct load *l, const char *path)
{
	char list[1500] = "";
	struct key_walk w = { 0, 0 };
	const struct key *k;

	while ((k = key_next(&section_pgbouncer, &w)) != NULL)
		if ((k->flags & KEY_LATER) != 0 && !value_is_default(k, l->c))
			append_name(list, sizeof(list), k->name, "");
	for (size_t i = 0; i < l->nignored; i++)
		append_name(list, sizeof(list), l->ignored[i]->name, " in [databases]");
	if (l->c->npeers > 0)
		append_name(list, sizeof(list), "[peers]", "");
	if (list[0] != '\0')
		log_warning("%s: this release does not act on %s", path, list);
}

static const char *
make_absolute(struct config_arena *arena, const char *path)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *full;

	if (cwd == NULL)
		return arena_strdup(arena, path);
	if (asprintf(&full, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path) < 0)
		abort();
	const char *copy = arena_strdup(arena, full);
	free(full);
	free(cwd);
	return copy;
}

static bool
finish_ini(struct load *l, const char *path, struct error *e)
{
	if (!l->pgbouncer_seen) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"%s: the section [pgbouncer] is missing", path);
		return false;
	}
	list_databases(l);
	list_peers(l);
	list_certificates(l);
	return true;
}

/* A reload's failure stands in the log in PgBouncer's words, as a line of its own. */
static bool
make_from_files(struct config *c, const struct config *running, struct error *e)
{
	if (contexts_make(c, e))
		return access_make(c, e);
	if (running != NULL)
		log_error("%s", e->message);
	return false;
}

/* PgBouncer loads such a line too; those whom auth_query would have to look up are refused at login. */
static void
warn_of_reserved(const struct config *c)
{
	for (size_t i = 0; i <= c->ndatabases; i++) {
		const struct config_database *d = i < c->ndatabases ? c->databases[i] : c->autodb;
		if (d != NULL && d->auth_dbname != NULL && config_is_reserved(d->auth_dbname))
			log_warning("database \"%s\": auth_dbname %s is the console, where auth_query can't run",
				d->name, d->auth_dbname);
	}
}

bool
load_config(struct config *c, const char *path, const struct config *running, struct error *e)
{
	static const struct ini_ops ops = { enter_section, take_pair, true };
	struct load l;

	begin_load(&l, c);
	c->conffile = make_absolute(c->arena, path);
	if (!ini_read(path, &ops, &l, e) || !finish_ini(&l, path, e))
		return false;
	if (running != NULL)
		keep_restart_keys(c, running);
	if (!load_auth_file(&l, running, e))
		return false;
	list_users(&l);
	if (!make_from_files(c, running, e))
		return false;
	warn_of_ignored(&l, path);
	warn_of_reserved(c);
	return true;
}

bool
load_text(struct config *c, const char *name, char *text, size_t size, struct error *e)
{
	static const struct ini_ops ops = { enter_section, take_pair, false };
	struct load l;

	begin_load(&l, c);
	if (!ini_parse(name, text, size, &ops, &l, e) || !finish_ini(&l, name, e))
		return false;
	list_users(&l);
	c->bare = true;
	return contexts_make(c, e);
}
