#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "threat/rules.h"

static const struct {
	const char *text, *rules;
} cases[] = {
	{ "select a from t where b = 'c'", "" },
	{ "select 1; select 2", "" },
	{ "begin; update t set a = 1 where b = 2; commit", "" },
	{ "set x = 1; select 1", "" },
	{ "select 1; drop table t", "stacked" },
	{ "select 1; delete from t where a = 1", "stacked" },
	{ "copy t to program 'sh'", "program" },
	{ "copy t from '/etc/passwd'", "files" },
	{ "copy t from stdin with (delimiter 'x')", "" },
	{ "select pg_catalog.pg_read_file('x')", "files" },
	{ "select \"pg_read_file\"('x')", "files" },
	{ "select pg_read_file from t", "" },
	{ "load 'x'", "files" },
	{ "create extension dblink", "files" },
	{ "select PG_SLEEP(5)", "sleep" },
	{ "select generate_series(1, 10)", "" },
	{ "select generate_series(1, 5000000)", "sleep" },
	{ "select * from pg_shadow", "catalogue" },
	{ "select * from information_schema.tables", "catalogue" },
	{ "select information_schema from t", "" },

	/* conditions that depend on nothing */
	{ "select a from t where a = 'x' or 1=1", "always_true" },
	{ "select a from t where a = 'x' or 1 = 2", "" },
	{ "select a from t where a = 'x' or 'a' = 'a'", "always_true" },
	{ "select a from t where a = 'x' or true", "always_true" },
	{ "select a from t where a = 'x' or not false", "always_true" },
	{ "select a from t where a = 'x' or (1)=(1)", "always_true" },
	{ "select a from t where a = 'x' or 1+1 = 2", "always_true" },
	{ "select a from t where a = 'x' or 5 between 1 and 9", "always_true" },
	{ "select a from t where a = 'x' or 1 in (2, 1)", "always_true" },
	{ "select a from t where a = 'x' or b = b", "always_true" },
	{ "select a from t where a = 'x' or length('a') = 1", "always_true" },
	{ "select a from t where a = 'x' or exists (select 1)", "always_true" },
	{ "select a from t where a = 'x' or exists (select 1 from u where u.a = t.a)", "" },
	{ "select a from t where a = 'x' or b = 1", "" },
	{ "select a from t where a = 'x' or b is null", "" },
	{ "select a from t where a = 'x' or null is null", "" },
	{ "select a from t where a = 'x' or $1 = ''", "" },
	{ "select a from t where a = 'x' and 1 = 2", "always_true" },
	{ "select a from t where a = 'x' and 1 = 0", "" },
	{ "select a from t where 1 = 1 and a = 'x'", "" },
	{ "select a from t where a = 'x' and (1 = 1 or b = 2)", "" },
	{ "create or replace view v as select 1", "" },

	{ "select a from t union select null, null", "union" },
	{ "select a from t union all select version()", "union" },
	{ "select a from t union select b from u", "" },
	{ "select a from t union select 'x' as kind, b from u", "" },
	{ "select a from t union all select 1 from u", "" },

	{ "delete from t", "no_where" },
	{ "update t set a = 1", "no_where" },
	{ "update t set a = 1 where true", "no_where" },
	{ "with x as (delete from t returning *) select * from x", "no_where" },
	{ "with x as (select 1) delete from t", "no_where" },
	{ "delete from t where a = 1", "" },
	{ "select a from t for update", "" },
	{ "insert into t values (1) on conflict (a) do update set a = 2", "" },

	{ "select a from t where b = 'x' -- a note", "" },
	{ "-- name: GetA :one\nselect a from t", "" },
	{ "select a from t /* a='b' */", "" },
	{ "select a from t where b = 'x' --' and c = 1", "comment" },
	{ "select a from t where b = 1 -- and c = 2", "comment" },
	{ "select a from t where b = 1 -- and c = 2\norder by a", "" },
	{ "select/**/a from t", "comment" },
	{ "select a from t where b = 1 /* and c = 2", "comment" },

	{ "select U&\"\\0061\" from t", "hidden" },
	{ "select chr(1) || chr(2) || chr(3)", "hidden" },
	{ "select query_to_xml('select 1', true, true, '')", "hidden" },
	{ "", "" },
};

Test(rules, each_finds_what_it_is_for_and_nothing_else)
{
	char names[THREAT_NAMES_SIZE];

	for (size_t i = 0; i < lengthof(cases); i++) {
		threat_rule_names(threat_rules_find(cases[i].text, strlen(cases[i].text)), names);
		cr_expect_str_eq(names, cases[i].rules, "%s: %s, not %s", cases[i].text, names, cases[i].rules);
	}
}

/* Nothing is read behind the end, however the text is cut. */
Test(rules, cut_anywhere)
{
	for (size_t i = 0; i < lengthof(cases); i++) {
		for (size_t n = 0; n < strlen(cases[i].text); n++) {
			char *cut = memory_alloc(n + 1);

			memcpy(cut, cases[i].text, n);
			threat_rules_find(cut, n);
			free(cut);
		}
	}
}

/* What nests, or begins again and again, costs no more than its length. */
Test(rules, time_is_linear, .timeout = 120)
{
	static const char *const pieces[] = { "or ", "or (", "((", "or 1=", "union select ", "/*", "case when not ", "or a.",
					      "with a as (delete from t " };
	size_t size = 1 << 20;
	char *text = memory_alloc(size);

	for (size_t i = 0; i < lengthof(pieces); i++) {
		size_t n = 0, piece = strlen(pieces[i]);

		for (; n + piece < size; n += piece)
			memcpy(text + n, pieces[i], piece);
		threat_rules_find(text, n);
	}
	free(text);
}

Test(rules, names_fit)
{
	char names[THREAT_NAMES_SIZE];

	threat_rule_names(~UINT32_C(0), names);
	cr_expect(strstr(names, "unknown,unread,") == names);
	cr_expect_str_eq(strrchr(names, ',') + 1, "hidden");
}

Test(rules, of_functions)
{
	cr_expect_eq(threat_rules_of_function(2626), THREAT_BIT(THREAT_RULE_SLEEP));
	cr_expect_eq(threat_rules_of_function(1299), 0);
}
