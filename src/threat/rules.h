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
	THREAT_RULE_UNKNOWN,		/* a structure that this role never sent here (threat/habit.h) */
	THREAT_RULE_UNREAD,		/* nobody can say what it is: too long, or read otherwise by the server */
	THREAT_RULE_STACKED,		/* several statements in one text, of different kinds */
	THREAT_RULE_PROGRAM,		/* COPY ... PROGRAM */
	THREAT_RULE_FILES,		/* pg_read_file, pg_ls_dir, lo_import, dblink, COPY to and from files ... */
	THREAT_RULE_SLEEP,		/* pg_sleep and its kin */
	THREAT_RULE_CATALOGUE,		/* pg_shadow, pg_authid, information_schema.tables ... */
	THREAT_RULE_ALWAYS_TRUE,	/* OR, AND, WHEN with what depends on no column */
	THREAT_RULE_UNION,		/* UNION SELECT of nothing but constants, and of what the server says of itself */
	THREAT_RULE_NO_WHERE,		/* UPDATE, DELETE without WHERE */
	THREAT_RULE_COMMENT,		/* a comment cuts a condition off, or stands for a blank */
	THREAT_RULE_HIDDEN,		/* U&"names", chr() || chr() || chr(), query_to_xml('...') */
	THREAT_RULES,
};

#define THREAT_BIT(rule) (UINT32_C(1) << (rule))

/* Bits of enum threat_rule, but UNKNOWN and UNREAD. */
uint32_t threat_rules_find(const char *text, size_t n);

/* The same for a call of the function with this OID (FunctionCall of the protocol). */
uint32_t threat_rules_of_function(uint32_t oid);

const char *threat_rule_name(enum threat_rule r);	/* "always_true" */
const char *threat_rule_help(enum threat_rule r);	/* a line for people */

/* "always_true,comment" in out, of size bytes; returns out. */
#define THREAT_NAMES_SIZE 128
const char *threat_rule_names(uint32_t rules, char out[THREAT_NAMES_SIZE]);

#endif
