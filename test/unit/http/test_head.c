/*
 * What is a request: every byte of it walked over, and what is none.
 */
#include "http/head.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static enum head_state
look(const char *text, size_t n, struct head *h, struct refusal *r)
{
	/* As large as it is, so that a look behind its end is seen. */
	uint8_t *copy = memory_alloc(n > 0 ? n : 1);
	enum head_state state;

	memcpy(copy, text, n);
	memset(r, 0, sizeof(*r));
	state = head_read(copy, n, h, r);
	free(copy);
	cr_assert_eq(state == HEAD_REFUSED, r->status != 0);
	return state;
}

Test(head, every_prefix_of_a_good_request_waits_for_more)
{
	static const char text[] = "\r\nPOST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX:\t y \r\n\r\n";
	size_t n = strlen(text);
	struct refusal r;
	struct head h;

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(look(text, i, &h, &r), HEAD_SHORT, "%zu bytes: %s", i, r.detail);
	cr_assert_eq(look(text, n, &h, &r), HEAD_WHOLE);
	cr_assert_eq(h.skip, 2);
	cr_assert_eq(h.size, n - 2);
	cr_assert_eq(h.body, 12);
}

Test(head, what_follows_is_not_part_of_it)
{
	static const char text[] = "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n";
	struct refusal r;
	struct head h;

	cr_assert_eq(look(text, strlen(text), &h, &r), HEAD_WHOLE);
	cr_assert_eq(h.size, 18);
	cr_assert_eq(h.body, 0);
}

static int
status_of(const char *text, size_t n)
{
	struct refusal r;
	struct head h;

	return look(text, n, &h, &r) == HEAD_WHOLE ? 200 : r.status;
}

Test(head, requests_and_what_is_none)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nhOsT:x\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200 },
		{ "GET /?a=%20&b=c:d@e HTTP/1.0\r\n\r\n", 200 },
		{ "PATCH / HTTP/1.0\r\nContent-Length: 65536\r\n\r\n", 200 },
		{ "GET / HTTP/1.0\r\nContent-Length: 000\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400 },
		{ "GET /  HTTP/1.0\r\n\r\n", 400 },
		{ "GET / HTTP/1.0 \r\n\r\n", 400 },
		{ "GET /\tHTTP/1.0\r\n\r\n", 400 },
		{ "GET / http/1.0\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\n\r\n", 505 },
		{ "GET  HTTP/1.0\r\n\r\n", 400 },
		{ " GET / HTTP/1.0\r\n\r\n", 400 },
		{ "GET x HTTP/1.0\r\n\r\n", 400 },
		{ "GET //x HTTP/1.0\r\n\r\n", 400 },
		{ "GET /\\ HTTP/1.0\r\n\r\n", 400 },
		{ "GETS / HTTP/1.0\r\n\r\n", 501 },
		{ "GE / HTTP/1.0\r\n\r\n", 501 },
		{ "GET / HTTP/1.0\r\nA b: c\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nA\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nA: \x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nA: \x7f\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\n A: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nA: b\r\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nA: b\nC: d\r\n\r\n", 400 },
		{ "\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400 },
		{ "\r\n\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\nContent-Length: 65537\r\n\r\n", 413 },
		{ "POST / HTTP/1.0\r\nContent-Length: 999999999999999999\r\n\r\n", 413 },
		{ "POST / HTTP/1.0\r\nContent-Length: 9999999999999999999\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\nContent-Length: 1 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", 400 },
		{ "HEAD / HTTP/1.0\r\nContent-Length: 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
		{ "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", 417 },
	};

	for (size_t i = 0; i < lengthof(cases); i++)
		cr_expect_eq(status_of(cases[i].text, strlen(cases[i].text)), cases[i].status, "%s: %d", cases[i].text,
			     status_of(cases[i].text, strlen(cases[i].text)));
}

Test(head, a_zero_byte_is_in_no_request)
{
	static const char in_value[] = "GET / HTTP/1.0\r\nA: b\0c\r\n\r\n", in_name[] = "GET / HTTP/1.0\r\nA\0: b\r\n\r\n";
	static const char in_target[] = "GET /\0 HTTP/1.0\r\n\r\n", in_method[] = "G\0T / HTTP/1.0\r\n\r\n";

	cr_expect_eq(status_of(in_value, sizeof(in_value) - 1), 400);
	cr_expect_eq(status_of(in_name, sizeof(in_name) - 1), 400);
	cr_expect_eq(status_of(in_target, sizeof(in_target) - 1), 400);
	cr_expect_eq(status_of(in_method, sizeof(in_method) - 1), 400);
}

Test(head, what_can_become_nothing_is_told_at_once)
{
	cr_expect_eq(status_of("\x16\x03", 2), 400);
	cr_expect_eq(status_of("\n", 1), 400);
	cr_expect_eq(status_of("GET / HTTP/1.1\n", 15), 400);
}

Test(head, its_length_is_limited)
{
	char text[HEAD_MAX + 100];
	struct refusal r;
	struct head h;
	int n;

	memset(text, 'a', sizeof(text));
	n = snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nA: %0*d\r\n\r\n", HEAD_MAX - 23, 0);
	cr_assert_eq(n, HEAD_MAX);
	cr_expect_eq(look(text, (size_t)n, &h, &r), HEAD_WHOLE);
	n = snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nA: %0*d\r\n\r\n", HEAD_MAX - 22, 0);
	cr_expect_eq(look(text, (size_t)n, &h, &r), HEAD_REFUSED);
	cr_expect_eq(r.status, 431);
	cr_expect_eq(look(text, HEAD_MAX - 1, &h, &r), HEAD_SHORT);
}

Test(head, of_a_body_that_is_too_long_the_length_is_known)
{
	static const char text[] = "POST / HTTP/1.0\r\nContent-Length: 70000\r\n\r\n";
	struct refusal r;
	struct head h;

	cr_assert_eq(look(text, strlen(text), &h, &r), HEAD_REFUSED);
	cr_expect_eq(r.status, 413);
	cr_expect_eq(h.size, strlen(text));
	cr_expect_eq(h.body, 70000);
}
