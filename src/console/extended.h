/*
 * extended: the extended query protocol (Parse, Bind, Describe, Execute,
 * Close), for statements without parameters.
 */
#ifndef CONSOLE_EXTENDED_H
#define CONSOLE_EXTENDED_H

#include "console/dialogue.h"
#include "pg/reader.h"

void extended_parse(struct operator *op, struct reader *r);
void extended_bind(struct operator *op, struct reader *r);
void extended_describe(struct operator *op, struct reader *r);
void extended_execute(struct operator *op, struct reader *r);
void extended_close(struct operator *op, struct reader *r);

/* Sync: portals do not outlive it. */
void extended_end(struct operator *op);

void extended_release(struct operator *op);

#endif
