/*
 * The configuration files: the ini file with its three kinds of lines, and,
 * with a first byte of 'u', the auth_file.  What loads must also print, and
 * what is refused must say why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "config/config.h"
#include "config/userlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take_user(void *arg, const char *user, const char *password)
{
	*(size_t *)arg += strlen(user) + strlen(password);
}

static void
take_key(void *arg, const char *key, const char *value, const char *def, bool changeable)
{
	(void)def;
	(void)changeable;
	*(size_t *)arg += strlen(key) + (value == NULL ? 0 : strlen(value));
}

static void
see_refused(void *arg, const struct ini_place *at, const struct error *e)
{
	(void)arg;
	if (at->line < 1 || e->message[0] == '\0')
		abort();
}

static void
parse_users(const uint8_t *data, size_t size, size_t *sum)
{
	char *text = memory_alloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	userlist_parse("u", text, size, take_user, see_refused, sum);
	free(text);
}

/* What a line makes is a string of ours, or the snapshot's: all are read to their ends. */
static void
read_line(const struct config *c, const struct config_database *d, size_t *sum)
{
	static const uint8_t ip[16] = { 10 };
	const char *const texts[] = { d->name, d->dbname, d->host, d->user, d->password, d->connect_query, d->limits };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*sum += texts[i] == NULL ? 0 : strlen(texts[i]);
	*sum += config_in_networks(d->allow, AF_INET, ip) + config_in_networks(d->deny, AF_INET6, ip);
	*sum += config_find_host(c, d->host, d->port) != NULL;
}

static void
check_tenants(const struct config *c, size_t *sum)
{
	for (size_t i = 0; i < c->ntenants; i++) {
		struct config_database *d;
		struct error e = { .message = "" };

		if (!config_is_tenant_name(c->tenants[i]->name) || config_find_database(c, c->tenants[i]->name) == NULL)
			abort();
		read_line(c, c->tenants[i], sum);
		d = config_make_line(c, c->tenants[i]->name, c->tenants[i]->host == NULL ? "" : c->tenants[i]->host, &e);
		if (d == NULL && e.message[0] == '\0')
			abort();
		if (d != NULL)
			read_line(c, d, sum);
		config_free_line(d);
	}
	for (size_t i = 0; i < c->nhosts; i++)
		if (config_find_host(c, c->hosts[i].host, c->hosts[i].port) == NULL)
			abort();
}

static void
check_limits(const struct config *c)
{
	for (size_t i = 0; i < c->nlimits; i++) {
		struct config_limits l;

		if (c->limits[i].scope == LIMIT_CLASS)
			continue;
		config_find_limits(c, c->limits[i].scope, c->limits[i].name, "gold", &l);
		if (l.queries < 0 || l.queries_burst < 0 || l.bytes < 0 || l.max_delay < 0 || l.shadow < 0)
			abort();
	}
}

static void
load_ini(const uint8_t *data, size_t size, size_t *sum, struct error *e)
{
	const struct config *c = config_from_text((const char *)data, size, e);

	if (c == NULL && e->message[0] == '\0')
		abort();
	if (c == NULL)
		return;
	config_each_key(c, take_key, sum);
	for (size_t i = 0; i < c->ndatabases; i++) {
		enum tls_mode mode;
		if (config_find_database(c, c->databases[i]->name) != c->databases[i])
			abort();
		if (config_server_tls(c, c->databases[i], &mode) != NULL || config_server_demands(c, c->databases[i]) == 0)
			abort();
		if (config_hash_security(1, c, c->databases[i]) != config_hash_security(1, c, c->databases[i]))
			abort();
	}
	config_free_line(config_make_autodb(c, "x"));
	check_tenants(c, sum);
	check_limits(c);
	config_unref(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = { .message = "" };
	size_t sum = 0;

	log_set_stderr(false);
	if (size > 0 && data[0] == 'u')
		parse_users(data + 1, size - 1, &sum);
	else
		load_ini(data, size, &sum, &e);
	return 0;
}
