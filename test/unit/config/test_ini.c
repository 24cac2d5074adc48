#include "config/ini.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* What was read, as text: "[name]" and "key=value@line", separated by "|". */
struct seen {
	char text[4000];
	const char *refuse; /* a key to object to */
};

static void
append(struct seen *s, const char *fmt, const char *a, const char *b, int line)
{
	char item[300];

	snprintf(item, sizeof(item), "%s%s", s->text[0] == '\0' ? "" : "|", fmt);
	for (char *p = item; *p != '\0'; p++) {
		char one[2] = { *p, '\0' };
		char number[12];
		snprintf(number, sizeof(number), "%d", line);
		const char *piece = *p == 'A' ? a : *p == 'B' ? b : *p == 'N' ? number : one;
		strncat(s->text, piece, sizeof(s->text) - strlen(s->text) - 1);
	}
}

static bool
see_section(void *arg, const char *name, const struct ini_place *at, struct error *e)
{
	(void)e;
	append(arg, "[A]@N", name, "", at->line);
	return true;
}

static bool
see_pair(void *arg, char *key, char *value, const struct ini_place *at, struct error *e)
{
	struct seen *s = arg;

	if (s->refuse != NULL && strcmp(key, s->refuse) == 0) {
		error_set(e, SEVERITY_ERROR, "F0000", "refused %s", key);
		return false;
	}
	append(s, "A=B@N", key, value, at->line);
	return true;
}

static const struct ini_ops ops = { see_section, see_pair, true, NULL };

static bool
parse(const char *text, size_t size, struct seen *s, struct error *e)
{
	char *copy = malloc(size + 1);

	memcpy(copy, text, size);
	bool ok = ini_parse("t.ini", copy, size, &ops, s, e);
	free(copy);
	return ok;
}

Test(ini, reads_what_the_grammar_says)
{
	static const struct {
		const char *text, *seen;
	} cases[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "; comment\n# comment\n  ; indented\n", "" },
		{ "[a]", "[a]@1" },
		{ "  [a]  ", "[a]@1" },
		{ "[a][b]c=d", "[a]@1|[b]@1|c=d@1" },
		{ "[a] ; comment", "[a]@1" },
		{ "k = v", "k=v@1" },
		{ "k=v\n\nl=w\n", "k=v@1|l=w@3" },
		{ "\tk\t=\tv\t\n", "k=v@1" },
		{ "k =", "k=@1" },
		{ "k =   \n", "k=@1" },
		{ "k = v ; no comment # here", "k=v ; no comment # here@1" },
		{ "k = a = b", "k=a = b@1" },
		{ "k = [x]", "k=[x]@1" },
		{ "* = host=h", "*=host=h@1" },
		{ "my-db.x = 1", "my-db.x=1@1" },
		{ "\"my db\" = 1", "my db=1@1" },
		{ "'my db' = 1", "my db=1@1" },
		{ "\"a\"\"b\" = 1", "a\"b=1@1" },
		{ "'a''b' = 1", "a'b=1@1" },
		{ "\"a=b\"=1", "a=b=1@1" },
		{ "\"it's\" = 1", "it's=1@1" },
		{ "[a]\r\nk = v\r\n; c\r\n\r\nl =\r\n", "[a]@1|k=v@2|l=@5" },
		{ "\xef\xbb\xbf[a]", "[a]@1" },
		{ "k = v without end", "k=v without end@1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen s = { .text = "" };
		struct error e;
		cr_assert(parse(cases[i].text, strlen(cases[i].text), &s, &e), "\"%s\": %s",
			cases[i].text, e.message);
		cr_assert_str_eq(s.text, cases[i].seen, "\"%s\"", cases[i].text);
	}
}

#define CASE(text, message)                     \
	{                                       \
		text, sizeof(text) - 1, message \
	}

Test(ini, says_what_is_wrong_and_where)
{
	static const struct {
		const char *text;
		size_t size;
		const char *message;
	} cases[] = {
		CASE("[a", "t.ini:1: the section's name has no closing \"]\""),
		CASE("\n\n[a\n]", "t.ini:3: the section's name has no closing \"]\""),
		CASE("[a]\nk", "t.ini:2: a line must read \"key = value\""),
		CASE("my db = x", "t.ini:1: a line must read \"key = value\""),
		CASE("= x", "t.ini:1: there is no name before the \"=\""),
		CASE("\"\" = x", "t.ini:1: there is no name before the \"=\""),
		CASE("\"a = x", "t.ini:1: a name in quotes has no closing quote"),
		CASE("'a\n' = x", "t.ini:1: a name in quotes has no closing quote"),
		CASE("\"a\"b = x", "t.ini:1: a line must read \"key = value\""),
		CASE("%includ x", "t.ini:1: the only directive is \"%include FILE\""),
		CASE("%includes x", "t.ini:1: the only directive is \"%include FILE\""),
		CASE("%include", "t.ini:1: %include needs the name of a file"),
		CASE("%include  \r\n", "t.ini:1: %include needs the name of a file"),
		CASE("k = v\n%include /nonexistent/x.ini",
			"t.ini:2: could not read \"/nonexistent/x.ini\""),
		CASE("%include /", "t.ini:1: could not read \"/\""),
		CASE("a = b\nk = v\0w\n", "t.ini:2: the line holds a zero byte"),
		CASE("ok = 1\nbad = 2\nok = 3", "t.ini:2: refused bad"),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen s = { .refuse = "bad" };
		struct error e;
		cr_assert_not(parse(cases[i].text, cases[i].size, &s, &e), "\"%s\"", cases[i].text);
		cr_assert(strncmp(e.message, cases[i].message, strlen(cases[i].message)) == 0,
			"\"%s\" gave \"%s\"", cases[i].text, e.message);
		cr_assert_str_eq(e.sqlstate, "F0000");
	}
}

Test(ini, includes_can_be_switched_off)
{
	struct ini_ops closed = { see_section, see_pair, false, NULL };
	char text[] = "%include /etc/passwd";
	struct seen s = { .text = "" };
	struct error e;

	cr_assert_not(ini_parse("t", text, strlen(text), &closed, &s, &e));
	cr_assert_str_eq(e.message, "t:1: %include is not allowed here");
}

Test(ini, a_line_has_a_bound)
{
	size_t size = INI_LINE_MAX + 1;
	char *text = malloc(size + 1);
	struct seen s = { .text = "", .refuse = "k" };
	struct error e;

	memset(text, ' ', size);
	text[0] = '#';
	cr_assert_not(ini_parse("t", text, size, &ops, &s, &e));
	cr_assert_str_eq(e.message, "t:1: the line is longer than 1048576 bytes");
	memset(text, ' ', size);
	text[0] = '#';
	cr_assert(ini_parse("t", text, size - 1, &ops, &s, &e), "%s", e.message);
	free(text);
}

/* A directory of its own; relative %include paths are taken from it. */
static char dir[] = "/tmp/pgusher-ini-XXXXXX";

static void
enter_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
}

static void
leave_dir(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

Test(ini, include_is_read_in_place, .init = enter_dir, .fini = leave_dir)
{
	struct seen s = { .text = "" };
	struct error e;

	write_file("main.ini", "[a]\nk = 1\n  %include  more.ini \nl = 2\n");
	write_file("more.ini", "[b]\nm = 3\n");
	cr_assert(ini_read("main.ini", &ops, &s, &e), "%s", e.message);
	cr_assert_str_eq(s.text, "[a]@1|k=1@2|[b]@1|m=3@2|l=2@4");
}

Test(ini, an_error_in_an_include_names_that_file_only, .init = enter_dir, .fini = leave_dir)
{
	struct seen s = { .text = "" };
	struct error e;

	write_file("main.ini", "\n\n%include more.ini\n");
	write_file("more.ini", "k = v\nbroken\n");
	cr_assert_not(ini_read("main.ini", &ops, &s, &e));
	cr_assert_eq(strncmp(e.message, "more.ini:2: a line must", 23), 0, "%s", e.message);
}

Test(ini, includes_have_a_depth, .init = enter_dir, .fini = leave_dir)
{
	struct seen s = { .text = "" };
	struct error e;
	char name[20], text[60];

	for (int i = 0; i <= INI_DEPTH_MAX; i++) {
		snprintf(name, sizeof(name), "%d.ini", i);
		snprintf(text, sizeof(text), i == INI_DEPTH_MAX ? "k = v\n" : "%%include %d.ini\n",
			i + 1);
		write_file(name, text);
	}
	cr_assert(ini_read("0.ini", &ops, &s, &e), "%s", e.message);
	cr_assert_str_eq(s.text, "k=v@1");

	write_file("loop.ini", "%include loop.ini\n");
	cr_assert_not(ini_read("loop.ini", &ops, &s, &e));
	cr_assert_str_eq(e.message, "loop.ini:1: %include \"loop.ini\": that is this file, or one that includes it");

	write_file("loop.ini", "%include ./loop.ini\n");
	write_file("turn.ini", "%include ././loop.ini\n");
	write_file("loop.ini", "%include turn.ini\n");
	cr_assert_not(ini_read("loop.ini", &ops, &s, &e));
	cr_assert_eq(strncmp(e.message, "././loop.ini:1: %include \"turn.ini\": that is this", 45), 0, "%s", e.message);

	write_file("10.ini", "%include 11.ini\n");
	write_file("11.ini", "k = v\n");
	cr_assert_not(ini_read("0.ini", &ops, &s, &e));
	cr_assert_eq(strncmp(e.message, "10.ini:1: %include \"11.ini\": more than 10 files include", 54), 0, "%s", e.message);
}

/* --- with somebody who wants to know of all errors --- */

static void
see_refused(void *arg, const struct ini_place *at, const struct error *e)
{
	append(arg, "!A:N B", at->file, e->message, at->line);
}

static const struct ini_ops all_ops = { see_section, see_pair, true, see_refused };

Test(ini, the_reading_goes_on_behind_what_is_wrong, .init = enter_dir, .fini = leave_dir)
{
	struct seen s = { .text = "", .refuse = "bad" };
	struct error e;

	write_file("main.ini", "[a]\nbad = 1\nk = 2\n%include more.ini\n%include none.ini\n%include main.ini\nbad = 3\nl = 4\n");
	write_file("more.ini", "[b]\nbad = 1\nm = 5\n");
	cr_assert(ini_read("main.ini", &all_ops, &s, &e));
	cr_assert_str_eq(s.text, "[a]@1|!main.ini:2 refused bad|k=2@3|[b]@1|!more.ini:2 refused bad|m=5@3|"
		"!main.ini:5 could not read \"none.ini\": No such file or directory|"
		"!main.ini:6 %include \"main.ini\": that is this file, or one that includes it|!main.ini:7 refused bad|l=4@8");
	cr_assert_not(ini_read("none.ini", &all_ops, &s, &e));
	cr_assert_str_eq(e.message, "could not read \"none.ini\": No such file or directory");
}

/* What follows is meant for it, and would be wrong in any other. */
Test(ini, a_section_without_its_bracket_is_entered)
{
	char text[] = "[a \nk = 1\n";
	struct seen s = { .text = "" };
	struct error e;

	cr_assert(ini_parse("t", text, strlen(text), &all_ops, &s, &e));
	cr_assert_str_eq(s.text, "[a]@1|!t:1 the section's name has no closing \"]\"|k=1@2");
}

/* Each of its lines would be as wrong. */
Test(ini, what_is_no_text_is_told_once)
{
	static const struct {
		const char *text;
		size_t size;
		const char *seen;
	} cases[] = {
		{ "a\0b\nc\0d\n", 8, "!t:1 the line holds a zero byte: is this a text file?" },
		{ "\xff\xfe[\0a\0]\0\n\0", 10, "!t:1 the file is UTF-16: save it as UTF-8" },
		{ "\xfe\xff\0[\0a\0]\0\n", 10, "!t:1 the file is UTF-16: save it as UTF-8" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen s = { .text = "" };
		char text[20];
		struct error e;

		memcpy(text, cases[i].text, cases[i].size);
		cr_expect(ini_parse("t", text, cases[i].size, &all_ops, &s, &e));
		cr_expect_str_eq(s.text, cases[i].seen);
	}
}

/* Ten levels of a hundred includes each would be 10^20 files. */
Test(ini, includes_have_a_count, .init = enter_dir, .fini = leave_dir)
{
	struct seen s = { .text = "" };
	struct error e;
	char name[20];

	for (int i = 0; i < INI_DEPTH_MAX; i++) {
		snprintf(name, sizeof(name), "%d.ini", i);
		FILE *f = fopen(name, "w");
		for (int j = 0; j < 100; j++)
			fprintf(f, "%%include %d.ini\n", i + 1);
		fclose(f);
	}
	write_file("10.ini", "");
	cr_assert_not(ini_read("0.ini", &ops, &s, &e));
	cr_assert_not_null(strstr(e.message, "more than 10000 files are included"), "%s",
		e.message);
}
