/*
 * parameters: the part of a URL behind the question mark, read by a table.
 *
 *	struct tenants_query { int64_t top, sort; };
 *	static const struct parameter list[] = {
 *		{ .name = "top", .kind = PARAMETER_NUMBER, .offset = offsetof(struct tenants_query, top),
 *		  .low = 1, .high = 1000, .otherwise = 100 },
 *		{ .name = "sort", .kind = PARAMETER_WORD, .offset = offsetof(struct tenants_query, sort),
 *		  .find = query_order_find, .words = "total, calls, mean", .otherwise = QUERY_BY_TOTAL },
 *	};
 *	const struct parameters tenants_parameters = { list, lengthof(list), sizeof(struct tenants_query) };
 *
 * Strict: a name that is not in the table, one that comes twice, a bad value, a broken escape,
 * bytes that are no UTF-8: all are told in words.
 */
#ifndef HTTP_PARAMETERS_H
#define HTTP_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/refusal.h"

#define PARAMETER_TEXT_MAX 256	/* bytes of a value */

enum parameter_kind {
	PARAMETER_TEXT,		/* the field is a const char *, NULL if it is not given */
	PARAMETER_TENANT,	/* likewise; a token bound to a tenant may name no other, and gets its own if it names none */
	PARAMETER_NUMBER,	/* int64_t in low..high */
	PARAMETER_WORD,		/* int64_t: what find says of the word */
};

struct parameter {
	const char *name;
	enum parameter_kind kind;
	size_t offset;			/* of the field */
	int64_t low, high;
	int64_t otherwise;		/* not given */
	int (*find)(const char *word);	/* -1: no such word */
	const char *words;		/* that there are, for people */
};

struct parameters {
	const struct parameter *list;
	size_t n;
	size_t size;			/* of the struct */
};

/* Read query ("" or NULL: nothing is given) into a new struct of p->size bytes.  NULL: r (400) says
 * what is wrong with it. */
void *parameters_read(const struct parameters *p, const char *query, struct refusal *r);

/* With its texts. */
void parameters_free(const struct parameters *p, void *values);

#endif
