/*
 * trace: what an application says about a statement in a comment, by the rules of
 * sqlcommenter: key='value' pairs, separated by commas, values percent-encoded.
 *
 *	select 1 / * application='shop',route='%2Forders',traceparent='00-4bf9...-00f0...-01' * /
 *
 * Any thread.
 */
#ifndef SQL_TRACE_H
#define SQL_TRACE_H

#include <stdbool.h>
#include <stddef.h>

/* NUL-terminated, valid UTF-8 without control characters; "" where nothing is said. */
struct sql_trace {
	char traceparent[56];		/* W3C: version-traceid-spanid-flags; only if it is well-formed */
	char application[64];
	char route[128];
	char controller[64];
	char action[64];
	char framework[64];
	char db_driver[64];
};

/* Read the inside of a comment.  false: it says nothing of the above, and t is all "". */
bool sql_trace_parse(struct sql_trace *t, const char *comment, size_t n);

#endif
