#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "threat/habit.h"
#include "threat/habit_file.h"

static struct habits *hs;
static struct habit *h;
static char path[64];

static void
set_up(void)
{
	hs = habits_new();
	habits_limit(hs, 100);
	h = habits_open(hs, "acme", "shop");
	snprintf(path, sizeof(path), "/tmp/pgu-habits-%d", (int)getpid());
}

static void
tear_down(void)
{
	habits_free(&hs);
	unlink(path);
}

TestSuite(habit, .init = set_up, .fini = tear_down);

static struct habit_text
see(const char *sql)
{
	struct habit_text t = { .text = sql, .n = strlen(sql) };
	struct sql_digest d;

	sql_digest(sql, t.n, &d);
	t.hash = d.hash;
	t.verb = d.verb;
	t.effects = d.effects;
	return t;
}

static enum habit_lesson
learn(const char *sql)
{
	struct habit_text t = see(sql);
	uint32_t rules;

	return habit_learn(h, &t, &rules);
}

static uint32_t
judge(const char *sql)
{
	struct habit_text t = see(sql);

	return habit_judge(h, &t);
}

Test(habit, what_was_learned_is_known_whatever_its_literals)
{
	cr_expect_eq(learn("select a from t where b = 1"), HABIT_LEARNED);
	cr_expect_eq(learn("select a from t where b = 2"), HABIT_KNOWN);
	cr_expect_eq(judge("select a from t where b = 'x; drop table t --'"), 0);
	cr_expect_eq(judge("select a from t where c = 1"), THREAT_BIT(THREAT_RULE_UNKNOWN));
	cr_expect_eq(judge("select a from t where b = 1 or 1 = 1"),
		     THREAT_BIT(THREAT_RULE_UNKNOWN) | THREAT_BIT(THREAT_RULE_ALWAYS_TRUE));
}

Test(habit, nothing_is_unknown_where_nothing_was_learned)
{
	cr_expect_eq(judge("select a from t"), 0);
	cr_expect_eq(judge("select pg_sleep(1)"), THREAT_BIT(THREAT_RULE_SLEEP));
}

Test(habit, what_was_learned_may_hit_rules)
{
	cr_expect_eq(learn("delete from t"), HABIT_LEARNED);
	cr_expect_eq(judge("delete from t"), 0);
	cr_expect_eq(judge("delete from u"), THREAT_BIT(THREAT_RULE_UNKNOWN) | THREAT_BIT(THREAT_RULE_NO_WHERE));
}

Test(habit, transactions_are_never_unknown)
{
	learn("select 1");
	cr_expect_eq(judge("begin"), 0);
	cr_expect_eq(judge("commit"), 0);
	cr_expect_eq(judge(""), 0);
	cr_expect_eq(judge("set a = 1"), THREAT_BIT(THREAT_RULE_UNKNOWN));
}

Test(habit, literals_that_are_code_count)
{
	learn("do $$ begin perform 1; end $$");
	cr_expect_eq(judge("do $$ begin perform 1; end $$"), 0);
	cr_expect_neq(judge("do $$ begin perform 2; end $$"), 0);
}

Test(habit, several_rows_are_not_one)
{
	learn("insert into t values (1)");
	cr_expect_neq(judge("insert into t values (1), (2)"), 0);
	learn("insert into t values (1), (2)");
	cr_expect_eq(judge("insert into t values (1), (2), (3)"), 0);
}

Test(habit, comments_are_learned_beside_the_digest)
{
	learn("select a from t where b = 1");
	cr_expect_eq(judge("select a from t where b = 1 -- and c = 2"), THREAT_BIT(THREAT_RULE_COMMENT));
	cr_expect_eq(learn("select a from t where b = 1 -- and c = 2"), HABIT_LEARNED);
	cr_expect_eq(judge("select a from t where b = 1 -- and c = 2"), 0);
}

Test(habit, unread_is_told_and_not_learned)
{
	struct habit_text t = see("select 1");
	uint32_t rules;

	t.unread = true;
	cr_expect_eq(habit_learn(h, &t, &rules), HABIT_FULL);
	cr_expect_eq(rules, THREAT_BIT(THREAT_RULE_UNREAD));
	cr_expect_eq(habit_count(h), 0);
	cr_expect_eq(habit_judge(h, &t), THREAT_BIT(THREAT_RULE_UNREAD));
}

Test(habit, functions_by_number)
{
	uint32_t rules;

	learn("select 1");
	cr_expect_eq(habit_judge_function(h, 1299), THREAT_BIT(THREAT_RULE_UNKNOWN));
	cr_expect_eq(habit_learn_function(h, 1299, &rules), HABIT_LEARNED);
	cr_expect_eq(habit_judge_function(h, 1299), 0);
}

Test(habit, bounded)
{
	char sql[64];

	for (int i = 0; i < 300; i++) {
		snprintf(sql, sizeof(sql), "select a%d from t", i);
		cr_expect_eq(learn(sql), i < 100 ? HABIT_LEARNED : HABIT_FULL, "%d", i);
	}
	cr_expect_eq(habit_count(h), 100);
	cr_expect_eq(judge("select a99 from t"), 0);
	cr_expect_neq(judge("select a100 from t"), 0);
}

Test(habit, roles_and_tenants_have_their_own)
{
	learn("select 1");
	cr_expect_eq(habits_open(hs, "acme", "shop"), h);
	cr_expect_eq(habit_count(habits_open(hs, "acme", "other")), 0);
	cr_expect_eq(habit_count(habits_open(hs, "acm", "eshop")), 0);
}

static void *
learn_many(void *arg)
{
	uint32_t rules;

	for (uint32_t i = 0; i < 2000; i++) {
		habit_learn_function(h, i * 7 % 2000 + (arg != NULL), &rules);
		cr_assert_eq(habit_judge_function(h, i * 7 % 2000 + (arg != NULL)), 0);
	}
	return NULL;
}

Test(habit, many_threads_learn)
{
	pthread_t other;

	habits_limit(hs, 10000);
	pthread_create(&other, NULL, learn_many, hs);
	learn_many(NULL);
	pthread_join(other, NULL);
	cr_expect_eq(habit_count(h), 2001);
}

/* ---- the file ---- */

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

Test(habit, file_keeps_all)
{
	struct habit *odd = habits_open(hs, "a \"b\\\n\xC3\xA4", "r\to");
	struct error e;
	uint32_t rules;
	struct stat st;

	learn("select 1");
	learn("select 1, 2");
	habit_learn_function(odd, 5, &rules);
	cr_assert(habit_file_save(hs, path, &e), "%s", e.message);
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	habits_free(&hs);
	set_up();
	learn("select 3, 4, 5");
	cr_assert(habit_file_load(hs, path, &e), "%s", e.message);
	cr_expect_eq(habit_count(h), 2);
	cr_expect_eq(judge("select 7"), 0);
	cr_expect_neq(judge("select 3, 4, 5"), 0);
	cr_expect_eq(habit_judge_function(habits_open(hs, "a \"b\\\n\xC3\xA4", "r\to"), 5), 0);
}

Test(habit, file_that_is_not_there_is_empty)
{
	struct error e;

	learn("select 1");
	cr_expect(habit_file_load(hs, path, &e));
	cr_expect_eq(habit_count(h), 0);
}

static const struct {
	const char *text, *says;
} broken[] = {
	{ "", ":0: the end is missing" },
	{ "pgusher habits 2\nend\n", ":1: this is no file" },
	{ "pgusher habits 1\n", ":1: the end is missing" },
	{ "pgusher habits 1\n0123456789abcdef\nend\n", ":2: a role is expected first" },
	{ "pgusher habits 1\nrole \"a\" \"b\"\n0123\nend\n", ":3: 16 hex digits" },
	{ "pgusher habits 1\nrole \"a\" \"b\"\n0123456789ABCDEF\nend\n", ":3: 16 hex digits" },
	{ "pgusher habits 1\nrole a b\nend\n", ":2: a tenant's name" },
	{ "pgusher habits 1\nrole \"a\\000b\" \"b\"\nend\n", ":2: a tenant's name" },
	{ "pgusher habits 1\nrole \"a\" \"b\nend\n", ":2: a role's name" },
	{ "pgusher habits 1\nend\nx\n", ":3: there is something behind the end" },
};

Test(habit, file_that_is_broken_changes_nothing)
{
	struct error e;

	learn("select 1");
	for (size_t i = 0; i < lengthof(broken); i++) {
		write_file(broken[i].text);
		cr_expect_not(habit_file_load(hs, path, &e), "%zu", i);
		cr_expect_not_null(strstr(e.message, broken[i].says), "%s", e.message);
		cr_expect_str_eq(e.sqlstate, "F0000");
		cr_expect_eq(habit_count(h), 1);
	}
}

Test(habit, file_that_cannot_be_written_stays)
{
	struct error e;

	learn("select 1");
	cr_expect_not(habit_file_save(hs, "/nonexistent/habits", &e));
	cr_expect_str_eq(e.sqlstate, "58030");
}
