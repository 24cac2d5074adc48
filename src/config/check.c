#include "config/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "config/hosts.h"
#include "config/limits.h"
#include "config/lookup.h"
#include "config/snapshot.h"
#include "config/template.h"

#define HOST_NAME 256
#define TOLD_MAX 10	/* lines of one kind: there may be 100,000 tenants */

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
check_template(const struct config *c)
{
	const struct config_database *t = c->template;

	if (t != NULL && t->dbname != NULL && !template_has_sign(t->dbname) && !template_has_sign(t->host))
		log_warning("\"*\" in [tenants] gives all its tenants the same database, %s: neither host nor dbname has {tenant} "
			"or {shard}", t->dbname);
	if (t != NULL && uses_shards(t) && c->tenant_shards == 1)
		log_warning("{shard} in [tenants] is always 0, as tenant_shards is 1");
	if (c->tenant_shards > 1 && (t == NULL || !uses_shards(t)))
		log_warning("tenant_shards is %d, but \"*\" in [tenants] has no {shard}", c->tenant_shards);
}

static void
check_star(const struct config *c)
{
	const struct config_database *star = c->autodb;

	if (star == NULL)
		return;
	if (template_has_sign(star->host) || template_has_sign(star->dbname))
		log_warning("{tenant} and {shard} stand for themselves in [databases]: move \"*\" to [tenants]");
	if (has_catalogue(c))
		log_warning("\"*\" in [databases] is for nobody: tenant_catalogue has the last word on who exists");
}

static bool
has_route(const struct config *c, const char *word)
{
	return string_in_list_nocase(c->tenant_route, word);
}

static void
check_route(const struct config *c)
{
	if (has_route(c, "sni") && c->tenant_sni_suffix[0] == '\0')
		log_warning("tenant_route has sni, but without tenant_sni_suffix no host name says anything");
	if (has_route(c, "sni") && c->client_tls_sslmode == TLS_DISABLE && !c->bare)
		log_warning("tenant_route has sni, but client_tls_sslmode is disable: without TLS there is no host name");
	if (!has_route(c, "sni") && c->tenant_sni_suffix[0] != '\0')
		log_warning("tenant_sni_suffix is set, but tenant_route has no sni");
	if (c->tenant_fallback[0] != '\0' && config_find_database(c, c->tenant_fallback) == NULL && c->template == NULL &&
	    c->autodb == NULL && !has_catalogue(c))
		log_warning("tenant_fallback is \"%s\", which is neither in [databases] nor in [tenants]", c->tenant_fallback);
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
check_names(const struct config *c)
{
	int told = 0;

	for (size_t i = 0; i < c->ntenants && told < TOLD_MAX; i++) {
		const char *name = c->tenants[i]->name;

		if (lookup_find(&c->index->databases, name) != NULL) {
			log_warning("\"%s\" is in [databases] and in [tenants]: that in [databases] counts", name);
			told++;
		} else if (c->tenant_case == TENANT_CASE_LOWER && has_capital(name)) {
			log_warning("tenant \"%s\" is found by nobody: with tenant_case lower, names are in lower case", name);
			told++;
		}
	}
}

void
check_tenants(const struct config *c)
{
	check_template(c);
	check_star(c);
	check_route(c);
	check_names(c);
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

static void
tell_demand(const struct config_host *h, const struct demand *demand, bool knows_all)
{
	const char *bracket = strchr(h->host, ':') != NULL ? "[" : "", *end = *bracket == '\0' ? "" : "]";

	if (h->max_connections > 0 && demand->kept > h->max_connections - h->admin_reserve)
		log_warning("host %s%s%s:%d: min_pool_size of its databases keeps %ld connections, but there are %d for tenants",
			bracket, h->host, end, h->port, demand->kept, h->max_connections - h->admin_reserve);
	if (!demand->used && knows_all && strcmp(h->host, "*") != 0)
		log_warning("host %s%s%s:%d: no database is there; it must be named as host= and port= name it", bracket, h->host,
			end, h->port);
}

void
check_hosts(const struct config *c)
{
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
	for (size_t i = 0; i < c->nhosts; i++)
		tell_demand(&c->hosts[i], &demands[i], knows_all);
	free(demands);
}

/* --- limits --- */

static bool
has_class(const struct config *c, const char *name)
{
	char key[LIMIT_KEY];

	return lookup_find(&c->index->limits, limit_key(LIMIT_CLASS, name, key)) != NULL;
}

static int
check_class(const struct config *c, const struct config_database *d)
{
	if (d == NULL || d->limits == NULL || has_class(c, d->limits))
		return 0;
	log_warning("\"%s\" has limits=%s, but [limits] has no line class:%s", d->name, d->limits, d->limits);
	return 1;
}

void
check_limits(const struct config *c)
{
	int told = check_class(c, c->template) + check_class(c, c->autodb);

	for (size_t i = 0; i < c->ndatabases && told < TOLD_MAX; i++)
		told += check_class(c, c->databases[i]);
	for (size_t i = 0; i < c->ntenants && told < TOLD_MAX; i++)
		if (c->template == NULL || c->tenants[i]->limits != c->template->limits)
			told += check_class(c, c->tenants[i]);
	if (c->limit_redis[0] != '\0' && c->nlimits == 0)
		log_warning("limit_redis is set, but there is nothing in [limits]");
}
