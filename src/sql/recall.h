/*
 * recall: the digests of texts that were read lately.
 *
 * Drivers that bind parameters send the same text again and again: it is known by a hash
 * of its bytes, which takes a tenth of reading it.  A text that says something in a comment
 * is always read.
 *
 * One thread.  The hash is keyed, so that nobody can make two texts that are taken for one.
 */
#ifndef SQL_RECALL_H
#define SQL_RECALL_H

#include <stddef.h>
#include <stdint.h>

#include "sql/digest.h"

#define RECALL_TEXTS 256
#define RECALL_SECRET 192

struct sql_recall {
	uint8_t secret[RECALL_SECRET];
	struct {
		uint64_t key;		/* of the text; 0: none */
		uint64_t hash;		/* of the digest */
		uint8_t verb, effects;
	} of[RECALL_TEXTS];
};

void sql_recall_init(struct sql_recall *r);

/* As sql_digest. */
void sql_recall_digest(struct sql_recall *r, const char *text, size_t n, struct sql_digest *d);

#endif
