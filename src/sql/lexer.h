/*
 * lexer: SQL as tokens, the way PostgreSQL's scan.l cuts it.
 *
 * Private to sql/ and threat/.  Nothing is copied: a token is a piece of the text.  Blanks and
 * comments lie between tokens and are only told of.  There are no errors: what PostgreSQL
 * would refuse becomes tokens all the same, and what has no end ends with the text.
 * Time is linear in the text.
 */
#ifndef SQL_LEXER_H
#define SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,		/* a name or keyword without quotes */
	TOKEN_QUOTED,		/* "name" */
	TOKEN_ESCAPED,		/* U&"name" */
	TOKEN_STRING,		/* of any kind; pieces that PostgreSQL joins are one */
	TOKEN_NUMBER,		/* without a sign */
	TOKEN_PARAM,		/* $1 */
	TOKEN_OPERATOR,
	TOKEN_OPEN,		/* ( [ */
	TOKEN_CLOSE,		/* ) ] */
	TOKEN_COMMA,
	TOKEN_SEMICOLON,
	TOKEN_DOT,
	TOKEN_ELLIPSIS,		/* ... is no SQL: sql_normalize writes it */
	TOKEN_COLON,		/* : := */
	TOKEN_OTHER,		/* :: .. and any byte that begins nothing */
};

struct token {
	enum token_kind kind;
	bool gap;		/* behind a blank or a comment */
	const char *start;
	size_t size;
	uint64_t hash;		/* of all but literals; words: case folded */
};

struct lexer {
	const char *at, *end;
	const char *comment;	/* the last C comment that holds a '=', without its marks; NULL: none */
	size_t comment_size;
	const char *signs_end;	/* up to here, there are only + and -, each an operator */
};

#define LEXER_ELLIPSIS 256	/* the hash of a TOKEN_ELLIPSIS */

/* A NUL ends the text before n. */
void lexer_init(struct lexer *l, const char *text, size_t n);

/* TOKEN_END again and again at the end. */
void lexer_next(struct lexer *l, struct token *t);

/* The hash that a TOKEN_WORD of these letters has; 0 < n. */
uint64_t lexer_word_hash(const char *name, size_t n);

/* Mix a value into a hash. */
static inline uint64_t
lexer_mix(uint64_t hash, uint64_t value)
{
	unsigned __int128 product = (unsigned __int128)(hash ^ value) * 0x9E3779B97F4A7C15u;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
