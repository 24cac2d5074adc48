#include "config/lines.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/hosts.h"
#include "config/http.h"
#include "config/limits.h"
#include "config/scan.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/template.h"
#include "config/value.h"

#define PEER_ID_MAX 65535
#define HOST_MAX 253

/* What a section's lines are made into. */
struct lines_section {
	const struct key_section *keys;
	bool (*add)(struct lines *l, const char *name, char *value, const struct ini_place *at,
		struct error *e);
};

/* The settings of one line, into the struct at base. */
static bool
parse_settings(struct lines *l, const struct key_section *s, char *settings, void *base, struct error *e)
{
	return settings_parse(s, settings, base, l->index->arena, NULL, e);
}

static bool
add_setting(struct lines *l, const char *name, char *value, const struct ini_place *at,
	struct error *e)
{
	const struct key *k = key_find(&section_pgbouncer, name);

	if (k == NULL)
		return settings_refuse_key(&section_pgbouncer, name, e);
	faults_note_key(&l->faults, l->c->arena, k->offset, at);
	return value_parse(k, l->c, value, l->c->arena, e);
}

static void
warn_of_repeat(struct lines *l, const char *what, const char *name, const struct ini_place *at)
{
	faults_warn(&l->faults, at, "%s \"%s\" is there already; this later line counts", what, name);
}

const struct ini_place *
lines_place(const struct config_database *d)
{
	return &((const struct lines_database *)d)->at;
}

static void
warn_of_repeated_database(struct lines *l, const char *what, const struct lines_database *before, const struct ini_place *at)
{
	faults_warn(&l->faults, at, "%s \"%s\" is there already, at %s:%d; this later line counts", what,
		before->database.name, before->at.file, before->at.line);
}

static struct lines_database *
find_or_make_database(struct lines *l, const char *name, const struct ini_place *at)
{
	bool fallback = strcmp(name, "*") == 0;
	struct lines_database *d = fallback ? l->autodb : lookup_find(&l->index->databases, name);

	if (d != NULL) {
		warn_of_repeated_database(l, "database", d, at);
		return d;
	}
	d = arena_alloc(l->index->arena, sizeof(*d));
	d->database.name = arena_strdup(l->index->arena, name);
	if (fallback)
		l->autodb = d;
	else
		lookup_add(&l->index->databases, l->index->arena, d->database.name, d);
	return d;
}

static bool
refuse_reserved(const char *name, struct error *e)
{
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "the name \"%s\" is reserved: it is the console's database", name);
	return false;
}

static bool
add_database(struct lines *l, const char *name, char *value, const struct ini_place *at,
	struct error *e)
{
	struct config_database settings = l->database;

	if (config_is_reserved(name))
		return refuse_reserved(name, e);
	if (!parse_settings(l, &section_databases, value, &settings, e))
		return false;
	struct lines_database *d = find_or_make_database(l, name, at);
	settings.name = d->database.name;
	settings.autodb = d == l->autodb;
	if (settings.dbname == NULL && !settings.autodb)
		settings.dbname = settings.name;
	*d = (struct lines_database){ .database = settings, .at = faults_keep(&l->faults, l->index->arena, at) };
	return true;
}

static struct lines_database *
find_or_make_tenant(struct lines *l, const char *name, const struct ini_place *at)
{
	struct config_arena *arena = l->index->arena;
	struct lines_database *t = lookup_find(&l->index->tenants, name);

	if (t != NULL) {
		warn_of_repeated_database(l, "tenant", t, at);
		return t;
	}
	t = arena_alloc(arena, sizeof(*t));
	t->database.name = arena_strdup(arena, name);
	lookup_add(&l->index->tenants, arena, t->database.name, t);
	return t;
}

static void
keep_template(struct lines *l, const struct config_database *settings, const struct ini_place *at)
{
	if (l->template != NULL)
		warn_of_repeated_database(l, "tenant", l->template, at);
	else
		l->template = arena_alloc(l->index->arena, sizeof(*l->template));
	l->template->database = *settings;
	l->template->database.name = "*";
	l->template->database.autodb = true;
	l->template->at = faults_keep(&l->faults, l->index->arena, at);
}

/* What a line leaves open is filled in from "*" in lines_end. */
static bool
add_tenant(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_database settings = l->database;
	bool all = strcmp(name, "*") == 0;
	uint64_t set = 0;

	if (config_is_reserved(name))
		return refuse_reserved(name, e);
	if (!all && !config_is_tenant_name(name)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.80s\" is no name for [tenants], which may have letters, digits, _, - and ., at most %d, and no . or - at "
			"its beginning; [databases] takes any name", name, TENANT_NAME_MAX);
		return false;
	}
	if (!settings_parse(&section_tenants, value, &settings, l->index->arena, &set, e) || !template_check(&settings, e))
		return false;
	if (all) {
		keep_template(l, &settings, at);
		return true;
	}
	struct lines_database *t = find_or_make_tenant(l, name, at);
	settings.name = t->database.name;
	*t = (struct lines_database){ settings, set, faults_keep(&l->faults, l->index->arena, at) };
	return true;
}

static bool
check_host(const struct config_host *h, struct error *e)
{
	if (h->max_connections > 0 && h->admin_reserve > 0 && h->admin_reserve + 1 >= h->max_connections) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"admin_reserve %d and one place for cancel requests leave nothing of max_connections %d for tenants",
			h->admin_reserve, h->max_connections);
		return false;
	}
	if (h->active_ceiling > 0 && h->active_floor > h->active_ceiling) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "active_floor %d is above active_ceiling %d", h->active_floor,
			h->active_ceiling);
		return false;
	}
	return true;
}

static bool
add_host(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_arena *arena = l->index->arena;
	struct config_host settings = l->host;
	struct hosts_line *h;
	char text[HOST_KEY], key[HOST_KEY];

	if (!host_parse(string_copy(text, name, sizeof(text)), &settings.host, &settings.port)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" is no server like 10.0.0.5:5432, db1.internal, /run/postgresql or, in quotes, "
			"\"[2001:db8::5]:5432\", or * for all others", name);
		return false;
	}
	if (strcmp(settings.host, "*") == 0)
		settings.port = 0;
	if (!parse_settings(l, &section_hosts, value, &settings, e) || !check_host(&settings, e))
		return false;
	host_key(settings.host, settings.port, key);
	h = lookup_find(&l->index->hosts, key);
	if (h == NULL) {
		h = arena_alloc(arena, sizeof(*h));
		h->number = lookup_count(&l->index->hosts);
		lookup_add(&l->index->hosts, arena, arena_strdup(arena, key), h);
	} else {
		warn_of_repeat(l, "host", name, at);
	}
	settings.host = arena_strdup(arena, settings.host);
	h->host = settings;
	h->at = faults_keep(&l->faults, arena, at);
	return true;
}

/* What is legal and hardly meant.  unset: a limit is -1. */
static void
warn_of_limits(struct lines *l, const struct config_limit_line *line, const char *name, bool unset, const struct ini_place *at)
{
	const struct config_limits *c = &line->limits;
	const struct {
		const char *rate;
		int64_t is, burst;
	} rates[] = {
		{ "connections", c->connections, c->connections_burst },
		{ "queries", c->queries, c->queries_burst },
		{ "bytes", c->bytes, c->bytes_burst },
		{ "server_time", c->server_time, c->server_time_burst },
	};

	for (size_t i = 0; i < lengthof(rates); i++) {
		if (rates[i].is == CONFIG_UNSET && rates[i].burst != CONFIG_UNSET)
			faults_warn(&l->faults, at, "%s_burst of \"%s\" counts for nothing: it needs %s in the same line",
				    rates[i].rate, name, rates[i].rate);
	}
	if (unset)
		faults_warn(&l->faults, at, "-1 in the limits of \"%s\" is as if it was not said; 0 takes a limit away", name);
	if (strcmp(line->name, "*") == 0)
		faults_warn(&l->faults, at, "\"%s\" is for one whose name is *; for each it is \"%.*s\"", name,
			    (int)strcspn(name, ":"), name);
}

static bool
add_limit(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_arena *arena = l->index->arena;
	struct config_limit_line settings = { .limits = l->limits }, *line;
	char buf[NETWORK_TEXT], key[LIMIT_KEY];
	const char *whom = "";
	bool unset = strstr(value, "-1") != NULL;

	if (!limit_parse_name(name, &settings.scope, &whom, buf, e) ||
	    !parse_settings(l, &section_limits, value, &settings.limits, e))
		return false;
	limit_key(settings.scope, whom, key);
	line = lookup_find(&l->index->limits, key);
	if (line == NULL) {
		line = arena_alloc(arena, sizeof(*line));
		line->name = arena_strdup(arena, whom);
		lookup_add(&l->index->limits, arena, arena_strdup(arena, key), line);
		limit_note_network(l->index->limit_bits, settings.scope, whom);
	} else {
		warn_of_repeat(l, "limits of", name, at);
	}
	settings.name = line->name;
	*line = settings;
	warn_of_limits(l, line, name, unset, at);
	return true;
}

static struct config_user *
make_user(struct lines *l, const char *name)
{
	struct config_user *u = arena_alloc(l->index->arena, sizeof(*u));

	*u = l->user;
	u->name = arena_strdup(l->index->arena, name);
	lookup_add(&l->index->users, l->index->arena, u->name, u);
	return u;
}

static bool
add_user(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct config_user settings = l->user;
	struct config_user *u = lookup_find(&l->index->users, name);

	if (!parse_settings(l, &section_users, value, &settings, e))
		return false;
	if (u != NULL)
		warn_of_repeat(l, "user", name, at);
	else
		u = make_user(l, name);
	settings.name = u->name;
	*u = settings; /* no secret is lost: auth_file is read after the ini file */
	return true;
}

static bool
add_peer(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
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
		warn_of_repeat(l, "peer", text, at);
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

static struct lines_certificate *
find_or_make_certificate(struct lines *l, const char *host, const struct ini_place *at)
{
	struct config_arena *arena = l->index->arena;
	struct lines_certificate *t = lookup_find(&l->index->certificates, host);

	if (t != NULL) {
		warn_of_repeat(l, "certificate of", host, at);
		return t;
	}
	t = arena_alloc(arena, sizeof(*t));
	t->certificate.host = arena_strdup(arena, host);
	lookup_add(&l->index->certificates, arena, t->certificate.host, t);
	return t;
}

static bool
add_certificate(struct lines *l, const char *name, char *value, const struct ini_place *at,
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
	struct lines_certificate *t = find_or_make_certificate(l, host, at);
	settings.host = t->certificate.host;
	*t = (struct lines_certificate){ settings, faults_keep(&l->faults, l->index->arena, at) };
	return true;
}

/* Two lines that give one token different rights are a mistake with consequences: neither of them wins. */
static bool
keep_token(struct lines *l, const struct http_token *settings, const char *hash, struct error *e)
{
	struct config_arena *arena = l->index->arena;
	struct http_token *same = lookup_find(&l->index->token_hashes, hash);

	if (lookup_find(&l->index->tokens, settings->name) != NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "token \"%.60s\" is there already: give each its own name",
			settings->name);
		return false;
	}
	if (same != NULL) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "token \"%.60s\" is the same as \"%.60s\"", settings->name,
			same->name);
		return false;
	}
	struct http_token *t = arena_alloc(arena, sizeof(*t));
	*t = *settings;
	t->name = arena_strdup(arena, settings->name);
	lookup_add(&l->index->tokens, arena, t->name, t);
	lookup_add(&l->index->token_hashes, arena, arena_strdup(arena, hash), t);
	return true;
}

/* value is "sha256:... key=value ...".  What is no hash may be the token itself, and is not quoted. */
static bool
add_token(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	struct http_token settings = l->token;
	char *end = scan_word(value);

	(void)at;
	if (*end != '\0')
		*end++ = '\0';
	if (!http_token_parse_hash(value, settings.hash)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"token \"%.60s\" must read sha256: and 64 hex digits, then its settings; \"pgusher --new-token\" "
			"prints such a line", name);
		return false;
	}
	string_fold(value);
	settings.name = name;
	return parse_settings(l, &section_http_tokens, end, &settings, e) && keep_token(l, &settings, value, e);
}

static const struct lines_section sections[] = {
	{ &section_pgbouncer, add_setting },
	{ &section_databases, add_database },
	{ &section_tenants, add_tenant },
	{ &section_hosts, add_host },
	{ &section_limits, add_limit },
	{ &section_users, add_user },
	{ &section_peers, add_peer },
	{ &section_tls_certificates, add_certificate },
	{ &section_http_tokens, add_token },
};

/* Lines of which one error has told that they belong to no section. */
static bool
add_nothing(struct lines *l, const char *name, char *value, const struct ini_place *at, struct error *e)
{
	(void)l;
	(void)name;
	(void)value;
	(void)at;
	(void)e;
	return true;
}

static const struct lines_section astray = { NULL, add_nothing };

bool
lines_enter_section(void *arg, const char *name, const struct ini_place *at, struct error *e)
{
	struct lines *l = arg;

	(void)at;
	for (size_t i = 0; i < lengthof(sections); i++) {
		if (strcmp(sections[i].keys->name, name) != 0)
			continue;
		l->section = &sections[i];
		l->pgbouncer_seen |= sections[i].keys == &section_pgbouncer;
		return true;
	}
	l->section = &astray;
	error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
		"unknown section [%.60s]: there are [pgbouncer], [databases], [tenants], [users], [hosts], [limits], [peers], "
		"[tls_certificates] and [http_tokens]%s",
		name, strchr(name, ':') != NULL ? "; a host like \"[::1]:5432\" stands in quotes" : "");
	return false;
}

bool
lines_take_pair(void *arg, char *key, char *value, const struct ini_place *at, struct error *e)
{
	struct lines *l = arg;

	if (l->section == NULL) {
		l->section = &astray;
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"\"%.60s\" stands before the first [section]", key);
		return false;
	}
	return l->section->add(l, key, value, at, e);
}

void
lines_refused(void *arg, const struct ini_place *at, const struct error *e)
{
	struct lines *l = arg;

	faults_refuse(&l->faults, at, e);
}

void
lines_begin(struct lines *l, struct config *c)
{
	memset(l, 0, sizeof(*l));
	l->c = c;
	l->index = c->index;
	settings_reset(&section_pgbouncer, c, c->arena);
	settings_reset(&section_databases, &l->database, c->index->arena);
	c->index->nothing = l->database;
	settings_reset(&section_hosts, &l->host, c->index->arena);
	settings_reset(&section_limits, &l->limits, c->index->arena);
	settings_reset(&section_users, &l->user, c->index->arena);
	settings_reset(&section_peers, &l->peer, c->index->arena);
	settings_reset(&section_tls_certificates, &l->certificate, c->index->arena);
	settings_reset(&section_http_tokens, &l->token, c->index->arena);
}

static void
list_databases(struct lines *l)
{
	struct config_arena *arena = l->index->arena;
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	if (l->autodb != NULL) {
		l->autodb->database.tls_slot = slots_number(&l->slots, &l->autodb->database, &l->autodb->at, arena);
		c->autodb = &l->autodb->database;
	}
	c->ndatabases = lookup_count(&l->index->databases);
	c->databases = arena_alloc(arena, c->ndatabases * sizeof(*c->databases));
	for (struct config_database *d; (d = lookup_next(&l->index->databases, &at)) != NULL;) {
		d->tls_slot = slots_number(&l->slots, d, lines_place(d), arena);
		c->databases[i++] = d;
	}
}

static void
list_tenants(struct lines *l)
{
	struct config_arena *arena = l->index->arena;
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	struct config_database *template = l->template == NULL ? NULL : &l->template->database;
	size_t i = 0;

	c->template = template;
	c->ntenants = lookup_count(&l->index->tenants);
	c->tenants = arena_alloc(arena, c->ntenants * sizeof(*c->tenants));
	for (struct lines_database *t; (t = lookup_next(&l->index->tenants, &at)) != NULL;) {
		struct config_database *d = &t->database;

		template_fill(d, t->set, template);
		template_expand(c, d, arena);
		if (d->dbname == NULL)
			d->dbname = d->name;
		d->tls_slot = slots_number(&l->slots, d, lines_place(d), arena);
		c->tenants[i++] = d;
	}
	if (template == NULL)
		return;
	template->tls_slot = slots_number(&l->slots, template, &l->template->at, arena);
	l->index->template_signs = template_signs(template);
}

static bool
has_ca(const struct config *c, const struct config_database *d)
{
	return d->server_tls_ca_file != NULL || c->server_tls_ca_file[0] != '\0';
}

/* What the catalogue says may have an sslmode of its own, for which contexts have to be there. */
static void
add_slots_of_catalogue(struct lines *l)
{
	struct config_database d = l->template != NULL ? l->template->database : l->database;

	if (l->c->tenant_catalogue[0] == '\0')
		return;
	d.name = "*";
	for (const struct key_word *w = words_tls_mode; w->word != NULL; w++) {
		d.server_tls_sslmode = (int8_t)w->value;
		if (w->value < TLS_VERIFY_CA || has_ca(l->c, &d))
			slots_number(&l->slots, &d, l->template == NULL ? NULL : &l->template->at, l->index->arena);
	}
}

static void
list_slots(struct lines *l)
{
	add_slots_of_catalogue(l);
	l->index->slots = slots_list(&l->slots, l->index->arena, &l->index->nslots);
	slots_release(&l->slots);
}

static void
list_hosts(struct lines *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->nhosts = lookup_count(&l->index->hosts);
	struct config_host *list = arena_alloc(l->index->arena, c->nhosts * sizeof(*list));
	c->hosts = list;
	for (const struct hosts_line *h; (h = lookup_next(&l->index->hosts, &at)) != NULL;)
		list[i++] = h->host;
}

static void
list_limits(struct lines *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->nlimits = lookup_count(&l->index->limits);
	struct config_limit_line *list = arena_alloc(l->index->arena, c->nlimits * sizeof(*list));
	c->limits = list;
	for (const struct config_limit_line *line; (line = lookup_next(&l->index->limits, &at)) != NULL;)
		list[i++] = *line;
}

static int
share_of_scram(const struct config *c)
{
	size_t all = 0, scram = 0;

	for (size_t i = 0; i < c->nusers; i++) {
		all += c->users[i]->in_auth_file;
		scram += c->users[i]->in_auth_file && c->users[i]->secret.kind == SECRET_SCRAM;
	}
	return all == 0 ? 0 : (int)(scram * 256 / all);
}

static void
list_users(struct lines *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->nusers = lookup_count(&l->index->users);
	c->users = arena_alloc(l->index->arena, c->nusers * sizeof(*c->users));
	for (void *u; (u = lookup_next(&l->index->users, &at)) != NULL;)
		c->users[i++] = u;
	c->scram_share = share_of_scram(c);
}

static void
list_peers(struct lines *l)
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
list_certificates(struct lines *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->ntls_certificates = lookup_count(&l->index->certificates);
	struct tls_certificate *list = arena_alloc(l->index->arena, c->ntls_certificates * sizeof(*list));
	c->tls_certificates = list;
	for (const struct lines_certificate *t; (t = lookup_next(&l->index->certificates, &at)) != NULL;)
		list[i++] = t->certificate;
}

static void
list_tokens(struct lines *l)
{
	struct config *c = l->c;
	const struct lookup_entry *at = NULL;
	size_t i = 0;

	c->nhttp_tokens = lookup_count(&l->index->tokens);
	struct http_token *list = arena_alloc(l->index->arena, c->nhttp_tokens * sizeof(*list));
	c->http_tokens = list;
	for (const struct http_token *t; (t = lookup_next(&l->index->tokens, &at)) != NULL;)
		list[i++] = *t;
}

struct config_user *
lines_user(struct lines *l, const char *name)
{
	struct config_user *u = lookup_find(&l->index->users, name);

	return u != NULL ? u : make_user(l, name);
}

void
lines_end(struct lines *l)
{
	list_databases(l);
	list_tenants(l);
	list_slots(l);
	list_hosts(l);
	list_limits(l);
	list_users(l);
	list_peers(l);
	list_certificates(l);
	list_tokens(l);
}
