/*
 * The configuration files: the ini file with its three kinds of lines, and,
 * with a first byte of 'u', the auth_file.  What loads must also print, and
 * what is refused must say why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
parse_users(const uint8_t *data, size_t size, size_t *sum, struct error *e)
{
	char *text = memory_alloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	if (!userlist_parse("u", text, size, take_user, sum, e) && e->message[0] == '\0')
		abort();
	free(text);
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
		if (!config_same_security(c, c->databases[i], c, c->databases[i]))
			abort();
	}
	config_free_line(config_make_autodb(c, "x"));
	config_unref(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = { .message = "" };
	size_t sum = 0;

	log_set_stderr(false);
	if (size > 0 && data[0] == 'u')
		parse_users(data + 1, size - 1, &sum, &e);
	else
		load_ini(data, size, &sum, &e);
	return 0;
}
