/*
 * habit: which statements are usual for a role of a tenant, and what is wrong with others.
 *
 *	THREAT_RECORD	each structure is learned
 *	THREAT_DETECT	what is not learned, or hits a rule, is told (threat/threat.h)
 *	THREAT_PROTECT	... and refused (42501), before it is sent
 *
 * One struct habit per (tenant, role), for the whole process: a tenant's workers learn from
 * each other at once.  Made under a lock when its first session is watched; asking it takes
 * none, learning something new does.  It stays until the process ends.
 *
 * What is learned is a key of eight bytes: the digest (sql/digest.h), so literals don't count;
 * but where a literal is code or a file's name (DO, CREATE FUNCTION, COPY ... PROGRAM,
 * pg_read_file ...: SQL_EFFECT_CODE), the text itself counts as well, and VALUES with one row
 * is another key than with several.  threat_max keys a habit; when it is full, the log says
 * so once, and nothing more is learned.
 *
 * A learned structure is what its application wrote, rules or not.  What rules see beyond
 * it are comments, so of a learned one only these are looked for.  What is not learned gets
 * all rules that it hits, beside UNKNOWN.  Where nothing was learned yet, nothing is unknown:
 * only rules count there, so that a lost file stops no traffic.  Statements that begin or end
 * a transaction or a savepoint are never unknown.
 */
#ifndef THREAT_HABIT_H
#define THREAT_HABIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/digest.h"
#include "threat/rules.h"

struct habit;
struct habits;

/* A text that is to be judged; all borrowed. */
struct habit_text {
	const char *text;
	size_t n;
	uint64_t hash;		/* of its digest */
	uint8_t verb, effects;	/* likewise */
	bool unread;		/* it is longer than what was read, or the server reads it otherwise */
};

enum habit_lesson {
	HABIT_KNOWN,		/* it was learned before, or need not be */
	HABIT_LEARNED,
	HABIT_FULL,		/* there is no room for it */
};

/* --- of the process; any thread --- */

struct habits *habits_new(void);
void habits_free(struct habits **hs);

/* Of each habit, from now on; what is learned already stays. */
void habits_limit(struct habits *hs, unsigned max);

/* Made if need be; good until habits_free. */
struct habit *habits_open(struct habits *hs, const char *tenant, const char *role);

/* How often something was learned, or replaced. */
uint64_t habits_changes(const struct habits *hs);

/* For each: NULL starts, NULL ends. */
struct habit *habits_next(struct habits *hs, const struct habit *after);

/* --- one; any thread --- */

const char *habit_tenant(const struct habit *h);
const char *habit_role(const struct habit *h);

/* How many keys were learned; no lock, so perhaps of a moment ago. */
size_t habit_count(const struct habit *h);

/* A copy of the keys, in no order: free(). */
uint64_t *habit_copy(struct habit *h, size_t *n);

/* These and no others, as far as there is room. */
void habit_replace(struct habit *h, const uint64_t *keys, size_t n);

/* 0: nothing is wrong with it.  Else THREAT_BITs. */
uint32_t habit_judge(const struct habit *h, const struct habit_text *t);

/* *rules: what it hits, if it is LEARNED or there is no room for it. */
enum habit_lesson habit_learn(struct habit *h, const struct habit_text *t, uint32_t *rules);

/* The same for FunctionCall, which names a function by its OID. */
uint32_t habit_judge_function(const struct habit *h, uint32_t oid);
enum habit_lesson habit_learn_function(struct habit *h, uint32_t oid, uint32_t *rules);

#endif
