#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "auth/hba.h"
#include "base/memory.h"

#define MAPS                                        \
	"# map  system  user\n"                     \
	"one    cn      u\n"                        \
	"one    \"c n\" v # comment\n"              \
	"two    cn      all\n"                      \
	"\"t w\" a\"b\" \"all\"\n"                  \
	"one    cn      \\\n w\n"                    \
	"+map   +cn     \"+u\"\n"

static const struct {
	const char *map, *system_name, *user;
	bool allowed;
} questions[] = {
	{ "one", "cn", "u", true },
	{ "one", "cn", "w", true },
	{ "one", "c n", "v", true },
	{ "one", "c n", "u", false },
	{ "one", "cn", "v", false },
	{ "one", "cn", "U", false },
	{ "one", "CN", "u", false },
	{ "one", "c", "u", false },
	{ "one", "", "", false },
	{ "two", "cn", "anybody", true },
	{ "two", "cn", "", true },
	{ "two", "x", "u", false },
	{ "t w", "ab", "all", true },
	{ "t w", "ab", "u", false },
	{ "+map", "+cn", "+u", true },
	{ "three", "cn", "u", false },
	{ "", "cn", "u", false },
};

Test(ident, allows_what_an_entry_says)
{
	struct error e = { .message = "" };
	struct ident *i = ident_parse("ident", MAPS, strlen(MAPS), NULL, NULL, &e);

	cr_assert_not_null(i, "%s", e.message);
	for (size_t k = 0; k < lengthof(questions); k++) {
		cr_expect_eq(ident_allows(i, questions[k].map, questions[k].system_name, questions[k].user),
			questions[k].allowed, "row %zu", k);
		cr_expect_not(ident_allows(NULL, questions[k].map, questions[k].system_name, questions[k].user));
	}
	cr_expect(ident_has_map(i, "one"));
	cr_expect(ident_has_map(i, "t w"));
	cr_expect_not(ident_has_map(i, "cn"));
	cr_expect_not(ident_has_map(i, ""));
	cr_expect_not(ident_has_map(NULL, "one"));
	ident_free(&i);
	cr_expect_null(i);
	ident_free(&i);
}

static const struct {
	const char *text, *message;
} refused[] = {
	{ "a", "ident:1: the system's name is missing" },
	{ "a b c\na b", "ident:2: the database user is missing" },
	{ "a b c d", "ident:1: something follows the database user" },
	{ "a,b c d", "ident:1: the name of the map is a list" },
	{ "a b,c d", "ident:1: the system's name is a list" },
	{ "a b c,d", "ident:1: the database user is a list" },
	{ "a \"\" c", "ident:1: the system's name is empty" },
	{ "a b \"\"", "ident:1: the database user is empty" },
	{ "a /^b c", "ident:1: the system's name is a regular expression, which is not supported" },
	{ "a \"/^b\" c", "ident:1: the system's name is a regular expression, which is not supported" },
	{ "a b /c", "ident:1: the database user is a regular expression, which is not supported" },
	{ "a b +c", "ident:1: the database user is a group, and groups are not known here" },
	{ "a b @c", "ident:1: \"@c\": another file can't be named here" },
	{ "\n\na \"b c", "ident:3: a closing quote is missing" },
};

Test(ident, says_where_and_what_is_wrong)
{
	for (size_t k = 0; k < lengthof(refused); k++) {
		struct error e = { .message = "" };

		cr_expect_null(ident_parse("ident", refused[k].text, strlen(refused[k].text), NULL, NULL, &e));
		cr_expect_str_eq(e.message, refused[k].message);
		cr_expect_str_eq(e.sqlstate, "F0000");
	}
}

Test(ident, survives_every_cut)
{
	for (size_t n = 0; n <= strlen(MAPS); n++) {
		char *exact = memory_alloc(n);
		struct error e;
		struct ident *i;

		memcpy(exact, MAPS, n);
		i = ident_parse("ident", exact, n, NULL, NULL, &e);
		ident_free(&i);
		free(exact);
	}
}
