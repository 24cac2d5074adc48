#include "redis/reply.h"

#include <criterion/criterion.h>
#include <string.h>

Test(reply, commands_are_lists_of_words)
{
	struct buffer b = BUFFER_INIT;
	static const char wanted[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n";

	redis_write_head(&b, 3);
	redis_write_text(&b, "SET");
	redis_write_text(&b, "k");
	redis_write_word(&b, "a\0\r\n", 4);
	cr_assert_eq(buffer_left(&b), sizeof(wanted) - 1);
	cr_assert_arr_eq(buffer_head(&b), wanted, sizeof(wanted) - 1);
	buffer_release(&b);
}

static struct redis_parser *
parser(void)
{
	struct redis_parser *p = redis_parser_new();

	if (p == NULL)
		cr_skip_test("built without Redis");
	return p;
}

/* In pieces of every size. */
Test(reply, all_kinds_in_pieces)
{
	static const char text[] = "+OK\r\n:42\r\n$-1\r\n$5\r\nhello\r\n-ERR no\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n";

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct redis_parser *p = parser();
		struct redis_value *v[6] = { NULL };
		size_t n = 0;

		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			struct redis_value *one = NULL;

			redis_parser_feed(p, text + at, at + piece < sizeof(text) ? piece : sizeof(text) - 1 - at);
			while (redis_parser_next(p, &one) && one != NULL)
				v[n++] = one;
		}
		cr_assert_eq(n, 6);
		cr_assert_eq(redis_kind(v[0]), REDIS_TEXT);
		cr_assert_str_eq(redis_text(v[0], NULL), "OK");
		cr_assert_eq(redis_integer(v[1]), 42);
		cr_assert_eq(redis_kind(v[2]), REDIS_NIL);
		cr_assert_str_eq(redis_text(v[3], &n), "hello");
		cr_assert_eq(n, 5);
		cr_assert_eq(redis_kind(v[4]), REDIS_FAILURE);
		cr_assert_str_eq(redis_text(v[4], NULL), "ERR no");
		cr_assert_eq(redis_count(v[5]), 2);
		cr_assert_str_eq(redis_text(redis_item(redis_item(v[5], 1), 0), NULL), "x");
		cr_assert_eq(redis_integer(v[0]), 0);
		cr_assert_eq(redis_count(v[0]), 0);
		cr_assert_str_eq(redis_text(v[1], NULL), "");
		for (size_t i = 0; i < 6; i++)
			redis_value_free(&v[i]);
		redis_parser_free(&p);
	}
}

/* Nothing of that may crash, or take much memory. */
Test(reply, what_is_none)
{
	static const char *const cases[] = {
		"hello\r\n", "HTTP/1.1 400 Bad Request\r\n", "*1000000000\r\n", "*2000000\r\n", "$-2\r\n", "*1\r\n!\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", ":x\r\n", "\r\n",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_parser *p = parser();
		struct redis_value *v = NULL;

		redis_parser_feed(p, cases[i], strlen(cases[i]));
		if (redis_parser_next(p, &v) && v != NULL)
			redis_value_free(&v);
		redis_parser_free(&p);
	}
}
