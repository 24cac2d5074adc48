/*
 * constant: does a condition depend on any column, and if not, how does it come out?
 *
 *	1 = 1   'a' = 'a'   2 > 1   'a' LIKE '%'   1 IN (1, 2)   NOT 1 = 2   (1) = (1)   x = x
 *	length('a') = 1   EXISTS (SELECT 1)   1 = (SELECT 1)   true
 *
 * Private to the folder.  It reads on from where a lexer is, up to the first thing that may
 * depend on something, and CONSTANT_TOKENS tokens at most.
 */
#ifndef THREAT_CONSTANT_H
#define THREAT_CONSTANT_H

#include <stdbool.h>

#include "sql/lexer.h"

#define CONSTANT_TOKENS 64
#define CONSTANT_DEPTH 8

enum constant {
	CONSTANT_NONE,		/* it depends on something, or is no condition, or none that says anything: NULL IS NULL */
	CONSTANT_TRUE,
	CONSTANT_FALSE,		/* as libraries write it: 1 = 0, 0 = 1, false */
	CONSTANT_ODD,		/* false as nobody would write it: 1 = 2, 'a' = 'b' */
	CONSTANT_OPEN,		/* it depends on no column, but is not worked out here */
};

/* The condition at l, up to AND and OR: *last: neither follows. */
enum constant constant_condition(struct lexer *l, bool *last);

#endif
