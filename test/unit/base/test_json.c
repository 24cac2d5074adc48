#include "base/json.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static struct buffer out;
static struct json j;

static void
setup(void)
{
	buffer_init(&out);
	j = (struct json){ .out = &out };
}

static void
teardown(void)
{
	buffer_release(&out);
}

TestSuite(json, .init = setup, .fini = teardown);

static const char *
written(void)
{
	buffer_append(&out, "", 1);
	out.len--;
	return (const char *)buffer_head(&out);
}

/* What a reader makes of the only value. */
static json_t *
read_back(void)
{
	json_error_t e;
	json_t *v = json_loadb((const char *)buffer_head(&out), buffer_left(&out), JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);

	cr_assert_not_null(v, "%s: %s", e.text, written());
	return v;
}

Test(json, commas_stand_where_they_belong)
{
	json_open(&j, NULL, '{');
	json_put_string(&j, "a", "x");
	json_open(&j, "b", '[');
	json_put_int(&j, NULL, 1);
	json_put_null(&j, NULL);
	json_open(&j, NULL, '[');
	json_close(&j, ']');
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_put_bool(&j, NULL, false);
	json_close(&j, ']');
	json_put_bool(&j, "c", true);
	json_close(&j, '}');
	cr_expect_str_eq(written(), "{\"a\":\"x\",\"b\":[1,null,[],{},false],\"c\":true}");
}

static const struct {
	const char *bytes;
	size_t n;
	const char *text;
} strings[] = {
#define CASE(bytes, text) { bytes, sizeof(bytes) - 1, "\"" text "\"" }
	CASE("", ""),
	CASE("a/b", "a/b"),
	CASE("a\"b\\c", "a\\\"b\\\\c"),
	CASE("a\nb\tc\rd\x1b\x7f", "a\\nb\\tc\\u000dd\\u001b\\u007f"),
	CASE("a\0b", "a\\u0000b"),
	CASE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	CASE("\xc2\x80 \xc2\x9f \xc2\xa0", "\\u0080 \\u009f \xc2\xa0"),
	CASE("\xe4", "\xef\xbf\xbd"),
	CASE("a\xe4\x62", "a\xef\xbf\xbd" "b"),
	CASE("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"),			/* cut */
	CASE("\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"),			/* longer than need be */
	CASE("\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),	/* likewise */
	CASE("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"),	/* next to the surrogates */
	CASE("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),	/* a surrogate */
	CASE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),			/* U+10FFFF */
	CASE("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
	CASE("\xf5", "\xef\xbf\xbd"),
	CASE("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"),
#undef CASE
};

Test(json, strings_are_escaped)
{
	for (size_t i = 0; i < lengthof(strings); i++) {
		json_put_text(&j, NULL, strings[i].bytes, strings[i].n);
		cr_expect_str_eq(written(), strings[i].text, "case %zu: %s", i, written());
		teardown();
		setup();
	}
}

static bool
is_control(const unsigned char *s)
{
	return *s < 0x20 || *s == 0x7f;
}

/* Any three bytes of these give what a reader takes, with no control character in it. */
Test(json, any_bytes_make_a_string)
{
	static const unsigned char bytes[] = { 0, 1, '\n', ' ', '"', '\\', 'u', 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
					       0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0,
					       0xf1, 0xf3, 0xf4, 0xf5, 0xfe, 0xff };

	for (size_t i = 0; i < lengthof(bytes) * lengthof(bytes) * lengthof(bytes); i++) {
		const unsigned char three[] = { bytes[i % lengthof(bytes)], bytes[i / lengthof(bytes) % lengthof(bytes)],
						bytes[i / lengthof(bytes) / lengthof(bytes)] };

		buffer_clear(&out);
		j.more = false;
		json_put_text(&j, NULL, (const char *)three, sizeof(three));
		json_decref(read_back());
		for (size_t k = 0; k < buffer_left(&out); k++)
			cr_assert_not(is_control(buffer_head(&out) + k), "case %zu", i);
	}
}

Test(json, each_byte_alone)
{
	for (int c = 0; c < 256; c++) {
		const char byte = (char)c;
		json_t *v;

		buffer_clear(&out);
		j.more = false;
		json_put_text(&j, NULL, &byte, 1);
		v = read_back();
		cr_assert_eq(json_string_length(v), c < 0x80 ? 1 : 3, "byte %d", c);
		if (c < 0x80)
			cr_assert_eq(json_string_value(v)[0], byte, "byte %d", c);
		json_decref(v);
	}
}

Test(json, numbers)
{
	json_open(&j, NULL, '[');
	json_put_int(&j, NULL, INT64_MIN);
	json_put_int(&j, NULL, INT64_MAX);
	json_put_number(&j, NULL, 12.345678, 3);
	json_put_number(&j, NULL, -0.5, 0);
	json_put_number(&j, NULL, 2.0, 20);
	json_put_number(&j, NULL, (double)NAN, 3);
	json_put_number(&j, NULL, (double)INFINITY, 3);
	json_put_msec(&j, NULL, 0);
	json_put_msec(&j, NULL, 7);
	json_put_msec(&j, NULL, 1234567);
	json_put_msec(&j, NULL, -1001);
	json_put_hex(&j, NULL, 0xabc);
	json_put_hex(&j, NULL, UINT64_MAX);
	json_close(&j, ']');
	cr_expect_str_eq(written(), "[-9223372036854775808,9223372036854775807,12.346,-0,2.000000000,null,null,"
				    "0.000,0.007,1234.567,-1.001,\"0000000000000abc\",\"ffffffffffffffff\"]");
	json_decref(read_back());
}

Test(json, the_greatest_number_has_room)
{
	json_put_number(&j, NULL, -1.7976931348623157e308, 9);
	cr_expect_eq(buffer_left(&out), 1 + 309 + 1 + 9);
	json_decref(read_back());
}

Test(json, times)
{
	json_put_time(&j, NULL, 1764110113123999);
	cr_expect_str_eq(written(), "\"2025-11-25T22:35:13.123Z\"");
}

static const struct {
	const char *text, *wanted;
} raw[] = {
	{ "[]", "[]" },
	{ "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Seq Scan\",\n\t\"Total Cost\": 12.30\r\n} } ]",
	  "[{\"Plan\":{\"Node Type\":\"Seq Scan\",\"Total Cost\":12.30}}]" },
	{ "[ \"a \\\" b\" , \"c\\\\\" , \"d\" ]", "[\"a \\\" b\",\"c\\\\\",\"d\"]" },
	{ "[\"\\u0041 \xe4 \xc2\x9b\"]", "[\"\\u0041 \xef\xbf\xbd \\u009b\"]" },
	{ "[\"no end", "[\"no end" },
	{ "[\"no end\\", "[\"no end\\" },
};

Test(json, raw_values_lose_their_blanks)
{
	for (size_t i = 0; i < lengthof(raw); i++) {
		buffer_clear(&out);
		j.more = false;
		json_put_raw(&j, NULL, raw[i].text);
		cr_expect_str_eq(written(), raw[i].wanted, "case %zu: %s", i, written());
	}
}
