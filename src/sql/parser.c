#include "sql/parser.h"

#include <pg_query.h>
#include <string.h>

json_t *
parser_read(const char *text)
{
	if (strlen(text) > PARSER_MAX)
		return NULL;
	PgQueryParseResult r = pg_query_parse(text);
	json_t *tree = r.error == NULL ? json_loads(r.parse_tree, 0, NULL) : NULL;
	pg_query_free_parse_result(r);
	return tree;
}

bool
parser_accepts(const char *text)
{
	if (strlen(text) > PARSER_MAX)
		return false;
	PgQuerySplitResult r = pg_query_split_with_parser(text);
	bool accepts = r.error == NULL;
	pg_query_free_split_result(r);
	return accepts;
}
