#include "sql/lexer.h"

#include <string.h>

/* What a token that begins with this byte is. */
enum start {
	START_OTHER,
	START_BLANK,
	START_WORD,
	START_PREFIX,		/* of a string, if a quote follows; else a word */
	START_UNICODE,		/* likewise, if & and a quote follow */
	START_DIGIT,
	START_DOT,
	START_QUOTE,
	START_DOUBLE_QUOTE,
	START_DOLLAR,
	START_OPERATOR,
	START_OPEN,
	START_CLOSE,
	START_COMMA,
	START_SEMICOLON,
	START_COLON,
};

static const uint8_t starts[256] = {
	['\t'] = START_BLANK, ['\n'] = START_BLANK, ['\v'] = START_BLANK, ['\f'] = START_BLANK,
	['\r'] = START_BLANK, [' '] = START_BLANK,
	['A'] = START_WORD, ['B'] = START_PREFIX, ['C' ... 'D'] = START_WORD, ['E'] = START_PREFIX,
	['F' ... 'M'] = START_WORD, ['N'] = START_PREFIX, ['O' ... 'T'] = START_WORD,
	['U'] = START_UNICODE, ['V' ... 'W'] = START_WORD, ['X'] = START_PREFIX,
	['Y' ... 'Z'] = START_WORD,
	['a'] = START_WORD, ['b'] = START_PREFIX, ['c' ... 'd'] = START_WORD, ['e'] = START_PREFIX,
	['f' ... 'm'] = START_WORD, ['n'] = START_PREFIX, ['o' ... 't'] = START_WORD,
	['u'] = START_UNICODE, ['v' ... 'w'] = START_WORD, ['x'] = START_PREFIX,
	['y' ... 'z'] = START_WORD,
	['_'] = START_WORD, [0x80 ... 0xff] = START_WORD,
	['0' ... '9'] = START_DIGIT, ['.'] = START_DOT,
	['\''] = START_QUOTE, ['"'] = START_DOUBLE_QUOTE, ['$'] = START_DOLLAR,
	['+'] = START_OPERATOR, ['-'] = START_OPERATOR, ['*'] = START_OPERATOR, ['/'] = START_OPERATOR,
	['<'] = START_OPERATOR, ['>'] = START_OPERATOR, ['='] = START_OPERATOR, ['~'] = START_OPERATOR,
	['!'] = START_OPERATOR, ['@'] = START_OPERATOR, ['#'] = START_OPERATOR, ['%'] = START_OPERATOR,
	['^'] = START_OPERATOR, ['&'] = START_OPERATOR, ['|'] = START_OPERATOR, ['`'] = START_OPERATOR,
	['?'] = START_OPERATOR,
	['('] = START_OPEN, ['['] = START_OPEN, [')'] = START_CLOSE, [']'] = START_CLOSE,
	[','] = START_COMMA, [';'] = START_SEMICOLON, [':'] = START_COLON,
};

/* What a byte can be in the middle of. */
#define IN_WORD 1
#define IN_NUMBER 2
#define IN_HEX 4
#define IN_TAG 8		/* of a dollar quote, behind its first letter */
#define SPECIAL 16		/* an operator that holds one may end with + or - */

static const uint8_t insides[256] = {
	['0' ... '9'] = IN_WORD | IN_NUMBER | IN_HEX | IN_TAG,
	['A' ... 'F'] = IN_WORD | IN_HEX | IN_TAG, ['G' ... 'Z'] = IN_WORD | IN_TAG,
	['a' ... 'f'] = IN_WORD | IN_HEX | IN_TAG, ['g' ... 'z'] = IN_WORD | IN_TAG,
	['_'] = IN_WORD | IN_TAG, [0x80 ... 0xff] = IN_WORD | IN_TAG, ['$'] = IN_WORD,
	['~'] = SPECIAL, ['!'] = SPECIAL, ['@'] = SPECIAL, ['#'] = SPECIAL, ['^'] = SPECIAL,
	['&'] = SPECIAL, ['|'] = SPECIAL, ['`'] = SPECIAL, ['?'] = SPECIAL, ['%'] = SPECIAL,
};

static inline enum start
start_of(char c)
{
	return (enum start)starts[(uint8_t)c];
}

static inline bool
is_inside(char c, uint8_t what)
{
	return (insides[(uint8_t)c] & what) != 0;
}

/* The i-th byte from p on; 0 behind the end (no byte of the text is 0). */
static inline char
peek(const struct lexer *l, const char *p, size_t i)
{
	return i < (size_t)(l->end - p) ? p[i] : '\0';
}

static inline void
end_token(struct lexer *l, struct token *t, enum token_kind kind, const char *end)
{
	t->kind = kind;
	t->size = (size_t)(end - t->start);
	l->at = end;
}

/* --- hashes --- */

static inline uint64_t
load8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The 1..8 bytes that are left at p, and zeros.  Most often there are eight in the text, and it takes no branch. */
static inline uint64_t
load_tail(const char *p, size_t n, const char *end)
{
	static const uint8_t ones_and_zeros[16] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	uint64_t v = 0, mask;

	if (end - p >= 8) {
		memcpy(&mask, ones_and_zeros + 8 - n, sizeof(mask));
		return load8(p) & mask;
	}
	memcpy(&v, p, n);
	return v;
}

/* Letters in lower case, and '_' to what is in no word; other bytes of words as they are: no two words become one. */
static inline uint64_t
fold(uint64_t v)
{
	return v | (0x2020202020202020u & ~((v & 0x8080808080808080u) >> 2));
}

/* Of the n > 0 bytes at p; what lies before `end` may be read. */
static inline uint64_t
hash_bytes(const char *p, size_t n, const char *end, bool folded, uint64_t seed)
{
	uint64_t h = seed + n;

	for (; n > 8; p += 8, n -= 8)
		h = lexer_mix(h, folded ? fold(load8(p)) : load8(p));
	uint64_t tail = load_tail(p, n, end);
	return lexer_mix(h, folded ? fold(tail) : tail);
}

/* Kinds that differ by seed do not meet: a and "a", = and "=". */
#define SEED_WORD 0x6A09E667F3BCC908u
#define SEED_QUOTED 0xBB67AE8584CAA73Bu
#define SEED_ESCAPED 0x3C6EF372FE94F82Bu
#define SEED_OTHER 0xA54FF53A5F1D36F1u

uint64_t
lexer_word_hash(const char *name, size_t n)
{
	return hash_bytes(name, n, name + n, true, SEED_WORD);
}

/* --- between tokens --- */

static const char *
skip_line(const struct lexer *l, const char *p)
{
	while (p < l->end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

/* p: behind the first mark.  Comments nest. */
static const char *
skip_comment(struct lexer *l, const char *p)
{
	const char *inside = p;
	size_t depth = 1;
	bool telling = false;

	for (; p < l->end; p++) {
		if (*p == '=') {
			telling = true;
		} else if (*p == '/' && peek(l, p, 1) == '*') {
			depth++;
			p++;
		} else if (*p == '*' && peek(l, p, 1) == '/') {
			p++;
			if (--depth == 0)
				break;
		}
	}
	if (p == l->end)
		return p;
	p++;
	if (telling) {
		l->comment = inside;
		l->comment_size = (size_t)(p - 2 - inside);
	}
	return p;
}

/* Behind the comment at p, or p itself. */
static const char *
skip_any_comment(struct lexer *l, const char *p)
{
	if (*p == '-' && peek(l, p, 1) == '-')
		return skip_line(l, p + 2);
	if (*p == '/' && peek(l, p, 1) == '*')
		return skip_comment(l, p + 2);
	return p;
}

/* --- literals --- */

/*
 * Pieces of a string are one if blanks with a line's end are between them:
 *
 *	'a'  -- comment
 *	'b'
 *
 * p: behind a piece.  Behind the quote that opens the next one, or NULL.
 */
static const char *
find_next_piece(const struct lexer *l, const char *p)
{
	bool line = false;

	for (;; p++) {
		switch (peek(l, p, 0)) {
		case '\n':
		case '\r':
			line = true;
			break;
		case ' ':
		case '\t':
		case '\f':
		case '\v':
			break;
		case '-':
			if (peek(l, p, 1) != '-')
				return NULL;
			p = skip_line(l, p + 2);
			if (p == l->end)
				return NULL;
			line = true;
			break;
		case '\'':
			return line ? p + 1 : NULL;
		default:
			return NULL;
		}
	}
}

/* p: behind the quote that opens it.  Behind the one that closes it; '' is none. */
static const char *
skip_quoted(const struct lexer *l, const char *p, char quote)
{
	for (;;) {
		p = memchr(p, quote, (size_t)(l->end - p));
		if (p == NULL)
			return l->end;
		p++;
		if (peek(l, p, 0) != quote)
			return p;
		p++;
	}
}

/* Likewise, and \' is none either. */
static const char *
skip_escaped(const struct lexer *l, const char *p)
{
	while (p < l->end) {
		char c = *p++;
		if (c == '\\' && p < l->end) {
			p++;
		} else if (c == '\'') {
			if (peek(l, p, 0) != '\'')
				return p;
			p++;
		}
	}
	return p;
}

/* p: behind the quote that opens it. */
static const char *
read_string(const struct lexer *l, const char *p, bool escapes)
{
	const char *end;

	do {
		end = escapes ? skip_escaped(l, p) : skip_quoted(l, p, '\'');
		p = find_next_piece(l, end);
	} while (p != NULL);
	return end;
}

/* $tag$ ... $tag$: p is behind the first tag.  A tag holds no $, so what was compared in vain is not compared again. */
static const char *
skip_dollar_quoted(const struct lexer *l, const char *p, const char *tag, size_t size)
{
	while ((p = memchr(p, '$', (size_t)(l->end - p))) != NULL) {
		if ((size_t)(l->end - p) < size)
			break;
		if (memcmp(p, tag, size) == 0)
			return p + size;
		p++;
	}
	return l->end;
}

static inline const char *
skip_digits(const struct lexer *l, const char *p, uint8_t what)
{
	if (!is_inside(peek(l, p, 0), what))
		return p;
	while (is_inside(peek(l, p, 0), what) || (peek(l, p, 0) == '_' && is_inside(peek(l, p, 1), what)))
		p++;
	return p;
}

/* 0x1f, 0o17, 0b1 */
static bool
is_radix(const struct lexer *l, const char *p)
{
	char mark = peek(l, p, 1) | 0x20;

	return *p == '0' && (mark == 'x' || mark == 'o' || mark == 'b') && is_inside(peek(l, p, 2), IN_HEX);
}

/* What PostgreSQL 16 takes for a number, which is more than older ones do. */
static const char *
skip_number(const struct lexer *l, const char *p)
{
	if (is_radix(l, p))
		return skip_digits(l, p + 2, IN_HEX);
	p = skip_digits(l, p, IN_NUMBER);
	if (peek(l, p, 0) == '.' && peek(l, p, 1) != '.')
		p = skip_digits(l, p + 1, IN_NUMBER);
	if ((peek(l, p, 0) | 0x20) == 'e') {
		size_t sign = peek(l, p, 1) == '+' || peek(l, p, 1) == '-';
		if (is_inside(peek(l, p, 1 + sign), IN_NUMBER))
			p = skip_digits(l, p + 1 + sign, IN_NUMBER);
	}
	return p;
}

/* Most are nothing but digits. */
static inline void
take_number(struct lexer *l, struct token *t)
{
	const char *p = t->start + 1;

	while (p < l->end && is_inside(*p, IN_NUMBER))
		p++;
	if (p < l->end && (*p == '.' || is_inside(*p, IN_WORD)))
		p = skip_number(l, t->start);
	end_token(l, t, TOKEN_NUMBER, p);
}

/* --- tokens --- */

/* Of one byte, which is its own hash. */
static inline void
take_byte(struct lexer *l, struct token *t, enum token_kind kind)
{
	t->hash = (uint8_t)*t->start;
	end_token(l, t, kind, t->start + 1);
}

static void
take_bytes(struct lexer *l, struct token *t, enum token_kind kind, size_t n)
{
	t->hash = hash_bytes(t->start, n, l->end, false, SEED_OTHER);
	end_token(l, t, kind, t->start + n);
}

static inline void
take_word(struct lexer *l, struct token *t)
{
	const char *p = t->start + 1, *end = l->end;

	while (p < end && is_inside(*p, IN_WORD))
		p++;
	t->hash = hash_bytes(t->start, (size_t)(p - t->start), end, true, SEED_WORD);
	end_token(l, t, TOKEN_WORD, p);
}

/* E'' B'' X'' N'' */
static void
take_prefixed(struct lexer *l, struct token *t)
{
	if (peek(l, t->start, 1) != '\'')
		take_word(l, t);
	else
		end_token(l, t, TOKEN_STRING, read_string(l, t->start + 2, (*t->start | 0x20) == 'e'));
}

static void
take_quoted(struct lexer *l, struct token *t, size_t prefix, enum token_kind kind, uint64_t seed)
{
	const char *name = t->start + prefix, *end = skip_quoted(l, name + 1, '"');

	t->hash = hash_bytes(name, (size_t)(end - name), l->end, false, seed);
	end_token(l, t, kind, end);
}

/* U&'' U&"" */
static void
take_unicode(struct lexer *l, struct token *t)
{
	if (peek(l, t->start, 1) == '&' && peek(l, t->start, 2) == '\'')
		end_token(l, t, TOKEN_STRING, read_string(l, t->start + 3, false));
	else if (peek(l, t->start, 1) == '&' && peek(l, t->start, 2) == '"')
		take_quoted(l, t, 2, TOKEN_ESCAPED, SEED_ESCAPED);
	else
		take_word(l, t);
}

static void
take_dot(struct lexer *l, struct token *t)
{
	if (is_inside(peek(l, t->start, 1), IN_NUMBER))
		end_token(l, t, TOKEN_NUMBER, skip_number(l, t->start));
	else if (peek(l, t->start, 1) != '.')
		take_byte(l, t, TOKEN_DOT);
	else if (peek(l, t->start, 2) != '.')
		take_bytes(l, t, TOKEN_OTHER, 2);
	else {
		t->hash = LEXER_ELLIPSIS;
		end_token(l, t, TOKEN_ELLIPSIS, t->start + 3);
	}
}

/* $1, $tag$, or nothing. */
static void
take_dollar(struct lexer *l, struct token *t)
{
	const char *p = t->start + 1;

	if (is_inside(peek(l, p, 0), IN_NUMBER)) {
		while (p < l->end && is_inside(*p, IN_NUMBER))
			p++;
		end_token(l, t, TOKEN_PARAM, p);
		return;
	}
	while (p < l->end && is_inside(*p, IN_TAG))
		p++;
	if (peek(l, p, 0) != '$') {
		take_byte(l, t, TOKEN_OTHER);
		return;
	}
	p++;
	end_token(l, t, TOKEN_STRING, skip_dollar_quoted(l, p, t->start, (size_t)(p - t->start)));
}

/* The longest run of its bytes, up to a comment; + and - end it only if it holds something that is in no operator of
 * the standard (so that a=-1 is a = -1). */
static void
take_operator(struct lexer *l, struct token *t)
{
	const char *p = t->start + 1;
	bool special = is_inside(*t->start, SPECIAL);

	if (p == l->end || start_of(*p) != START_OPERATOR || t->start < l->signs_end) {
		take_byte(l, t, TOKEN_OPERATOR);
		return;
	}
	for (; p < l->end && start_of(*p) == START_OPERATOR; p++) {
		if ((p[0] == '-' && peek(l, p, 1) == '-') || (p[0] == '/' && peek(l, p, 1) == '*'))
			break;
		special |= is_inside(*p, SPECIAL);
	}
	l->signs_end = p;
	while (!special && p - t->start > 1 && (p[-1] == '+' || p[-1] == '-'))
		p--;
	size_t n = (size_t)(p - t->start);
	if (n == 1) {
		take_byte(l, t, TOKEN_OPERATOR);
		return;
	}
	take_bytes(l, t, TOKEN_OPERATOR, n);
	static const char unequal[] = "<>";
	if (n == 2 && memcmp(t->start, "!=", 2) == 0)
		t->hash = hash_bytes(unequal, 2, unequal + 2, false, SEED_OTHER);
}

static void
take_colon(struct lexer *l, struct token *t)
{
	switch (peek(l, t->start, 1)) {
	case ':':
		take_bytes(l, t, TOKEN_OTHER, 2);
		break;
	case '=':
		take_bytes(l, t, TOKEN_COLON, 2);
		break;
	default:
		take_byte(l, t, TOKEN_COLON);
		break;
	}
}

static inline void
take_token(struct lexer *l, struct token *t, enum start start)
{
	switch (start) {
	case START_WORD:
		take_word(l, t);
		break;
	case START_PREFIX:
		take_prefixed(l, t);
		break;
	case START_UNICODE:
		take_unicode(l, t);
		break;
	case START_DIGIT:
		take_number(l, t);
		break;
	case START_DOT:
		take_dot(l, t);
		break;
	case START_QUOTE:
		end_token(l, t, TOKEN_STRING, read_string(l, t->start + 1, false));
		break;
	case START_DOUBLE_QUOTE:
		take_quoted(l, t, 0, TOKEN_QUOTED, SEED_QUOTED);
		break;
	case START_DOLLAR:
		take_dollar(l, t);
		break;
	case START_OPERATOR:
		take_operator(l, t);
		break;
	case START_OPEN:
		take_byte(l, t, TOKEN_OPEN);
		break;
	case START_CLOSE:
		take_byte(l, t, TOKEN_CLOSE);
		break;
	case START_COMMA:
		take_byte(l, t, TOKEN_COMMA);
		break;
	case START_SEMICOLON:
		take_byte(l, t, TOKEN_SEMICOLON);
		break;
	case START_COLON:
		take_colon(l, t);
		break;
	case START_OTHER:
	case START_BLANK:
		take_byte(l, t, TOKEN_OTHER);
		break;
	}
}

void
lexer_init(struct lexer *l, const char *text, size_t n)
{
	if (n == 0)
		text = "";
	const char *nul = memchr(text, '\0', n);
	*l = (struct lexer){ .at = text, .end = nul != NULL ? nul : text + n, .signs_end = text };
}

void
lexer_next(struct lexer *l, struct token *t)
{
	const char *p = l->at;

	for (; p < l->end; p++) {
		enum start start = start_of(*p);
		if (start == START_BLANK)
			continue;
		if (start == START_OPERATOR) {
			const char *end = skip_any_comment(l, p);
			if (end != p) {
				p = end - 1;
				continue;
			}
		}
		t->gap = p != l->at;
		t->start = p;
		take_token(l, t, start);
		return;
	}
	t->gap = p != l->at;
	t->start = p;
	end_token(l, t, TOKEN_END, p);
}
