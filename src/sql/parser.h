/*
 * parser: libpg_query, within bounds.
 *
 * Private to the folder.  Any thread; the library keeps its memory by thread and gives it
 * back when that ends.
 */
#ifndef SQL_PARSER_H
#define SQL_PARSER_H

#include <jansson.h>
#include <stdbool.h>

/*
 * It goes as deep into the stack as a text nests, without a look at where that ends, and what nests most for its
 * length ("1+1+1...") takes 130 bytes for every two.  So longer texts are refused: half a megabyte is less than any
 * thread has.
 */
#define PARSER_MAX 8192

/* The parse tree, as https://github.com/pganalyze/libpg_query describes it; NULL: no SQL, or too much of it. */
json_t *parser_read(const char *text);

/* Is it SQL?  For a quarter of that, since no tree is told. */
bool parser_accepts(const char *text);

#endif
