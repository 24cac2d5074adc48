#include "redis/url.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"

#define SCHEME "redis://"
#define DEFAULT_PORT 6379
#define DATABASE_MAX 65535

static bool __attribute__((format(printf, 2, 3)))
refuse(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(e, SEVERITY_ERROR, SQLSTATE_INVALID_PARAMETER, fmt, ap);
	va_end(ap);
	return false;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, string_lower(c));

	return at == NULL ? -1 : (int)(at - digits);
}

/* A copy without percent signs; NULL: one of them does not stand in front of two digits, or says NUL. */
static char *
decode(const char *text, size_t n)
{
	char *out = memory_alloc(n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int high = 0, low = 0;

		if (text[i] != '%') {
			out[k++] = text[i];
			continue;
		}
		if (i + 2 >= n || (high = hex_digit(text[i + 1])) < 0 || (low = hex_digit(text[i + 2])) < 0 ||
		    (high | low) == 0) {
			memory_wipe(out, k);
			free(out);
			return NULL;
		}
		out[k++] = (char)(high * 16 + low);
		i += 2;
	}
	out[k] = '\0';
	return out;
}

/* [user][:password] */
static bool
take_login(struct redis_address *a, const char *text, size_t n, struct error *e)
{
	const char *colon = memchr(text, ':', n);
	size_t user = colon == NULL ? n : (size_t)(colon - text);

	if (user > 0 && (a->user = decode(text, user)) == NULL)
		return refuse(e, "the user name of a Redis URL is not encoded as it should be");
	if (colon != NULL && (a->password = decode(colon + 1, n - user - 1)) == NULL)
		return refuse(e, "the password of a Redis URL is not encoded as it should be");
	if (a->user != NULL && a->password == NULL)
		return refuse(e, "a Redis URL with a user name needs a password: redis://user:password@host");
	return true;
}

static bool
take_number(const char *text, int64_t min, int64_t max, int *out)
{
	int64_t n;

	if (text[0] < '0' || text[0] > '9' || !string_to_int64(text, &n) || n < min || n > max)
		return false;
	*out = (int)n;
	return true;
}

/* host[:port] */
static bool
take_host(struct redis_address *a, const char *text, size_t n, struct error *e)
{
	const char *end = text + n, *host = text, *behind;

	if (n > 0 && text[0] == '[') {
		host++;
		behind = memchr(host, ']', n - 1);
		if (behind == NULL)
			return refuse(e, "the address of a Redis URL has no \"]\"");
		a->host = memory_strndup(host, (size_t)(behind - host));
		behind++;
	} else {
		behind = memchr(text, ':', n);
		if (behind == NULL)
			behind = end;
		a->host = memory_strndup(host, (size_t)(behind - host));
	}
	if (a->host[0] == '\0')
		return refuse(e, "a Redis URL needs a host: redis://host:6379/0");
	if (behind < end) {
		char *port = memory_strndup(behind + 1, (size_t)(end - behind - 1));
		bool ok = *behind == ':' && take_number(port, 1, 65535, &a->port);

		free(port);
		if (!ok)
			return refuse(e, "the port of a Redis URL is a number from 1 to 65535");
	}
	return true;
}

static bool
take_url(struct redis_address *a, const char *url, struct error *e)
{
	const char *rest, *at, *slash;

	if (strncmp(url, "rediss://", strlen("rediss://")) == 0) {
		refuse(e, "Redis over TLS (rediss://) is not supported");
		error_hint(e, "Put a TLS proxy such as stunnel on this host.");
		return false;
	}
	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return refuse(e, "a Redis URL looks like redis://user:password@host:6379/0");
	rest = url + strlen(SCHEME);
	at = strrchr(rest, '@');
	if (at != NULL && !take_login(a, rest, (size_t)(at - rest), e))
		return false;
	rest = at == NULL ? rest : at + 1;
	slash = strchr(rest, '/');
	if (!take_host(a, rest, slash == NULL ? strlen(rest) : (size_t)(slash - rest), e))
		return false;
	if (slash != NULL && slash[1] != '\0' && !take_number(slash + 1, 0, DATABASE_MAX, &a->database))
		return refuse(e, "the database of a Redis URL is a number");
	return true;
}

bool
redis_parse_url(const char *url, struct redis_address *a, struct error *e)
{
	*a = (struct redis_address){ .port = DEFAULT_PORT };
	if (take_url(a, url, e))
		return true;
	redis_address_release(a);
	return false;
}

void
redis_address_release(struct redis_address *a)
{
	free(a->host);
	memory_free_secret(a->user);
	memory_free_secret(a->password);
	*a = (struct redis_address){ 0 };
}
