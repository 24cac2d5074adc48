#include "config/hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "config/lookup.h"
#include "config/snapshot.h"

#define PORT_DEFAULT 5432
#define PORT_MAX 65535

static bool
parse_port(const char *text, int *port)
{
	int64_t n;

	if (!string_to_int64(text, &n) || n < 1 || n > PORT_MAX)
		return false;
	*port = (int)n;
	return true;
}

/* name is behind the "[". */
static bool
parse_brackets(char *name, const char **host, int *port)
{
	char *end = strchr(name, ']');
	struct in6_addr v6;

	if (end == NULL)
		return false;
	*end++ = '\0';
	*host = name;
	if (inet_pton(AF_INET6, name, &v6) != 1)
		return false;
	return *end == '\0' || (*end == ':' && parse_port(end + 1, port));
}

bool
host_parse(char *name, const char **host, int *port)
{
	char *colon = strchr(name, ':');
	struct in6_addr v6;

	*port = PORT_DEFAULT;
	*host = name;
	if (*name == '[')
		return parse_brackets(name + 1, host, port);
	if (strpbrk(name, ", \t") != NULL)
		return false;
	if (colon == NULL || inet_pton(AF_INET6, name, &v6) == 1)
		return true;
	*colon = '\0';
	return colon != name && strcmp(name, "*") != 0 && parse_port(colon + 1, port);
}

static void
fold(const char *host, char *folded, size_t size)
{
	size_t i = 0;

	for (; host[i] != '\0' && i < size - 1; i++)
		folded[i] = string_lower(host[i]);
	folded[i] = '\0';
}

const char *
host_key(const char *host, int port, char key[HOST_KEY])
{
	char folded[HOST_KEY - 10];
	struct in6_addr v6;

	if (*host == '/' || *host == '@')
		string_copy(folded, host, sizeof(folded));
	else if (strchr(host, ':') == NULL || inet_pton(AF_INET6, host, &v6) != 1 ||
		 inet_ntop(AF_INET6, &v6, folded, sizeof(folded)) == NULL)
		fold(host, folded, sizeof(folded));
	snprintf(key, HOST_KEY, "%d %s", port, folded);
	return key;
}

size_t
hosts_number(const struct config_host *h)
{
	return ((const struct hosts_line *)h)->number;
}

const struct config_host *
config_find_host(const struct config *c, const char *host, int port)
{
	const struct hosts_line *h;
	char key[HOST_KEY];

	if (c->nhosts == 0)
		return NULL;
	h = lookup_find(&c->index->hosts, host_key(host == NULL ? c->unix_socket_dir : host, port, key));
	if (h == NULL)
		h = lookup_find(&c->index->hosts, host_key("*", 0, key));
	return h == NULL ? NULL : &h->host;
}
