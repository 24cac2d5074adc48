#include "http/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/strings.h"
#include "config/http.h"

#define NAME_MAX_SIZE 256

static bool
is_port(const char *text)
{
	return text[0] != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text);
}

/* The name without port, brackets and final dot.  false: it is no host. */
static bool
take_name(const char *host, char name[NAME_MAX_SIZE])
{
	const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
	size_t n;

	if (end == NULL)
		return false;
	if (host[0] == '[') {
		n = (size_t)(end++ - ++host);
	} else {
		n = (size_t)(end - host);
		if (n > 1 && host[n - 1] == '.')
			n--;
	}
	if (n == 0 || n >= NAME_MAX_SIZE || (*end != '\0' && (*end != ':' || !is_port(end + 1))))
		return false;
	string_copy(name, host, n + 1);
	return true;
}

static bool
is_address_of(const struct address *self, const char *name)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET ||
		       (self->family == AF_INET && memcmp(self->ip, &v4, sizeof(v4)) == 0);
	if (inet_pton(AF_INET6, name, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) ||
		       (self->family == AF_INET6 && memcmp(self->ip, &v6, sizeof(v6)) == 0);
	return false;
}

static bool
is_listened_on(const char *list, const char *name)
{
	struct http_address a;

	while (http_address_next(&list, &a)) {
		if (a.port != 0 && string_equal_nocase(a.host, name))
			return true;
	}
	return false;
}

bool
host_is_ours(const char *host, const struct address *self, const struct config *c)
{
	char name[NAME_MAX_SIZE];

	return take_name(host, name) &&
	       (string_equal_nocase(name, "localhost") || is_address_of(self, name) ||
		is_listened_on(c->http_listen, name) || string_in_list_nocase(c->http_hosts, name));
}

bool
host_is_our_origin(const char *origin, const struct address *self, const struct config *c)
{
	const char *scheme_end = strstr(origin, "://");

	return scheme_end != NULL && host_is_ours(scheme_end + 3, self, c);
}
