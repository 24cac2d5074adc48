#include "sql/digest.h"

#include "sql/shape.h"

static const char *const verb_names[] = {
	[SQL_OTHER] = "OTHER",
	[SQL_SELECT] = "SELECT",
	[SQL_INSERT] = "INSERT",
	[SQL_UPDATE] = "UPDATE",
	[SQL_DELETE] = "DELETE",
	[SQL_MERGE] = "MERGE",
	[SQL_COPY] = "COPY",
	[SQL_BEGIN] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVEPOINT] = "SAVEPOINT",
	[SQL_SET] = "SET",
	[SQL_SHOW] = "SHOW",
	[SQL_EXPLAIN] = "EXPLAIN",
	[SQL_PREPARE] = "PREPARE",
	[SQL_EXECUTE] = "EXECUTE",
	[SQL_CURSOR] = "CURSOR",
	[SQL_CALL] = "CALL",
	[SQL_DO] = "DO",
	[SQL_DDL] = "DDL",
	[SQL_MAINTENANCE] = "MAINTENANCE",
	[SQL_NOTIFY] = "NOTIFY",
	[SQL_DISCARD] = "DISCARD",
	[SQL_LOCK] = "LOCK",
	[SQL_EMPTY] = "EMPTY",
	[SQL_MULTI] = "MULTI",
};

const char *
sql_verb_name(enum sql_verb v)
{
	return (unsigned)v < SQL_VERBS ? verb_names[v] : verb_names[SQL_OTHER];
}

static enum sql_verb
tell_verb(const struct shape *s)
{
	if (s->statements == 0)
		return SQL_EMPTY;
	if (s->statements > 1)
		return SQL_MULTI;
	return s->verb != SQL_EMPTY ? s->verb : SQL_OTHER;
}

void
sql_digest(const char *text, size_t n, struct sql_digest *d)
{
	struct shape s;

	shape_read(&s, text, n, NULL);
	*d = (struct sql_digest){
		.hash = s.hash != 0 ? s.hash : 1,
		.verb = (uint8_t)tell_verb(&s),
		.effects = s.effects,
		.comment = s.lexer.comment,
		.comment_size = s.lexer.comment_size,
	};
}
