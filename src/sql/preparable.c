#include "sql/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/strings.h"
#include "sql/lexer.h"
#include "sql/parser.h"

#define CUT "..."
#define LAST_PARAM 65535	/* of the protocol */

/* What may stand before a string to say its type: there no parameter may stand, but a cast of one means the same. */
static const char type_names[] =
	"bigint, bit, bool, boolean, box, bytea, cidr, circle, date, decimal, double, float, float4, float8, inet, int, int2, "
	"int4, int8, integer, interval, json, jsonb, line, lseg, macaddr, money, numeric, path, pg_lsn, point, polygon, "
	"real, regclass, smallint, text, time, timestamp, timestamptz, timetz, tsquery, tsvector, uuid, varbit, varchar, "
	"xml, daterange, int4range, int8range, numrange, tsrange, tstzrange";

/* The rest of the names that have several words. */
static const char type_rests[] = "precision, with, without, time, zone, varying";

#define TYPE_WORDS 4		/* timestamp with time zone */

/* A word of the text that is written. */
struct written {
	struct token word;
	size_t at;		/* in out */
};

struct rewrite {
	struct buffer out;
	uint16_t *numbers;	/* of parameters there, by their number here; 0: none yet */
	unsigned nparams;
	struct written last[TYPE_WORDS];	/* words with nothing between them, the latest last */
	size_t nlast;
};

static bool
is_one_of(const char *list, const struct token *t)
{
	char word[16];

	if (t->kind != TOKEN_WORD || t->size >= sizeof(word))
		return false;
	memcpy(word, t->start, t->size);
	word[t->size] = '\0';
	return string_in_list_nocase(list, word);
}

/* 0: no server takes it. */
static uint16_t
read_number(const struct token *t)
{
	unsigned number = 0;

	for (size_t i = 1; i < t->size && number <= LAST_PARAM; i++)
		number = number * 10 + (unsigned)(t->start[i] - '0');
	return number <= LAST_PARAM ? (uint16_t)number : 0;
}

/* Where the name of a type begins with which the text ends so far, or NULL. */
static const struct written *
find_type(const struct rewrite *r)
{
	const struct written *type = NULL;

	for (size_t i = r->nlast; i-- > 0;) {
		if (is_one_of(type_names, &r->last[i].word))
			type = &r->last[i];
		if (!is_one_of(type_rests, &r->last[i].word))
			break;
	}
	return type;
}

static void
keep_word(struct rewrite *r, const struct token *t)
{
	if (r->nlast == TYPE_WORDS) {
		r->nlast--;
		memmove(r->last, r->last + 1, r->nlast * sizeof(r->last[0]));
	}
	r->last[r->nlast++] = (struct written){ .word = *t, .at = r->out.len };
}

/* false: no server takes a parameter of this number. */
static bool
write_param(struct rewrite *r, const struct token *t)
{
	const struct written *type = find_type(r);
	char text[16];
	unsigned number = 0;

	for (size_t i = 1; i < t->size && number <= LAST_PARAM; i++)
		number = number * 10 + (unsigned)(t->start[i] - '0');
	if (number == 0 || number > LAST_PARAM)
		return false;
	if (r->numbers[number] == 0)
		r->numbers[number] = (uint16_t)++r->nparams;
	int n = snprintf(text, sizeof(text), "%s$%u%s", type == NULL && t->gap ? " " : "", r->numbers[number],
		type != NULL ? "::" : "");
	if (type != NULL)
		r->out.len = type->at;
	buffer_append(&r->out, text, (size_t)n);
	if (type != NULL) {
		const struct token *end = &r->last[r->nlast - 1].word;
		buffer_append(&r->out, type->word.start, (size_t)(end->start + end->size - type->word.start));
	}
	return true;
}

static bool
write_token(struct rewrite *r, const struct token *t)
{
	if (t->kind == TOKEN_PARAM) {
		bool fits = write_param(r, t);
		r->nlast = 0;
		return fits;
	}
	if (t->gap)
		buffer_append(&r->out, " ", 1);
	if (t->kind == TOKEN_WORD)
		keep_word(r, t);
	else
		r->nlast = 0;
	buffer_append(&r->out, t->start, t->size);
	return true;
}

/* Elements that were folded are told by `, ...`. */
static bool
rewrite(struct rewrite *r, const char *text, size_t n)
{
	struct lexer l;
	struct token t, comma;
	bool held = false;

	lexer_init(&l, text, n);
	for (lexer_next(&l, &t); t.kind != TOKEN_END; lexer_next(&l, &t)) {
		if (held && t.kind != TOKEN_ELLIPSIS)
			write_token(r, &comma);
		held = t.kind == TOKEN_COMMA;
		if (held)
			comma = t;
		else if (t.kind != TOKEN_ELLIPSIS && !write_token(r, &t))
			return false;
	}
	return true;
}

/* sql_normalize puts no blank before the mark of a cut; before that of a fold there is one. */
static bool
was_cut(const char *text, size_t n)
{
	size_t mark = strlen(CUT);

	return n >= mark && memcmp(text + n - mark, CUT, mark) == 0 && (n == mark || text[n - mark - 1] != ' ');
}

static bool
is_planned(const char *text, size_t n)
{
	struct sql_digest d;

	sql_digest(text, n, &d);
	return d.verb == SQL_SELECT || d.verb == SQL_INSERT || d.verb == SQL_UPDATE || d.verb == SQL_DELETE
		|| d.verb == SQL_MERGE;
}

char *
sql_preparable(const char *normalized)
{
	size_t n = strlen(normalized);
	struct rewrite r = { .out = BUFFER_INIT };

	if (n > PARSER_MAX || was_cut(normalized, n) || !is_planned(normalized, n))
		return NULL;
	r.numbers = memory_zalloc((LAST_PARAM + 1) * sizeof(*r.numbers));
	bool good = rewrite(&r, normalized, n);
	free(r.numbers);
	buffer_append(&r.out, "", 1);
	char *text = good && parser_accepts((const char *)r.out.data) ? memory_strdup((const char *)r.out.data) : NULL;
	buffer_release(&r.out);
	return text;
}

static bool
is_in(const uint16_t *numbers, size_t n, uint16_t number)
{
	while (n > 0)
		if (numbers[--n] == number)
			return true;
	return false;
}

size_t
sql_parameter_order(const char *normalized, uint16_t *numbers, size_t max)
{
	struct lexer l;
	struct token t;
	size_t n = 0;

	lexer_init(&l, normalized, strlen(normalized));
	for (lexer_next(&l, &t); t.kind != TOKEN_END && n < max; lexer_next(&l, &t)) {
		uint16_t number = t.kind == TOKEN_PARAM ? read_number(&t) : 0;
		if (number != 0 && !is_in(numbers, n, number))
			numbers[n++] = number;
	}
	return n;
}
