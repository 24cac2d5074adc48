/*
 * For whom a proxy comes.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_header h;
static struct error e;

static enum proxy_result
parse(const void *bytes, size_t n)
{
	return proxy_parse(bytes, n, &h, &e);
}

/* "10.0.0.1:5000", "-": nothing is told, "invalid", "short". */
static const char *
result(const void *bytes, size_t n)
{
	static char text[ADDRESS_TEXT];

	switch (parse(bytes, n)) {
	case PROXY_SHORT:
		return "short";
	case PROXY_INVALID:
		cr_assert_str_eq(e.sqlstate, "08P01");
		cr_assert_neq(e.message[0], '\0');
		return "invalid";
	case PROXY_OK:
		break;
	}
	cr_assert_leq(h.size, n);
	return h.told ? address_text(&h.from, 0, text) : "-";
}

static const struct {
	const char *line, *result;
} lines[] = {
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432\r\n", "10.0.0.1:5000" },
	{ "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535" },
	{ "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0" },
	{ "PROXY TCP6 2001:db8::1 ::1 5000 6432\r\n", "[2001:db8::1]:5000" },
	{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ "PROXY TCP6 ::ffff:10.0.0.1 ::1 5000 6432\r\n", "10.0.0.1:5000" },
	{ "PROXY UNKNOWN\r\n", "-" },
	{ "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "-" },
	{ "PROXY UNKNOWNS\r\n", "invalid" },
	{ "PROXY \r\n", "invalid" },
	{ "PROXY TCP4\r\n", "invalid" },
	{ "PROXY TCP4 \r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000\r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 \r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432 \r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432 1\r\n", "invalid" },
	{ "PROXY TCP4  10.0.0.1 10.0.0.2 5000 6432\r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 65536 6432\r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 05000 6432\r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 -1 6432\r\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432\n", "invalid" },
	{ "PROXY TCP4 10.0.0.1 10.0.0 5000 6432\r\n", "invalid" },
	{ "PROXY TCP4 2001:db8::1 ::1 5000 6432\r\n", "invalid" },
	{ "PROXY TCP6 10.0.0.1 10.0.0.2 5000 6432\r\n", "invalid" },
	{ "PROXY TCP5 10.0.0.1 10.0.0.2 5000 6432\r\n", "invalid" },
	{ "proxy TCP4 10.0.0.1 10.0.0.2 5000 6432\r\n", "invalid" },
	{ "PROXY\n", "invalid" },
	{ "GET / HTTP/1.1\r\n", "invalid" },
	{ "", "short" },
	{ "P", "short" },
	{ "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432\r", "short" },
};

Test(proxy, lines)
{
	for (size_t i = 0; i < lengthof(lines); i++)
		cr_assert_str_eq(result(lines[i].line, strlen(lines[i].line)), lines[i].result, "%s", lines[i].line);
}

Test(proxy, a_line_in_pieces_and_with_more_behind_it)
{
	static const char line[] = "PROXY TCP4 10.0.0.1 10.0.0.2 5000 6432\r\nhello\r\n";
	size_t size = strlen(line) - strlen("hello\r\n");

	for (size_t n = 0; n < size; n++)
		cr_assert_str_eq(result(line, n), "short", "%zu", n);
	for (size_t n = size; n <= strlen(line); n++) {
		cr_assert_str_eq(result(line, n), "10.0.0.1:5000", "%zu", n);
		cr_assert_eq(h.size, size);
	}
}

Test(proxy, an_endless_line)
{
	char line[4096] = "PROXY UNKNOWN ";

	memset(line + 14, 'x', sizeof(line) - 14);
	cr_assert_str_eq(result(line, 106), "short");
	for (size_t n = 107; n < sizeof(line); n++)
		cr_assert_str_eq(result(line, n), "invalid", "%zu", n);
}

Test(proxy, a_nul_in_a_line)
{
	static const char line[] = "PROXY TCP4 10.0.0.1\0 10.0.0.2 5000 6432\r\n";

	cr_assert_str_eq(result(line, sizeof(line) - 1), "invalid");
}

/* --- version 2 --- */

static uint8_t packet[70000];

/* command and family as they stand there; size of what is at body. */
static size_t
write_packet(uint8_t command, uint8_t family, const void *body, size_t size)
{
	memcpy(packet, SIGNATURE, 12);
	packet[12] = command;
	packet[13] = family;
	packet[14] = (uint8_t)(size >> 8);
	packet[15] = (uint8_t)size;
	memcpy(packet + 16, body, size);
	return 16 + size;
}

#define V4 "\x0a\0\0\x01\x0a\0\0\x02\x13\x88\x19\x20"
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\x13\x88\x19\x20"
#define V6_MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\x13\x88\x19\x20"

#define BODY(text) text, sizeof(text) - 1

static const char some_path[216] = "/run/proxy.sock";

static const struct {
	uint8_t command, family;
	const void *body;
	size_t size;
	const char *result;
} packets[] = {
	{ 0x21, 0x11, BODY(V4), "10.0.0.1:5000" },
	{ 0x21, 0x21, BODY(V6), "[2001:db8::1]:5000" },
	{ 0x21, 0x21, BODY(V6_MAPPED), "10.0.0.1:5000" },
	{ 0x21, 0x31, some_path, 216, "-" },
	{ 0x21, 0x31, some_path, 215, "invalid" },
	{ 0x21, 0x00, BODY(""), "-" },
	{ 0x21, 0x00, BODY("whatever"), "-" },
	{ 0x21, 0x11, BODY(V4 "\x04\0\x03" "abc"), "10.0.0.1:5000" },	/* NOOP */
	{ 0x21, 0x11, BODY(V4 "\xe0\0\0\x04\0\x01" "a"), "10.0.0.1:5000" },
	{ 0x21, 0x11, BODY(V4 "\x04\0\x04" "abc"), "invalid" },
	{ 0x21, 0x11, BODY(V4 "\x04\0"), "invalid" },
	{ 0x21, 0x11, BODY(V4 "\x04"), "invalid" },
	{ 0x21, 0x11, BODY(V4 "\x03\0\x04\0\0\0\0"), "invalid" },	/* CRC32C */
	{ 0x21, 0x11, BODY(V4 "\x03\0\x03\0\0\0"), "invalid" },
	{ 0x21, 0x11, V4, 11, "invalid" },
	{ 0x21, 0x21, V6, 35, "invalid" },
	{ 0x21, 0x21, BODY(V4), "invalid" },
	{ 0x21, 0x12, BODY(V4), "invalid" },	/* a datagram */
	{ 0x21, 0x41, BODY(V4), "invalid" },
	{ 0x20, 0x00, BODY(""), "-" },		/* LOCAL */
	{ 0x20, 0x11, BODY(V4), "-" },
	{ 0x20, 0x99, BODY("\xff\xff\xff"), "-" },
	{ 0x22, 0x11, BODY(V4), "invalid" },
	{ 0x11, 0x11, BODY(V4), "invalid" },
	{ 0x31, 0x11, BODY(V4), "invalid" },
};

Test(proxy, packets)
{
	for (size_t i = 0; i < lengthof(packets); i++) {
		size_t n = write_packet(packets[i].command, packets[i].family, packets[i].body, packets[i].size);

		cr_assert_str_eq(result(packet, n), packets[i].result, "%zu", i);
		if (packets[i].result[0] != 'i')
			cr_assert_eq(h.size, n);
		cr_assert_eq(h.local, packets[i].command == 0x20, "%zu", i);
	}
}

/* A sum of the proxy's is checked; this one was reckoned elsewhere, by a table that knows CRC32C("123456789"). */
Test(proxy, a_sum)
{
	size_t n = write_packet(0x21, 0x11, BODY(V4 "\x03\0\x04\x88\x73\x0f\x48"));

	cr_assert_str_eq(result(packet, n), "10.0.0.1:5000");
	packet[16] ^= 1;
	cr_assert_str_eq(result(packet, n), "invalid");
}

Test(proxy, a_packet_in_pieces_and_with_more_behind_it)
{
	size_t size = write_packet(0x21, 0x11, BODY(V4 "\x04\0\x03" "abc"));

	for (size_t n = 0; n < size; n++)
		cr_assert_str_eq(result(packet, n), "short", "%zu", n);
	for (size_t n = size; n <= size + 20; n++) {
		cr_assert_str_eq(result(packet, n), "10.0.0.1:5000", "%zu", n);
		cr_assert_eq(h.size, size);
	}
}

Test(proxy, an_endless_packet)
{
	static uint8_t body[65535];
	size_t n;

	n = write_packet(0x20, 0, body, PROXY_MAX - 16);
	cr_assert_str_eq(result(packet, n), "-");
	n = write_packet(0x20, 0, body, PROXY_MAX - 15);
	cr_assert_str_eq(result(packet, n), "invalid");
	n = write_packet(0x20, 0, body, sizeof(body));
	cr_assert_str_eq(result(packet, 16), "invalid", "it is known from the head");
}
