#include "console/syntax.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a script is cut into, each statement in [ ]. */
static const char *
cut(const char *script)
{
	static char out[1024];
	const char *statement;
	size_t len, n = 0;

	out[0] = '\0';
	while (syntax_next(&script, &statement, &len))
		n += (size_t)snprintf(out + n, sizeof(out) - n, "[%.*s]", (int)len, statement);
	return out;
}

Test(syntax, scripts)
{
	static const struct {
		const char *script, *statements;
	} cases[] = {
		{ "", "" },
		{ ";", "" },
		{ " ; ;\n;", "" },
		{ "-- only a comment", "" },
		{ "/* only */ -- comments\n;", "" },
		{ "SHOW POOLS", "[SHOW POOLS]" },
		{ "SHOW POOLS;", "[SHOW POOLS]" },
		{ "  SHOW\tPOOLS \n ; ", "[SHOW\tPOOLS]" },
		{ "a;b;;c", "[a][b][c]" },
		{ "KILL \"a;b\";c", "[KILL \"a;b\"][c]" },
		{ "KILL \"a\"\";b\";c", "[KILL \"a\"\";b\"][c]" },
		{ "SET a = 'x;''y;';c", "[SET a = 'x;''y;'][c]" },
		{ "SET a = 'open; c", "[SET a = 'open; c]" },
		{ "KILL \"open; c", "[KILL \"open; c]" },
		{ "a -- b; c\n;d", "[a][d]" },
		{ "a /* b; c */;d", "[a][d]" },
		{ "a /* b /* c; */ d; */ e;f", "[a /* b /* c; */ d; */ e][f]" },
		{ "a /* never closed; b", "[a]" },
		{ "a; -- and no more", "[a]" },
		{ "/* tag */ a", "[a]" },
		{ "'--';a", "['--'][a]" },
		{ "a-b;c", "[a-b][c]" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_str_eq(cut(cases[i].script), cases[i].statements, "%s", cases[i].script);
}

#define WRONG NULL

Test(syntax, sentences)
{
	static const struct {
		const char *text, *verb, *argument, *value;
	} cases[] = {
		{ "", "", NULL, NULL },
		{ "SHOW", "SHOW", NULL, NULL },
		{ "show pools", "show", "pools", NULL },
		{ "Show\r\n\tPools", "Show", "Pools", NULL },
		{ "KILL \"p 0\"", "KILL", "p 0", NULL },
		{ "KILL \"p\"\"0\"", "KILL", "p\"0", NULL },
		{ "KILL \"\"", "KILL", "", NULL },
		{ "KILL\"p0\"", "KILL", "p0", NULL },
		{ "KILL p-0.x$_1", "KILL", "p-0.x$_1", NULL },
		{ "KILL m\xc3\xbcller", "KILL", "m\xc3\xbcller", NULL },
		{ "KILL /* which */ p0 -- this one", "KILL", "p0", NULL },
		{ "KILL_CLIENT 17", "KILL_CLIENT", "17", NULL },
		{ "SET a=b", "SET", "a", "b" },
		{ "set a = b", "set", "a", "b" },
		{ "SET a TO b", "SET", "a", "b" },
		{ "SET a to 'b'", "SET", "a", "b" },
		{ "SET \"a\"='b'", "SET", "a", "b" },
		{ "SET a = 'it''s'", "SET", "a", "it's" },
		{ "SET a = ''", "SET", "a", "" },
		{ "SET a = \"b c\"", "SET", "a", "b c" },
		{ "SET a = -1", "SET", "a", "-1" },
		{ "SET a = select 1  ", "SET", "a", "select 1" },
		{ "SET a = x, y", "SET", "a", "x, y" },
		{ "SET datestyle TO ISO, MDY", "SET", "datestyle", "ISO, MDY" },
		{ "SET a = b'c", "SET", "a", "b'c" },

		{ "SHOW a b c", WRONG, NULL, NULL },
		{ "SHOW a 'b'", WRONG, NULL, NULL },
		{ "SHOW a \"b", WRONG, NULL, NULL },
		{ "SHOW a\"b\"", WRONG, NULL, NULL },
		{ "SHOW 'a'", WRONG, NULL, NULL },
		{ "SHOW a'", WRONG, NULL, NULL },
		{ "SHOW \"a", WRONG, NULL, NULL },
		{ "SHOW \"a\"b", WRONG, NULL, NULL },
		{ "SELECT version()", WRONG, NULL, NULL },
		{ "SELECT 1 + 1", WRONG, NULL, NULL },
		{ "SELECT *", WRONG, NULL, NULL },
		{ "(a)", WRONG, NULL, NULL },
		{ "\"SHOW\" a", WRONG, NULL, NULL },
		{ "=", WRONG, NULL, NULL },
		{ "SET", WRONG, NULL, NULL },
		{ "SET a", WRONG, NULL, NULL },
		{ "SET a b", WRONG, NULL, NULL },
		{ "SET a =", WRONG, NULL, NULL },
		{ "SET a TO", WRONG, NULL, NULL },
		{ "SET = b", WRONG, NULL, NULL },
		{ "SET 'a' = b", WRONG, NULL, NULL },
		{ "SET a = 'b' 'c'", WRONG, NULL, NULL },
		{ "SET a = 'b", WRONG, NULL, NULL },
		{ "SET a = 'b''", WRONG, NULL, NULL },
		{ "SET a tob", WRONG, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sentence s;
		bool ok = sentence_parse(&s, cases[i].text, strlen(cases[i].text));

		cr_assert_eq(ok, cases[i].verb != WRONG, "%s", cases[i].text);
		if (!ok)
			continue;
		cr_assert_str_eq(s.verb, cases[i].verb, "%s", cases[i].text);
		cr_assert_eq(s.argument == NULL, cases[i].argument == NULL, "%s", cases[i].text);
		cr_assert_eq(s.value == NULL, cases[i].value == NULL, "%s", cases[i].text);
		cr_assert_null(s.subject, "%s", cases[i].text);
		if (s.argument != NULL)
			cr_assert_str_eq(s.argument, cases[i].argument, "%s", cases[i].text);
		if (s.value != NULL)
			cr_assert_str_eq(s.value, cases[i].value, "%s", cases[i].text);
		sentence_release(&s);
	}
}

Test(syntax, second_names)
{
	static const struct {
		const char *text, *argument, *subject;
	} cases[] = {
		{ "SHOW QUERIES acme", "QUERIES", "acme" },
		{ "SHOW QUERIES /* of */ acme -- only", "QUERIES", "acme" },
		{ "SHOW QUERIES \"my \"\"own\"\" shop\"", "QUERIES", "my \"own\" shop" },
		{ "SHOW \"QUERIES\" \"\"", "QUERIES", "" },
		{ "a b c", "b", "c" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sentence s;

		cr_assert(sentence_parse(&s, cases[i].text, strlen(cases[i].text)), "%s", cases[i].text);
		cr_assert_str_eq(s.argument, cases[i].argument);
		cr_assert_str_eq(s.subject, cases[i].subject);
		cr_assert_null(s.value);
		sentence_release(&s);
	}
}

/* Only the given bytes are looked at, wherever the text is cut. */
Test(syntax, every_length)
{
	static const char *const texts[] = {
		"SET \"k\"\"e y\" /* c */ TO 'v''a' -- end",
		"a \"b\"\"\" \"c\"",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t len = 0; len <= strlen(texts[i]); len++) {
			char *copy = memcpy(malloc(len), texts[i], len); /* no NUL follows */
			struct sentence s;

			if (sentence_parse(&s, copy, len))
				sentence_release(&s);
			free(copy);
		}
	}
}

Test(syntax, release_is_harmless)
{
	struct sentence s;

	cr_assert(sentence_parse(&s, "SHOW x", 6));
	sentence_release(&s);
	sentence_release(&s);
	cr_assert_str_eq(s.verb, "");
	cr_assert_null(s.argument);
}
