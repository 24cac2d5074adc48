/*
 * answer: pieces of answers that the extended protocol needs on their own.
 */
#ifndef CONSOLE_ANSWER_H
#define CONSOLE_ANSWER_H

#include "base/buffer.h"
#include "base/report.h"

/* RowDescription. */
void answer_describe(struct buffer *b, const struct column *columns, size_t n);

#endif
