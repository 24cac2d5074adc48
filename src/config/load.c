#include "config/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "config/access.h"
#include "config/check.h"
#include "config/contexts.h"
#include "config/file.h"
#include "config/http.h"
#include "config/ini.h"
#include "config/keys.h"
#include "config/lines.h"
#include "config/snapshot.h"
#include "config/userlist.h"
#include "config/value.h"

static struct config_user *
add_file_user(struct lines *l, const char *name)
{
	struct config_user *u = lines_user(l, name);

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
keep_running_users(struct lines *l, const struct config *running)
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
	bool may = c->auth_user[0] != '\0' || (c->autodb != NULL && c->autodb->auth_user != NULL) ||
		   (c->template != NULL && c->template->auth_user != NULL);

	for (size_t i = 0; i < c->ndatabases && !may; i++)
		may = c->databases[i]->auth_user != NULL;
	for (size_t i = 0; i < c->ntenants && !may; i++)
		may = c->tenants[i]->auth_user != NULL;
	return may;
}

static void
warn_of_no_users(struct lines *l)
{
	const struct config *c = l->c;

	if (c->auth_file[0] == '\0' && needs_users(c) && !may_query_users(c))
		faults_warn(&l->faults, FAULTS_KEY(&l->faults, auth_type),
			"auth_type %s needs an auth_file, none is set: nobody can log in", auth_type_name(c->auth_type));
}

/* what: "auth_file "; holds: "passwords" */
static void
warn_if_open(struct lines *l, const struct ini_place *at, const char *what, const char *path, const char *holds)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH)) != 0)
		faults_warn(&l->faults, at, "every user of this machine may %s %s%s, which holds %s: chmod o-rw %s",
			(st.st_mode & S_IWOTH) != 0 ? "write" : "read", what, path, holds, path);
}

/* PgBouncer starts then, too, and says so in these words. */
static void
go_without_auth_file(struct lines *l, const struct config *running)
{
	faults_warn(&l->faults, FAULTS_KEY(&l->faults, auth_file), "could not open auth_file %s: %s; %s", l->c->auth_file,
		strerror(errno), running == NULL ? "there are no users" : "the users stay as they are");
	if (running != NULL)
		keep_running_users(l, running);
}

static void
load_auth_file(struct lines *l, const struct config *running)
{
	const char *path = l->c->auth_file;
	struct error e;
	size_t size;

	if (*path == '\0')
		return;
	char *text = file_read(path, &size, &e);
	if (text == NULL) {
		go_without_auth_file(l, running);
		return;
	}
	warn_if_open(l, FAULTS_KEY(&l->faults, auth_file), "auth_file ", path, "passwords");
	userlist_parse(path, text, size, take_file_user, lines_refused, l);
	file_free(text, size);
}

static void
keep_restart_keys(struct lines *l, const struct config *running)
{
	struct config *c = l->c;
	struct key_walk w = { 0, 0 };
	char old_text[VALUE_TEXT], new_text[VALUE_TEXT];
	const struct key *k;

	while ((k = key_next(&section_pgbouncer, &w)) != NULL) {
		if ((k->flags & KEY_RESTART) == 0 || value_equal(k, c, running))
			continue;
		const char *old_value = value_print(k, running, old_text);
		const char *new_value = value_print(k, c, new_text);
		faults_warn(&l->faults, faults_key(&l->faults, k->offset),
			"%s stays \"%s\" until the next restart, which makes it \"%s\"", k->name,
			old_value == NULL ? "" : old_value, new_value == NULL ? "" : new_value);
		value_copy(k, c, running, c->arena);
	}
}

static void
append_name(char *list, size_t size, const char *name)
{
	size_t n = strlen(list);

	snprintf(list + n, size - n, "%s%s", n == 0 ? "" : ", ", name);
}

static void
warn_of_ignored(struct lines *l, const char *path)
{
	const struct config *c = l->c;
	char list[1500] = "";
	struct key_walk w = { 0, 0 };
	const struct key *k;

	while ((k = key_next(&section_pgbouncer, &w)) != NULL)
		if ((k->flags & KEY_LATER) != 0 && !value_is_default(k, c))
			append_name(list, sizeof(list), k->name);
	if (c->npeers > 0)
		append_name(list, sizeof(list), "[peers]");
	if (list[0] != '\0')
		faults_warn(&l->faults, NULL, "%s: this release does not act on %s", path, list);
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

static void
check_sections(struct lines *l, const char *path)
{
	struct error e;

	if (l->pgbouncer_seen)
		return;
	error_set(&e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "%s: the section [pgbouncer] is missing", path);
	faults_refuse(&l->faults, NULL, &e);
}

static void
check_http(struct lines *l)
{
	struct error e;

	if (!http_check(l->c, &e))
		faults_refuse(&l->faults, FAULTS_KEY(&l->faults, http_listen), &e);
}

/* PgBouncer loads such a line too; those whom auth_query would have to look up are refused at login. */
static void
warn_of_reserved(struct lines *l)
{
	const struct config *c = l->c;

	for (size_t i = 0; i <= c->ndatabases; i++) {
		const struct config_database *d = i < c->ndatabases ? c->databases[i] : c->autodb;
		if (d != NULL && d->auth_dbname != NULL && config_is_reserved(d->auth_dbname))
			faults_warn(&l->faults, lines_place(d),
				"database \"%s\": auth_dbname %s is the console, where auth_query can't run", d->name, d->auth_dbname);
	}
}

static void
warn_of_secret(struct lines *l)
{
	const struct ini_place *at = FAULTS_KEY(&l->faults, alert_webhook_secret);

	if (l->c->alert_webhook_secret[0] != '\0' && at != NULL)
		warn_if_open(l, at, "", at->file, "alert_webhook_secret");
}

/* Only what is slow is looked at, once it is over. */
static void
warn_of_late_alerts(struct lines *l)
{
	if (l->c->alert_query_time > 0 && l->c->alert_query_time < l->c->slow_query_threshold)
		faults_warn(&l->faults, FAULTS_KEY(&l->faults, alert_query_time),
			"alert_query_time is below slow_query_threshold: there are no alerts on queries between the two");
}

/* Such a token may do nothing but wait for its database to be there. */
static void
warn_of_tokens(struct lines *l)
{
	const struct config *c = l->c;

	for (size_t i = 0; i < c->nhttp_tokens && c->autodb == NULL && c->template == NULL && c->tenant_catalogue[0] == '\0'; i++) {
		const struct http_token *t = &c->http_tokens[i];
		if (t->tenant != NULL && config_find_database(c, t->tenant) == NULL)
			faults_warn(&l->faults, NULL,
				"token \"%s\" is for the database \"%s\", which is neither in [databases] nor in [tenants]",
				t->name, t->tenant);
	}
}

/* Half of a configuration is odd in many ways that it would not be if it were whole. */
static void
warn_of_whole(struct lines *l, const char *path)
{
	if (l->faults.counts.errors > 0)
		return;
	warn_of_no_users(l);
	warn_of_ignored(l, path);
	warn_of_reserved(l);
	warn_of_secret(l);
	warn_of_tokens(l);
	warn_of_late_alerts(l);
	check_tenants(l);
	check_hosts(l);
	check_limits(l);
}

static void
read_files(struct lines *l, const char *path, const struct config *running)
{
	static const struct ini_ops ops = { lines_enter_section, lines_take_pair, true, lines_refused };
	struct error e;

	if (!ini_read(path, &ops, l, &e)) {
		faults_refuse(&l->faults, NULL, &e);
		return;
	}
	bool whole = l->faults.counts.errors == 0;
	check_sections(l, path);
	/* What could not be read is not what the file says. */
	if (running != NULL && whole)
		keep_restart_keys(l, running);
	load_auth_file(l, running);
	lines_end(l);
	if (whole) {
		check_classes(l);
		check_http(l);
	}
	contexts_make(l->c, &l->faults);
	access_make(l->c, &l->faults);
	warn_of_whole(l, path);
}

bool
load_config(struct config *c, const char *path, const struct config *running, struct config_counts *counts, struct error *e)
{
	struct lines l;

	lines_begin(&l, c);
	c->conffile = make_absolute(c->arena, path);
	read_files(&l, path, running);
	c->places = l.faults.keys;
	if (counts != NULL)
		*counts = l.faults.counts;
	return faults_end(&l.faults, e);
}

bool
load_text(struct config *c, const char *name, char *text, size_t size, struct error *e)
{
	static const struct ini_ops ops = { lines_enter_section, lines_take_pair, false, lines_refused };
	struct lines l;

	lines_begin(&l, c);
	l.faults.quiet = true;
	ini_parse(name, text, size, &ops, &l, e);
	check_sections(&l, name);
	lines_end(&l);
	c->bare = true;
	check_http(&l);
	contexts_make(c, &l.faults);
	return faults_end(&l.faults, e);
}
