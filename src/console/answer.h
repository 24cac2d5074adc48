/*
 * answer: pieces of answers that the extended protocol needs on their own.
 */
#ifndef CONSOLE_ANSWER_H
#define CONSOLE_ANSWER_H

#include "base/buffer.h"
#include "base/report.h"

/* What Bind asked for: none, one for all, or one for each column. */
struct formats {
	uint16_t n;
	uint16_t *list; /* 0 text, 1 binary */
};

/* RowDescription. */
void
answer_describe(struct buffer *b, const struct column *columns, size_t n, const struct formats *f);

#endif
