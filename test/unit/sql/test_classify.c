#include "sql/classify.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

/* "t, u" */
static const char *
list_tables(const struct sql_class *c)
{
	static _Thread_local char list[4096];

	list[0] = '\0';
	for (int i = 0; i < c->ntables; i++) {
		strcat(list, i > 0 ? ", " : "");
		strcat(list, c->tables[i]);
	}
	return list;
}

static const struct {
	const char *text;
	enum sql_verb verb;
	bool reads_only;
	const char *tables;
} cases[] = {
	{ "select 1", SQL_SELECT, true, "" },
	{ "select a from t", SQL_SELECT, true, "t" },
	{ "select a from T join s.\"U\" using (b), t", SQL_SELECT, true, "s.U, t" },
	{ "select a from c.s.t", SQL_SELECT, true, "s.t" },
	{ "select (select max(a) from v) from u where b in (select c from t)", SQL_SELECT, true, "t, u, v" },
	{ "select a from t union select b from u", SQL_SELECT, true, "t, u" },
	{ "select a from f(1), lateral (select b from t) x", SQL_SELECT, true, "t" },
	{ "select a from t tablesample system (1)", SQL_SELECT, true, "t" },
	{ "table t", SQL_SELECT, true, "t" },
	{ "values (1), (2)", SQL_SELECT, true, "" },
	{ "select a from t for update", SQL_SELECT, false, "t" },
	{ "select a from t x join u for share of x", SQL_OTHER, false, NULL },
	{ "select a from t x, u for share of x", SQL_SELECT, false, "t, u" },
	{ "select b from (select a from t for update) x", SQL_SELECT, false, "t" },
	{ "select a into x from t", SQL_SELECT, false, "t, x" },

	/* CTEs are no tables, but where they are not seen, a table may have their name */
	{ "with x as (select 1) select * from x", SQL_SELECT, true, "" },
	{ "with x as (select a from t) select * from x, y", SQL_SELECT, true, "t, y" },
	{ "with x as (select a from x) select * from x", SQL_SELECT, true, "x" },
	{ "with x as (select 1), y as (select * from x) select * from y", SQL_SELECT, true, "" },
	{ "with y as (select * from x), x as (select 1) select * from y", SQL_SELECT, true, "x" },
	{ "with recursive x as (select 1 union all select * from x) select * from x", SQL_SELECT, true, "" },
	{ "with recursive y as (select * from x), x as (select 1) select * from y", SQL_SELECT, true, "" },
	{ "with x as (select 1) select * from s.x", SQL_SELECT, true, "s.x" },
	{ "with x as (select 1) select (with y as (select * from x) select * from y)", SQL_SELECT, true, "" },
	{ "select (with x as (select 1) select * from x), a from x", SQL_SELECT, true, "x" },
	{ "with x as (select 1) insert into x select * from x", SQL_INSERT, false, "x" },
	{ "with x as (select 1) update x set a = 1 from x y", SQL_UPDATE, false, "x" },
	{ "with x as (delete from t returning a) select * from x", SQL_SELECT, false, "t" },
	{ "with x as (insert into t values (1) returning a) select * from x", SQL_SELECT, false, "t" },

	{ "insert into t (a) values (1), (2)", SQL_INSERT, false, "t" },
	{ "insert into s.t select a from u", SQL_INSERT, false, "s.t, u" },
	{ "update t set a = 1 from u where t.b = u.b", SQL_UPDATE, false, "t, u" },
	{ "delete from t using u where t.b = u.b", SQL_DELETE, false, "t, u" },
	{ "merge into t using u on t.a = u.a when matched then delete", SQL_MERGE, false, "t, u" },
	{ "copy t from stdin", SQL_COPY, false, "t" },
	{ "copy (select a from t) to stdout", SQL_COPY, false, "t" },
	{ "truncate t, u", SQL_DDL, false, "t, u" },
	{ "create index on t (a)", SQL_DDL, false, "t" },
	{ "alter table s.t add a int", SQL_DDL, false, "s.t" },
	{ "lock table t", SQL_LOCK, false, "t" },
	{ "show a", SQL_SHOW, true, "" },
	{ "explain select a from t", SQL_EXPLAIN, true, "t" },
	{ "explain delete from t", SQL_EXPLAIN, true, "t" },
	{ "explain analyze select a from t", SQL_EXPLAIN, false, "t" },
	{ "explain (analyze, buffers) delete from t", SQL_EXPLAIN, false, "t" },
	{ "begin", SQL_BEGIN, false, "" },
	{ "set a = 1", SQL_SET, false, "" },
	{ "select a from t; select b from u", SQL_MULTI, true, "t, u" },
	{ "select a from t; delete from u", SQL_MULTI, false, "t, u" },
	{ "", SQL_EMPTY, false, "" },
	{ "-- x", SQL_EMPTY, false, "" },

	/* not parsed: tables is NULL */
	{ "selec a from t", SQL_OTHER, false, NULL },
	{ "select a from", SQL_SELECT, false, NULL },
	{ "select 'x", SQL_SELECT, false, NULL },
	{ "update t set", SQL_UPDATE, false, NULL },
	{ "select \xff\xfe from \x01", SQL_SELECT, false, NULL },

	/* of sql_normalize, too */
	{ "select a from t where b in ($1, ...)", SQL_SELECT, true, "t" },
	{ "insert into t values ($1, $2), ... returning a", SQL_INSERT, false, "t" },
};

Test(classify, statements)
{
	for (size_t i = 0; i < lengthof(cases); i++) {
		struct sql_class c;
		sql_classify(&c, cases[i].text);
		cr_expect_eq(c.parsed, cases[i].tables != NULL, "<%s>", cases[i].text);
		if (cases[i].tables != NULL) {
			cr_expect_eq(c.verb, cases[i].verb, "<%s> is %s", cases[i].text, sql_verb_name(c.verb));
			cr_expect_eq(c.reads_only, cases[i].reads_only, "<%s>", cases[i].text);
			cr_expect_str_eq(list_tables(&c), cases[i].tables, "<%s>", cases[i].text);
		}
		cr_expect_not(c.more_tables);
		sql_class_release(&c);
		cr_expect_eq(c.ntables, 0);
	}
}

Test(classify, many_tables)
{
	char text[1024] = "select 1 from t00";
	struct sql_class c;

	for (int i = 1; i < 20; i++) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, ", t%02d", 20 - i);
	}
	sql_classify(&c, text);
	cr_assert(c.parsed);
	cr_assert_eq(c.ntables, SQL_TABLES_MAX);
	cr_assert(c.more_tables);
	for (int i = 1; i < c.ntables; i++)
		cr_assert_lt(strcmp(c.tables[i - 1], c.tables[i]), 0);
	sql_class_release(&c);
}

/* head, n times part, tail */
static char *
repeat(const char *head, const char *part, size_t n, const char *tail)
{
	size_t size = strlen(part);
	char *text = memory_alloc(strlen(head) + n * size + strlen(tail) + 1), *to = stpcpy(text, head);

	for (size_t i = 0; i < n; i++)
		to = stpcpy(to, part);
	stpcpy(to, tail);
	return text;
}

/* Most of their length is lists. */
Test(classify, long_texts_are_read_without_their_lists)
{
	struct sql_class c;
	char *text = repeat("insert into t values (1, 'a')", ", (2, 'b')", 50000, " on conflict do nothing");

	sql_classify(&c, text);
	cr_expect(c.parsed);
	cr_expect_eq(c.verb, SQL_INSERT);
	cr_expect_str_eq(list_tables(&c), "t");
	sql_class_release(&c);
	free(text);
}

static void *
classify_nested(void *arg)
{
	static const char *const parts[][3] = {
		{ "select 1", "+1", "" }, { "select a", " cross join a", "" }, { "select 1", " union select 1", "" },
		{ "select ", "(", "" }, { "select ", "- ", "a" }, { "select a", "::a", "" }, { "select ", "not ", "a" },
		{ "select 1 from a", " join a on b", "" }, { "select a", "[1]", "" }, { "select ", "f(", "" },
		{ "", "select (", "" }, { "select ", "array[", "" }, { "select ", "case when ", "" }, { "select a", " is null", "" },
		{ "select a", " collate b", "" }, { "select a", " at time zone b", "" }, { "", "explain ", "select 1" },
		{ "", "with a as (", "" }, { "select * from ", "(select * from ", "" }, { "select a", " or a and b", "" },
		{ "select a in ", "(b in ", "" }, { "select ", "@ ", "a" }, { "select a", "->b", "" }, { "select 1", ";select 1", "" },
	};
	struct sql_class c;

	(void)arg;
	for (size_t i = 0; i < lengthof(parts); i++) {
		size_t most = 8000 / strlen(parts[i][1]);
		for (size_t n = most / 16; n <= most * 16; n *= 4) {
			char *text = repeat(parts[i][0], parts[i][1], n, parts[i][2]);
			sql_classify(&c, text);
			sql_class_release(&c);
			free(sql_preparable(text));
			free(text);
		}
	}
	return NULL;
}

/* The parser recurses without a bound of its own; a thread that has no more than 2 MB must be enough. */
Test(classify, deep_nesting_takes_little_stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	cr_assert_eq(pthread_attr_setstacksize(&attr, 2 << 20), 0);
	cr_assert_eq(pthread_create(&thread, &attr, classify_nested, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

static void *
classify_again_and_again(void *arg)
{
	const size_t first = *(const size_t *)arg;

	for (size_t round = 0; round < 2000; round++) {
		size_t i = (first + round) % lengthof(cases);
		struct sql_class c;
		sql_classify(&c, cases[i].text);
		cr_assert_eq(c.parsed, cases[i].tables != NULL);
		if (c.parsed)
			cr_assert_str_eq(list_tables(&c), cases[i].tables);
		sql_class_release(&c);
	}
	return NULL;
}

Test(classify, several_threads_at_once)
{
	pthread_t threads[4];
	size_t first[4] = { 0, 7, 20, 33 };

	for (size_t i = 0; i < lengthof(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, classify_again_and_again, &first[i]), 0);
	for (size_t i = 0; i < lengthof(threads); i++)
		pthread_join(threads[i], NULL);
}

/* Some builds of the parser put a pipe in the place of stderr while they work, others write to it. */
Test(classify, stderr_is_left_alone)
{
	int saved = dup(STDERR_FILENO), pipe_fds[2];
	char bytes[16];

	cr_assert_eq(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	for (size_t i = 0; i < lengthof(cases); i++) {
		struct sql_class c;
		sql_classify(&c, cases[i].text);
		sql_class_release(&c);
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	cr_assert_eq(read(pipe_fds[0], bytes, sizeof(bytes)), -1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static const struct {
	const char *text, *want;	/* the statement as it came, and how it can be prepared; NULL: not at all */
} preparable[] = {
	{ "select a from t where b = 1", "select a from t where b = $1" },
	{ "select a from t where b in (1, 2, 3) and c = 'x'", "select a from t where b in ($1) and c = $2" },
	{ "select a from t where b in ($1, $2, $3) and c = $4 limit 5", "select a from t where b in ($1) and c = $2 limit $3" },
	{ "select $7, $7, $2", "select $1, $1, $2" },
	{ "insert into t values (1, 'a'), (2, 'b') on conflict do nothing", "insert into t values ($1, $2) on conflict do nothing" },
	{ "values (1), (2)", "values ($1)" },
	{ "select a = any (array[1, 2, 3])", "select a = any (array[$1])" },
	{ "select array[[1, 2], [3, 4]]", "select array[[$1]]" },
	{ "update t set a = 1 where b = 'x'", "update t set a = $1 where b = $2" },
	{ "delete from t where a = 1", "delete from t where a = $1" },
	{ "merge into t using u on t.a = u.a when matched then delete",
	  "merge into t using u on t.a = u.a when matched then delete" },
	{ "with x as (select 1) select * from x", "with x as (select $1) select * from x" },
	{ "select a from t where b > date '2026-01-01' - interval '1 day'",
	  "select a from t where b > $1::date - $2::interval" },
	{ "select interval '1' day", "select $1::interval day" },
	{ "select timestamp with time zone '2026-01-01', double precision '1'",
	  "select $1::timestamp with time zone, $2::double precision" },
	{ "select text, 'x' from t", "select text, $1 from t" },
	{ "select date from t where a = 1", "select date from t where a = $1" },
	{ "select time '10:00', date", "select $1::time, date" },
	{ "select a from t where b = 1;", "select a from t where b = $1" },
	{ "/* x */ select a -- y", "select a" },

	{ "select 1; select 2", NULL },
	{ "select a b c", NULL },
	{ "select U&'x' uescape '!'", NULL },
	{ "selec 1", NULL },
	{ "select a from", NULL },
	{ "select (", NULL },
	{ "select $0", NULL },
	{ "select $70000", NULL },
	{ "explain select 1", NULL },
	{ "create table t (a int)", NULL },
	{ "set a = 1", NULL },
	{ "begin", NULL },
	{ "do $$ $$", NULL },
	{ "call p(1)", NULL },
	{ "execute p(1)", NULL },
	{ "copy t to stdout", NULL },
	{ "declare c cursor for select 1", NULL },
	{ "", NULL },
};

Test(preparable, statements)
{
	char normalized[512];

	for (size_t i = 0; i < lengthof(preparable); i++) {
		sql_normalize(preparable[i].text, strlen(preparable[i].text), normalized, sizeof(normalized));
		char *text = sql_preparable(normalized);
		if (preparable[i].want == NULL)
			cr_expect_null(text, "<%s> became <%s>", normalized, text);
		else if (text == NULL)
			cr_expect_fail("<%s> is said not to be preparable", normalized);
		else
			cr_expect_str_eq(text, preparable[i].want, "<%s> became <%s>", normalized, text);
		free(text);
	}
}

/* Wherever it was: what is left might be a statement by itself. */
Test(preparable, not_what_was_cut)
{
	static const char text[] = "select a, b from t where c in (1, 2, 3) and d = 1 order by e, f";
	char whole[128], out[128];
	size_t n = sql_normalize(text, strlen(text), whole, sizeof(whole));

	for (size_t size = 1; size <= n; size++) {
		sql_normalize(text, strlen(text), out, size);
		char *preparable_text = sql_preparable(out);
		cr_expect_null(preparable_text, "<%s> became <%s>", out, preparable_text);
		free(preparable_text);
	}
}
