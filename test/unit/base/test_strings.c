#include "base/strings.h"

#include <criterion/criterion.h>
#include <string.h>

#define UNTOUCHED 4711

Test(strings, equal)
{
	cr_expect(string_equal(NULL, NULL));
	cr_expect(string_equal("a", (char[]){ 'a', '\0' }));
	cr_expect_not(string_equal("a", NULL));
	cr_expect_not(string_equal(NULL, ""));
	cr_expect_not(string_equal("a", "A"));
}

Test(strings, to_int64)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "+7", true, 7 },
		{ "-12", true, -12 },
		{ "007", true, 7 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, UNTOUCHED },
		{ "-9223372036854775809", false, UNTOUCHED },
		{ "99999999999999999999999999", false, UNTOUCHED },
		{ "", false, UNTOUCHED },
		{ "-", false, UNTOUCHED },
		{ "+", false, UNTOUCHED },
		{ "--1", false, UNTOUCHED },
		{ " 1", false, UNTOUCHED },
		{ "1 ", false, UNTOUCHED },
		{ "1k", false, UNTOUCHED },
		{ "0x10", false, UNTOUCHED },
		{ "1.5", false, UNTOUCHED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t v = UNTOUCHED;
		cr_assert_eq(string_to_int64(cases[i].text, &v), cases[i].ok, "\"%s\"",
			cases[i].text);
		cr_assert_eq(v, cases[i].value, "\"%s\"", cases[i].text);
	}
}

Test(strings, equal_nocase_is_ascii_only)
{
	cr_assert(string_equal_nocase("", ""));
	cr_assert(string_equal_nocase("DateStyle", "datestyle"));
	cr_assert_not(string_equal_nocase("DateStyle", "datestyl"));
	cr_assert_not(string_equal_nocase("datestyl", "DateStyle"));
	cr_assert_not(string_equal_nocase("a", "b"));
	/* Neighbours of the letters, and letters with the high bit. */
	cr_assert_not(string_equal_nocase("@[", "`{"));
	cr_assert_not(string_equal_nocase("\xc3\x84", "\xc3\xa4"));
}

Test(strings, in_list)
{
	static const struct {
		const char *list, *name;
		bool in;
	} cases[] = {
		{ "a", "a", true },
		{ "a, b,c", "a", true },
		{ "a, b,c", "b", true },
		{ "a, b,c", "c", true },
		{ " a\t, b \n", "a", true },
		{ " a\t, b \n", "b", true },
		{ "a,,b", "b", true },
		{ "a,,b", "", false },
		{ "", "", false },
		{ "", "a", false },
		{ ",", "", false },
		{ "ab", "a", false },
		{ "a", "ab", false },
		{ "A", "a", false },
		{ "a b", "a b", true },
		{ "a b", "a", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(string_in_list(cases[i].list, cases[i].name), cases[i].in,
			"\"%s\" in \"%s\"", cases[i].name, cases[i].list);
	}
}

Test(strings, whole_chars_drops_what_was_cut)
{
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98z";
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };

	for (size_t n = 0; n < sizeof(want) / sizeof(want[0]); n++)
		cr_assert_eq(string_whole_chars(text, n), want[n], "of %zu bytes", n);
	/* No UTF-8 at all: left alone. */
	cr_assert_eq(string_whole_chars("\x80\x80\x80\x80\x80", 5), 5);
}

Test(strings, copy_cuts_and_ends)
{
	char dst[8];

	for (size_t size = 1; size <= sizeof(dst); size++) {
		memset(dst, 'x', sizeof(dst));
		cr_assert_eq(string_copy(dst, "abcde", size), dst);
		cr_assert_eq(strlen(dst), size <= 5 ? size - 1 : 5);
		cr_assert_eq(strncmp(dst, "abcde", strlen(dst)), 0);
		if (size < sizeof(dst))
			cr_assert_eq(dst[size], 'x', "wrote behind %zu", size);
	}
	cr_assert_str_eq(string_copy(dst, "ab\xe2\x82\xac", 5), "ab");
}

Test(strings, nth_of_a_list)
{
	static const char *const parts[] = { "a", "", "long" };
	char buf[4];

	for (int i = 0; i < 3; i++) {
		cr_assert(string_nth("a,,longer", i, buf, i == 2 ? sizeof(buf) : 2));
		cr_expect(strncmp(buf, parts[i], 3) == 0, "%s", buf);
	}
	cr_assert_not(string_nth("a,,longer", 3, buf, sizeof(buf)));
	cr_expect_str_eq(buf, "");
	cr_assert_not(string_nth(NULL, 0, buf, sizeof(buf)));
}
