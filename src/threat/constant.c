#include "threat/constant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "threat/terms.h"

enum kind {
	VALUE_BAD,		/* it depends on something, or can't be read */
	VALUE_NUMBER,
	VALUE_TEXT,
	VALUE_TRUTH,
	VALUE_NIL,
	VALUE_OPEN,		/* a constant that is not worked out */
	VALUE_NAME,		/* of a column */
};

struct value {
	enum kind kind;
	double number;
	const char *text;	/* of a text, without quotes; of a name, from its first letter to its last */
	size_t size;
	enum constant truth;
};

struct reader {
	struct lexer *lexer;
	struct token token;
	enum term term;
	unsigned left;		/* tokens that may be read yet */
	unsigned depth;
};

static const struct value bad = { .kind = VALUE_BAD };
static const struct value open = { .kind = VALUE_OPEN };

static void
next(struct reader *r)
{
	if (r->left > 0)
		r->left--;
	lexer_next(r->lexer, &r->token);
	if (r->left == 0)
		r->token.kind = TOKEN_END;
	r->term = terms_of(&r->token);
}

static bool
is_mark(const struct reader *r, enum token_kind kind, char c)
{
	return r->token.kind == kind && *r->token.start == c;
}

static bool
is_operator(const struct reader *r, const char *op)
{
	return r->token.kind == TOKEN_OPERATOR && r->token.size == strlen(op) && memcmp(r->token.start, op, r->token.size) == 0;
}

static bool
is_word(const struct reader *r, const char *word)
{
	return r->token.kind == TOKEN_WORD && r->token.size == strlen(word) &&
	       strncasecmp(r->token.start, word, r->token.size) == 0;
}

static struct value
truth(enum constant c)
{
	return (struct value){ .kind = VALUE_TRUTH, .truth = c };
}

static struct value
number(double n)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = n };
}

static struct value
negate(struct value v, bool wanted)
{
	if (!wanted || v.kind != VALUE_TRUTH)
		return v;
	return truth(v.truth == CONSTANT_TRUE ? CONSTANT_ODD : CONSTANT_TRUE);
}

/* --- operands --- */

static double
to_number(const char *text, size_t n)
{
	char digits[32];
	char *end;
	double value;

	if (n == 0 || n >= sizeof(digits))
		return (double)NAN;
	memcpy(digits, text, n);
	digits[n] = '\0';
	value = strtod(digits, &end);
	return *end == '\0' ? value : (double)NAN;
}

static struct value
read_number(struct reader *r)
{
	double n = to_number(r->token.start, r->token.size);

	next(r);
	return isnan(n) ? open : number(n);
}

static struct value
read_text(struct reader *r)
{
	struct value v = { .kind = VALUE_TEXT, .text = r->token.start + 1, .size = r->token.size - 1 };
	bool plain = *r->token.start == '\'';

	if (v.size > 0 && v.text[v.size - 1] == '\'')
		v.size--;
	next(r);
	return plain ? v : open;
}

static struct value read_operand(struct reader *r);
static struct value read_expression(struct reader *r);

/* Behind an opening bracket: up to behind the closing one.  false: what is in there is not constant. */
static bool
read_arguments(struct reader *r)
{
	while (!is_mark(r, TOKEN_CLOSE, ')')) {
		struct value v = read_operand(r);

		if (v.kind == VALUE_BAD || v.kind == VALUE_NAME)
			return false;
		if (r->token.kind != TOKEN_COMMA && !is_mark(r, TOKEN_CLOSE, ')'))
			return false;
		if (r->token.kind == TOKEN_COMMA)
			next(r);
	}
	next(r);
	return true;
}

/* SELECT of something, FROM nothing: behind the bracket. */
static bool
read_sub_select(struct reader *r)
{
	unsigned depth = 1;

	for (; depth > 0; next(r)) {
		if (r->token.kind == TOKEN_END || r->term == TERM_FROM || r->token.kind == TOKEN_PARAM)
			return false;
		if (r->token.kind == TOKEN_OPEN)
			depth++;
		else if (r->token.kind == TOKEN_CLOSE)
			depth--;
	}
	return true;
}

static struct value
read_bracket(struct reader *r)
{
	struct value v;

	next(r);
	if (r->term == TERM_SELECT)
		return read_sub_select(r) ? open : bad;
	v = read_expression(r);
	if (!is_mark(r, TOKEN_CLOSE, ')'))
		return bad;
	next(r);
	return v;
}

/* Functions that depend on nothing but what they are given. */
static bool
is_pure(const struct reader *r)
{
	static const char *const names[] = {
		"abs", "ascii", "ceil", "char_length", "chr", "concat", "floor", "left", "length", "lower", "md5",
		"octet_length", "pi", "position", "power", "repeat", "replace", "reverse", "right", "round", "sqrt",
		"strpos", "substr", "substring", "trim", "upper",
	};

	for (size_t i = 0; i < lengthof(names); i++) {
		if (is_word(r, names[i]))
			return true;
	}
	return r->term == TERM_TELLS || r->term == TERM_CHR || r->term == TERM_SLEEP;
}

/* CAST (1 AS int) */
static struct value
read_cast(struct reader *r)
{
	struct value v;

	next(r);
	v = read_operand(r);
	if (!is_word(r, "as"))
		return bad;
	while (r->token.kind != TOKEN_CLOSE && r->token.kind != TOKEN_END)
		next(r);
	next(r);
	return v;
}

/* a, a.b, "a".b */
static struct value
read_name(struct reader *r)
{
	struct value v = { .kind = VALUE_NAME, .text = r->token.start };
	bool pure = is_pure(r), is_cast = is_word(r, "cast"), tells = r->term == TERM_TELLS;

	for (;;) {
		v.size = (size_t)(r->token.start + r->token.size - v.text);
		next(r);
		if (r->token.kind != TOKEN_DOT)
			break;
		next(r);
		if (r->token.kind != TOKEN_WORD && r->token.kind != TOKEN_QUOTED)
			return bad;
	}
	if (is_mark(r, TOKEN_OPEN, '(')) {
		if (is_cast)
			return read_cast(r);
		next(r);
		return pure && read_arguments(r) ? open : bad;
	}
	if (r->token.kind == TOKEN_STRING) {
		next(r);
		return open;	/* date '2026-01-01' */
	}
	return tells ? open : v;
}

static struct value
read_word(struct reader *r)
{
	struct value v;

	if (r->term != TERM_VALUE)
		return r->term == TERM_NONE || r->term == TERM_TELLS || r->term == TERM_CHR || r->term == TERM_SLEEP ?
			read_name(r) : bad;
	if (is_word(r, "null"))
		v = (struct value){ .kind = VALUE_NIL };
	else
		v = truth(is_word(r, "true") ? CONSTANT_TRUE : CONSTANT_FALSE);
	next(r);
	return v;
}

static struct value
read_primary(struct reader *r)
{
	bool minus = is_operator(r, "-");
	struct value v;

	if (minus || is_operator(r, "+"))
		next(r);
	if (r->depth == CONSTANT_DEPTH)
		return bad;
	r->depth++;
	switch ((int)r->token.kind) {
	case TOKEN_NUMBER:
		v = read_number(r);
		break;
	case TOKEN_STRING:
		v = read_text(r);
		break;
	case TOKEN_WORD:
	case TOKEN_QUOTED:
		v = read_word(r);
		break;
	case TOKEN_OPEN:
		v = *r->token.start == '(' ? read_bracket(r) : bad;
		break;
	default:
		v = bad;
		break;
	}
	r->depth--;
	if (minus && v.kind == VALUE_NUMBER)
		v.number = -v.number;
	return v;
}

static struct value
calculate(struct value a, char op, struct value b)
{
	if (a.kind == VALUE_BAD || b.kind == VALUE_BAD || a.kind == VALUE_NAME || b.kind == VALUE_NAME)
		return bad;
	if (a.kind != VALUE_NUMBER || b.kind != VALUE_NUMBER)
		return open;
	switch (op) {
	case '+':
		return number(a.number + b.number);
	case '-':
		return number(a.number - b.number);
	case '*':
		return number(a.number * b.number);
	default:
		return open;
	}
}

/* 1, 1 + 1, 'a' || 'b', 1::int; from the left to the right: it is no calculator. */
static struct value
read_operand(struct reader *r)
{
	struct value v = read_primary(r);

	while (v.kind != VALUE_BAD) {
		if (r->token.kind == TOKEN_OTHER && r->token.size == 2) {
			next(r);
			if (r->token.kind != TOKEN_WORD)
				return bad;
			next(r);
			if (v.kind == VALUE_TEXT)
				v = open;
		} else if (r->token.kind == TOKEN_OPERATOR && r->token.size == 1 && strchr("+-*/%^&|#", *r->token.start) != NULL) {
			char op = *r->token.start;

			next(r);
			v = calculate(v, op, read_primary(r));
		} else if (is_operator(r, "||")) {
			next(r);
			v = calculate(v, '|', read_primary(r));
		} else {
			break;
		}
	}
	return v;
}

/* --- comparisons --- */

struct relation {
	bool less, equal, greater;	/* what makes it true */
};

static bool
find_relation(const struct reader *r, struct relation *is)
{
	static const struct {
		const char *op;
		struct relation is;
	} relations[] = {
		{ "=", { false, true, false } }, { "<>", { true, false, true } }, { "!=", { true, false, true } },
		{ "<", { true, false, false } }, { ">", { false, false, true } }, { "<=", { true, true, false } },
		{ ">=", { false, true, true } },
	};

	for (size_t i = 0; i < lengthof(relations); i++) {
		if (is_operator(r, relations[i].op)) {
			*is = relations[i].is;
			return true;
		}
	}
	return false;
}

static struct value
decide(struct relation is, double order, bool idle)
{
	bool result = order < 0 ? is.less : order > 0 ? is.greater : is.equal;

	return truth(result ? CONSTANT_TRUE : idle ? CONSTANT_FALSE : CONSTANT_ODD);
}

static bool
is_bit(double n)
{
	return n == 0 || n == 1;
}

static int
compare_text(const struct value *a, const struct value *b)
{
	size_t n = a->size < b->size ? a->size : b->size;
	int order = memcmp(a->text, b->text, n);

	return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static struct value
compare(struct value a, struct relation is, struct value b)
{
	if (a.kind == VALUE_NAME && b.kind == VALUE_NAME)
		return is.equal && a.size == b.size && strncasecmp(a.text, b.text, a.size) == 0 ? truth(CONSTANT_TRUE) : bad;
	if (a.kind == VALUE_BAD || b.kind == VALUE_BAD || a.kind == VALUE_NAME || b.kind == VALUE_NAME)
		return bad;
	if (a.kind == VALUE_NIL || b.kind == VALUE_NIL)
		return bad;
	if (a.kind == VALUE_OPEN || b.kind == VALUE_OPEN)
		return open;
	if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
		return decide(is, compare_text(&a, &b), false);
	if (a.kind == VALUE_TEXT && b.kind == VALUE_NUMBER)
		a = number(to_number(a.text, a.size));
	if (b.kind == VALUE_TEXT && a.kind == VALUE_NUMBER)
		b = number(to_number(b.text, b.size));
	if (a.kind == VALUE_NUMBER && b.kind == VALUE_NUMBER)
		return isnan(a.number) || isnan(b.number) ? open :
			decide(is, a.number - b.number, is_bit(a.number) && is_bit(b.number));
	if (a.kind == VALUE_TRUTH && b.kind == VALUE_TRUTH)
		return decide(is, (a.truth == CONSTANT_TRUE) != (b.truth == CONSTANT_TRUE), true);
	return open;
}

static struct value
match(struct value v, struct value pattern)
{
	static const struct relation equal = { .equal = true };

	if (v.kind == VALUE_NAME || v.kind == VALUE_BAD || pattern.kind == VALUE_NAME || pattern.kind == VALUE_BAD)
		return compare(v, equal, pattern);
	if (v.kind == VALUE_TEXT && pattern.kind == VALUE_TEXT && pattern.size == 1 && *pattern.text == '%')
		return truth(CONSTANT_TRUE);
	v = compare(v, equal, pattern);
	return v.kind == VALUE_TRUTH && v.truth == CONSTANT_TRUE ? v : v.kind == VALUE_BAD ? bad : open;
}

/* IN (1, 2): behind the word. */
static struct value
find_in_list(struct reader *r, struct value v)
{
	static const struct relation equal = { .equal = true };
	struct value found = truth(CONSTANT_ODD);

	if (v.kind == VALUE_NAME || !is_mark(r, TOKEN_OPEN, '('))
		return bad;
	do {
		struct value one;

		next(r);
		one = compare(v, equal, read_operand(r));
		if (one.kind == VALUE_BAD)
			return bad;
		if (one.kind == VALUE_OPEN || one.truth == CONSTANT_TRUE)
			found = one;
	} while (r->token.kind == TOKEN_COMMA);
	if (!is_mark(r, TOKEN_CLOSE, ')'))
		return bad;
	next(r);
	return found;
}

static struct value
is_between(struct reader *r, struct value v)
{
	static const struct relation at_least = { .equal = true, .greater = true }, at_most = { .equal = true, .less = true };
	struct value low = compare(v, at_least, read_operand(r)), high;

	if (low.kind == VALUE_BAD || r->term != TERM_AND)
		return bad;
	next(r);
	high = compare(v, at_most, read_operand(r));
	if (high.kind != VALUE_TRUTH || low.kind != VALUE_TRUTH)
		return high.kind == VALUE_BAD ? bad : open;
	return high.truth == CONSTANT_TRUE ? low : high;
}

static struct value
read_exists(struct reader *r)
{
	next(r);
	if (!is_mark(r, TOKEN_OPEN, '('))
		return bad;
	next(r);
	return r->term == TERM_SELECT && read_sub_select(r) ? truth(CONSTANT_TRUE) : bad;
}

static struct value
read_comparison(struct reader *r)
{
	struct relation is;
	struct value v;
	bool negated;

	if (r->term == TERM_EXISTS)
		return read_exists(r);
	v = read_operand(r);
	if (v.kind == VALUE_BAD)
		return bad;
	if (find_relation(r, &is)) {
		next(r);
		return compare(v, is, read_operand(r));
	}
	if (r->term == TERM_IS)
		return bad;	/* filters that are left out: NULL IS NULL OR name = NULL */
	negated = r->term == TERM_NOT;
	if (negated)
		next(r);
	switch ((int)r->term) {
	case TERM_LIKE:
		next(r);
		return negate(match(v, read_operand(r)), negated);
	case TERM_IN:
		next(r);
		return negate(find_in_list(r, v), negated);
	case TERM_BETWEEN:
		next(r);
		return negate(is_between(r, v), negated);
	default:
		return negated ? bad : v;
	}
}

static struct value
read_negated(struct reader *r)
{
	bool negated = false;

	for (; r->term == TERM_NOT; next(r))
		negated = !negated;
	return negate(read_comparison(r), negated);
}

/* What is in brackets: a value, or conditions, of which none may depend on anything. */
static struct value
read_expression(struct reader *r)
{
	struct value all = read_negated(r);

	while (all.kind != VALUE_BAD && (r->term == TERM_AND || r->term == TERM_OR)) {
		bool is_or = r->term == TERM_OR;
		struct value one;

		next(r);
		one = read_negated(r);
		if (one.kind == VALUE_BAD || one.kind == VALUE_NAME)
			return bad;
		if (all.kind != VALUE_TRUTH || one.kind != VALUE_TRUTH)
			all = open;
		else if ((one.truth == CONSTANT_TRUE) == is_or)
			all = one;
	}
	return all;
}

/* A value that stands alone as a condition; 't' and '1' say true. */
static enum constant
judge(const struct value *v)
{
	switch (v->kind) {
	case VALUE_TRUTH:
		return v->truth;
	case VALUE_TEXT:
		return v->size > 0 && strchr("tTyY1", *v->text) != NULL ? CONSTANT_TRUE : CONSTANT_NONE;
	case VALUE_OPEN:
		return CONSTANT_OPEN;
	case VALUE_BAD:
	case VALUE_NUMBER:
	case VALUE_NIL:
	case VALUE_NAME:
		break;
	}
	return CONSTANT_NONE;
}

enum constant
constant_condition(struct lexer *l, bool *last)
{
	struct reader r = { .lexer = l, .left = CONSTANT_TOKENS };
	struct value v;

	next(&r);
	v = read_negated(&r);
	*last = r.term != TERM_AND && r.term != TERM_OR;
	return judge(&v);
}
