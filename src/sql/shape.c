#include "sql/shape.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* What is mixed in for a literal, whatever it is. */
#define LITERAL 257

/* What the hash of an element begins with; nothing has been mixed in while it is this. */
#define ELEMENT 0x510E527FADE682D1u

static const struct token at_beginning = { .kind = TOKEN_SEMICOLON, .start = "" };

static inline void
tell(struct shape *s, const struct token *t, bool literal)
{
	if (s->listener != NULL)
		s->listener->symbol(s->listener, t, literal);
}

static inline void
add_symbol(struct shape *s, const struct token *t)
{
	s->hash = lexer_mix(s->hash, t->hash);
	tell(s, t, false);
}

static inline void
add_literal(struct shape *s, const struct token *t)
{
	s->hash = lexer_mix(s->hash, LITERAL);
	s->literal = true;
	s->operand = false;
	tell(s, t, true);
}

/* --- lists --- */

static inline struct list *
top_list(struct shape *s)
{
	return &s->lists[s->nlists - 1];
}

/* Is a comma here one between its elements? */
static inline bool
is_in_list(struct shape *s)
{
	return s->nlists != 0 && top_list(s)->depth == s->depth;
}

static void
begin_list(struct shape *s, enum list_kind kind)
{
	if (s->nlists == SHAPE_LISTS)
		return;
	s->lists[s->nlists++] = (struct list){
		.kind = kind,
		.depth = s->depth,
		.outer = s->hash,
		.outer_literal = s->literal,
	};
	s->hash = ELEMENT;
	s->literal = false;
}

/* It goes on as if it had never been begun, with this hash. */
static void
leave_list(struct shape *s, uint64_t hash)
{
	struct list *l = &s->lists[--s->nlists];

	s->hash = hash;
	s->literal |= l->outer_literal;
	s->rows_over = false;
}

/* An element that is nothing but `...`. */
static inline uint64_t
ellipsis_alone(void)
{
	return lexer_mix(ELEMENT, LEXER_ELLIPSIS);
}

static bool
is_one_too_many(const struct shape *s, const struct list *l)
{
	if (!l->begun)
		return false;
	if (s->hash == ellipsis_alone())
		return true;
	return s->hash == l->last && (s->literal || l->kind == LIST_ROWS);
}

static void
end_element(struct shape *s)
{
	struct list *l = top_list(s);
	bool fold = is_one_too_many(s, l);

	if (!fold) {
		l->outer = lexer_mix(l->outer, s->hash);
		l->last = s->hash;
	} else if (s->listener != NULL) {
		s->listener->fold(s->listener, l->mark, l->folding);
	}
	if (fold && l->kind == LIST_ROWS)
		s->effects |= SQL_EFFECT_ROWS;
	l->folding = fold;
	l->begun = true;
	l->outer_literal |= s->literal;
}

static void
end_list(struct shape *s)
{
	end_element(s);
	leave_list(s, top_list(s)->outer);
}

static void
next_element(struct shape *s, const struct token *comma)
{
	end_element(s);
	if (s->listener != NULL)
		top_list(s)->mark = s->listener->mark(s->listener);
	tell(s, comma, false);
	s->hash = ELEMENT;
	s->literal = false;
	s->rows_over = false;
}

/* What is in a list yet was cut (or is wrong): half an element counts as one more, so that it does not matter where. */
static void
end_text(struct shape *s)
{
	while (s->nlists != 0) {
		if (top_list(s)->begun)
			s->hash = ellipsis_alone();
		end_list(s);
	}
}

/* The first token of an element shows whether this is a list at all. */
static void
look_at_element(struct shape *s, const struct token *t)
{
	struct list *l = top_list(s);

	if (l->kind == LIST_ROWS) {
		if (*t->start != '(' && t->kind != TOKEN_ELLIPSIS)
			leave_list(s, lexer_mix(l->outer, ','));
	} else if (l->kind == LIST_IN && !l->begun && t->kind == TOKEN_WORD) {
		if ((words_find(t->hash)->flags & WORD_QUERY) != 0)
			leave_list(s, l->outer);
	}
}

/* --- what happens beside the hash --- */

/* What is before is called: w.  One call of set_config at a time is followed to its end; of another one in its arguments,
 * the worst is believed. */
static void
note_function(struct shape *s, const struct word *w)
{
	if (w->id == WORD_SET_CONFIG && s->call.depth == 0)
		s->call = (struct local_call){ .depth = s->depth + 1 };
	else
		s->effects |= w->effects;
}

/* What is before is called. */
static void
note_call(struct shape *s)
{
	const struct token *name = s->before;

	if (name->kind == TOKEN_WORD)
		note_function(s, words_find(name->hash));
	else if (name->kind == TOKEN_QUOTED && name->size > 2)
		note_function(s, words_find(lexer_word_hash(name->start + 1, name->size - 2)));
	else if (name->kind == TOKEN_ESCAPED)
		s->effects |= SQL_EFFECT_SETTINGS | SQL_EFFECT_LOCKS | SQL_EFFECT_CODE;	/* who writes so has something to hide */
}

static bool
says_true(const struct token *t)
{
	static const char *const spellings[] = { "true", "'true'", "'t'" };

	for (size_t i = 0; i < lengthof(spellings); i++) {
		if (t->size == strlen(spellings[i]) && strncasecmp(t->start, spellings[i], t->size) == 0)
			return true;
	}
	return false;
}

/* A token of an argument of set_config, or of what is in there.  Behind a comma, one counts from none again. */
static void
note_argument(struct shape *s, const struct token *t)
{
	struct local_call *c = &s->call;

	if (t->kind == TOKEN_COMMA) {
		c->commas++;
		c->tokens = 0;
		return;
	}
	c->tokens++;
	c->is_true = says_true(t);
}

/* set_config(name, value, true) leaves nothing behind: true as one word or literal.  In doubt, it does. */
static void
end_call(struct shape *s, bool closed)
{
	const struct local_call *c = &s->call;

	if (c->depth != 0 && !(closed && c->commas == 2 && c->tokens == 1 && c->is_true))
		s->effects |= SQL_EFFECT_SETTINGS;
	s->call.depth = 0;
}

/* What is before is a schema, or a table. */
static void
note_schema(struct shape *s)
{
	const struct token *name = s->before;

	if (s->word->id == WORD_PG_TEMP)
		s->effects |= SQL_EFFECT_TEMP;
	else if (name->kind == TOKEN_QUOTED && name->size == 9 && memcmp(name->start, "\"pg_temp\"", 9) == 0)
		s->effects |= SQL_EFFECT_TEMP;
}

/* UPDATE pg_settings is set_config() by a rule.  The name may stand behind a dot. */
static void
note_settings(struct shape *s, const struct token *t)
{
	const struct word *w = &words_plain;

	if (t->kind == TOKEN_WORD)
		w = words_find(t->hash);
	else if (t->kind == TOKEN_QUOTED && t->size > 2)
		w = words_find(lexer_word_hash(t->start + 1, t->size - 2));
	if (w->id == WORD_PG_SETTINGS || t->kind == TOKEN_ESCAPED)
		s->effects |= SQL_EFFECT_SETTINGS;
}

/* CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP, INTO TEMP; but there may be a table of this name to insert into. */
static void
note_temp(struct shape *s, const struct word *w)
{
	if (s->temp_way && w->id == WORD_TEMP)
		s->effects |= SQL_EFFECT_TEMP;
	if (w->id == WORD_INTO)
		s->temp_way = s->word->id != WORD_INSERT && s->word->id != WORD_MERGE;
	else if (w->id == WORD_CREATE)
		s->temp_way = true;
	else
		s->temp_way = s->temp_way && (w->flags & WORD_TEMP_WAY) != 0;
}

/* CREATE FUNCTION and COPY ... PROGRAM have their code in a literal.  (Other DDL that names functions: in doubt.) */
static void
note_code(struct shape *s, const struct word *w)
{
	if ((w->id == WORD_FUNCTION && s->verb == SQL_DDL) || (w->id == WORD_PROGRAM && s->verb == SQL_COPY))
		s->effects |= SQL_EFFECT_CODE;
}

/* A function's body may be statements, with semicolons. */
static void
note_atomic(struct shape *s, const struct word *w)
{
	if (w->id == WORD_ATOMIC && s->word->id == WORD_BEGIN && s->verb == SQL_DDL)
		s->atomic = 1;
	else if (s->atomic != 0 && w->id == WORD_CASE)
		s->atomic++;
	else if (s->atomic != 0 && w->id == WORD_END)
		s->atomic--;
}

/* The statement's first word. */
static void
begin_verb(struct shape *s, const struct word *w)
{
	s->verb = (enum sql_verb)w->verb;
	s->behind_with = w->id == WORD_WITH;
	s->with_depth = s->depth;
	if ((w->flags & WORD_HANDLES) != 0)
		s->handles = HANDLES_ALL;
	else if (w->id == WORD_DECLARE)
		s->handles = HANDLES_NEXT;
	if (s->verb == SQL_DO)
		s->effects |= SQL_EFFECTS | SQL_EFFECT_CODE;
}

/* Behind CTEs: but a CTE may be named so (WITH update AS ...). */
static bool
is_main_verb(const struct shape *s, const struct word *w)
{
	return (w->flags & WORD_MAIN) != 0 && s->depth == s->with_depth && s->word->id != WORD_WITH
		&& s->word->id != WORD_RECURSIVE && s->before->kind != TOKEN_COMMA;
}

/* --- tokens --- */

static void
forget_statement(struct shape *s)
{
	s->verb = SQL_EMPTY;
	s->behind_with = false;
	s->handles = HANDLES_NONE;
	s->atomic = 0;
	s->temp_way = false;
}

static void
begin_statement(struct shape *s)
{
	if (s->statements++ > 0)
		add_symbol(s, &s->semicolon);
	s->between = false;
	forget_statement(s);
}

static void
take_semicolon(struct shape *s, const struct token *t)
{
	s->operand = false;
	if (s->depth > 0 || s->atomic > 0) {
		add_symbol(s, t);
		return;
	}
	if (!s->between)
		s->semicolon = *t;
	s->between = true;
}

static bool
is_handle(struct shape *s, const struct word *w)
{
	if (s->handles == HANDLES_NONE)
		return false;
	if (s->handles == HANDLES_NEXT)
		s->handles = HANDLES_NONE;
	return (w->flags & WORD_KEPT) == 0;
}

static inline void
take_literal(struct shape *s, const struct token *t)
{
	if (s->handles == HANDLES_NEXT)
		s->handles = HANDLES_NONE;
	add_literal(s, t);
}

/* Returns what it means. */
static const struct word *
take_word(struct shape *s, const struct token *t)
{
	const struct word *w = s->before->kind != TOKEN_DOT ? words_find(t->hash) : &words_plain;

	if (w != &words_plain || s->temp_way) {
		note_temp(s, w);
		note_atomic(s, w);
		note_code(s, w);
	}
	if (s->updates)
		note_settings(s, t);
	s->updates |= w->id == WORD_UPDATE;
	if (s->verb == SQL_EMPTY) {
		begin_verb(s, w);
	} else if (s->behind_with && is_main_verb(s, w)) {
		s->verb = (enum sql_verb)w->verb;
		s->behind_with = false;
	} else if (is_handle(s, w) || (s->operand && (w->flags & WORD_CONSTANT) != 0)) {
		add_literal(s, t);
		return &words_plain;
	}
	add_symbol(s, t);
	s->operand = (w->flags & WORD_OPERAND) != 0;
	return w;
}

static void
take_quoted(struct shape *s, const struct token *t)
{
	s->temp_way = false;
	s->operand = false;
	if (s->updates)
		note_settings(s, t);
	if (is_handle(s, &words_plain))
		add_literal(s, t);
	else
		add_symbol(s, t);
}

static bool
is_sign(const struct shape *s, const struct token *t)
{
	return s->operand && t->size == 1 && (*t->start == '-' || *t->start == '+');
}

/* A sign is part of the number behind it. */
static void
take_operator(struct shape *s, struct token *t)
{
	struct lexer ahead = s->lexer;
	struct token number;

	if (is_sign(s, t)) {
		lexer_next(&ahead, &number);
		if (number.kind == TOKEN_NUMBER) {
			s->lexer = ahead;
			t->kind = TOKEN_NUMBER;
			add_literal(s, t);
			return;
		}
	}
	add_symbol(s, t);
	s->operand = true;
}

static void
take_open(struct shape *s, const struct token *t)
{
	bool round = *t->start == '(';
	bool array = !round && (s->word->id == WORD_ARRAY
		|| (is_in_list(s) && top_list(s)->kind == LIST_ARRAY && s->hash == ELEMENT));

	if (round)
		note_call(s);
	if (round && s->word->id == WORD_VALUES)
		begin_list(s, LIST_ROWS);
	add_symbol(s, t);
	s->depth++;
	if (array)
		begin_list(s, LIST_ARRAY);
	else if (round && s->word->id == WORD_IN && s->handles == HANDLES_NONE)
		begin_list(s, LIST_IN);
	s->operand = true;
}

static void
take_close(struct shape *s, const struct token *t)
{
	if (is_in_list(s))
		end_list(s);
	add_symbol(s, t);
	if (s->call.depth == s->depth && s->depth > 0)
		end_call(s, *t->start == ')');
	if (s->depth > 0)
		s->depth--;
	s->rows_over = is_in_list(s) && top_list(s)->kind == LIST_ROWS;
	s->operand = false;
}

static void
take_comma(struct shape *s, const struct token *t)
{
	if (is_in_list(s))
		next_element(s, t);
	else
		add_symbol(s, t);
	s->operand = true;
}

static void
take_ellipsis(struct shape *s, const struct token *t)
{
	add_symbol(s, t);
	s->rows_over = is_in_list(s) && top_list(s)->kind == LIST_ROWS;
	s->operand = false;
}

static void
take_token(struct shape *s, struct token *t)
{
	const struct word *w = &words_plain;

	if (s->call.depth != 0 && s->call.depth == s->depth && t->kind != TOKEN_CLOSE)
		note_argument(s, t);
	switch (t->kind) {
	case TOKEN_WORD:
		w = take_word(s, t);
		break;
	case TOKEN_QUOTED:
	case TOKEN_ESCAPED:
		take_quoted(s, t);
		break;
	case TOKEN_STRING:
	case TOKEN_NUMBER:
	case TOKEN_PARAM:
		take_literal(s, t);
		break;
	case TOKEN_OPERATOR:
		take_operator(s, t);
		break;
	case TOKEN_OPEN:
		take_open(s, t);
		break;
	case TOKEN_CLOSE:
		take_close(s, t);
		break;
	case TOKEN_COMMA:
		take_comma(s, t);
		break;
	case TOKEN_SEMICOLON:
		take_semicolon(s, t);
		break;
	case TOKEN_DOT:
		note_schema(s);
		add_symbol(s, t);
		s->operand = false;
		break;
	case TOKEN_ELLIPSIS:
		take_ellipsis(s, t);
		break;
	case TOKEN_COLON:
	case TOKEN_OTHER:
		add_symbol(s, t);
		s->operand = t->kind == TOKEN_COLON;
		break;
	case TOKEN_END:
		break;
	}
	s->word = w;
	s->before = t;
}

/* Not the tokens and lists: that would take longer than a short text. */
static void
shape_init(struct shape *s, const char *text, size_t n, struct shape_listener *listener)
{
	words_init();
	lexer_init(&s->lexer, text, n);
	s->listener = listener;
	s->before = &at_beginning;
	s->word = &words_plain;
	s->hash = 0;
	s->literal = s->operand = false;
	s->effects = 0;
	s->updates = false;
	s->depth = 0;
	s->call = (struct local_call){ .depth = 0 };
	s->statements = 0;
	s->between = true;
	s->rows_over = false;
	s->nlists = 0;
	forget_statement(s);
}

void
shape_read(struct shape *s, const char *text, size_t n, struct shape_listener *listener)
{
	shape_init(s, text, n, listener);
	for (unsigned turn = 0;; turn ^= 1) {
		struct token *t = &s->tokens[turn];
		lexer_next(&s->lexer, t);
		if (s->rows_over && t->kind != TOKEN_COMMA)
			end_list(s);
		if (t->kind == TOKEN_END)
			break;
		if (s->between && t->kind != TOKEN_SEMICOLON)
			begin_statement(s);
		if (s->nlists != 0 && s->hash == ELEMENT)
			look_at_element(s, t);
		take_token(s, t);
	}
	end_call(s, false);
	end_text(s);
}
