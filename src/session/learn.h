/*
 * learn: ask PostgreSQL's parser, on a helper thread, what a statement is that this worker
 * sees for the first time (sql/classify.h), and tell the statistics.
 */
#ifndef SESSION_LEARN_H
#define SESSION_LEARN_H

#include "session/shard.h"

/* n bytes of text (a NUL ends it) are copied, and wiped when they have been read.  Logins come first; if the helpers
 * have too much to do, the lexer's opinion has to do. */
void learn_statement(struct shard *s, uint64_t hash, const char *text, size_t n);

#endif
