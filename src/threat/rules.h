/*
 * rules: what a statement has about it that attacks have.
 *
 * One pass over the text with the lexer; comments and literals are seen, so
 * `OR 1 = 1`, `OR 'a' = 'a'`, `; DROP TABLE`, `pg_sleep(5)` are found however they
 * are spelt.  A rule that fires is a suspicion; what it misses is told in
 * doc/threats.md.  Pure functions, any thread, linear time, no allocation.
 */
#ifndef THREAT_RULES_H
#define THREAT_RULES_H

#include <stddef.h>
#include <stdint.h>

enum threat_rule {
	THREAT_RULE_UNKNOWN,		/* a structure that this role never sent here (threat/watch.h) */
	THREAT_RULE_STACKED,		/* several statements in one text, of different kinds */
	THREAT_RULE_PROGRAM,		/* COPY ... PROGRAM */
	THREAT_RULE_FILES,		/* pg_read_file, pg_ls_dir, lo_import, COPY to and from files ... */
	THREAT_RULE_SLEEP,		/* pg_sleep and its kin */
	THREAT_RULE_CATALOGUE,		/* sweeps of pg_catalog, information_schema: pg_shadow, pg_authid, table lists */
	THREAT_RULE_ALWAYS_TRUE,	/* OR with what is always true */
	THREAT_RULE_UNION,		/* UNION SELECT of constants and catalogues */
	THREAT_RULE_NO_WHERE,		/* UPDATE, DELETE without WHERE */
	THREAT_RULE_COMMENT,		/* a comment cuts the rest of a condition off, or splits words */
	THREAT_RULES,
};

/* Bits of enum threat_rule (but UNKNOWN). */
uint32_t threat_rules_find(const char *text, size_t n);

const char *threat_rule_name(enum threat_rule r);	/* "always_true" */
const char *threat_rule_help(enum threat_rule r);	/* a line for people */

#endif
