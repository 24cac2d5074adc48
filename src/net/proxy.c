#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlstate.h"

#define V1_MAX 107
#define V2_HEAD 16

static const char v1_word[] = "PROXY ";
static const uint8_t v2_signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

static enum proxy_result
refuse(struct error *e, const char *why)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_PROTOCOL_VIOLATION, "%s", why);
	error_detail(e, "This address is in proxy_protocol: all that connects from there has to begin with a PROXY header.");
	return PROXY_INVALID;
}

/* Do n bytes begin with what, as far as they go? */
static bool
may_begin_with(const uint8_t *p, size_t n, const void *what, size_t size)
{
	return memcmp(p, what, n < size ? n : size) == 0;
}

static void
tell(struct proxy_header *h, uint8_t family, const uint8_t *ip, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

	h->told = true;
	if (family == AF_INET6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		ip += sizeof(mapped);
	}
	h->from = (struct address){ .family = family, .port = port };
	memcpy(h->from.ip, ip, family == AF_INET ? 4 : 16);
}

/* --- version 1 --- */

/* The next word of a line, which ends with a blank or, the last one, with the line. false: it is empty or too long. */
static bool
next_word(const char **text, const char *end, char *word, size_t size)
{
	const char *stop = memchr(*text, ' ', (size_t)(end - *text));
	size_t n = (size_t)((stop != NULL ? stop : end) - *text);

	if (n == 0 || n >= size || memchr(*text, '\0', n) != NULL)
		return false;
	memcpy(word, *text, n);
	word[n] = '\0';
	*text = stop != NULL ? stop + 1 : end;
	return true;
}

/* As a proxy writes it: no sign, no leading zero, no blank. */
static bool
read_port(const char *word, uint16_t *port)
{
	unsigned value = 0;

	if (word[0] == '0' && word[1] != '\0')
		return false;
	for (; *word != '\0'; word++) {
		if (*word < '0' || *word > '9')
			return false;
		value = value * 10 + (unsigned)(*word - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return true;
}

/* "192.0.2.1 198.51.100.1 56324 6432" */
static bool
read_addresses(const char *text, const char *end, uint8_t family, struct proxy_header *h)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], from_port[6], to_port[6];
	uint8_t ip[16], trash[16];
	uint16_t port, other;
	bool ends_there = end[-1] != ' ';

	if (!next_word(&text, end, from, sizeof(from)) || !next_word(&text, end, to, sizeof(to)) ||
	    !next_word(&text, end, from_port, sizeof(from_port)) || !next_word(&text, end, to_port, sizeof(to_port)) ||
	    text != end || !ends_there)
		return false;
	if (inet_pton(family, from, ip) != 1 || inet_pton(family, to, trash) != 1 || !read_port(from_port, &port) ||
	    !read_port(to_port, &other))
		return false;
	tell(h, family, ip, port);
	return true;
}

static bool
has_word(const char *text, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - text) >= n && memcmp(text, word, n) == 0;
}

static enum proxy_result
parse_v1(const uint8_t *p, size_t n, struct proxy_header *h, struct error *e)
{
	const char *text = (const char *)p, *end;
	const uint8_t *newline = memchr(p, '\n', n < V1_MAX ? n : V1_MAX);

	if (newline == NULL)
		return n < V1_MAX ? PROXY_SHORT : refuse(e, "PROXY header without an end");
	h->size = (size_t)(newline - p) + 1;
	if (h->size < sizeof(v1_word) + 1 || newline[-1] != '\r')
		return refuse(e, "malformed PROXY header");
	end = (const char *)newline - 1;
	text += sizeof(v1_word) - 1;
	if (has_word(text, end, "UNKNOWN") && (end - text == 7 || text[7] == ' '))
		return PROXY_OK;
	if (has_word(text, end, "TCP4 ") && read_addresses(text + 5, end, AF_INET, h))
		return PROXY_OK;
	if (has_word(text, end, "TCP6 ") && read_addresses(text + 5, end, AF_INET6, h))
		return PROXY_OK;
	return refuse(e, "malformed PROXY header");
}

/* --- version 2 --- */

enum { COMMAND_LOCAL, COMMAND_PROXY };
enum { V2_UNSPEC, V2_INET, V2_INET6, V2_UNIX, V2_FAMILIES };
enum { V2_ANY, V2_STREAM };

#define TLV_CRC32C 0x03

static const size_t addresses_size[V2_FAMILIES] = { [V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216 };

static uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Castagnoli's polynomial, over the header with zeros where the sum stands. */
static uint32_t
crc32c(const uint8_t *p, size_t n, size_t sum_at)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= i >= sum_at && i < sum_at + 4 ? 0 : p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* Walk over what follows the addresses.  false: it does not end where the header ends, or a sum is wrong. */
static bool
check_tlvs(const uint8_t *p, size_t at, size_t end)
{
	while (at < end) {
		size_t size;

		if (end - at < 3)
			return false;
		size = get_u16(p + at + 1);
		if (end - at - 3 < size)
			return false;
		if (p[at] == TLV_CRC32C) {
			const uint8_t *sum = p + at + 3;

			if (size != 4 || crc32c(p, end, at + 3) !=
						 ((uint32_t)get_u16(sum) << 16 | get_u16(sum + 2)))
				return false;
		}
		at += 3 + size;
	}
	return true;
}

static enum proxy_result
parse_proxied(const uint8_t *p, struct proxy_header *h, struct error *e)
{
	unsigned family = p[13] >> 4, transport = p[13] & 15;
	const uint8_t *at = p + V2_HEAD;

	if (family >= V2_FAMILIES || transport > V2_STREAM)
		return refuse(e, "PROXY header of a connection that is no stream");
	if (h->size < V2_HEAD + addresses_size[family])
		return refuse(e, "PROXY header too short for its addresses");
	/* Of an unspecified family nothing behind the head has a meaning. */
	if (family != V2_UNSPEC && !check_tlvs(p, V2_HEAD + addresses_size[family], h->size))
		return refuse(e, "PROXY header with malformed TLVs");
	if (transport == V2_STREAM && family == V2_INET)
		tell(h, AF_INET, at, get_u16(at + 8));
	else if (transport == V2_STREAM && family == V2_INET6)
		tell(h, AF_INET6, at, get_u16(at + 32));
	return PROXY_OK;
}

static enum proxy_result
parse_v2(const uint8_t *p, size_t n, struct proxy_header *h, struct error *e)
{
	if (n < V2_HEAD)
		return PROXY_SHORT;
	if (p[12] >> 4 != 2 || (p[12] & 15) > COMMAND_PROXY)
		return refuse(e, "PROXY header of an unknown version or command");
	h->size = V2_HEAD + get_u16(p + 14);
	if (h->size > PROXY_MAX)
		return refuse(e, "PROXY header too long");
	if (n < h->size)
		return PROXY_SHORT;
	/* LOCAL: whatever stands there is to be skipped. */
	h->local = (p[12] & 15) == COMMAND_LOCAL;
	return h->local ? PROXY_OK : parse_proxied(p, h, e);
}

enum proxy_result
proxy_parse(const uint8_t *p, size_t n, struct proxy_header *h, struct error *e)
{
	*h = (struct proxy_header){ .told = false };
	if (n == 0)
		return PROXY_SHORT;
	if (may_begin_with(p, n, v2_signature, sizeof(v2_signature)))
		return parse_v2(p, n, h, e);
	if (may_begin_with(p, n, v1_word, sizeof(v1_word) - 1))
		return parse_v1(p, n, h, e);
	return refuse(e, "a PROXY header was expected");
}
