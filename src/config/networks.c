#include "config/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/strings.h"
#include "config/config.h"

#define UNIX_WORD "unix"

static bool
parse_bits(const char *text, size_t n, int max, int *bits)
{
	char digits[4];
	int64_t value;

	if (n == 0 || n >= sizeof(digits) || strspn(text, "0123456789") < n)
		return false;
	string_copy(digits, text, n + 1);
	if (!string_to_int64(digits, &value) || value > max)
		return false;
	*bits = (int)value;
	return true;
}

/* As inet_pton does, without a copy: lists are read again at each login. */
static bool
parse_ipv4(const char *p, const char *end, uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		unsigned n = 0;
		int digits = 0;

		if (i > 0 && (p == end || *p++ != '.'))
			return false;
		for (; p < end && *p >= '0' && *p <= '9' && digits < 3; digits++)
			n = n * 10 + (unsigned)(*p++ - '0');
		if (digits == 0 || n > 255 || (digits > 1 && p[-digits] == '0'))
			return false;
		ip[i] = (uint8_t)n;
	}
	return p == end;
}

static bool
parse_ipv6(const char *text, size_t n, uint8_t *ip)
{
	char address[INET6_ADDRSTRLEN];

	return n < sizeof(address) && inet_pton(AF_INET6, string_copy(address, text, n + 1), ip) == 1;
}

void
network_widen(struct network *w, int bits)
{
	int whole = bits / 8;

	w->bits = bits;
	if (bits % 8 != 0) {
		w->ip[whole] &= (uint8_t)(0xff << (8 - bits % 8));
		whole++;
	}
	memset(w->ip + whole, 0, sizeof(w->ip) - (size_t)whole);
}

/* But for what is set behind its length. */
static bool
parse_network(const char *text, size_t n, struct network *w)
{
	const char *slash = memchr(text, '/', n);
	size_t length = slash == NULL ? n : (size_t)(slash - text);

	*w = (struct network){ .family = AF_UNIX };
	if (n == strlen(UNIX_WORD) && memcmp(text, UNIX_WORD, n) == 0)
		return true;
	w->family = memchr(text, ':', length) == NULL ? AF_INET : AF_INET6;
	w->bits = w->family == AF_INET ? 32 : 128;
	if (w->family == AF_INET ? !parse_ipv4(text, text + length, w->ip) : !parse_ipv6(text, length, w->ip))
		return false;
	return slash == NULL || parse_bits(slash + 1, n - length - 1, w->bits, &w->bits);
}

bool
network_parse(const char *text, size_t n, struct network *w)
{
	struct network wider;

	if (!parse_network(text, n, w))
		return false;
	wider = *w;
	network_widen(&wider, w->bits);
	return memcmp(wider.ip, w->ip, sizeof(w->ip)) == 0;
}

const char *
network_problem(const char *text, size_t n)
{
	struct network w;

	return parse_network(text, n, &w) ? "has bits set behind its length" : "is no address and no network";
}

const char *
network_print(const struct network *w, char buf[NETWORK_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	if (w->family == AF_UNIX || inet_ntop(w->family, w->ip, address, sizeof(address)) == NULL)
		return string_copy(buf, UNIX_WORD, NETWORK_TEXT);
	snprintf(buf, NETWORK_TEXT, "%s/%d", address, w->bits);
	return buf;
}

/* The next word of a list and its length; 0: the end, or nothing before a comma. */
static size_t
next_word(const char **list)
{
	const char *end;

	*list += strspn(*list, " \t");
	end = *list + strcspn(*list, ",");
	while (end > *list && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (size_t)(end - *list);
}

/* Behind the comma that follows.  false: the list ends. */
static bool
skip_comma(const char **list)
{
	*list += strcspn(*list, ",");
	return *(*list)++ == ',';
}

bool
networks_are_good(const char *list)
{
	struct network w;

	if (*list == '\0')
		return true;
	do {
		size_t n = next_word(&list);

		if (!network_parse(list, n, &w))
			return false;
	} while (skip_comma(&list));
	return true;
}

static bool
holds(const struct network *w, int family, const uint8_t *ip)
{
	int whole = w->bits / 8, rest = w->bits % 8;

	if (w->family != family)
		return false;
	if (family == AF_UNIX)
		return true;
	return memcmp(w->ip, ip, (size_t)whole) == 0 &&
	       (rest == 0 || (w->ip[whole] ^ ip[whole]) >> (8 - rest) == 0);
}

bool
config_in_networks(const char *list, int family, const uint8_t *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct network w;

	if (list == NULL || *list == '\0')
		return false;
	if (family == AF_INET6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		ip += sizeof(mapped);
	}
	do {
		size_t n = next_word(&list);

		if (parse_network(list, n, &w) && holds(&w, family, ip))
			return true;
	} while (skip_comma(&list));
	return false;
}
