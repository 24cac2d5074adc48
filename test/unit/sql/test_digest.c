#include "sql/digest.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"

/* What people see of a text has the text's digest, unless it was cut, or there were bytes that are no UTF-8. */
static void
check_normalized(const char *text, size_t n, uint64_t hash)
{
	static _Thread_local char out[64 * 1024];
	struct sql_digest d;

	if (n > sizeof(out) / 2)
		return;
	size_t length = sql_normalize(text, n, out, sizeof(out));
	cr_assert_eq(length, strlen(out));
	if (strstr(out, "\xEF\xBF\xBD") != NULL)
		return;
	sql_digest(out, length, &d);
	cr_assert_eq(d.hash, hash, "<%.*s> became <%s>", (int)n, text, out);
}

/* Of a copy of just these bytes, so that a sanitizer sees what is read behind them. */
static struct sql_digest
digest_bytes(const char *text, size_t n)
{
	struct sql_digest d;
	char *copy = malloc(n > 0 ? n : 1);

	cr_assert_not_null(copy);
	if (n > 0)
		memcpy(copy, text, n);
	sql_digest(copy, n, &d);
	check_normalized(copy, n, d.hash);
	if (d.comment != NULL)
		d.comment = text + (d.comment - copy);
	free(copy);
	cr_assert_neq(d.hash, 0);
	return d;
}

static struct sql_digest
digest(const char *text)
{
	return digest_bytes(text, strlen(text));
}

/* Each line: texts that differ only in what is no structure. */
static const char *const same[][6] = {
	/* strings */
	{ "select 'a'", "select 'b'", "select ''", "select 'it''s'", "select ''''", "select 'a\\'" },
	{ "select 'a'", "select E'a'", "select e'\\''", "select E'a''b'", "select E'\\\\'", "select E'a\\nb'" },
	{ "select 'a'", "select $$a$$", "select $$it's$$", "select $q$ $$ $q$", "select $q$ $qq$ $q$", "select $_1$'$_1$" },
	{ "select 'a'", "select U&'d\\0061t'", "select u&'it''s'", "select B'01'", "select x'1f'", "select N'a'" },
	{ "select 'a', b", "select 'a' , b", "select '-- no', b", "select '/* no', b", "select $$ ' $$, b", "select ';', b" },
	{ "select 'ab'", "select 'a'\n'b'", "select 'a' \n\t 'b'", "select 'a' -- x\n'b'", "select 'a'\r'b'\n\n'c'" },
	{ "select E'ab', c", "select E'a'\n'b\\'', c", "select E'\\''\n'\\'', c", "select 'a'\n'b\\', c" },
	{ "select 'a' ", "select $\xc3\xa4$a$\xc3\xa4$", "select $a1$ $a$ $a1$", "select '$1'" },
	{ "select f(1)", "select f('\n')", "select f($$\n$$)", "select f('\xff\xfe')", "select f('\xc3\xa4')" },

	/* numbers */
	{ "select 1", "select 12345678901234567890", "select 1.5", "select 1.", "select .5", "select 1e5" },
	{ "select 1", "select 1.5e-3", "select .5E+10", "select 0x1F", "select 0o17", "select 0B101" },
	{ "select 1", "select 1_000", "select 1_0.0_1e1_0", "select 0xdead_beef", "select -1", "select +1" },
	{ "select 1, 2", "select -1, -2", "select - 1,- 2", "select -/* c */1, -\n2", "select 1.,.2" },
	{ "select a[1:2]", "select a[-1:-2]", "select a[ 0 : 0x2 ]" },
	{ "select 1 + 2", "select -1 + -2", "select 1+-2", "select 1+2.5" },
	{ "select a - 1", "select a -2", "select a-3", "select a - 1e5" },

	/* signs */
	{ "select a from t where x = 1", "select a from t where x = -1", "select a from t where x=-1", "select a from t where x = + 1" },
	{ "select 1 where a > 1 and 2 < b", "select 1 where a > 1 and -2 < b" },
	{ "select f(1, 2)", "select f(-1, -2)" },
	{ "select a between 1 and 2", "select a between -1 and -2" },
	{ "select case when a then 1 else 0 end", "select case when a then -1 else -0 end" },
	{ "select a from t limit 1 offset 2", "select a from t limit -1 offset -2" },
	{ "update t set a = 1, b = 2", "update t set a = -1, b = -2" },
	{ "select a @ 1", "select a @ -1", "select a @ -1" },
	{ "fetch 1 from c", "fetch -1 from c" },

	/* TRUE, FALSE, NULL where a value may be */
	{ "select a = true", "select a = FALSE", "select a = Null", "select a = 'x'", "select a = $1", "select a = 1" },
	{ "insert into t values (true, null)", "insert into t values (false, 1)", "insert into t values (null, 'x')" },
	{ "select f(null)", "select f(true)", "select f(1)" },
	{ "select true", "select false", "select 1" },
	{ "select 1 where true and false", "select 1 where false and null", "select 1 where $1 and $2" },
	{ "select case when a then true else null end", "select case when a then 1 else 'x' end" },
	{ "select a from t where (null = a)", "select a from t where ('x' = a)" },
	{ "select array[true, null]", "select array[1]" },

	/* parameters and literals */
	{ "select a from t where b = $1", "select a from t where b = 1", "select a from t where b = 'x'", "select a from t where b = $99" },
	{ "select $1, $2", "select $2, $1", "select 'x', 2", "select $1, $1" },
	{ "select $1::int", "select '1'::int", "select 1::int", "select 1 :: int" },

	/* constants of a type */
	{ "select date '2020-01-01'", "select date '1999-12-31'", "select DATE $1" },
	{ "select interval '1 day'", "select interval '2 hours'" },
	{ "select interval '1' day", "select interval '3' DAY" },
	{ "select int '1'", "select int '2'" },
	{ "select cast('1' as int)", "select cast(2 as int)" },
	{ "select timestamp with time zone 'x'", "select timestamp with time zone 'y'" },

	/* lists */
	{ "select a from t where b in (1)", "select a from t where b in (1, 2, 3)", "select a from t where b in ('x','y')",
	  "select a from t where b in ($1, $2)", "select a from t where b in (-1, null)", "select a from t where b IN($1)" },
	{ "select a not in (1)", "select a not in (1, 2)" },
	{ "select a in (1::int)", "select a in (1::int, 2::int)", "select a in ($1::int,$2::int,$3::int)" },
	{ "select a in (f(1))", "select a in (f(1), f(2))" },
	{ "select (a, b) in ((1, 2))", "select (a, b) in ((1, 2), (3, 4))", "select (a, b) in (($1,'x'),($2,'y'),($3,'z'))" },
	{ "select a in (b, 1)", "select a in (b, 1, 2)" },
	{ "select a in ((select 1))", "select a in ((select 2), (select 3))" },
	{ "select a in (1, 2) and b in (3)", "select a in (1) and b in (3, 4, 5)" },
	{ "insert into t values (1, 2)", "insert into t values (1, 2), (3, 4)", "insert into t values (1,2),(3,4),(5,6)" },
	{ "insert into t values (1, now())", "insert into t values (1, now()), (2, now())" },
	{ "insert into t values (default)", "insert into t values (default), (default)" },
	{ "insert into t values (1) on conflict do nothing", "insert into t values (1), (2) on conflict do nothing" },
	{ "insert into t values (1) returning id", "insert into t values (1), (2) returning id" },
	{ "insert into t values (1, a in (1))", "insert into t values (1, a in (1, 2)), (2, a in (3))" },
	{ "values (1)", "values (1), (2)", "VALUES ($1),($2),($3);" },
	{ "select * from (values (1, 'a')) v", "select * from (values (1, 'a'), (2, 'b')) v" },
	{ "select a in (values (1))", "select a in (values (1), (2))" },
	{ "select array[1]", "select array[1, 2, 3]", "select ARRAY ['x','y']", "select array[$1, $2]" },
	{ "select array[[1, 2], [3, 4]]", "select array[[1], [3]]", "select array[[1,2,3]]" },
	{ "select a = any (array[1, 2])", "select a = any (array[1])" },
	{ "select a in (1, ...)", "select a in (1)", "select a in (1, 2)" },
	{ "values (1), ...", "values (1)", "values (1), (2)" },
	{ "select a in (b, 1, ...)", "select a in (b, 1, 2)" },

	/* a list that was cut does not tell where */
	{ "insert into t values (1, 'a'), (2", "insert into t values (1, 'a'), (2, 'b'), (3, 'c", "insert into t values (1, 'a'), (",
	  "insert into t values (1, 'a'),", "insert into t values (1, 'a'), (f(x), g", "insert into t values (1, 'a')" },
	{ "select a in (1, 2", "select a in (1, 2, 3, 4, 'x", "select a in (1, ", "select a in (1, ..." },

	/* comments, blanks, semicolons, case */
	{ "select a from t", "select  a\nfrom\tt", "SELECT A FROM T", "select a/* x */from t", "select a -- x\nfrom t", " select a from t " },
	{ "select a", "/* x */ select a", "select a /* x", "select a -- x", "--x\nselect a", "select a/* /* nested */ */" },
	{ "select a", "select a;", "select a;;", ";select a", " ; ; select a ; -- x", "select a;/* x */" },
	{ "select a; select b", "select a ;select b;", "select a;;select b;;" },
	{ "select a+b", "select a + b", "select a/**/+/**/b", "select a+--x\nb" },
	{ "select a--x\r,b", "select a,b" },
	{ "select a /*/**/*/, b", "select a, b", "select a /*'*/, b", "select a /* \" */, b", "select a /* $$ */, b" },
	{ "select \xc3\xa4 from t", "SELECT \xc3\xa4 FROM T" },
	{ "", " ", ";", "/* x */", "-- x", "\t\n;;" },
	{ "select a\v\f, b", "select a, b" },

	/* operators */
	{ "select a != b", "select a <> b", "select a<>b", "select a!=b" },
	{ "select a ->> 'x'", "select a->>'y'" },
	{ "select a ? 'x'", "select a?'y'" },
	{ "select a @> '{}'", "select a@>'{\"b\":1}'" },
	{ "select a = - b", "select a =- b", "select a=-b" },
	{ "select a %-1", "select a %- 1" },

	/* names that drivers make up */
	{ "savepoint a", "savepoint b", "SAVEPOINT \"s140_x1\"", "savepoint $1" },
	{ "release savepoint a", "release savepoint b" },
	{ "rollback to savepoint a", "rollback to savepoint b" },
	{ "rollback to a", "ROLLBACK TO \"b\"" },
	{ "declare c1 cursor for select a", "declare \"c2\" cursor for select a", "declare $1 cursor for select a" },
	{ "fetch 10 from c1", "fetch 20 from \"c2\"" },
	{ "fetch forward 10 from c1", "fetch forward 20 from c2" },
	{ "move forward all in c1", "move forward all in c2" },
	{ "close c1", "close \"c2\"" },
	{ "deallocate p1", "deallocate \"p2\"" },

	/* others */
	{ "set a = 'x'", "set a = 'y'", "set a = 1" },
	{ "create role r password 'secret'", "create role r password 'hidden'" },
	{ "do $$ begin end $$", "do $x$ select 1 $x$", "do 'x'" },
	{ "notify c, 'x'", "notify c, 'y'" },
	{ "copy t from '/x'", "copy t from '/y'" },
	{ "select a like 'x' escape '!'", "select a like 'y' escape '?'" },
	{ "select U&'x' uescape '!'", "select U&'y' uescape '?'" },
	{ "select 'x", "select 'y''", "select $$ y", "select E'\\'" , "select $a$ $b$", "select '" },
	{ "select a is null and b = 1", "select a is null and b = 2" },
	{ "select x is distinct from null", "select x is distinct from 1" },
	{ "select a, b, c limit 10", "select a, b, c limit 20", "select a, b, c limit $1" },
	{ "select f(a => 1, b := 2)", "select f(a => -1, b := -2)" },
};

/* Each line: two texts that differ in structure. */
static const char *const different[][2] = {
	/* names and keywords */
	{ "select a", "select b" },
	{ "select a", "select aa" },
	{ "select a from t", "select a from u" },
	{ "select abcdefgh", "select abcdefgi" },
	{ "select abcdefghi", "select abcdefghj" },
	{ "select abcdefghi", "select abcdefgh i" },
	{ "select a1", "select a2" },
	{ "select a_1", "select a_2" },
	{ "select a$1", "select a$2" },
	{ "select a_", "select a" },
	{ "select \"A\"", "select \"a\"" },
	{ "select \"a\"", "select a" },
	{ "select \"a b\"", "select \"a  b\"" },
	{ "select \"a\"\"b\"", "select \"a\" \"b\"" },
	{ "select U&\"a\"", "select \"a\"" },
	{ "select \"'\"", "select '''" },
	{ "select \xc3\xa4", "select \xc3\x84" },
	{ "select \xc3\xa4", "select \xe3\xa4" },
	{ "select \xff", "select \xfe" },
	{ "select a.b", "select a.c" },
	{ "select a.b", "select a, b" },
	{ "select a.b", "select a b" },
	{ "select s.t.a", "select s.t" },
	{ "select a as b", "select a as c" },
	{ "select a from t", "select a from t as t" },
	{ "select a from t join u using (x)", "select a from t left join u using (x)" },
	{ "select a order by b", "select a order by b desc" },
	{ "select a", "select distinct a" },
	{ "select a union select b", "select a union all select b" },
	{ "select a for update", "select a for share" },
	{ "insert into t (a, b) values (1, 2)", "insert into t (b, a) values (1, 2)" },
	{ "update t set a = 1", "update t set b = 1" },
	{ "select a, b", "select b, a" },
	{ "select 1a", "select 1b" },
	{ "select 1", "select 1 a" },

	/* numbers of things */
	{ "select 1", "select 1, 2" },
	{ "select f(1)", "select f(1, 2)" },
	{ "select f()", "select f(1)" },
	{ "select f(1)", "select g(1)" },
	{ "select row(1)", "select row(1, 2)" },
	{ "select (1, 2)", "select (1, 2, 3)" },
	{ "insert into t values (1)", "insert into t values (1, 2)" },
	{ "insert into t values (1), (2)", "insert into t values (1), (2, 3)" },
	{ "insert into t values (1), (now())", "insert into t values (1), (2)" },
	{ "insert into t values (1, a)", "insert into t values (1, b)" },
	{ "insert into t values (1)", "insert into t values (default)" },
	{ "values (1), (2)", "values (1) union values (2)" },
	{ "values (1), (2)", "values (1, 2)" },
	{ "select values, (1)", "select values, (1), (2)" },
	{ "select t.values (1), (2)", "select t.values (1)" },
	{ "execute p (1)", "execute p (1, 2)" },
	{ "select a limit 1", "select a limit 1 offset 1" },

	/* lists that are none */
	{ "select a in (1)", "select a in (b)" },
	{ "select a in (b)", "select a in (b, c)" },
	{ "select a in (b)", "select a in (b, b)" },
	{ "select a in (1)", "select a in ()" },
	{ "select a in (1)", "select a not in (1)" },
	{ "select a in (1)", "select a in (select 1)" },
	{ "select a in (select 1)", "select a in (select 1, 2)" },
	{ "select a in (select b, 1)", "select a in (select b, 1, 2)" },
	{ "select a in (with b as (select 1) select 1)", "select a in (with b as (select 1) select 1, 2)" },
	{ "select a in (table b)", "select a in (table c)" },
	{ "select a in (values (1))", "select a in (values (1, 2))" },
	{ "select a in (1, b)", "select a in (b, 1)" },
	{ "select a in (f(1))", "select a in (f(1, 2))" },
	{ "select a in ((1, 2))", "select a in ((1, 2, 3))" },
	{ "select a in (1::int)", "select a in (1::text)" },
	{ "select a in (1, 2)", "select a = 1 or a = 2" },
	{ "select s.in (1)", "select s.in (1, 2)" },
	{ "select array[1]", "select array[a]" },
	{ "select array[1]", "select array[]" },
	{ "select array[a, b]", "select array[a]" },
	{ "select s.array[1, 2]", "select s.array[1]" },
	{ "select a[1]", "select a[1][2]" },
	{ "select a[1]", "select a[1:2]" },
	{ "select any($1)", "select all($1)" },
	{ "select a = any ($1)", "select a in ($1)" },
	{ "select a in (...)", "select a in (1, ...)" },
	{ "select 1, ...", "select 1" },

	/* operators */
	{ "select a = 1", "select a > 1" },
	{ "select a < 1", "select a <= 1" },
	{ "select a = 1", "select a <> 1" },
	{ "select a -> 1", "select a ->> 1" },
	{ "select a #> 'x'", "select a #>> 'x'" },
	{ "select a @> b", "select a <@ b" },
	{ "select a ? 'x'", "select a ?| 'x'" },
	{ "select a ~ 'x'", "select a ~* 'x'" },
	{ "select a || b", "select a | b" },
	{ "select a + b", "select a - b" },
	{ "select a * b", "select a / b" },
	{ "select a - 1", "select a + 1" },
	{ "select a - 1", "select a, -1" },
	{ "select a - 1", "select a -1 b" },
	{ "select (a) - 1", "select (a)" },
	{ "select -a", "select a" },
	{ "select - -a", "select -a" },
	{ "select -(1)", "select (1)" },
	{ "select a @- 1", "select a @ - 1" },
	{ "select 1::int", "select 1::text" },
	{ "select 1::int", "select 1" },
	{ "select '1'::int", "select int '1'" },
	{ "select a::int", "select a::int[]" },
	{ "select f(a => 1)", "select f(a := 1)" },
	{ "select a.*", "select *" },
	{ "select count(*)", "select count(a)" },

	/* IS, NOT, and the like */
	{ "select a is null", "select a is not null" },
	{ "select a is null", "select a = null" },
	{ "select a is null", "select a is true" },
	{ "select a is true", "select a is false" },
	{ "select a is not true", "select a is not false" },
	{ "create table t (a int null)", "create table t (a int not null)" },
	{ "select a between 1 and 2", "select a between symmetric 1 and 2" },
	{ "select a limit all", "select a limit 1" },
	{ "alter table t alter a set default 1", "alter table t alter a drop default" },
	{ "create table t (a int references b on delete set null)", "create table t (a int references b on delete set default)" },
	{ "select t.true", "select t.false" },
	{ "select a as true", "select a as false" },
	{ "select interval '1' day", "select interval '1' hour" },
	{ "select x is distinct from null", "select x is not distinct from null" },

	/* statements */
	{ "select a", "select a; select a" },
	{ "select a; select b", "select b; select a" },
	{ "select a; select b", "select a select b" },
	{ "begin", "commit" },
	{ "begin", "begin read only" },
	{ "set a = 'x'", "set b = 'x'" },
	{ "set a = x", "set a = y" },
	{ "set a = 1", "set local a = 1" },
	{ "show a", "show b" },
	{ "copy t from stdin", "copy t to stdout" },
	{ "copy t from stdin", "copy u from stdin" },
	{ "create role r password 'x'", "create role s password 'x'" },
	{ "savepoint a", "release savepoint a" },
	{ "release savepoint a", "release a" },
	{ "rollback to a", "rollback" },
	{ "declare a cursor for select b", "declare a cursor for select c" },
	{ "declare a cursor for select b", "declare a cursor with hold for select b" },
	{ "fetch next from a", "fetch prior from a" },
	{ "fetch all from a", "move all from a" },
	{ "close a", "close all" },
	{ "deallocate a", "deallocate all" },
	{ "execute a", "execute b" },
	{ "prepare a as select 1", "prepare b as select 1" },
	{ "prepare a as select b", "prepare a as select c" },
	{ "notify a", "notify b" },
	{ "listen a", "unlisten a" },
	{ "", "select" },
	{ "", "(" },
	{ "\x01", "\x02" },
	{ "{", "}" },
	{ "\\", "\\\\" },
	{ "$", "$ $" },
	{ "$a", "$b" },
	{ "select ..", "select . ." },
	{ "(", ")" },
	{ "(", "[" },
	{ ",", ";" },
};

Test(digest, what_differs_in_literals_only_is_the_same)
{
	size_t cases = 0;

	for (size_t i = 0; i < lengthof(same); i++) {
		uint64_t first = digest(same[i][0]).hash;
		for (size_t k = 1; k < lengthof(same[i]) && same[i][k] != NULL; k++, cases++)
			cr_expect_eq(first, digest(same[i][k]).hash, "<%s> and <%s> differ", same[i][0], same[i][k]);
	}
	cr_assert_geq(cases, 150);
}

Test(digest, what_differs_in_structure_is_not)
{
	for (size_t i = 0; i < lengthof(different); i++)
		cr_expect_neq(digest(different[i][0]).hash, digest(different[i][1]).hash, "<%s> and <%s> are the same",
			different[i][0], different[i][1]);
	cr_assert_geq(lengthof(different), 120);
}

static const struct {
	const char *text;
	enum sql_verb verb;
} verbs[] = {
	{ "select 1", SQL_SELECT },
	{ "SELECT 1", SQL_SELECT },
	{ "/* x */ select 1", SQL_SELECT },
	{ "(select 1)", SQL_SELECT },
	{ "((select 1) union (select 2))", SQL_SELECT },
	{ "values (1)", SQL_SELECT },
	{ "table t", SQL_SELECT },
	{ "with a as (select 1) select 2", SQL_SELECT },
	{ "with a as (insert into t values (1) returning b) select 2", SQL_SELECT },
	{ "with a as (select 1) insert into t select 1", SQL_INSERT },
	{ "with a as (select 1), b (c) as materialized (select 2) update t set d = 1", SQL_UPDATE },
	{ "with recursive a as (select 1 union all select 2 from a) delete from t", SQL_DELETE },
	{ "with a as (select 1) merge into t using a on true when matched then delete", SQL_MERGE },
	{ "with update as (select 1) select 2", SQL_SELECT },
	{ "with a as (select 1), delete as (select 2) insert into t values (1)", SQL_INSERT },
	{ "with recursive merge as (select 1) select 2", SQL_SELECT },
	{ "with recursive a as (select 1) search depth first by b set c select 1", SQL_SELECT },
	{ "(with a as (select 1) select 2)", SQL_SELECT },
	{ "with a as (select 1) values (1)", SQL_SELECT },
	{ "insert into t values (1)", SQL_INSERT },
	{ "update t set a = 1", SQL_UPDATE },
	{ "delete from t", SQL_DELETE },
	{ "merge into t using u on a = b when matched then do nothing", SQL_MERGE },
	{ "copy t from stdin", SQL_COPY },
	{ "copy (select 1) to stdout", SQL_COPY },
	{ "begin", SQL_BEGIN },
	{ "start transaction", SQL_BEGIN },
	{ "commit", SQL_COMMIT },
	{ "end", SQL_COMMIT },
	{ "rollback", SQL_ROLLBACK },
	{ "abort", SQL_ROLLBACK },
	{ "rollback to a", SQL_ROLLBACK },
	{ "savepoint a", SQL_SAVEPOINT },
	{ "release a", SQL_SAVEPOINT },
	{ "set a = 1", SQL_SET },
	{ "reset a", SQL_SET },
	{ "show a", SQL_SHOW },
	{ "explain select 1", SQL_EXPLAIN },
	{ "prepare a as select 1", SQL_PREPARE },
	{ "deallocate a", SQL_PREPARE },
	{ "execute a", SQL_EXECUTE },
	{ "declare a cursor for select 1", SQL_CURSOR },
	{ "fetch a", SQL_CURSOR },
	{ "move a", SQL_CURSOR },
	{ "close a", SQL_CURSOR },
	{ "call f()", SQL_CALL },
	{ "do $$ $$", SQL_DO },
	{ "create table t (a int)", SQL_DDL },
	{ "alter table t add a int", SQL_DDL },
	{ "drop table t", SQL_DDL },
	{ "truncate t", SQL_DDL },
	{ "comment on table t is 'x'", SQL_DDL },
	{ "grant select on t to a", SQL_DDL },
	{ "revoke select on t from a", SQL_DDL },
	{ "reindex table t", SQL_DDL },
	{ "security label on table t is 'x'", SQL_DDL },
	{ "vacuum t", SQL_MAINTENANCE },
	{ "analyze t", SQL_MAINTENANCE },
	{ "cluster t", SQL_MAINTENANCE },
	{ "checkpoint", SQL_MAINTENANCE },
	{ "refresh materialized view v", SQL_MAINTENANCE },
	{ "listen a", SQL_NOTIFY },
	{ "notify a", SQL_NOTIFY },
	{ "unlisten *", SQL_NOTIFY },
	{ "discard all", SQL_DISCARD },
	{ "lock table t", SQL_LOCK },
	{ "", SQL_EMPTY },
	{ " /* x */ ; -- y", SQL_EMPTY },
	{ "select 1; select 2", SQL_MULTI },
	{ "begin; commit;", SQL_MULTI },
	{ "select 1;", SQL_SELECT },
	{ ";;select 1;;", SQL_SELECT },
	{ "create rule r as on insert to t do (select 1; select 2)", SQL_DDL },
	{ "create function f() returns int begin atomic select case when a then 1 end; select 2; end", SQL_DDL },
	{ "create function f() returns int begin atomic select 1; end; select 3", SQL_MULTI },
	{ "load 'x'", SQL_OTHER },
	{ "selec 1", SQL_OTHER },
	{ "\"select\" 1", SQL_OTHER },
	{ "'select'", SQL_OTHER },
	{ "(", SQL_OTHER },
};

Test(digest, verbs)
{
	for (size_t i = 0; i < lengthof(verbs); i++)
		cr_expect_eq(digest(verbs[i].text).verb, verbs[i].verb, "<%s> is %s", verbs[i].text,
			sql_verb_name((enum sql_verb)digest(verbs[i].text).verb));
}

Test(digest, each_verb_has_a_name)
{
	for (int v = 0; v < SQL_VERBS; v++) {
		cr_assert_not_null(sql_verb_name((enum sql_verb)v));
		for (int w = 0; w < v; w++)
			cr_assert_str_neq(sql_verb_name((enum sql_verb)v), sql_verb_name((enum sql_verb)w));
	}
	cr_assert_str_eq(sql_verb_name(SQL_SELECT), "SELECT");
	cr_assert_str_eq(sql_verb_name(SQL_VERBS), "OTHER");
}

#define ALL_EFFECTS (SQL_EFFECT_SETTINGS | SQL_EFFECT_LOCKS | SQL_EFFECT_TEMP)

static const struct {
	const char *text;
	int effects;
} effects[] = {
	{ "select set_config('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "SELECT SET_CONFIG ('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select pg_catalog.set_config('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select pg_catalog . /* x */ set_config -- y\n ('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select \"set_config\"('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select \"pg_catalog\".\"set_config\"('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select U&\"set\\005fconfig\"('a', 'b', false)", SQL_EFFECT_SETTINGS | SQL_EFFECT_LOCKS | SQL_EFFECT_CODE },
	{ "select 1 where a = (select set_config('a', 'b', false))", SQL_EFFECT_SETTINGS },
	{ "select a in (set_config('a', 'b', false), 'c')", SQL_EFFECT_SETTINGS },
	{ "select 1; select set_config('a', 'b', false)", SQL_EFFECT_SETTINGS },
	{ "select set_limit(0.5)", SQL_EFFECT_SETTINGS },
	/* A rule of this view calls set_config(). */
	{ "update pg_settings set setting = 'a' where name = 'b'", SQL_EFFECT_SETTINGS },
	{ "UPDATE ONLY pg_catalog . PG_SETTINGS AS s SET setting = 'a'", SQL_EFFECT_SETTINGS },
	{ "update \"pg_catalog\".\"pg_settings\" set setting = 'a'", SQL_EFFECT_SETTINGS },
	{ "update U&\"pg\\005fsettings\" set setting = 'a'", SQL_EFFECT_SETTINGS },
	{ "with a as (update pg_settings set setting = 'b' returning *) select * from a", SQL_EFFECT_SETTINGS },
	{ "merge into t using u on a = b when matched then update set c = d", 0 },
	{ "select setting from pg_settings where name = 'b'", 0 },
	{ "select 1 from t for update", 0 },
	{ "select pg_advisory_lock(1)", SQL_EFFECT_LOCKS },
	{ "select pg_advisory_lock_shared(1, 2)", SQL_EFFECT_LOCKS },
	{ "select pg_try_advisory_lock(1)", SQL_EFFECT_LOCKS },
	{ "select Pg_Try_Advisory_Lock_Shared(1)", SQL_EFFECT_LOCKS },
	{ "select pg_advisory_lock(1), set_config('a', 'b', false)", SQL_EFFECT_LOCKS | SQL_EFFECT_SETTINGS },
	{ "select pg_advisory_lock(1), set_config('a', 'b', true)", SQL_EFFECT_LOCKS },

	/* Of this transaction only; if it is in plain sight. */
	{ "select set_config('a', 'b', true)", 0 },
	{ "SELECT pg_catalog . SET_CONFIG ( $1 , $2 , TRUE ) AS x", 0 },
	{ "select \"set_config\"('a', 'b', 't')", 0 },
	{ "select set_config('a', 'b', 'True')", 0 },
	{ "select set_config('a', 'b' /* , false */, /* x */ true -- false\n)", 0 },
	{ "select set_config('a', concat(x, ',', (select max(y) from z)), true)", 0 },
	{ "select set_config('a', array['b', 'c'][1], true)", 0 },
	{ "select set_config('a', 'b', true), set_config('c', 'd', true)", 0 },
	{ "select * from t where a in (1, 2) and set_config('a', 'b', true) in ('b', 'c')", 0 },
	{ "select 1; select set_config('a', 'b', true); select 2", 0 },
	{ "values (set_config('a', 'b', true)), (set_config('c', 'd', true))", SQL_EFFECT_ROWS },
	{ "select set_config('a', 'b', true), set_config('c', 'd', false)", SQL_EFFECT_SETTINGS },
	{ "select set_config('c', 'd', false), set_config('a', 'b', true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', set_config('c', 'd', false), true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', set_config('c', 'd', true), true)", SQL_EFFECT_SETTINGS },	/* in doubt */
	{ "select set_config('a', 'b', $3)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', null)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', not true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', true = false)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', true and c)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', (true))", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', t.true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', true.t)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', \"true\")", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', t)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', E't')", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', 't' 'f')", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', 't'\n'f')", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', is_local => true)", SQL_EFFECT_SETTINGS },
	{ "select set_config(is_local => false, setting_name => 'a', new_value => true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', true)", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', 'c', true)", SQL_EFFECT_SETTINGS },
	{ "select set_config(variadic array['a', 'b', true])", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', true]", SQL_EFFECT_SETTINGS },
	{ "select set_config('a', 'b', true", SQL_EFFECT_SETTINGS },
	{ "select set_config(", SQL_EFFECT_SETTINGS },
	{ "select set_limit('a', 'b', true)", SQL_EFFECT_SETTINGS },
	{ "select a into temp t from u", SQL_EFFECT_TEMP },
	{ "select a into temporary table t from u", SQL_EFFECT_TEMP },
	{ "select a into local temp t from u", SQL_EFFECT_TEMP },
	{ "select a into pg_temp.t from u", SQL_EFFECT_TEMP },
	{ "create temp table t as select 1", SQL_EFFECT_TEMP },
	{ "CREATE TEMPORARY TABLE t AS SELECT 1", SQL_EFFECT_TEMP },
	{ "create local temporary table t as select 1", SQL_EFFECT_TEMP },
	{ "create or replace temp view v as select 1", SQL_EFFECT_TEMP },
	{ "create temp sequence s", SQL_EFFECT_TEMP },
	{ "create table pg_temp.t as select 1", SQL_EFFECT_TEMP },
	{ "create table \"pg_temp\".t as select 1", SQL_EFFECT_TEMP },
	{ "explain analyze create temp table t as select 1", SQL_EFFECT_TEMP },
	{ "do $$ begin perform 1; end $$", ALL_EFFECTS | SQL_EFFECT_CODE },
	{ "DO LANGUAGE plpgsql 'x'", ALL_EFFECTS | SQL_EFFECT_CODE },
	{ "begin; do $$ $$; commit", ALL_EFFECTS | SQL_EFFECT_CODE },

	/* what a literal may be */
	{ "create or replace function f() returns int as 'select 1' language sql", SQL_EFFECT_CODE },
	{ "create procedure f() as 'select 1' language sql", SQL_EFFECT_CODE },
	{ "select function from t", 0 },
	{ "copy t from program 'true'", SQL_EFFECT_CODE },
	{ "copy t from stdin", 0 },
	{ "select query_to_xml('select 1', true, true, '')", SQL_EFFECT_CODE },
	{ "select pg_catalog.pg_read_file('x')", SQL_EFFECT_CODE },
	{ "insert into t values (1), (2)", SQL_EFFECT_ROWS },
	{ "insert into t values (1), (a)", 0 },
	{ "insert into t values (1)", 0 },
	{ "select 1 where a in (1, 2)", 0 },

	{ "select set_config", 0 },
	{ "select set_config from t", 0 },
	{ "select 'set_config(1)'", 0 },
	{ "select $$ set_config('a') $$", 0 },
	{ "select 1 /* set_config('a') */", 0 },
	{ "select 1 -- set_config('a')\n", 0 },
	{ "select \"set_config('a')\"", 0 },
	{ "select my_set_config('a')", 0 },
	{ "select set_configs('a')", 0 },
	{ "select pg_advisory_xact_lock(1)", 0 },
	{ "select pg_try_advisory_xact_lock_shared(1)", 0 },
	{ "select pg_advisory_unlock(1)", 0 },
	{ "select pg_advisory_unlock_all()", 0 },
	{ "insert into temp values (1)", 0 },
	{ "merge into temp using u on a = b when matched then do nothing", 0 },
	{ "select temp from t", 0 },
	{ "create table temp (a int)", 0 },
	{ "create table t (temp int)", 0 },
	{ "create table t as select temp from u", 0 },
	{ "select a into t from u", 0 },
	{ "insert into t values ('temp')", 0 },
	{ "insert into t (a) values (1) on conflict do nothing", 0 },
	{ "select 'do'", 0 },
	{ "select do from t", 0 },
	{ "select pg_temp", 0 },
	{ "select ('pg_temp.x')", 0 },
	{ "", 0 },
};

Test(digest, effects)
{
	for (size_t i = 0; i < lengthof(effects); i++)
		cr_expect_eq(digest(effects[i].text).effects, effects[i].effects, "<%s> has %d", effects[i].text,
			digest(effects[i].text).effects);
}

static const struct {
	const char *text, *comment;	/* NULL: none */
} comments[] = {
	{ "select 1 /*a='b'*/", "a='b'" },
	{ "/* a='b' */ select 1", " a='b' " },
	{ "/*a='b'*/ select 1 /*c='d'*/", "c='d'" },
	{ "/*a='b'*/ select 1 /* plain */", "a='b'" },
	{ "select 1 /* /* a='b' */ */", " /* a='b' */ " },
	{ "select 1; /*a='b'*/", "a='b'" },
	{ "select -/*a='b'*/a", "a='b'" },
	{ "select -/*a='b'*/1", "a='b'" },
	{ "select 1 -- a='b'", NULL },
	{ "select '/*a=b*/'", NULL },
	{ "select 1 /*a='b'", NULL },
	{ "select 1 /* plain */", NULL },
	{ "select a = b", NULL },
	{ "/**/ select 1 /*/", NULL },
	{ "/*=*/", "=" },
};

Test(digest, comments)
{
	for (size_t i = 0; i < lengthof(comments); i++) {
		struct sql_digest d = digest(comments[i].text);
		if (comments[i].comment == NULL) {
			cr_expect_null(d.comment, "<%s>", comments[i].text);
			continue;
		}
		cr_assert_not_null(d.comment, "<%s>", comments[i].text);
		cr_expect_eq(d.comment_size, strlen(comments[i].comment), "<%s>", comments[i].text);
		cr_expect_eq(strncmp(d.comment, comments[i].comment, d.comment_size), 0, "<%s>", comments[i].text);
	}
}

Test(digest, a_nul_ends_the_text)
{
	static const char text[] = "select a\0, b";

	cr_assert_eq(digest_bytes(text, sizeof(text) - 1).hash, digest("select a").hash);
	cr_assert_eq(digest_bytes("\0", 1).hash, digest("").hash);
	cr_assert_eq(digest_bytes(NULL, 0).hash, digest("").hash);
	cr_assert_eq(digest_bytes("select 'a\0b', c", 15).hash, digest("select 'a").hash);
}

/* Whatever is cut off, nothing behind the cut is looked at (the copies are exact). */
Test(digest, every_prefix_is_read_within_its_bounds)
{
	static const char *const texts[] = {
		"select E'a\\'b', U&'x', U&\"y\", $tag$ x $tag$, $1, 0x1f, 1e-5, .5, 1..2, a.b::int != 1 -- x\n/* /* y=z */ */ ;",
		"insert into t values (1, 'a'), (2, 'b') on conflict do update set a = -1 where b in (1, 2, array[1, [2]])",
		"savepoint a in (select 1, 2)", ";@", "; ; (", "fetch in (1, values (1), (2), array[1, 2])",
		"select 'a' -- x\n 'b' - 1, a - - 1, <= >= => := :: ... .. \xc3\xa4\xff",
	};

	for (size_t i = 0; i < lengthof(texts); i++) {
		for (size_t n = 0; n <= strlen(texts[i]); n++)
			digest_bytes(texts[i], n);
	}
}

/* --- random statements --- */

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* What a statement is made of: a name is drawn for 'n', a literal for 'l', a blank for ' '. */
static const char *const pieces[] = {
	"n", "n.n", "n + l", "n - l", "f(n, l)", "n = l", "n in (l)", "n in (n, n)", "(n)", "n::int", "l::n",
	"case when n then l else n end", "array[l]", "n is null", "n between l and l", "n like l", "not n", "\"Q\"",
	"(select n from n where n = l)", "n ->> l", "n[l]", "date 'x'", "count(*)", "n <> n",
};

static const char *const literals[] = {
	"1", "-1", "'x'", "E'\\''", "$$ ' $$", "1.5e3", "$7", "null", "true", "'it''s'", "$a$ $$ $a$", "0xff", "'a'\n'b'", "+.5",
};

static const char *const blanks[] = { " ", "  ", "\n", "\t ", " /* ' */ ", " -- \"\n", "/**/ " };

/* Append piece with its letters drawn; names are those of the statement, literals and blanks are drawn anew. */
static void
append_piece(char *out, const char *piece, uint64_t *names, uint64_t *form)
{
	out += strlen(out);
	for (const char *p = piece; *p != '\0'; p++) {
		bool alone = (p == piece || strchr(" (.[:", p[-1]) != NULL) && (p[1] == '\0' || strchr(" ),.[:", p[1]) != NULL);
		if (alone && *p == 'n')
			out += sprintf(out, "%c%02u", *form % 2 != 0 ? 'c' : 'C', (unsigned)(draw(names) % 90));
		else if (alone && *p == 'l')
			out += sprintf(out, "%s", literals[draw(form) % lengthof(literals)]);
		else if (*p == ' ')
			out += sprintf(out, "%s", blanks[draw(form) % lengthof(blanks)]);
		else
			*out++ = *p;
	}
	*out = '\0';
}

/* The same seed makes the same statement, `form` its literals, blanks and comments. */
static void
make_statement(char *out, uint64_t seed, uint64_t form)
{
	uint64_t names = seed;
	size_t n = 1 + draw(&seed) % 12;

	strcpy(out, form % 3 != 0 ? "select " : "SeLeCt ");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			append_piece(out, " , ", &names, &form);
		append_piece(out, pieces[draw(&seed) % lengthof(pieces)], &names, &form);
	}
	if (form % 5 == 0)
		strcat(out, " ; ");
}

Test(digest, literals_blanks_comments_and_case_never_count)
{
	char a[8192], b[8192];
	uint64_t forms = 99;

	for (uint64_t seed = 1; seed <= 5000; seed++) {
		make_statement(a, seed * 7919, draw(&forms));
		make_statement(b, seed * 7919, draw(&forms));
		cr_assert_eq(digest(a).hash, digest(b).hash, "\n%s\n%s", a, b);
	}
}

/* Change the k-th name (they are c or C and two digits). */
static bool
change_name(char *text, size_t k)
{
	for (char *p = text; (p = strpbrk(p, "cC")) != NULL; p++) {
		if (p[1] < '0' || p[1] > '9' || k-- != 0)
			continue;
		p[1] = '9';
		p[2] = p[2] == 'x' ? 'y' : 'x';
		return true;
	}
	return false;
}

Test(digest, each_name_counts)
{
	char a[8192], b[8192];
	size_t changed = 0;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		make_statement(a, seed * 104729, seed * 31);
		strcpy(b, a);
		for (size_t k = 0; change_name(b, k); k++, changed++) {
			cr_assert_neq(digest(a).hash, digest(b).hash, "\n%s\n%s", a, b);
			strcpy(b, a);
		}
	}
	cr_assert_gt(changed, 5000);
}

static int
by_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* 200,000 statements that differ a little have as many digests. */
Test(digest, hashes_do_not_meet)
{
	enum { N = 200000 };
	uint64_t *all = memory_alloc(N * sizeof(*all));
	char text[64];

	for (size_t i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "select c%zu from t%zu where id = 1", i % 1000, i / 1000);
		all[i] = digest(text).hash;
	}
	qsort(all, N, sizeof(*all), by_hash);
	for (size_t i = 1; i < N; i++)
		cr_assert_neq(all[i - 1], all[i]);
	free(all);
}

/* A part again and again, up to n bytes. */
static uint64_t
digest_repeated(const char *head, const char *part, size_t n)
{
	char *text = memory_alloc(n + 1);
	size_t length = strlen(head), size = strlen(part);

	memcpy(text, head, length);
	for (; length + size <= n; length += size)
		memcpy(text + length, part, size);
	uint64_t hash = digest_bytes(text, length).hash;
	free(text);
	return hash;
}

/* Would take minutes if it were not linear; nesting must not take stack. */
Test(digest, large_texts_take_linear_time, .timeout = 150)
{
	static const char *const parts[][2] = {
		{ "select '", "x" }, { "select '", "''" }, { "select ", "'x'\n" }, { "select ", "'x' " }, { "select ", "(" },
		{ "select a in ", "((" }, { "select ", "a in (" }, { "select array", "[" }, { "select ", "- " }, { "select ", "-" },
		{ "/*", "/*" }, { "select ", "/**/" }, { "select ", "--\n" }, { "select $a$ ", "$a" }, { "select ", "$" },
		{ "select ", "$a" }, { "select ", "+-" }, { "select ", "a" }, { "select ", "1" }, { "select ", "." },
		{ "values ", "(1)," }, { "insert into t values ", "(1, 'a', now()), " }, { "select a in (", "1, " },
		{ "select ", "1;" }, { "", ";" }, { "", "values(" }, { "select \"", "\"\"" }, { "select E'", "\\'" },
		{ "select - ", "/* = */" }, { "select 'a'", " --\n" }, { "select ", "U&'a'\n'" },
	};

	for (size_t i = 0; i < lengthof(parts); i++)
		cr_assert_neq(digest_repeated(parts[i][0], parts[i][1], 1 << 20), 0);
}

Test(digest, a_list_of_any_length_is_one)
{
	cr_assert_eq(digest_repeated("select a in (1", ", 1", 1 << 20), digest("select a in (1").hash);
	cr_assert_eq(digest_repeated("values (1, 'x')", ", (2, 'y')", 1 << 20), digest("values (3, 'z')").hash);
}

/* Deeper lists are not folded, and do not harm. */
Test(digest, lists_in_lists)
{
	char one[4096] = "", two[4096] = "";

	for (int depth = 1; depth <= 60; depth++) {
		one[0] = two[0] = '\0';
		for (int i = 0; i < depth; i++) {
			strcat(one, "a in (");
			strcat(two, "a in (");
		}
		strcat(one, "1");
		strcat(two, "1, 2");
		for (int i = 0; i < depth; i++) {
			strcat(one, ")");
			strcat(two, ")");
		}
		cr_assert_eq(digest(one).hash == digest(two).hash, depth <= 32, "%d", depth);
	}
}
