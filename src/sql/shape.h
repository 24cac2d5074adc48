/*
 * shape: what is left of a statement without its literals.
 *
 * Private to the folder, and the one place that decides what digest.h promises: which
 * tokens are literals, which elements of lists are folded, where a statement ends, what
 * it is.  sql_digest takes the hash only; sql_normalize listens too, and writes what it
 * hears, so the two can't disagree.
 *
 *	text ── lexer ── shape ── hash, verb, effects
 *	                   └───── listener: symbols, marks, folds
 *
 * Lists.  Elements of IN (...), of ARRAY[...] and rows of VALUES are hashed one by one,
 * each from the same start.  An element that has the hash of its neighbour is dropped; in
 * IN and ARRAY only if it has a literal.  So 1, 2, 3 is 1; (1, 'a'), (2, 'b') is (1, 'a');
 * and a, b stays.  An element that is `...` is dropped too: such is the listener's sign
 * for what was dropped.  IN (SELECT ...) is no list.  Lists may nest, up to SHAPE_LISTS.
 */
#ifndef SQL_SHAPE_H
#define SQL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql/lexer.h"
#include "sql/words.h"

#define SHAPE_LISTS 32		/* deeper ones are not folded */

/* Where in its output a listener was. */
struct shape_mark {
	size_t length;
	unsigned literals;
};

/* All in the order of the text. */
struct shape_listener {
	/* A token of the shape; a literal (never END). */
	void (*symbol)(struct shape_listener *l, const struct token *t, bool literal);
	struct shape_mark (*mark)(struct shape_listener *l);
	/* What came since this mark was one element too many, with the comma before it; `again`: as was the one before. */
	void (*fold)(struct shape_listener *l, struct shape_mark since, bool again);
};

enum list_kind {
	LIST_IN,
	LIST_ARRAY,
	LIST_ROWS,		/* of VALUES */
};

struct list {
	enum list_kind kind;
	size_t depth;		/* of brackets, where its commas are */
	uint64_t outer;		/* the hash up to its beginning, and of the elements that are over */
	uint64_t last;		/* the hash of the last one */
	bool outer_literal;	/* `literal` of what it is in */
	bool begun;		/* there is a last one */
	bool folding;		/* the one that is over was dropped */
	struct shape_mark mark;	/* before the comma of the present one */
};

enum shape_handles {
	HANDLES_NONE,
	HANDLES_NEXT,		/* the next name is one: DECLARE */
	HANDLES_ALL,		/* there are no other names: FETCH, CLOSE, SAVEPOINT ... */
};

/* A call of set_config: does its last argument say that it is for this transaction only? */
struct local_call {
	size_t depth;		/* of brackets, where its commas are; 0: there is no such call */
	unsigned commas;
	unsigned tokens;	/* of the present argument, at this depth */
	bool is_true;		/* the last one of them says true */
};

struct shape {
	struct lexer lexer;
	struct shape_listener *listener;	/* or NULL */
	struct token tokens[2];			/* the present one and the one before, by turns */
	const struct token *before;
	const struct word *word;	/* what the one before means; plain behind a dot, and if it is no word */

	uint64_t hash;		/* of all; inside a list, of the present element */
	bool literal;		/* the present element has a literal */
	bool operand;		/* an operand may come next */
	uint8_t effects;
	size_t depth;		/* of brackets */
	struct local_call call;

	/* the present statement */
	unsigned statements;	/* begun so far */
	bool between;		/* none is begun: we are at the beginning, or behind a semicolon */
	struct token semicolon;	/* that one; it counts if another statement follows */
	enum sql_verb verb;	/* SQL_EMPTY: not known yet */
	bool behind_with;	/* its verb is behind CTEs, at with_depth */
	size_t with_depth;
	enum shape_handles handles;	/* names of cursors, savepoints and prepared statements are literals */
	size_t atomic;		/* inside BEGIN ATOMIC ... END: depth of it and of CASE ... END */
	bool updates;		/* the word UPDATE has been there, in this statement or one before */
	bool temp_way;		/* TEMP may follow: CREATE or INTO was just before */

	bool rows_over;		/* a row has just ended: what follows is a comma, or the list is over */
	unsigned nlists;
	struct list lists[SHAPE_LISTS];
};

/* Read all of it; then hash, verb, effects, statements and lexer.comment are told. */
void shape_read(struct shape *s, const char *text, size_t n, struct shape_listener *listener);

#endif
