#include "tenant/tenant.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

struct tenants {
	const struct config *config;
	struct tenant *by_name;
	struct traffic past;		/* of tenants that were dropped */
	struct tenant_list awake;
	struct tenant_list resting;	/* those with an autodb only: lines of the snapshot stay */
	void (*line_changed)(void *arg, struct tenant *tenant);
	void *arg;			/* of line_changed */
};

int
tenant_worker(const char *name, int n)
{
	return (int)(string_hash(name) % (uint32_t)n);
}

struct tenants *
tenants_new(const struct config *c)
{
	struct tenants *t = memory_zalloc(sizeof(*t));

	t->config = config_ref(c);
	TAILQ_INIT(&t->awake);
	TAILQ_INIT(&t->resting);
	return t;
}

/* --- awake and at rest --- */

static struct tenant_list *
list_of(struct tenants *t, const struct tenant *tenant)
{
	if (tenant->awake)
		return &t->awake;
	return tenant->autodb != NULL ? &t->resting : NULL;
}

static void
leave_list(struct tenants *t, struct tenant *tenant)
{
	struct tenant_list *list = list_of(t, tenant);

	if (list != NULL)
		TAILQ_REMOVE(list, tenant, rest_link);
}

void
tenants_stir(struct tenants *t, struct tenant *tenant)
{
	if (tenant->awake)
		return;
	leave_list(t, tenant);
	tenant->awake = true;
	TAILQ_INSERT_TAIL(&t->awake, tenant, rest_link);
}

void
tenants_wake_up(struct tenants *t, struct tenant *tenant)
{
	usec_t now = clock_now();

	tenants_stir(t, tenant);
	if (tenant->history != NULL)
		return;
	tenant->history = memory_alloc(sizeof(*tenant->history));
	*tenant->history = (struct traffic_history){
		.older = tenant->traffic,
		.newer = tenant->traffic,
		.older_at = now,
		.newer_at = now,
	};
}

void
tenants_rest(struct tenants *t, struct tenant *tenant)
{
	struct tenant_list *list;

	leave_list(t, tenant);
	tenant->awake = false;
	list = list_of(t, tenant);
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, tenant, rest_link);
	free(tenant->history);
	tenant->history = NULL;
}

struct tenant *
tenants_first_resting(const struct tenants *t)
{
	return TAILQ_FIRST(&t->resting);
}

void
tenants_let_rest_on(struct tenants *t, struct tenant *tenant)
{
	TAILQ_REMOVE(&t->resting, tenant, rest_link);
	TAILQ_INSERT_TAIL(&t->resting, tenant, rest_link);
}

struct tenant *
tenants_next_awake(const struct tenants *t, const struct tenant *after)
{
	return after == NULL ? TAILQ_FIRST(&t->awake) : TAILQ_NEXT(after, rest_link);
}

bool
tenant_is_still(const struct tenant *t)
{
	const struct traffic_history *h = t->history;

	return h == NULL || (memcmp(&h->older, &t->traffic, sizeof(h->older)) == 0 &&
			     memcmp(&h->newer, &t->traffic, sizeof(h->newer)) == 0);
}

struct traffic_history
tenant_history(const struct tenant *t)
{
	if (t->history != NULL)
		return *t->history;
	return (struct traffic_history){ .older = t->traffic, .newer = t->traffic };
}

const char *
tenant_source_name(enum tenant_source source)
{
	static const char *const names[TENANT_SOURCES] = { "line", "catalogue", "template", "star" };

	return names[source];
}

static void
free_tenant(struct tenants *t, struct tenant *tenant)
{
	HASH_DEL(t->by_name, tenant);
	leave_list(t, tenant);
	free(tenant->history);
	config_free_line(tenant->autodb);
	memory_free_secret(tenant->line);
	config_unref(&tenant->config);
	free(tenant);
}

void
tenants_free(struct tenants **tp)
{
	struct tenants *t = *tp;
	struct tenant *tenant, *next;

	if (t == NULL)
		return;
	*tp = NULL;
	HASH_ITER(hh, t->by_name, tenant, next)
		free_tenant(t, tenant);
	config_unref(&t->config);
	free(t);
}

const struct config *
tenants_config(const struct tenants *t)
{
	return t->config;
}

/* What is known of a name. */
struct origin {
	const struct config_database *conf;	/* NULL: nothing */
	struct config_database *made;		/* owned; conf, if it is no line of the snapshot */
	enum tenant_source source;
};

static bool
asks_catalogue(const struct config *c)
{
	return c->tenant_catalogue[0] != '\0';
}

/* In the files, that is; with a catalogue, their "*" lines say nothing of who exists. */
static struct origin
find_line(const struct config *c, const char *name)
{
	struct origin o = { .conf = config_find_database(c, name) };

	if (o.conf != NULL || asks_catalogue(c))
		return o;
	o.conf = o.made = config_make_autodb(c, name);
	o.source = c->template != NULL && config_is_tenant_name(name) ? TENANT_FROM_TEMPLATE : TENANT_FROM_STAR;
	return o;
}

/* line: what the catalogue said, or NULL. */
static struct origin
find_origin(const struct config *c, const char *name, const char *line, struct error *e)
{
	struct origin o = find_line(c, name);

	if (o.conf != NULL || line == NULL || !asks_catalogue(c))
		return o;
	o.conf = o.made = config_make_line(c, name, line, e);
	o.source = TENANT_FROM_CATALOGUE;
	return o;
}

static uint64_t
hash_text(uint64_t hash, const char *text)
{
	return XXH3_64bits_withSeed(text, text == NULL ? 0 : strlen(text) + 1, hash);
}

/* Server connections that are made by the one of two lines are of use with the other if this is the same. */
static uint64_t
hash_line(const struct config *c, const struct config_database *d)
{
	const char *const texts[] = { d->dbname, d->host, d->user, d->password, d->client_encoding, d->datestyle, d->timezone,
		d->application_name, d->connect_query };
	const int64_t numbers[] = { d->port, d->target_session_attrs };
	uint64_t hash = XXH3_64bits(numbers, sizeof(numbers));

	for (size_t i = 0; i < lengthof(texts); i++)
		hash = hash_text(hash, texts[i]);
	return config_hash_security(hash, c, d);
}

static void
take_threat_mode(struct tenant *tenant, const struct config *c)
{
	int mode = tenant->conf != NULL ? tenant->conf->threat_mode : THREAT_INHERIT;

	if (mode == THREAT_INHERIT)
		mode = c->threat_mode;
	if (mode == THREAT_PROTECT && tenant->threat_mode != THREAT_PROTECT)
		tenant->protected_at = clock_now();
	tenant->threat_mode = (uint8_t)mode;
	tenant->threat_epoch++;
}

static void
take_origin(struct tenants *t, struct tenant *tenant, const struct origin *o)
{
	const struct config *old = tenant->config;

	if (o->conf != NULL)
		tenant->line_hash = hash_line(t->config, o->conf);
	if (o->conf != NULL && tenant->conf != NULL && !string_equal(tenant->conf->limits, o->conf->limits))
		tenant->class_epoch++;
	/* If it is to be dropped, or belongs in another list of those that rest: before its autodb says so. */
	if (o->conf == NULL || (o->made == NULL) != (tenant->autodb == NULL))
		tenants_stir(t, tenant);
	config_free_line(tenant->autodb);
	tenant->autodb = o->made;
	tenant->conf = o->conf;
	tenant->source = (uint8_t)o->source;
	tenant->config = config_ref(t->config);
	take_threat_mode(tenant, t->config);
	if (t->line_changed != NULL)
		t->line_changed(t->arg, tenant);
	config_unref(&old);
}

void
tenants_set_config(struct tenants *t, const struct config *c)
{
	config_unref(&t->config);
	t->config = config_ref(c);
}

void
tenants_watch(struct tenants *t, void (*line_changed)(void *arg, struct tenant *tenant), void *arg)
{
	t->line_changed = line_changed;
	t->arg = arg;
}

void
tenants_catch_up(struct tenants *t, struct tenant *tenant)
{
	struct origin o;
	struct error e;

	if (tenant->config == t->config)
		return;
	o = find_origin(t->config, tenant->name, tenant->line, &e);
	if (o.conf == NULL && tenant->line != NULL && asks_catalogue(t->config))
		log_error("what the catalogue says of \"%s\" is wrong now: %s", tenant->name, e.message);
	take_origin(t, tenant, &o);
}

/* A line that is gone is left to who ends the tenant then: here, a client of it may be on the stack. */
static void
look_for_line(struct tenants *t, struct tenant *tenant)
{
	struct error e;
	struct origin o = find_origin(t->config, tenant->name, tenant->line, &e);

	if (o.conf != NULL)
		take_origin(t, tenant, &o);
}

struct tenant *
tenants_find(struct tenants *t, const char *name)
{
	struct tenant *tenant;

	HASH_FIND_STR(t->by_name, name, tenant);
	if (tenant != NULL && tenant->config != t->config)
		look_for_line(t, tenant);
	return tenant;
}

static bool
has_line(const struct tenants *t, const struct tenant *tenant)
{
	return tenant->conf != NULL && tenant->config == t->config;
}

static void
refuse(const char *name, struct error *e)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_CATALOG_NAME, "no such database: %s", name);
}

const struct config_database *
tenants_line(struct tenants *t, const char *name, struct config_database **made, struct error *e)
{
	struct tenant *tenant = tenants_find(t, name);
	struct origin o = { .conf = tenant != NULL && has_line(t, tenant) ? tenant->conf : NULL };

	if (tenant == NULL)
		o = find_line(t->config, name);
	if (o.conf == NULL)
		refuse(name, e);
	*made = o.made;
	return o.conf;
}

bool
tenants_must_ask(struct tenants *t, const char *name)
{
	return asks_catalogue(t->config) && config_is_tenant_name(name) && tenants_find(t, name) == NULL &&
	       config_find_database(t->config, name) == NULL;
}

static struct tenant *
add(struct tenants *t, const char *name)
{
	size_t size = strlen(name) + 1;
	struct tenant *tenant = memory_zalloc(sizeof(*tenant) + size);

	memcpy(tenant->name, name, size);
	tenant->config = config_ref(t->config);
	LIST_INIT(&tenant->pools);
	tenants_wake(t, tenant);
	HASH_ADD_STR(t->by_name, name, tenant);
	return tenant;
}

/* The strings of what is made for a name may be borrowed from it: so the tenant, whose name stays, is made first. */
static struct tenant *
add_known(struct tenants *t, const char *name, const char *line, struct error *e)
{
	struct tenant *tenant = add(t, name);
	struct origin o;

	refuse(name, e);
	o = find_origin(t->config, tenant->name, line, e);
	if (o.conf == NULL) {
		free_tenant(t, tenant);
		return NULL;
	}
	take_origin(t, tenant, &o);
	return tenant;
}

struct tenant *
tenants_open(struct tenants *t, const char *name, struct error *e)
{
	struct tenant *tenant = tenants_find(t, name);

	if (tenant == NULL)
		return add_known(t, name, NULL, e);
	if (has_line(t, tenant))
		return tenant;
	refuse(name, e);
	return NULL;
}

static void
keep_text(struct tenant *tenant, const char *line)
{
	memory_free_secret(tenant->line);
	tenant->line = line != NULL ? memory_strdup(line) : NULL;
}

struct tenant *
tenants_put(struct tenants *t, const char *name, const char *line, struct error *e)
{
	struct tenant *tenant = tenants_find(t, name);
	struct origin o;

	if (tenant == NULL) {
		tenant = add_known(t, name, line, e);
		if (tenant != NULL)
			keep_text(tenant, line);
		return tenant;
	}
	refuse(name, e);
	o = find_origin(t->config, tenant->name, line, e);
	if (o.conf == NULL)
		return NULL;
	take_origin(t, tenant, &o);
	keep_text(tenant, line);
	return tenant;
}

void
tenants_end(struct tenants *t, struct tenant *tenant)
{
	struct origin o = find_line(t->config, tenant->name);

	keep_text(tenant, NULL);
	take_origin(t, tenant, &o);
}

void
tenants_drop(struct tenants *t, struct tenant **tenant)
{
	traffic_add(&t->past, &(*tenant)->traffic);
	free_tenant(t, *tenant);
	*tenant = NULL;
}

struct tenant *
tenants_next(struct tenants *t, struct tenant *after)
{
	return after == NULL ? t->by_name : after->hh.next;
}

size_t
tenants_count(const struct tenants *t)
{
	return HASH_COUNT(t->by_name);
}

const struct traffic *
tenants_past(const struct tenants *t)
{
	return &t->past;
}

/* The first that is set; POOL_SIZE_AUTO is. */
static int64_t
pick(int64_t narrow, int64_t wide, int64_t widest)
{
	if (narrow != CONFIG_UNSET)
		return narrow;
	return wide != CONFIG_UNSET ? wide : widest;
}

int
tenant_pool_mode(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	return (int)pick(u != NULL ? u->pool_mode : POOL_INHERIT, t->conf != NULL ? t->conf->pool_mode : POOL_INHERIT,
			 c->pool_mode);
}

#define OF_USER(u, field) ((u) != NULL ? (u)->field : CONFIG_UNSET)
#define OF_TENANT(t, field) ((t)->conf != NULL ? (t)->conf->field : CONFIG_UNSET)

int
tenant_pool_size(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	return (int)pick(OF_USER(u, pool_size), OF_TENANT(t, pool_size), c->default_pool_size);
}

int
tenant_min_pool_size(const struct tenant *t, const struct config *c)
{
	return (int)pick(CONFIG_UNSET, OF_TENANT(t, min_pool_size), c->min_pool_size);
}

int
tenant_reserve_pool_size(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	return (int)pick(OF_USER(u, reserve_pool_size), OF_TENANT(t, reserve_pool_size), c->reserve_pool_size);
}

/* 0 in a line means "as the wider setting says" for these, as in PgBouncer. */
static int
pick_limit(int narrow, int wide)
{
	return narrow > 0 ? narrow : wide;
}

int
tenant_max_connections(const struct tenant *t, const struct config *c)
{
	return pick_limit(OF_TENANT(t, max_db_connections), c->max_db_connections);
}

int
tenant_max_client_connections(const struct tenant *t, const struct config *c)
{
	return pick_limit(OF_TENANT(t, max_db_client_connections), c->max_db_client_connections);
}

usec_t
tenant_server_lifetime(const struct tenant *t, const struct config *c)
{
	usec_t own = OF_TENANT(t, server_lifetime);

	return own > 0 ? own : c->server_lifetime;
}

usec_t
tenant_query_wait_timeout(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, query_wait_timeout), OF_TENANT(t, query_wait_timeout), c->query_wait_timeout);
}

usec_t
tenant_slow_query_threshold(const struct tenant *t, const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, slow_query_threshold), OF_TENANT(t, slow_query_threshold), c->slow_query_threshold);
}

int
user_max_connections(const struct config *c, const struct config_user *u)
{
	return pick_limit(OF_USER(u, max_user_connections), c->max_user_connections);
}

int
user_max_client_connections(const struct config *c, const struct config_user *u)
{
	return pick_limit(OF_USER(u, max_user_client_connections), c->max_user_client_connections);
}

usec_t
user_query_timeout(const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, query_timeout), CONFIG_UNSET, c->query_timeout);
}

usec_t
user_idle_transaction_timeout(const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, idle_transaction_timeout), CONFIG_UNSET, c->idle_transaction_timeout);
}

usec_t
user_transaction_timeout(const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, transaction_timeout), CONFIG_UNSET, c->transaction_timeout);
}

usec_t
user_client_idle_timeout(const struct config *c, const struct config_user *u)
{
	return pick(OF_USER(u, client_idle_timeout), CONFIG_UNSET, c->client_idle_timeout);
}
