#include "sql/classify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sql/parser.h"

/* Names of CTEs that can be seen, the innermost first. */
struct scope {
	const struct scope *outer;
	const char *name;
};

/* What is known of the place where the walk is. */
struct place {
	const struct scope *ctes;
	bool target;		/* the table that INSERT, UPDATE, DELETE, MERGE write: never a CTE */
};

/* Statements that the lexer may have taken for something else, and whether they write. */
static const struct node {
	const char *name;
	enum sql_verb verb;
	bool writes;
} nodes[] = {
	{ "SelectStmt", SQL_SELECT, false },
	{ "InsertStmt", SQL_INSERT, true },
	{ "UpdateStmt", SQL_UPDATE, true },
	{ "DeleteStmt", SQL_DELETE, true },
	{ "MergeStmt", SQL_MERGE, true },
	{ "VariableShowStmt", SQL_SHOW, false },
	{ "ExplainStmt", SQL_EXPLAIN, false },
};

static const struct node *
find_node(const char *name)
{
	for (size_t i = 0; i < lengthof(nodes); i++) {
		if (strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	}
	return NULL;
}

/* --- tables --- */

static bool
is_cte(const struct scope *s, const char *name)
{
	for (; s != NULL; s = s->outer) {
		if (strcmp(s->name, name) == 0)
			return true;
	}
	return false;
}

/* Where name is, or should be put in. */
static int
find_place(const struct sql_class *c, const char *name)
{
	int i = 0;

	while (i < c->ntables && strcmp(c->tables[i], name) < 0)
		i++;
	return i;
}

/* Takes name. */
static void
add_table(struct sql_class *c, char *name)
{
	int at = find_place(c, name);

	if (at < c->ntables && strcmp(c->tables[at], name) == 0) {
		free(name);
		return;
	}
	if (c->ntables == SQL_TABLES_MAX) {
		free(name);
		c->more_tables = true;
		return;
	}
	memmove(&c->tables[at + 1], &c->tables[at], (size_t)(c->ntables - at) * sizeof(c->tables[0]));
	c->tables[at] = name;
	c->ntables++;
}

static void
take_table(struct sql_class *c, const json_t *range, const struct place *p)
{
	const char *schema = json_string_value(json_object_get(range, "schemaname"));
	const char *name = json_string_value(json_object_get(range, "relname"));

	if (name == NULL)
		return;
	if (schema == NULL) {
		if (p->target || !is_cte(p->ctes, name))
			add_table(c, memory_strdup(name));
		return;
	}
	size_t size = strlen(schema) + strlen(name) + 2;
	char *full = memory_alloc(size);
	snprintf(full, size, "%s.%s", schema, name);
	add_table(c, full);
}

/* --- the walk --- */

static void walk(struct sql_class *c, json_t *value, const struct place *p);

static void
walk_members(struct sql_class *c, json_t *object, const struct place *p)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		const struct node *n = find_node(key);
		if (n != NULL && n->writes)
			c->reads_only = false;
		if (strcmp(key, "lockingClause") == 0 || strcmp(key, "intoClause") == 0)
			c->reads_only = false;
		if (strcmp(key, "lockedRels") == 0)
			continue;	/* names of FROM, which may be aliases */
		struct place inside = { .ctes = p->ctes, .target = strcmp(key, "relation") == 0 };
		walk(c, value, &inside);
	}
}

/*
 * The queries of CTEs see those before them, with RECURSIVE all; the statement sees all.  One by one, each adds its
 * name to the scope of what follows, so the scopes lie on the stack.
 */
static void
walk_ctes(struct sql_class *c, json_t *statement, json_t *ctes, size_t i, const struct place *p, bool recursive)
{
	json_t *cte = json_object_get(json_array_get(ctes, i), "CommonTableExpr");

	if (i >= json_array_size(ctes)) {
		if (recursive)
			walk(c, ctes, p);
		walk_members(c, statement, p);
		return;
	}
	const char *name = json_string_value(json_object_get(cte, "ctename"));
	struct scope scope = { .outer = p->ctes, .name = name != NULL ? name : "" };
	struct place inside = { .ctes = &scope };
	if (!recursive)
		walk(c, json_array_get(ctes, i), p);
	walk_ctes(c, statement, ctes, i + 1, &inside, recursive);
}

static void
walk_object(struct sql_class *c, json_t *object, const struct place *p)
{
	json_t *with = json_object_get(object, "withClause");

	if (json_object_get(object, "relname") != NULL)
		take_table(c, object, p);
	if (with == NULL) {
		walk_members(c, object, p);
		return;
	}
	json_incref(with);
	json_object_del(object, "withClause");
	walk_ctes(c, object, json_object_get(with, "ctes"), 0, p,
		json_is_true(json_object_get(with, "recursive")));
	json_decref(with);
}

static void
walk(struct sql_class *c, json_t *value, const struct place *p)
{
	if (json_is_object(value)) {
		walk_object(c, value, p);
	} else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			walk(c, json_array_get(value, i), p);
	}
}

/* --- statements --- */

/* EXPLAIN ANALYZE does what it explains. */
static bool
is_executed(json_t *explain)
{
	json_t *options = json_object_get(explain, "options");

	for (size_t i = 0; i < json_array_size(options); i++) {
		json_t *option = json_object_get(json_array_get(options, i), "DefElem");
		const char *name = json_string_value(json_object_get(option, "defname"));
		if (name != NULL && strcmp(name, "analyze") == 0)
			return true;
	}
	return false;
}

static void
take_statement(struct sql_class *c, json_t *statement)
{
	const char *name = json_object_iter_key(json_object_iter(statement));
	const struct node *n = name != NULL ? find_node(name) : NULL;
	const struct place top = { .ctes = NULL };

	c->reads_only = n != NULL && !n->writes;
	walk(c, statement, &top);
	if (n != NULL)
		c->verb = n->verb;
	if (c->verb == SQL_EXPLAIN)
		c->reads_only = !is_executed(json_object_get(statement, name));
}

static void
take_tree(struct sql_class *c, json_t *tree)
{
	json_t *statements = json_object_get(tree, "stmts");
	bool reads_only = json_array_size(statements) > 0;

	for (size_t i = 0; i < json_array_size(statements); i++) {
		take_statement(c, json_object_get(json_array_get(statements, i), "stmt"));
		reads_only &= c->reads_only;
	}
	c->reads_only = reads_only;
	if (json_array_size(statements) > 1)
		c->verb = SQL_MULTI;
}

static bool
parse(struct sql_class *c, const char *text)
{
	json_t *tree = parser_read(text);

	if (tree == NULL)
		return false;
	take_tree(c, tree);
	json_decref(tree);
	return true;
}

/* What is too long for the parser may be so by its literals and lists; and sql_normalize's marks are no SQL. */
static bool
parse_shortened(struct sql_class *c, const char *text)
{
	size_t n = strlen(text);

	if (n <= PARSER_MAX && strstr(text, "...") == NULL)
		return false;
	char *normalized = memory_alloc(PARSER_MAX);
	sql_normalize(text, n, normalized, PARSER_MAX);
	char *shortened = sql_preparable(normalized);
	bool parsed = shortened != NULL && parse(c, shortened);
	free(shortened);
	free(normalized);
	return parsed;
}

void
sql_classify(struct sql_class *c, const char *text)
{
	struct sql_digest d;

	sql_digest(text, strlen(text), &d);
	*c = (struct sql_class){ .verb = (enum sql_verb)d.verb };
	c->parsed = parse(c, text) || parse_shortened(c, text);
}

void
sql_class_release(struct sql_class *c)
{
	for (int i = 0; i < c->ntables; i++)
		free(c->tables[i]);
	*c = (struct sql_class){ .verb = SQL_OTHER };
}
