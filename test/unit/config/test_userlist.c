#include "config/userlist.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secret.h"

static void
see_user(void *arg, const char *user, const char *password)
{
	char *out = arg;
	size_t n = strlen(out);

	snprintf(out + n, 1000 - n, "%s:%s,", user, password);
}

/* Lines that were refused: how many, and what is said of the last one. */
static int nrefused;
static struct error refused;

static void
see_refused(void *arg, const struct ini_place *at, const struct error *e)
{
	(void)arg;
	nrefused++;
	refused = *e;
	ini_error_place(&refused, at);
}

static bool
parse(const char *text, size_t size, char *out, struct error *e)
{
	char *copy = malloc(size + 1);

	memcpy(copy, text, size);
	out[0] = '\0';
	nrefused = 0;
	userlist_parse("u.txt", copy, size, see_user, see_refused, out);
	free(copy);
	*e = refused;
	return nrefused == 0;
}

Test(userlist, all_lines_that_are_wrong_are_told)
{
	static const char text[] = "a\n\"b\" \"1\"\n\"c\"\n\"d\" \"2\"\n\"\" \"3\"\n";
	char out[1000];
	struct error e;

	cr_assert_not(parse(text, strlen(text), out, &e));
	cr_expect_eq(nrefused, 3);
	cr_expect_str_eq(out, "b:1,d:2,");
	cr_expect_str_eq(e.message, "u.txt:5: a user's name has 1 to 127 bytes");
}

Test(userlist, users)
{
	static const struct {
		const char *text, *users;
	} cases[] = {
		{ "", "" },
		{ "\n \n\t\r\n", "" },
		{ "; c\n# c\n ; c", "" },
		{ "\"a\" \"b\"", "a:b," },
		{ "\xef\xbb\xbf\"a\" \"b\"", "a:b," },
		{ "\"a\" \"b\"\r\n\"c\" \"d\"\r\n", "a:b,c:d," },
		{ "  \"a\"\t\"b\"  ", "a:b," },
		{ "\"a\"\"b\"", "" }, /* one name, a"b, and no password: see errors */
		{ "\"a\" \"\"", "a:," },
		{ "\"a\"\"b\" \"c\"\"d\"", "a\"b:c\"d," },
		{ "\"a\" \"b\" \"\" \"more\" of the line", "a:b," },
		{ "\"a b\" \"c;d#e\"", "a b:c;d#e," },
		{ "\"a\" \"1\"\n\"a\" \"2\"", "a:1,a:2," },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[1000];
		struct error e;
		bool ok = parse(cases[i].text, strlen(cases[i].text), out, &e);
		cr_assert_eq(ok, strcmp(cases[i].text, "\"a\"\"b\"") != 0, "\"%s\"", cases[i].text);
		cr_assert_str_eq(out, cases[i].users, "\"%s\"", cases[i].text);
	}
}

#define CASE(text, message)                     \
	{                                       \
		text, sizeof(text) - 1, message \
	}

Test(userlist, errors_name_the_line_and_quote_nothing)
{
	static const struct {
		const char *text;
		size_t size;
		const char *message;
	} cases[] = {
		CASE("s3cret", "u.txt:1: a line must read"),
		CASE("\n\"a\" s3cret", "u.txt:2: the password must follow"),
		CASE("\"a\"", "u.txt:1: the password must follow"),
		CASE("\"a\"\n\"s3cret\"", "u.txt:2: the password must follow"),
		CASE("\"s3cret", "u.txt:1: the user's name has no closing quote"),
		CASE("\"a\" \"s3cret", "u.txt:1: the password has no closing quote"),
		CASE("\"a\" \"s3cret\n\"", "u.txt:2: the user's name has no closing quote"),
		CASE("\"\" \"s3cret\"", "u.txt:1: a user's name has 1 to 127 bytes"),
		CASE("\"a\" \"s3\0cret\"", "u.txt:1: the line holds a zero byte"),
		CASE("\"a\" \"b\"\n'a' 's3cret'", "u.txt:2: a line must read"),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[1000];
		struct error e;
		cr_assert_not(parse(cases[i].text, cases[i].size, out, &e), "\"%s\"",
			cases[i].text);
		cr_assert_eq(strncmp(e.message, cases[i].message, strlen(cases[i].message)), 0,
			"\"%s\" gave \"%s\"", cases[i].text, e.message);
		cr_assert_null(strstr(e.message, "s3cret"), "%s", e.message);
	}
}

static bool
parse_lengths(size_t name, size_t password)
{
	size_t size = name + password + 5;
	char *text = malloc(size + 1), *p = text;
	static char out[200 + SECRET_MAX];

	*p++ = '"';
	p = (char *)memset(p, 'n', name) + name;
	memcpy(p, "\" \"", 3);
	p = (char *)memset(p + 3, 'p', password) + password;
	*p = '"';
	out[0] = '\0';
	nrefused = 0;
	userlist_parse("u.txt", text, size, see_user, see_refused, out);
	free(text);
	return nrefused == 0;
}

Test(userlist, lengths_have_bounds)
{
	cr_assert(parse_lengths(USERLIST_NAME_MAX, 1));
	cr_assert_not(parse_lengths(USERLIST_NAME_MAX + 1, 1));
	cr_assert(parse_lengths(1, SECRET_MAX - 1));
	cr_assert_not(parse_lengths(1, SECRET_MAX));
}
