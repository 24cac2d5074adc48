#include "config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/hosts.h"
#include "config/keys.h"
#include "config/limits.h"
#include "config/lookup.h"
#include "config/snapshot.h"
#include "config/template.h"

#define HOST_NAME 256

/* --- tenants --- */

static bool
has_catalogue(const struct config *c)
{
	return c->tenant_catalogue[0] != '\0';
}

static bool
uses_shards(const struct config_database *t)
{
	return (t->host != NULL && strstr(t->host, "{shard}") != NULL) ||
	       (t->dbname != NULL && strstr(t->dbname, "{shard}") != NULL);
}

static void
check_template(struct lines *l)
{
	const struct config *c = l->c;
	const struct config_database *t = c->template;
	const struct ini_place *at = t == NULL ? NULL : lines_place(t), *shards = FAULTS_KEY(&l->faults, tenant_shards);

	if (t != NULL && t->dbname != NULL && !template_has_sign(t->dbname) && !template_has_sign(t->host))
		faults_warn(&l->faults, at, "\"*\" in [tenants] gives all its tenants the same database, %s: neither host nor "
			"dbname has {tenant} or {shard}", t->dbname);
	if (t != NULL && uses_shards(t) && c->tenant_shards == 1)
		faults_warn(&l->faults, at, "{shard} in [tenants] is always 0, as tenant_shards is 1");
	if (c->tenant_shards > 1 && (t == NULL || !uses_shards(t)))
		faults_warn(&l->faults, shards, "tenant_shards is %d, but \"*\" in [tenants] has no {shard}", c->tenant_shards);
}

static void
check_star(struct lines *l)
{
	const struct config_database *star = l->c->autodb;

	if (star == NULL)
		return;
	if (template_has_sign(star->host) || template_has_sign(star->dbname))
		faults_warn(&l->faults, lines_place(star), "{tenant} and {shard} stand for themselves in [databases]: move \"*\" "
			"to [tenants]");
	if (has_catalogue(l->c))
		faults_warn(&l->faults, lines_place(star), "\"*\" in [databases] is for nobody: tenant_catalogue has the last "
			"word on who exists");
}

static bool
has_route(const struct config *c, const char *word)
{
	return string_in_list_nocase(c->tenant_route, word);
}

static void
check_route(struct lines *l)
{
	const struct config *c = l->c;
	struct faults *f = &l->faults;
	const struct ini_place *route = FAULTS_KEY(f, tenant_route), *suffix = FAULTS_KEY(f, tenant_sni_suffix);

	if (has_route(c, "sni") && c->tenant_sni_suffix[0] == '\0')
		faults_warn(f, route, "tenant_route has sni, but without tenant_sni_suffix no host name says anything");
	if (has_route(c, "sni") && c->client_tls_sslmode == TLS_DISABLE && !c->bare)
		faults_warn(f, route, "tenant_route has sni, but client_tls_sslmode is disable: without TLS there is no host name");
	if (!has_route(c, "sni") && c->tenant_sni_suffix[0] != '\0')
		faults_warn(f, suffix, "tenant_sni_suffix is set, but tenant_route has no sni");
	if (c->tenant_fallback[0] != '\0' && config_find_database(c, c->tenant_fallback) == NULL && c->template == NULL &&
	    c->autodb == NULL && !has_catalogue(c))
		faults_warn(f, FAULTS_KEY(f, tenant_fallback),
			"tenant_fallback is \"%s\", which is neither in [databases] nor in [tenants]", c->tenant_fallback);
}

static bool
has_capital(const char *name)
{
	for (; *name != '\0'; name++)
		if (string_lower(*name) != *name)
			return true;
	return false;
}

static void
check_name(struct lines *l, const struct config_database *t)
{
	const struct lines_database *other = lookup_find(&l->index->databases, t->name);

	if (other != NULL)
		faults_warn(&l->faults, lines_place(t), "\"%s\" is in [databases], too, at %s:%d: that line counts", t->name,
			other->at.file, other->at.line);
	else if (l->c->tenant_case == TENANT_CASE_LOWER && has_capital(t->name))
		faults_warn(&l->faults, lines_place(t), "tenant \"%s\" is found by nobody: with tenant_case lower, names are in "
			"lower case", t->name);
}

/* What names a tenant elsewhere is no tenant's name either. */
static void
check_case(struct lines *l)
{
	const struct config *c = l->c;
	const struct ini_place *at = FAULTS_KEY(&l->faults, tenant_case);
	const struct config_limit_line *limit;
	const struct config_user *u;

	if (c->tenant_case != TENANT_CASE_LOWER)
		return;
	for (size_t i = 0; i < c->nlimits; i++) {
		limit = &c->limits[i];
		if (limit->scope == LIMIT_TENANT && has_capital(limit->name) && config_find_database(c, limit->name) == NULL)
			faults_warn(&l->faults, at, "tenant_case is lower, so tenant:%s of [limits] is for nobody", limit->name);
	}
	for (size_t i = 0; i < c->nusers; i++) {
		u = c->users[i];
		if (u->tenants != NULL && has_capital(u->tenants))
			faults_warn(&l->faults, at, "tenant_case is lower, and tenants of user \"%s\" has capital letters: only tenants "
				    "of [databases] are found by them", u->name);
	}
}

void
check_tenants(struct lines *l)
{
	check_case(l);
	check_template(l);
	check_star(l);
	check_route(l);
	for (size_t i = 0; i < l->c->ntenants; i++)
		check_name(l, l->c->tenants[i]);
}

/* --- hosts --- */

/* The next of a,b,c. */
static bool
next_host(const char **list, char host[HOST_NAME])
{
	size_t n;

	*list += strspn(*list, ", \t");
	n = strcspn(*list, ", \t");
	string_copy(host, *list, n < HOST_NAME ? n + 1 : HOST_NAME);
	*list += n;
	return n > 0;
}

/* What was seen of one line of [hosts]. */
struct demand {
	long kept;	/* connections that min_pool_size keeps, whoever comes */
	bool used;
};

static void
count_host(const struct config *c, struct demand *demands, const char *host, const struct config_database *d)
{
	const struct config_host *h = config_find_host(c, host, d->port);
	int min = d->min_pool_size >= 0 ? d->min_pool_size : c->min_pool_size;

	if (h == NULL)
		return;
	struct demand *demand = &demands[hosts_number(h)];
	demand->used = true;
	if (d->user != NULL) /* only then is it kept without clients */
		demand->kept += min;
}

static void
count_database(const struct config *c, struct demand *demands, const struct config_database *d)
{
	const char *list = d->host;
	char host[HOST_NAME];

	if (list == NULL)
		count_host(c, demands, NULL, d);
	else
		while (next_host(&list, host))
			count_host(c, demands, host, d);
}

/* As tenant/host.h has it. */
static int
places_of_tenants(const struct config_host *h)
{
	int n = h->max_connections - h->admin_reserve - 1;

	return n > 0 ? n : 1;
}

/* "*", "db1.internal:5432", "[2001:db8::5]:5432" */
static void
print_host(const struct config_host *h, char *text, size_t size)
{
	if (strcmp(h->host, "*") == 0)
		snprintf(text, size, "*");
	else
		snprintf(text, size, strchr(h->host, ':') != NULL ? "[%s]:%d" : "%s:%d", h->host, h->port);
}

static void
tell_demand(struct faults *f, const struct hosts_line *line, const struct demand *demand, bool knows_all)
{
	const struct config_host *h = &line->host;
	char name[HOST_NAME + 10];

	print_host(h, name, sizeof(name));
	if (h->max_connections > 0 && demand->kept > places_of_tenants(h))
		faults_warn(f, &line->at, "host %s: min_pool_size of its databases keeps %ld connections, but there are %d for "
			"tenants", name, demand->kept, places_of_tenants(h));
	if (h->max_connections == 1)
		faults_warn(f, &line->at, "host %s: max_connections=1 leaves none for cancel requests: they wait until the query "
			"has ended", name);
	if (!demand->used && knows_all && strcmp(h->host, "*") != 0)
		faults_warn(f, &line->at, "host %s: no database is there; it must be named as host= and port= name it", name);
}

void
check_hosts(struct lines *l)
{
	const struct config *c = l->c;
	const struct lookup_entry *position = NULL;
	struct demand *demands;
	bool knows_all = !has_catalogue(c) && (c->template == NULL || !template_has_sign(c->template->host));

	if (c->nhosts == 0)
		return;
	demands = memory_zalloc(c->nhosts * sizeof(*demands));
	for (size_t i = 0; i < c->ndatabases; i++)
		count_database(c, demands, c->databases[i]);
	for (size_t i = 0; i < c->ntenants; i++)
		count_database(c, demands, c->tenants[i]);
	if (c->autodb != NULL)
		count_database(c, demands, c->autodb);
	if (c->template != NULL)
		count_database(c, demands, c->template);
	for (const struct hosts_line *h; (h = lookup_next(&c->index->hosts, &position)) != NULL;)
		tell_demand(&l->faults, h, &demands[h->number], knows_all);
	free(demands);
}

/* --- limits --- */

static bool
has_class(const struct config *c, const char *name)
{
	char key[LIMIT_KEY];

	return lookup_find(&c->index->limits, limit_key(LIMIT_CLASS, name, key)) != NULL;
}

/* "": there is no class that is so nearly called. */
static const char *
suggest_class(const struct config *c, const char *name)
{
	const char *nearest = "";
	size_t least = KEY_EDITS_MAX + 1;

	for (size_t i = 0; i < c->nlimits; i++) {
		size_t edits = c->limits[i].scope == LIMIT_CLASS ? key_count_edits(name, c->limits[i].name) : least;

		if (edits < least) {
			least = edits;
			nearest = c->limits[i].name;
		}
	}
	return nearest;
}

static void
check_class(struct lines *l, const struct config_database *d)
{
	const char *near;
	struct error e;

	if (d == NULL || d->limits == NULL || has_class(l->c, d->limits))
		return;
	near = suggest_class(l->c, d->limits);
	error_set(&e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "\"%.63s\" has limits=%.63s, but [limits] has no line class:%.63s%s%.63s%s",
		d->name, d->limits, d->limits, *near != '\0' ? ": do you mean " : "", near, *near != '\0' ? "?" : "");
	faults_refuse(&l->faults, lines_place(d), &e);
}

void
check_classes(struct lines *l)
{
	const struct config *c = l->c;

	check_class(l, c->template);
	check_class(l, c->autodb);
	for (size_t i = 0; i < c->ndatabases; i++)
		check_class(l, c->databases[i]);
	for (size_t i = 0; i < c->ntenants; i++)
		if (c->template == NULL || c->tenants[i]->limits != c->template->limits)
			check_class(l, c->tenants[i]);
}

void
check_limits(struct lines *l)
{
	if (l->c->limit_redis[0] != '\0' && l->c->nlimits == 0)
		faults_warn(&l->faults, FAULTS_KEY(&l->faults, limit_redis), "limit_redis is set, but there is nothing in [limits]");
	else if (l->c->limit_redis[0] != '\0' && l->c->limit_nodes == 1)
		faults_warn(&l->faults, FAULTS_KEY(&l->faults, limit_redis),
			    "limit_redis is set, but limit_nodes is 1: while Redis can't be reached, each process has the whole of every rate");
}
