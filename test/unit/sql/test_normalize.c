#include "sql/digest.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

static const struct {
	const char *text, *want;
} cases[] = {
	{ "select a from t where b = 'x' and c = 5", "select a from t where b = $1 and c = $2" },
	{ "SELECT  A\n\tFROM t -- x\nWHERE /* y */ b='x';", "SELECT A FROM t WHERE b=$1" },
	{ "  select 1 ; ", "select $1" },
	{ "select 1;select 2 ;;; select 3;", "select $1;select $2 ; select $3" },
	{ "", "" },
	{ " -- x", "" },
	{ ";;", "" },

	/* parameters keep their numbers, literals come behind */
	{ "select $3, 'x', $1, 2", "select $3, $4, $1, $5" },
	{ "select $1, $1, 5, $1", "select $1, $1, $2, $1" },
	{ "select $65535, 1", "select $65535, $65536" },
	{ "select $99999999999999999999, 1", "select $99999999999999999999, $1" },
	{ "select 'x' -- $5\n, '$6', \"$7\"", "select $1 , $2, \"$7\"" },

	/* lists */
	{ "select a in (1, 2, 3) and b = 4", "select a in ($1, ...) and b = $2" },
	{ "select a in (1)", "select a in ($1)" },
	{ "select a in (1,2,b,3,4)", "select a in ($1, ...,b,$2, ...)" },
	{ "select a in ($2, $1, $3) and b = 'x'", "select a in ($2, ...) and b = $4" },
	{ "insert into t values (1, 'a'), (2, 'b'), (3, 'c') on conflict do nothing",
	  "insert into t values ($1, $2), ... on conflict do nothing" },
	{ "insert into t values (1),(now()),(2),(3) returning a", "insert into t values ($1),(now()),($2), ... returning a" },
	{ "select (a, b) in ((1, 2), (3, 4))", "select (a, b) in (($1, $2), ...)" },
	{ "select array[[1,2],[3,4]]", "select array[[$1, ...], ...]" },
	{ "values (1, a in (1, 2)), (2, a in (3))", "values ($1, a in ($2, ...)), ..." },
	{ "select a in (1, ...)", "select a in ($1, ...)" },
	{ "values (1), (2", "values ($1), ..." },
	{ "select a in (select 1, 2)", "select a in (select $1, $2)" },

	/* signs */
	{ "select -1, a - 1, a = -1, - a, -(1)", "select $1, a - $2, a = $3, - a, -($4)" },
	{ "select a=-1", "select a=$1" },

	/* TRUE, FALSE, NULL */
	{ "select a = true, null, b is null, c is not true", "select a = $1, $2, b is null, c is not true" },
	{ "create table t (a int not null default null)", "create table t (a int not null default $1)" },

	/* what stood together */
	{ "select int'1'", "select int $1" },
	{ "select'1'", "select $1" },
	{ "select 1a", "select $1a" },
	{ "select 'a'e'b'", "select $1 $2" },
	{ "select $'x'", "select $ $1" },
	{ "select \"a\"'x'", "select \"a\"$1" },
	{ "select '1'::int", "select $1::int" },
	{ "select \xc3\xa4'x'", "select \xc3\xa4 $1" },
	{ "select f('x')", "select f($1)" },
	{ "select 1..2", "select $1..$2" },
	{ "select 1...2", "select $1...$2" },

	/* names */
	{ "select \"A b\", U&\"x\", \xc3\xa4, a.b.c", "select \"A b\", U&\"x\", \xc3\xa4, a.b.c" },
	{ "select \"\xff\", \xe4x\xc3", "select \"\xEF\xBF\xBD\", \xEF\xBF\xBDx\xEF\xBF\xBD" },
	{ "savepoint s140_x1; release savepoint \"s140_x1\"", "savepoint $1; release savepoint $2" },
	{ "declare c cursor for select a from t where b = 1", "declare $1 cursor for select a from t where b = $2" },
	{ "fetch forward 10 from c", "fetch forward $1 from $2" },

	/* unfinished */
	{ "select 'x", "select $1" },
	{ "select \"x", "select \"x" },
	{ "select $$x", "select $1" },
	{ "select a /* x", "select a" },
	{ "select (", "select (" },

	{ "select a != b", "select a != b" },
	{ "select a ? 'b', c ?| array['x','y']", "select a ? $1, c ?| array[$2, ...]" },
	{ "set a to 'x'", "set a to $1" },
	{ "copy t from stdin with (format csv, delimiter ';')", "copy t from stdin with (format csv, delimiter $1)" },
	{ "do $$ begin perform 1; end $$ language plpgsql", "do $1 language plpgsql" },
};

Test(normalize, what_people_see)
{
	for (size_t i = 0; i < lengthof(cases); i++) {
		char out[512];
		size_t n = sql_normalize(cases[i].text, strlen(cases[i].text), out, sizeof(out));
		cr_expect_str_eq(out, cases[i].want, "<%s> became <%s>", cases[i].text, out);
		cr_expect_eq(n, strlen(out));
	}
}

/* Whatever form a secret has, and wherever it stands. */
Test(normalize, nothing_of_a_literal_is_left)
{
	static const char *const texts[] = {
		"create role r password 'SECRET'",
		"CREATE USER r WITH ENCRYPTED PASSWORD E'SECRET' VALID UNTIL 'SECRET'",
		"alter role r password $$SECRET$$",
		"alter role r password $x$SECRET $$ SECRET$x$",
		"alter role r password 'it''s SECRET'",
		"alter role r password E'it\\'s SECRET'",
		"alter role r password E'a'\n'\\'SECRET'",
		"alter role r password 'a' -- x\n'SECRET'",
		"alter role r password U&'SECRET\\0041'",
		"alter role r password 'SECRET",
		"alter role r password E'SECRET\\'",
		"alter role r password $a$SECRET $a",
		"alter role r password /* SECRET */ 'SECRET' -- SECRET",
		"create user mapping for r server s options (user 'SECRET', password 'SECRET')",
		"create subscription s connection 'host=a password=SECRET' publication p",
		"select dblink('password=SECRET', $$select 'SECRET'$$)",
		"select pgp_sym_encrypt('SECRET', 'SECRET')",
		"set a.b = 'SECRET'",
		"insert into t values ('SECRET'), (E'SECRET'), ($$SECRET$$)",
		"do $$ begin execute 'alter role r password ''SECRET'''; end $$",
		"copy t from program 'SECRET'",
		"notify c, 'SECRET'",
		"prepare transaction 'SECRET'",
		"comment on table t is 'SECRET'",
		"call p('SECRET')",
		"execute p('SECRET')",
	};
	char out[256];

	for (size_t i = 0; i < lengthof(texts); i++) {
		for (size_t size = 1; size <= sizeof(out); size++) {
			sql_normalize(texts[i], strlen(texts[i]), out, size);
			cr_assert_null(strstr(out, "SECRET"), "<%s> became <%s>", texts[i], out);
		}
	}
}

/* Always a string, never too long, never half a character, and it says so if something is missing. */
Test(normalize, a_long_text_is_cut)
{
	static const char text[] = "select \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98 from t where a in (1, 2) and b = 'x'";
	static const char whole[] = "select \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98 from t where a in ($1, ...) and b = $2";

	for (size_t size = 1; size <= sizeof(whole) + 2; size++) {
		char *out = malloc(size);
		cr_assert_not_null(out);
		size_t n = sql_normalize(text, sizeof(text) - 1, out, size);
		cr_assert_eq(n, strlen(out));
		cr_assert_lt(n, size);
		cr_assert_eq(string_whole_chars(out, n), n);
		if (size >= sizeof(whole)) {
			cr_assert_str_eq(out, whole);
		} else if (size > 4) {
			cr_assert_geq(n, 3);
			cr_assert_str_eq(out + n - 3, "...");
			cr_assert_eq(strncmp(out, whole, n - 3), 0, "<%s>", out);
			cr_assert(n == 3 || out[n - 4] != ' ', "<%s>", out);
		}
		free(out);
	}
}

/* What is folded needs no room in the end, though it did meanwhile. */
Test(normalize, a_folded_list_fits_into_little)
{
	enum { ROWS = 10000 };
	char *text = memory_alloc(ROWS * 32 + 64), out[64];
	size_t n = (size_t)sprintf(text, "insert into t values ('a', 1)");

	for (int i = 0; i < ROWS; i++)
		n += (size_t)sprintf(text + n, ", ('a long string', %d)", i);
	n += (size_t)sprintf(text + n, " returning a");
	sql_normalize(text, n, out, sizeof(out));
	cr_assert_str_eq(out, "insert into t values ($1, $2), ... returning a");
	free(text);
}

/* A first row that does not fit, and the rest. */
Test(normalize, a_wide_row_is_cut)
{
	char out[32];
	static const char text[] = "values (1, 2, 3, 4, 5, 6, 7, 8, 9, 10), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10), (a)";

	sql_normalize(text, sizeof(text) - 1, out, sizeof(out));
	cr_assert_str_eq(out, "values ($1, $2, $3, $4, $5,...");
}

Test(normalize, a_nul_ends_the_text)
{
	char out[64];

	sql_normalize("select a\0, b", 12, out, sizeof(out));
	cr_assert_str_eq(out, "select a");
	sql_normalize(NULL, 0, out, sizeof(out));
	cr_assert_str_eq(out, "");
}
