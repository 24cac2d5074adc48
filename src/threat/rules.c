/*
 * rules: see the header.
 *
 * The text is read once, token by token; each rule looks at the present one and the few
 * before it.  Where a condition begins (behind OR, AND, WHEN, HAVING, WHERE) a second
 * reader runs ahead to see whether it depends on any column (threat/constant.h): it stops
 * at the first one, so all is linear.
 */
#include "threat/rules.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sql/lexer.h"
#include "threat/constant.h"
#include "threat/terms.h"

#define DEPTH_MAX 64		/* of brackets that are told apart */
#define HEAVY_ROWS 1000000	/* generate_series() with as many wastes time */
#define CHARS_MIN 3		/* calls of chr() that spell something */

static const struct {
	const char *name, *help;
} rules[THREAT_RULES] = {
	[THREAT_RULE_UNKNOWN] = { "unknown", "a structure that this role of this tenant has not sent while it was recorded" },
	[THREAT_RULE_UNREAD] = { "unread", "nobody can say what it is: longer than 64 KB, or the server reads it otherwise" },
	[THREAT_RULE_STACKED] = { "stacked", "several statements of different kinds in one text" },
	[THREAT_RULE_PROGRAM] = { "program", "COPY ... PROGRAM runs a command on the server's machine" },
	[THREAT_RULE_FILES] = { "files", "the server's files, libraries, or other servers" },
	[THREAT_RULE_SLEEP] = { "sleep", "a function that only takes time" },
	[THREAT_RULE_CATALOGUE] = { "catalogue", "system catalogues that tell roles, tables and columns" },
	[THREAT_RULE_ALWAYS_TRUE] = { "always_true", "a condition that depends on no column" },
	[THREAT_RULE_UNION] = { "union", "UNION SELECT of constants, or of what the server says of itself" },
	[THREAT_RULE_NO_WHERE] = { "no_where", "UPDATE or DELETE of all rows" },
	[THREAT_RULE_COMMENT] = { "comment", "a comment cuts off what follows, or stands for a blank" },
	[THREAT_RULE_HIDDEN] = { "hidden", "names or texts that are spelt so that they are not seen" },
};

const char *
threat_rule_name(enum threat_rule r)
{
	return (size_t)r < THREAT_RULES ? rules[r].name : "?";
}

const char *
threat_rule_help(enum threat_rule r)
{
	return (size_t)r < THREAT_RULES ? rules[r].help : "?";
}

const char *
threat_rule_names(uint32_t set, char out[THREAT_NAMES_SIZE])
{
	size_t n = 0;

	out[0] = '\0';
	for (int r = 0; r < THREAT_RULES; r++) {
		if ((set & THREAT_BIT(r)) != 0)
			n += (size_t)snprintf(out + n, THREAT_NAMES_SIZE - n, "%s%s", n > 0 ? "," : "", rules[r].name);
	}
	return out;
}

/* --- the pass --- */

/* What a bracket, or the whole statement, holds. */
struct level {
	bool changes;		/* UPDATE or DELETE began here */
	bool where;		/* and has a condition that is worth something */
};

/* The list of a SELECT behind UNION. */
struct list {
	bool open;
	bool plain;		/* nothing but constants so far */
	bool tells;		/* of the server: version(), current_user */
	size_t depth;
	size_t items;		/* tokens in it */
};

struct pass {
	struct lexer lexer;
	struct token token, before;	/* the present one, and the one before */
	enum term term, term_before, term_earlier;	/* what these, and the one before them, mean */
	uint32_t found;
	size_t depth;
	struct level levels[DEPTH_MAX];
	enum term verb;			/* of this statement */
	uint64_t kind;			/* the first word of the first one that does something; 0: none was there */
	bool begins;			/* a statement does, here */
	bool with;			/* it began with WITH */
	bool commands;			/* COPY is behind, FROM or TO: what comes is a file */
	size_t chars;			/* calls of chr() */
	struct list list;
};

static void
hit(struct pass *p, enum threat_rule r)
{
	p->found |= THREAT_BIT(r);
}

static struct level *
level(struct pass *p)
{
	return &p->levels[p->depth < DEPTH_MAX ? p->depth : DEPTH_MAX - 1];
}

/* Is the next token an opening bracket? */
static bool
is_called(const struct pass *p)
{
	struct lexer ahead = p->lexer;
	struct token next;

	lexer_next(&ahead, &next);
	return next.kind == TOKEN_OPEN && *next.start == '(';
}

/* --- comments --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* What is left of a condition behind a comment's mark begins with the end of a literal or bracket. */
static bool
begins_with_rest(const char *at, const char *end)
{
	while (at < end && (is_blank(*at) || *at == '%' || *at == '-'))
		at++;
	return at < end && strchr("'\")];", *at) != NULL;
}

static bool
begins_with_clause(const char *at, const char *end)
{
	struct lexer l;
	struct token t;

	lexer_init(&l, at, (size_t)(end - at));
	lexer_next(&l, &t);
	return t.kind == TOKEN_WORD && terms_goes_on(t.hash) && t.start == at + strspn(at, " \t");
}

/* An odd number of quotes: one of them closed a literal before the comment came. */
static bool
has_half_literal(const char *at, const char *end)
{
	bool odd = false;

	for (; at < end; at++)
		odd ^= *at == '\'';
	return odd;
}

/* at: behind the mark of a comment to the line's end.  Behind it. */
static const char *
look_at_line(struct pass *p, const char *at, const char *end)
{
	const char *stop = at;

	while (stop < end && *stop != '\n' && *stop != '\r')
		stop++;
	if (begins_with_rest(at, stop))
		hit(p, THREAT_RULE_COMMENT);
	else if (stop == p->lexer.end && (begins_with_clause(at, stop) || has_half_literal(at, stop) || stop == at))
		hit(p, THREAT_RULE_COMMENT);
	return stop;
}

/* at: behind the mark of a C comment.  Behind it. */
static const char *
look_at_block(struct pass *p, const char *at, const char *end)
{
	size_t depth = 1;
	const char *stop = at;

	for (; stop < end; stop++) {
		if (stop[0] == '*' && stop + 1 < end && stop[1] == '/') {
			stop++;
			if (--depth == 0)
				break;
		} else if (stop[0] == '/' && stop + 1 < end && stop[1] == '*') {
			stop++;
			depth++;
		}
	}
	if (depth > 0)
		hit(p, THREAT_RULE_COMMENT);	/* it has no end: PostgreSQL refuses that, a probe does not mind */
	if (stop - at == 1 || (at < end && *at == '!'))
		hit(p, THREAT_RULE_COMMENT);	/* the empty one, and MySQL's */
	return stop < end ? stop + 1 : end;
}

/* Between two tokens there are blanks and comments only. */
static void
look_between(struct pass *p, const char *at, const char *end)
{
	while (at + 1 < end) {
		if (at[0] == '-' && at[1] == '-')
			at = look_at_line(p, at + 2, end);
		else if (at[0] == '/' && at[1] == '*')
			at = look_at_block(p, at + 2, end);
		else
			at++;
	}
}

/* --- statements --- */

static void
end_level(struct pass *p)
{
	struct level *l = level(p);

	if (l->changes && !l->where)
		hit(p, THREAT_RULE_NO_WHERE);
	*l = (struct level){ .changes = false };
}

static void
end_list(struct pass *p)
{
	if (p->list.open && p->list.items > 0 && (p->list.plain || p->list.tells))
		hit(p, THREAT_RULE_UNION);
	p->list.open = false;
}

static void
end_statement(struct pass *p)
{
	end_list(p);
	while (p->depth > 0) {
		end_level(p);
		p->depth--;
	}
	end_level(p);
	p->begins = true;
	p->with = false;
	p->commands = false;
	p->verb = TERM_NONE;
}

/* Statements of one kind may be put together, and what only frames them counts for nothing. */
static void
note_kind(struct pass *p, uint64_t kind)
{
	if (p->kind == 0)
		p->kind = kind;
	else if (p->kind != kind)
		hit(p, THREAT_RULE_STACKED);
}

static bool
may_begin_change(const struct pass *p)
{
	if (p->begins)
		return true;
	if (p->before.kind == TOKEN_OPEN)
		return true;
	return p->with && p->depth == 0 && p->before.kind == TOKEN_CLOSE;
}

static void
look_at_change(struct pass *p)
{
	if (may_begin_change(p))
		level(p)->changes = true;
}

/* --- conditions --- */

/* How what follows the present token comes out. */
static enum constant
look_ahead(const struct pass *p, bool *last)
{
	struct lexer ahead = p->lexer;

	return constant_condition(&ahead, last);
}

static void
look_at_where(struct pass *p)
{
	bool last;
	enum constant c = look_ahead(p, &last);

	if (!(c == CONSTANT_TRUE && last))
		level(p)->where = true;
}

/* Behind OR a condition without columns is worth a suspicion if it may be true; behind AND if nobody would write it:
 * AND 1 = 0, AND false come from libraries that have an empty list. */
static void
look_at_condition(struct pass *p)
{
	bool last;
	enum constant c = look_ahead(p, &last);
	bool wanted = false;

	switch ((int)p->term) {
	case TERM_OR:
		wanted = c == CONSTANT_TRUE || c == CONSTANT_OPEN;
		break;
	case TERM_AND:
	case TERM_HAVING:
		wanted = c == CONSTANT_TRUE || c == CONSTANT_OPEN || c == CONSTANT_ODD;
		break;
	case TERM_WHEN:
		wanted = c == CONSTANT_TRUE || c == CONSTANT_ODD;
		break;
	default:
		break;
	}
	if (wanted)
		hit(p, THREAT_RULE_ALWAYS_TRUE);
}

/* --- UNION --- */

static void
begin_list(struct pass *p)
{
	p->list = (struct list){ .open = true, .plain = true, .depth = p->depth };
}

/* Of an item: a literal, NULL, a cast, a comma, a name for it; or a function that tells of the server. */
static void
look_at_item(struct pass *p)
{
	const struct token *t = &p->token;
	bool quiet = t->kind == TOKEN_STRING || t->kind == TOKEN_NUMBER || t->kind == TOKEN_COMMA ||
		     t->kind == TOKEN_OPERATOR || t->kind == TOKEN_PARAM;

	if (p->term == TERM_FROM || p->term == TERM_WHERE) {
		p->list.plain = p->list.plain && p->list.items > 1;	/* SELECT 1 FROM t asks whether there is one */
		end_list(p);
		return;
	}
	p->list.items++;
	if (p->term == TERM_TELLS)
		p->list.tells = true;
	else if (!quiet && p->term != TERM_VALUE && p->term != TERM_ALL)
		p->list.plain = false;
}

/* --- functions and names --- */

/* The last number in the brackets that follow. */
static double
largest_argument(const struct pass *p)
{
	struct lexer ahead = p->lexer;
	struct token t;
	double largest = 0;
	char digits[32];

	for (int i = 0; i < 8; i++) {
		lexer_next(&ahead, &t);
		if (t.kind == TOKEN_CLOSE || t.kind == TOKEN_END)
			break;
		if (t.kind != TOKEN_NUMBER || t.size >= sizeof(digits))
			continue;
		memcpy(digits, t.start, t.size);
		digits[t.size] = '\0';
		if (strtod(digits, NULL) > largest)
			largest = strtod(digits, NULL);
	}
	return largest;
}

static void
look_at_function(struct pass *p)
{
	switch ((int)p->term) {
	case TERM_SLEEP:
		hit(p, THREAT_RULE_SLEEP);
		break;
	case TERM_SERIES:
		if (largest_argument(p) >= HEAVY_ROWS)
			hit(p, THREAT_RULE_SLEEP);
		break;
	case TERM_FILE:
		hit(p, THREAT_RULE_FILES);
		break;
	case TERM_RUNS:
		hit(p, THREAT_RULE_HIDDEN);
		break;
	case TERM_CHR:
		if (++p->chars == CHARS_MIN)
			hit(p, THREAT_RULE_HIDDEN);
		break;
	default:
		break;
	}
}

static bool
is_before_dot(const struct pass *p)
{
	struct lexer ahead = p->lexer;
	struct token next;

	lexer_next(&ahead, &next);
	return next.kind == TOKEN_DOT;
}

static void
look_at_name(struct pass *p)
{
	if (p->term == TERM_CATALOGUE || (p->term == TERM_SCHEMA && is_before_dot(p)))
		hit(p, THREAT_RULE_CATALOGUE);
	else if (is_called(p))
		look_at_function(p);
}

/* COPY t FROM 'file', COPY t TO PROGRAM 'command', LOAD 'library', CREATE EXTENSION. */
static void
look_at_copy(struct pass *p)
{
	if (p->verb == TERM_COPY && (p->term == TERM_FROM || p->term == TERM_TO))
		p->commands = true;
	else if (p->commands && p->term == TERM_PROGRAM)
		hit(p, THREAT_RULE_PROGRAM);
	else if (p->commands && p->token.kind == TOKEN_STRING && (p->term_before == TERM_FROM || p->term_before == TERM_TO))
		hit(p, THREAT_RULE_FILES);
	else if (p->verb == TERM_LOAD && p->token.kind == TOKEN_STRING)
		hit(p, THREAT_RULE_FILES);
	else if (p->verb == TERM_DDL && p->term == TERM_EXTENSION)
		hit(p, THREAT_RULE_FILES);
}

/* --- tokens --- */

static void
look_at_word(struct pass *p)
{
	switch ((int)p->term) {
	case TERM_OR:
		if (p->term_before == TERM_DDL)
			break;	/* CREATE OR REPLACE */
		look_at_condition(p);
		break;
	case TERM_AND:
	case TERM_HAVING:
	case TERM_WHEN:
		look_at_condition(p);
		break;
	case TERM_WHERE:
		look_at_where(p);
		break;
	case TERM_CHANGE:
		look_at_change(p);
		break;
	case TERM_SELECT:
		if (p->term_before == TERM_UNION || (p->term_before == TERM_ALL && p->term_earlier == TERM_UNION))
			begin_list(p);
		break;
	default:
		look_at_name(p);
		break;
	}
}

static void
begin_statement(struct pass *p)
{
	p->verb = p->token.kind == TOKEN_OPEN ? TERM_SELECT : terms_verb(&p->token);
	p->with = p->verb == TERM_WITH;
	if (p->verb != TERM_FRAME)
		note_kind(p, p->verb == TERM_SELECT || p->with ? TERM_SELECT : p->token.hash);
}

static void
look_at_bracket(struct pass *p)
{
	if (p->token.kind == TOKEN_OPEN) {
		p->depth++;
		if (p->depth < DEPTH_MAX)
			*level(p) = (struct level){ .changes = false };
		return;
	}
	if (p->list.open && p->list.depth == p->depth)
		end_list(p);
	if (p->depth < DEPTH_MAX)
		end_level(p);
	if (p->depth > 0)
		p->depth--;
}

static void
look_at(struct pass *p)
{
	const struct token *t = &p->token;

	if (t->kind == TOKEN_SEMICOLON) {
		end_statement(p);
		return;
	}
	if (p->begins)
		begin_statement(p);
	if (t->kind == TOKEN_ESCAPED)
		hit(p, THREAT_RULE_HIDDEN);
	look_at_copy(p);
	if (p->list.open && t->kind != TOKEN_OPEN && t->kind != TOKEN_CLOSE)
		look_at_item(p);
	if (t->kind == TOKEN_WORD || t->kind == TOKEN_QUOTED)
		look_at_word(p);
	else if (t->kind == TOKEN_OPEN || t->kind == TOKEN_CLOSE)
		look_at_bracket(p);
	p->begins = false;
}

uint32_t
threat_rules_find(const char *text, size_t n)
{
	struct pass p;
	const char *end;

	/* Of the levels only those that are reached need a beginning. */
	memset(&p, 0, offsetof(struct pass, levels));
	p.levels[0] = (struct level){ .changes = false };
	p.verb = TERM_NONE;
	p.kind = 0;
	p.with = p.commands = false;
	p.chars = 0;
	p.list.open = false;
	p.begins = true;
	terms_init();
	lexer_init(&p.lexer, text, n);
	end = p.lexer.at;
	for (;;) {
		lexer_next(&p.lexer, &p.token);
		if (p.token.gap)
			look_between(&p, end, p.token.start);
		if (p.token.kind == TOKEN_END)
			break;
		p.term = terms_of(&p.token);
		look_at(&p);
		end = p.token.start + p.token.size;
		p.before = p.token;
		p.term_earlier = p.term_before;
		p.term_before = p.term;
	}
	end_statement(&p);
	return p.found;
}

/* --- functions by number --- */

static const struct {
	uint32_t oid;
	enum threat_rule rule;
} functions[] = {
	{ 2626, THREAT_RULE_SLEEP },	/* pg_sleep */
	{ 3935, THREAT_RULE_SLEEP },	/* pg_sleep_for */
	{ 3936, THREAT_RULE_SLEEP },	/* pg_sleep_until */
	{ 764, THREAT_RULE_FILES },	/* lo_import */
	{ 767, THREAT_RULE_FILES },
	{ 765, THREAT_RULE_FILES },	/* lo_export */
	{ 2623, THREAT_RULE_FILES },	/* pg_stat_file */
	{ 3307, THREAT_RULE_FILES },
	{ 2624, THREAT_RULE_FILES },	/* pg_read_file */
	{ 3293, THREAT_RULE_FILES },
	{ 3826, THREAT_RULE_FILES },
	{ 3295, THREAT_RULE_FILES },	/* pg_read_binary_file */
	{ 3827, THREAT_RULE_FILES },
	{ 3828, THREAT_RULE_FILES },
	{ 2625, THREAT_RULE_FILES },	/* pg_ls_dir */
	{ 3297, THREAT_RULE_FILES },
};

uint32_t
threat_rules_of_function(uint32_t oid)
{
	for (size_t i = 0; i < lengthof(functions); i++) {
		if (functions[i].oid == oid)
			return THREAT_BIT(functions[i].rule);
	}
	return 0;
}
