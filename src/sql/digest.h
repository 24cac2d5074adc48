/*
 * digest: what a statement is, without its literals.
 *
 * One pass over the text.  Two texts have the same hash if they differ only in
 *
 *	literals     'x'  E'x'  U&'x'  $$x$$  $q$x$q$  B'1'  X'f'  1  1.5e3  0x1f  1_000; also a sign that belongs to
 *	             the number (a = -1, but not a - 1), and TRUE, FALSE and NULL where an operand is expected: behind
 *	             an operator, a comma, an opening bracket, SELECT, AND, THEN ... (not in IS NULL, NOT NULL)
 *	casts of constants   '1'::int  int '1' keep their type; the constant goes
 *	lists        neighbours in IN (...) and ARRAY[...] that are alike and hold a constant are one: IN (1),
 *	             IN (1, 2, 3), ((1, 2), (3, 4)); so are rows of VALUES that are alike, but a row keeps its
 *	             width: (1), (2) is not (1, 2).  f(1, 2) is no list
 *	handles      names in SAVEPOINT, RELEASE, ROLLBACK TO, FETCH, MOVE, CLOSE, DEALLOCATE, and of what DECLARE
 *	             declares: drivers make up a new one each time
 *	comments, white space, semicolons at the end
 *	case         of keywords and names that are not quoted
 *	<> and !=
 *
 * and not if they differ in structure: names, operators, the number of arguments of a
 * function, the order of anything, quoted names by case ("A" and "a"), "a" and a.  A
 * parameter ($1) and a literal are the same: text that was prepared and text that was not
 * meet in one digest.  test/unit/sql/test_digest.c has the cases.
 *
 * Text need not be correct SQL, nor end where PostgreSQL would have it: a string without
 * end is a literal up to the end, and half an element of a list that has others is one of
 * them, so that texts which were cut at some length do not differ by where that was.
 * standard_conforming_strings = on is taken for granted (where it is off, a text with backslashes must not be shown).  Hashes are the same in each
 * process and release, as long as the rules are.
 * Pure functions, any thread; no allocation; linear time.
 */
#ifndef SQL_DIGEST_H
#define SQL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* What kind of statement it is, by its first word; WITH is told by what follows the CTEs. */
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

/* What a statement may leave behind in the session although its command tag does not say so: told by names, in
 * whatever spelling, so what happens inside of functions is not seen.  DO may do anything: it has all of them. */
enum sql_effect {
	SQL_EFFECT_SETTINGS = 1 << 0,	/* set_config(), but not set_config(a, b, true); set_limit(), UPDATE pg_settings */
	SQL_EFFECT_LOCKS = 1 << 1,	/* pg_advisory_lock(), pg_try_advisory_lock_shared() ...: not the _xact_ ones */
	SQL_EFFECT_TEMP = 1 << 2,	/* SELECT INTO TEMP, CREATE TEMP ..., and whatever names pg_temp. */

	/* These two leave nothing, but tell what a hash does not: */
	SQL_EFFECT_CODE = 1 << 3,	/* a literal is code, or names a file: DO, CREATE FUNCTION, COPY ... PROGRAM,
					 * query_to_xml(), dblink(), pg_read_file() ... */
	SQL_EFFECT_ROWS = 1 << 4,	/* VALUES has several rows that are alike */
};

#define SQL_EFFECTS (SQL_EFFECT_SETTINGS | SQL_EFFECT_LOCKS | SQL_EFFECT_TEMP)	/* all that is left behind; of what is not known */

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
 * the highest), lists that were folded `$1, ...`, blanks and comments one blank, case as it was written, and valid
 * UTF-8 (bytes that are none become U+FFFD).  Written to out with a NUL, at most size bytes (size > 0), cut at a whole
 * character with "..." right behind it if it is longer.  Returns its length.  Nothing of a literal is in it.
 * It has the digest of text, unless it was cut or had such bytes. */
size_t sql_normalize(const char *text, size_t n, char *out, size_t size);

/* "SELECT", "INSERT" ...: for people, in capitals. */
const char *sql_verb_name(enum sql_verb v);

#endif
