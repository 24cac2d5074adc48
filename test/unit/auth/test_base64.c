#include <criterion/criterion.h>
#include <string.h>

#include "auth/base64.h"
#include "base/memory.h"

static const struct {
	const char *bytes;
	const char *text;
} known[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

Test(base64, knows_the_rfc_examples)
{
	for (size_t i = 0; i < lengthof(known); i++) {
		size_t n = strlen(known[i].bytes), got = 99;
		char text[16];
		uint8_t bytes[16];

		cr_expect_str_eq(
			base64_encode((const uint8_t *)known[i].bytes, n, text), known[i].text);
		cr_assert(base64_decode(text, strlen(text), bytes, n, &got), "%s", text);
		cr_expect_eq(got, n);
		cr_expect_eq(memcmp(bytes, known[i].bytes, n), 0);
		cr_expect(base64_decode_exact(text, strlen(text), bytes, n));
		cr_expect_not(base64_decode_exact(text, strlen(text), bytes, n + 1));
		cr_expect_not(n > 0 && base64_decode(text, strlen(text), bytes, n - 1, &got));
		cr_expect_not(n > 0 && base64_decode_exact(text, strlen(text), bytes, n - 1));
	}
}

static const char *const refused[] = {
	"Zg",
	"Zg=",
	"Zg===",
	"=",
	"==",
	"====",
	"Zm9v=",
	"Zm9v====",
	"Zh==", /* bits under the padding */
	"Zm9=",
	" Zg=",
	"Zg= ",
	"\nZg==",
	"Zg==\n",
	"Zm 9v",
	"Z m9v===",
	"    ",
	"Zm9v    ",
	"    Zm9v",
	"Z=9v",
	"Zg=v",
	"=g==",
	"Zm9-",
	"Zm9_",
	"Zm9.",
	"Zm9\x80",
	"Zm9v\xff===",
};

Test(base64, is_strict)
{
	for (size_t i = 0; i < lengthof(refused); i++) {
		size_t got = 99;
		uint8_t bytes[16] = "untouched";

		cr_expect_not(base64_decode(refused[i], strlen(refused[i]), bytes, 16, &got),
			"\"%s\"", refused[i]);
		cr_expect_eq(got, 99);
		cr_expect_str_eq((char *)bytes, "untouched");
	}
}

Test(base64, goes_round_at_every_size)
{
	uint8_t in[BASE64_BYTES_MAX + 1], out[BASE64_BYTES_MAX + 1];
	char text[BASE64_LENGTH(BASE64_BYTES_MAX) + 8];
	size_t got;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 37 + 200);
	for (size_t n = 0; n <= BASE64_BYTES_MAX; n++) {
		cr_assert_eq(strlen(base64_encode(in, n, text)), BASE64_LENGTH(n));
		cr_assert(base64_decode(text, strlen(text), out, sizeof(out), &got));
		cr_assert_eq(got, n);
		cr_assert_eq(memcmp(in, out, n), 0);
	}
}

Test(base64, refuses_more_than_its_bound)
{
	char text[1024];
	uint8_t out[1024];
	size_t got;

	memset(text, 'A', sizeof(text));
	cr_expect_not(base64_decode(text, BASE64_LENGTH(BASE64_BYTES_MAX), out, sizeof(out), &got),
		"129 bytes");
	for (size_t n = BASE64_LENGTH(BASE64_BYTES_MAX) + 1; n <= sizeof(text); n++)
		cr_expect_not(base64_decode(text, n, out, sizeof(out), &got));
}
