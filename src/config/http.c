#include "config/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "config/scan.h"

#define HASH_PREFIX "sha256:"
#define TOKEN_PREFIX "pgusher_"
#define TOKEN_BYTES 32
#define PORT_MAX 65535

/* --- addresses --- */

static bool
take_path(const char *text, size_t n, struct http_address *a)
{
	if (n >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return false;
	string_copy(a->host, text, n + 1);
	a->port = 0;
	return true;
}

static bool
parse_port(const char *text, size_t n, int *port)
{
	char digits[6];
	int64_t value;

	if (n == 0 || n >= sizeof(digits) || strspn(text, "0123456789") < n)
		return false;
	string_copy(digits, text, n + 1);
	if (!string_to_int64(digits, &value) || value < 1 || value > PORT_MAX)
		return false;
	*port = (int)value;
	return true;
}

/* "host:port", where a host that holds colons itself stands in brackets. */
static bool
take_host_and_port(const char *text, size_t n, struct http_address *a)
{
	const char *host = text, *end;
	bool brackets = *text == '[';

	if (brackets)
		host++;
	end = memchr(host, brackets ? ']' : ':', n - (size_t)(host - text));
	if (end == NULL || end == host || (size_t)(end - host) >= sizeof(a->host))
		return false;
	const char *colon = brackets ? end + 1 : end;
	if (colon >= text + n || *colon != ':' ||
		!parse_port(colon + 1, n - (size_t)(colon + 1 - text), &a->port))
		return false;
	string_copy(a->host, host, (size_t)(end - host) + 1);
	return true;
}

static const char *
skip_blanks(const char *text)
{
	while (scan_is_blank(*text))
		text++;
	return text;
}

/* text is behind an address.  NULL: neither the end follows nor a comma and something more. */
static const char *
skip_comma(const char *text)
{
	text = skip_blanks(text);
	if (*text == '\0')
		return text;
	if (*text != ',')
		return NULL;
	text = skip_blanks(text + 1);
	return *text == '\0' ? NULL : text;
}

bool
http_address_next(const char **rest, struct http_address *a)
{
	const char *p = skip_blanks(*rest);
	size_t n = strcspn(p, ", \t");
	const char *next = skip_comma(p + n);

	*rest = p;
	if (n == 0 || next == NULL || !(*p == '/' ? take_path(p, n, a) : take_host_and_port(p, n, a)))
		return false;
	*rest = next;
	return true;
}

bool
http_list_is_good(const char *list)
{
	struct http_address a;

	while (http_address_next(&list, &a))
		;
	return *list == '\0';
}

bool
http_address_is_local(const struct http_address *a)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (a->port == 0 || string_equal_nocase(a->host, "localhost"))
		return true;
	if (inet_pton(AF_INET, a->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool
http_check(const struct config *c, struct error *e)
{
	const char *rest = c->http_listen;
	struct http_address a;
	bool has_tls = c->http_tls_cert_file[0] != '\0' && c->http_tls_key_file[0] != '\0';

	while (http_address_next(&rest, &a)) {
		if ((has_tls && c->nhttp_tokens > 0) || http_address_is_local(&a))
			continue;
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE,
			"http_listen %.60s can be reached from other machines, so it needs TLS and a token: set "
			"http_tls_cert_file and http_tls_key_file and add a line to [http_tokens], for which "
			"\"pgusher --new-token\" makes one; or listen on 127.0.0.1", a.host);
		return false;
	}
	return true;
}

/* --- the names it has --- */

static bool
is_name(const char *name, size_t n)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr v6;

	if (n == 0 || name[n - 1] == '.')
		return false;
	if (memchr(name, ':', n) != NULL)
		return n < sizeof(address) &&
		       inet_pton(AF_INET6, string_copy(address, name, n + 1), &v6) == 1;
	for (size_t i = 0; i < n; i++)
		if (strchr("/[]*@?#\"\\", name[i]) != NULL || (unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return true;
}

bool
http_hosts_are_good(const char *list)
{
	if (*list == '\0')
		return true;
	for (;;) {
		size_t n;

		list += strspn(list, " \t");
		n = strcspn(list, ",");
		for (const char *end = list + n; n > 0 && (end[-1] == ' ' || end[-1] == '\t'); end--)
			n--;
		if (!is_name(list, n))
			return false;
		list += strcspn(list, ",");
		if (*list++ == '\0')
			return true;
	}
}

/* --- the webhook --- */

bool
http_url_is_good(const char *url)
{
	static const char *const schemes[] = { "http://", "https://" };
	const char *host = NULL;

	for (size_t i = 0; i < lengthof(schemes); i++)
		if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			host = url + strlen(schemes[i]);
	if (host == NULL || strchr("/?#:", *host) != NULL) /* the end, too */
		return false;
	for (const char *p = host; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

/* --- tokens --- */

void
http_token_hash(const char *token, size_t n, uint8_t hash[32])
{
	if (EVP_Digest(token, n, hash, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

bool
http_token_make(char token[HTTP_TOKEN_SIZE])
{
	uint8_t bytes[TOKEN_BYTES];
	bool ok = RAND_priv_bytes(bytes, sizeof(bytes)) == 1;
	size_t n = strlen(string_copy(token, TOKEN_PREFIX, HTTP_TOKEN_SIZE));

	for (size_t i = 0; i < sizeof(bytes); i++)
		n += (size_t)snprintf(token + n, HTTP_TOKEN_SIZE - n, "%02x", bytes[i]);
	memory_wipe(bytes, sizeof(bytes));
	return ok;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, string_lower(c));

	return at == NULL ? -1 : (int)(at - digits);
}

bool
http_token_parse_hash(const char *text, uint8_t hash[32])
{
	size_t prefix = strlen(HASH_PREFIX);
	const char *p = text + prefix;

	if (strncmp(text, HASH_PREFIX, prefix) != 0 || strlen(p) != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(p[2 * i]), low = hex_digit(p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		hash[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}
