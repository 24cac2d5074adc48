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

static const char *
shown(const char *text)
{
	return text != NULL ? text : "-";
}

/* What is said of tenants and bans: argument, subject, TO, period, value. */
static const char *
draw(const struct sentence *s)
{
	static char out[300];

	snprintf(out, sizeof(out), "%s|%s|%s|%s|%s", shown(s->argument), shown(s->subject), s->to ? "to" : "",
		shown(s->period), shown(s->value));
	return out;
}

Test(syntax, tenants_and_bans)
{
	static const struct {
		const char *text, *drawn;
	} cases[] = {
		{ "CREATE TENANT acme", "TENANT|acme||-|-" },
		{ "create tenant acme ''", "tenant|acme||-|" },
		{ "CREATE TENANT \"my \"\"own\"\"\" 'host=a password=''x'''", "TENANT|my \"own\"||-|host=a password='x'" },
		{ "ALTER TENANT acme'host=b'", "TENANT|acme||-|host=b" },
		{ "DROP TENANT to", "TENANT|to||-|-" },
		{ "MOVE TENANT acme TO 'host=b'", "TENANT|acme|to|-|host=b" },
		{ "MOVE TENANT to to'host=b'", "TENANT|to|to|-|host=b" },
		{ "MOVE TENANT acme /* where? */ to -- there\n 'host=b'", "TENANT|acme|to|-|host=b" },
		{ "BAN 10.0.0.7", "10.0.0.7|-||-|-" },
		{ "BAN 10.0.0.0/8 AT acme FOR 3600 'it''s enough'", "10.0.0.0/8|acme||3600|it's enough" },
		{ "ban 2001:DB8::/32 at at for for 'x'", "2001:DB8::/32|at||for|x" },
		{ "BAN '10.0.0.7' FOR 60", "10.0.0.7|-||60|-" },
		{ "BAN Unix AT acme", "unix|acme||-|-" },
		{ "BAN \"::1\" 'x'", "::1|-||-|x" },
		{ "BAN 10.0.0.7/* me */ 'x'", "10.0.0.7|-||-|x" },
		{ "UNBAN ::ffff:10.0.0.7 AT \"a b\"", "::ffff:10.0.0.7|a b||-|-" },

		{ "CREATE", WRONG },
		{ "CREATE TENANT", WRONG },
		{ "CREATE TABLE acme", WRONG },
		{ "CREATE TENANT 'acme'", WRONG },
		{ "CREATE TENANT acme host=b", WRONG },
		{ "CREATE TENANT acme 'host=b' 'x'", WRONG },
		{ "CREATE TENANT acme 'host=b", WRONG },
		{ "CREATE TENANT acme \"host=b\"", WRONG },
		{ "MOVE acme TO 'host=b'", WRONG },
		{ "MOVE TENANT acme TO host=b", WRONG },
		{ "MOVE TENANT acme TOO 'host=b'", WRONG },
		{ "BAN", WRONG },
		{ "BAN acme", WRONG },
		{ "BAN unixes", WRONG },
		{ "BAN 10.0.0.7x", WRONG },
		{ "BAN 10.0.0.7 AT", WRONG },
		{ "BAN 10.0.0.7 AT 'acme'", WRONG },
		{ "BAN 10.0.0.7 FOR", WRONG },
		{ "BAN 10.0.0.7 FOR 60 AT acme", WRONG },
		{ "BAN 10.0.0.7 FOR 60 reason", WRONG },
		{ "BAN 10.0.0.7 10.0.0.8", WRONG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sentence s;
		bool ok = sentence_parse(&s, cases[i].text, strlen(cases[i].text));

		cr_assert_eq(ok, cases[i].drawn != WRONG, "%s", cases[i].text);
		if (!ok)
			continue;
		cr_assert_str_eq(draw(&s), cases[i].drawn, "%s", cases[i].text);
		sentence_release(&s);
	}
}

Test(syntax, first_words)
{
	cr_assert(syntax_begins_with("BAN 10.0.0.7", "BAN"));
	cr_assert(syntax_begins_with(" /* who */ ban", "BAN"));
	cr_assert(syntax_begins_with("ban'x'", "BAN"));
	cr_assert_not(syntax_begins_with("BANANA", "BAN"));
	cr_assert_not(syntax_begins_with("BA", "BAN"));
	cr_assert_not(syntax_begins_with("", "BAN"));
}

/* Only the given bytes are looked at, wherever the text is cut. */
Test(syntax, every_length)
{
	static const char *const texts[] = {
		"SET \"k\"\"e y\" /* c */ TO 'v''a' -- end",
		"a \"b\"\"\" \"c\"",
		"MOVE TENANT \"b\"\"\" TO 'c''d' -- end",
		"BAN 10.0.0.0/8 AT \"a\" FOR 60 'c''d' /* end */",
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
