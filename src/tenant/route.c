#include "tenant/route.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

/* One look at what a client says. */
struct inquest {
	const struct config *config;
	const struct route_signs *signs;
	struct route *route;
	const char *source;	/* of the tenant, for people; NULL: none was found yet */
};

/* n bytes of text as the name of a tenant, in out; false: too long for one. */
static bool
cut(const struct config *c, const char *text, size_t n, bool always_fold, char out[TENANT_NAME])
{
	if (n >= TENANT_NAME)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	if (always_fold)
		string_fold(out);
	else
		config_fold_name(c, out);
	return true;
}

/* acme.db.example.com, with tenant_sni_suffix = .db.example.com */
static size_t
label_of_host(const struct config *c, const char *host)
{
	size_t n = strlen(host), tail = strlen(c->tenant_sni_suffix);

	return tail > 0 && n > tail && strcasecmp(host + n - tail, c->tenant_sni_suffix) == 0 ? n - tail : 0;
}

/* What a source says, without its NUL; NULL: nothing. */
static const char *
read_sign(const struct inquest *q, enum tenant_route source, size_t *n)
{
	const struct route_signs *signs = q->signs;
	const char *text = NULL, *dot;

	*n = 0;
	switch (source) {
	case ROUTE_OPTIONS:
		text = signs->option;
		break;
	case ROUTE_SNI:
		text = signs->sni;
		*n = text == NULL ? 0 : label_of_host(q->config, text);
		return *n > 0 ? text : NULL;
	case ROUTE_USER:
		dot = strrchr(signs->user, '.');
		text = dot == NULL || dot == signs->user ? NULL : dot + 1;
		break;
	case ROUTE_DATABASE:
		text = signs->database;
		break;
	case ROUTES:
		break;
	}
	if (text == NULL || text[0] == '\0')
		return NULL;
	*n = strlen(text);
	return text;
}

static const char *const source_names[ROUTES] = {
	[ROUTE_DATABASE] = "database",
	[ROUTE_USER] = "user",
	[ROUTE_SNI] = "sni",
	[ROUTE_OPTIONS] = "options",
};

/* The first of two that differ is told, not the other: who guesses learns nothing of names. */
static bool
contradict(const struct inquest *q, const char *source, struct error *e)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_AUTHORIZATION, "the %s and the %s of this connection name different tenants",
		  q->source, source);
	error_hint(e, "Name the tenant once, or the same one everywhere (tenant_route).");
	return false;
}

static bool
refuse_name(const char *source, struct error *e)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_CATALOG_NAME, "the %s of this connection holds no name of a tenant", source);
	error_hint(e, "A tenant's name has letters, digits, '_', '-' and '.', 63 at most.");
	return false;
}

static bool
take_sign(struct inquest *q, enum tenant_route source, struct error *e)
{
	char name[TENANT_NAME];
	size_t n;
	const char *text = read_sign(q, source, &n);

	if (text == NULL)
		return true;
	if (!cut(q->config, text, n, source == ROUTE_SNI, name) ||
	    (config_find_database(q->config, name) == NULL && !config_is_tenant_name(name)))
		return refuse_name(source_names[source], e);
	if (q->source != NULL && strcmp(q->route->name, name) != 0)
		return contradict(q, source_names[source], e);
	if (q->source == NULL) {
		q->source = source_names[source];
		string_copy(q->route->name, name, sizeof(q->route->name));
		q->route->tenant = q->route->name;
	}
	return true;
}

/* A database is any name, also one that is too long for a tenant's: there may be a line of it, or "*". */
static bool
take_database(struct inquest *q, struct error *e)
{
	size_t n;
	const char *text = read_sign(q, ROUTE_DATABASE, &n);

	if (text == NULL)
		return true;
	if (q->source == NULL) {
		q->source = source_names[ROUTE_DATABASE];
		q->route->tenant = text;
		if (cut(q->config, text, n, false, q->route->name))
			q->route->tenant = q->route->name;
		return true;
	}
	if (strcmp(q->route->name, text) == 0 || config_find_database(q->config, text) == NULL)
		return true;
	q->route->late = true;
	return contradict(q, source_names[ROUTE_DATABASE], e);
}

/* Where the word that stands at `list` ends; *source: ROUTES if it is none. */
static const char *
next_source(const char *list, enum tenant_route *source)
{
	size_t blanks = strspn(list, ", \t"), n = strcspn(list + blanks, ", \t");

	list += blanks;
	for (*source = 0; *source < ROUTES; (*source)++) {
		if (strlen(source_names[*source]) == n && strncasecmp(source_names[*source], list, n) == 0)
			break;
	}
	return n == 0 ? NULL : list + n;
}

static bool
names_source(const struct config *c, enum tenant_route wanted)
{
	const char *list = c->tenant_route;
	enum tenant_route source;

	while ((list = next_source(list, &source)) != NULL) {
		if (source == wanted)
			return true;
	}
	return false;
}

static bool
take_signs(struct inquest *q, struct error *e)
{
	const char *list = q->config->tenant_route;
	enum tenant_route source;

	while ((list = next_source(list, &source)) != NULL) {
		bool fine = source == ROUTES || (source == ROUTE_DATABASE ? take_database(q, e) : take_sign(q, source, e));

		if (!fine)
			return false;
	}
	return true;
}

/* Nothing says anything: as PostgreSQL, the database of the user's name, or what the operator wants. */
static bool
fall_back(struct inquest *q, struct error *e)
{
	const struct config *c = q->config;

	if (c->tenant_fallback[0] != '\0') {
		q->route->tenant = c->tenant_fallback;
		return true;
	}
	if (names_source(c, ROUTE_DATABASE)) {
		q->route->tenant = q->signs->user;
		return true;
	}
	error_set(e, SEVERITY_FATAL, SQLSTATE_INVALID_CATALOG_NAME, "this connection names no tenant");
	error_hint(e, "It is looked for in: %s (tenant_route).", c->tenant_route);
	return false;
}

bool
route_find(const struct config *c, const struct route_signs *signs, struct route *r, struct error *e)
{
	struct inquest q = { .config = c, .signs = signs, .route = r };
	size_t n;

	r->tenant = NULL;
	r->name[0] = '\0';
	r->late = false;
	r->user_length = strlen(signs->user);
	/* The console is there whatever the routes are. */
	if (signs->database != NULL && config_is_reserved(signs->database)) {
		r->tenant = signs->database;
		return true;
	}
	if (names_source(c, ROUTE_USER) && read_sign(&q, ROUTE_USER, &n) != NULL)
		r->user_length -= n + 1;
	return take_signs(&q, e) && (q.source != NULL || fall_back(&q, e));
}
