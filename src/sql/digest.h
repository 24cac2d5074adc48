/*
 * digest: what a statement is, without its literals.
 *
 * One pass over the text.  Two texts have the same hash if they differ only in
 *
 *	literals     'x'  E'x'  U&'x'  $$x$$  $q$x$q$  B'1'  X'f'  1  -1  1.5e3  0x1f  1_000; TRUE, FALSE and
 *	             NULL behind an operator, a comma or an opening bracket (not in IS NULL, NOT NULL)
 *	casts of constants   '1'::int  int '1' keep their type; the constant goes
 *	lists        IN (1), IN (1, 2, 3), VALUES (1, 2), (3, 4): a list of nothing but constants and
 *	             parameters is one; so are rows of VALUES; also ARRAY[1, 2]
 *	comments, white space, a semicolon at the end
 *	case         of keywords and names that are not quoted
 *
 * and not if they differ in structure: names, operators, the number of arguments of a
 * function, the order of anything, quoted names by case ("A" and "a").  A parameter ($1)
 * and a literal are the same: text that was prepared and text that was not meet in one
 * digest.  test/unit/sql/test_digest.c has the cases.
 *
 * Text need not be correct SQL, nor end where PostgreSQL would have it: a string without
 * end is a literal up to the end.  standard_conforming_strings = on is taken for granted.
 * Pure functions, any thread; no allocation.
 */
#ifndef SQL_DIGEST_H
#define SQL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* What kind of statement it is, by its first word(s); WITH is told by what follows the CTEs where the lexer sees it. */
enum sql_verb {
	SQL_OTHER,
	SQL_SELECT,		/* also VALUES, TABLE, and WITH ... SELECT */
	SQL_INSERT,
	SQL_UPDATE,
	SQL_DELETE,
	SQL_MERGE,
	SQL_COPY,
	SQL_BEGIN,		/* BEGIN, START TRANSACTION */
	SQL_COMMIT,		/* COMMIT, END */
	SQL_ROLLBACK,		/* ROLLBACK, ABORT, also TO SAVEPOINT */
	SQL_SAVEPOINT,		/* SAVEPOINT, RELEASE */
	SQL_SET,		/* SET, RESET */
	SQL_SHOW,
	SQL_EXPLAIN,
	SQL_PREPARE,		/* PREPARE, DEALLOCATE */
	SQL_EXECUTE,
	SQL_CURSOR,		/* DECLARE, FETCH, MOVE, CLOSE */
	SQL_CALL,
	SQL_DO,
	SQL_DDL,		/* CREATE, ALTER, DROP, TRUNCATE, COMMENT, GRANT, REVOKE, REINDEX, SECURITY ... */
	SQL_MAINTENANCE,	/* VACUUM, ANALYZE, CLUSTER, CHECKPOINT, REFRESH */
	SQL_NOTIFY,		/* LISTEN, NOTIFY, UNLISTEN */
	SQL_DISCARD,
	SQL_LOCK,
	SQL_EMPTY,		/* nothing but blanks and comments */
	SQL_MULTI,		/* several statements; the hash is over all of them */
	SQL_VERBS,
};

/* What a statement may leave behind in the session although its command tag does not say so. */
enum sql_effect {
	SQL_EFFECT_SETTINGS = 1 << 0,	/* set_config(), DO (anything) */
	SQL_EFFECT_LOCKS = 1 << 1,	/* pg_advisory_lock(), pg_try_advisory_lock_shared(): not the _xact_ ones */
	SQL_EFFECT_TEMP = 1 << 2,	/* SELECT INTO TEMP, CREATE TEMP TABLE ... AS */
};

struct sql_digest {
	uint64_t hash;		/* never 0 */
	uint8_t verb;		/* enum sql_verb */
	uint8_t effects;	/* enum sql_effect, or-ed */
	const char *comment;	/* the inside of the last comment of the C kind that holds a '=' (sqlcommenter); NULL: none; borrowed */
	size_t comment_size;
};

/* text holds n bytes (a NUL among them ends it). */
void sql_digest(const char *text, size_t n, struct sql_digest *d);

/* The text that people see for a digest: literals are $1, $2, ... (numbers of parameters stay, literals come behind
 * the highest), lists that were folded `$1, ...`, blanks and comments one blank, case as it was written.
 * Written to out with a NUL, at most size bytes (size > 0), cut at a whole character with "..." at the end if it is
 * longer.  Returns its length.  Nothing of a literal is in it. */
size_t sql_normalize(const char *text, size_t n, char *out, size_t size);

/* "SELECT", "INSERT" ...: for people, in capitals. */
const char *sql_verb_name(enum sql_verb v);

#endif
