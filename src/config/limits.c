#include "config/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/lookup.h"
#include "config/settings.h"
#include "config/snapshot.h"
#include "config/value.h"

static const char *const scope_names[] = {
	[LIMIT_TENANT] = "tenant",
	[LIMIT_USER] = "user",
	[LIMIT_CLIENT] = "client",
	[LIMIT_ADDRESS] = "address",
	[LIMIT_NETWORK] = "network",
	[LIMIT_CLASS] = "class",
};

const char *
config_scope_name(int scope)
{
	return scope_names[scope];
}

/* --- names of lines --- */

static bool __attribute__((format(printf, 2, 3)))
refuse(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_of_addresses(int scope)
{
	return scope == LIMIT_ADDRESS || scope == LIMIT_NETWORK;
}

static bool
parse_scope(const char *name, size_t n, int *scope)
{
	for (size_t i = 0; i < lengthof(scope_names); i++) {
		if (strlen(scope_names[i]) == n && memcmp(scope_names[i], name, n) == 0) {
			*scope = (int)i;
			return true;
		}
	}
	return false;
}

bool
limit_parse_name(const char *name, int *scope, const char **whom, char buf[NETWORK_TEXT], struct error *e)
{
	size_t n = strcspn(name, ":");
	struct network w;

	if (!parse_scope(name, n, scope))
		return refuse(e, "\"%.60s\" is nothing that can be limited: a line of [limits] is for tenant, user, client, "
			"address or network, for one of them like tenant:acme, or for a class like class:gold", name);
	*whom = name[n] == ':' ? name + n + 1 : "";
	if (**whom == '\0' && (name[n] == ':' || *scope == LIMIT_CLASS))
		return refuse(e, "\"%.60s\" does not say which %s", name, scope_names[*scope]);
	if (**whom == '\0' || !is_of_addresses(*scope))
		return true;
	if (!network_parse(*whom, strlen(*whom), &w) || w.family == AF_UNIX)
		return refuse(e, "\"%.60s\" must name an address like 10.0.0.7 or a network like 10.1.2.0/24 or 2001:db8::/32, "
			"with no bit set behind its length", name);
	*whom = network_print(&w, buf);
	return true;
}

const char *
limit_key(int scope, const char *whom, char key[LIMIT_KEY])
{
	snprintf(key, LIMIT_KEY, "%d %s", scope, whom);
	return key;
}

void
limit_note_network(bool *bits, int scope, const char *whom)
{
	struct network w;

	if (is_of_addresses(scope) && network_parse(whom, strlen(whom), &w))
		bits[w.bits] = true;
}

/* --- which line counts --- */

static const struct config_limit_line *
find_line(const struct config *c, int scope, const char *whom)
{
	char key[LIMIT_KEY];

	return lookup_find(&c->index->limits, limit_key(scope, whom, key));
}

static const struct config_limit_line *
find_network(const struct config *c, int scope, const char *text)
{
	const struct config_limit_line *line = NULL;
	char name[NETWORK_TEXT];
	struct network w;

	if (!network_parse(text, strlen(text), &w) || w.family == AF_UNIX)
		return NULL;
	for (int bits = w.bits; bits >= 0 && line == NULL; bits--) {
		if (!c->index->limit_bits[bits])
			continue;
		network_widen(&w, bits);
		line = find_line(c, scope, network_print(&w, name));
	}
	return line;
}

/* A rate comes with its burst from one line; in the table it stands right before it. */
static bool
is_burst(const struct key *k)
{
	return k->offset == offsetof(struct config_limits, connections_burst) ||
	       k->offset == offsetof(struct config_limits, queries_burst) ||
	       k->offset == offsetof(struct config_limits, bytes_burst) ||
	       k->offset == offsetof(struct config_limits, server_time_burst);
}

/* What l leaves open is what the wider line says. */
static void
fill_from(struct config_limits *l, const struct config_limits *wider)
{
	const struct key_group *g = &section_limits.groups[0];
	bool open = false;

	for (const struct key *k = g->keys; k < g->keys + g->nkeys; k++) {
		if (!is_burst(k))
			open = value_number(k, l) == CONFIG_UNSET;
		if (open)
			value_set_number(k, l, value_number(k, wider));
	}
}

static void
close_rest(struct config_limits *l)
{
	const struct key_group *g = &section_limits.groups[0];
	int64_t before = 0;

	if (l->max_delay == CONFIG_UNSET)
		l->max_delay = LIMIT_MAX_DELAY;
	for (const struct key *k = g->keys; k < g->keys + g->nkeys; k++) {
		int64_t n = value_number(k, l);

		if (n == CONFIG_UNSET)
			n = is_burst(k) ? before : 0;
		value_set_number(k, l, n);
		before = n;
	}
}

static bool
limits_something(const struct config_limits *l)
{
	return l->clients > 0 || l->connections > 0 || l->queries > 0 || l->active > 0 || l->bytes > 0 ||
	       l->server_time > 0 || l->result_size > 0 || l->query_length > 0 || l->transaction > 0 || l->queue > 0;
}

bool
config_find_limits(const struct config *c, int scope, const char *name, const char *class, struct config_limits *l)
{
	const struct config_limit_line *lines[] = { NULL, NULL, NULL };

	if (c->nlimits == 0)
		return false;
	if (*name != '\0')
		lines[0] = is_of_addresses(scope) ? find_network(c, scope, name) : find_line(c, scope, name);
	if (scope == LIMIT_TENANT && class != NULL)
		lines[1] = find_line(c, LIMIT_CLASS, class);
	lines[2] = find_line(c, scope, "");
	settings_reset(&section_limits, l, NULL);
	for (size_t i = 0; i < lengthof(lines); i++)
		if (lines[i] != NULL)
			fill_from(l, &lines[i]->limits);
	close_rest(l);
	return limits_something(l);
}
