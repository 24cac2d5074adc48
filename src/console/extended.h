/*
 * extended: the extended query protocol (Parse, Bind, Describe, Execute,
 * Close), for statements without parameters.
 */
#ifndef CONSOLE_EXTENDED_H
#define CONSOLE_EXTENDED_H

#include "console/dialogue.h"
#include "pg/reader.h"

void extended_parse(struct dialogue *d, struct reader *r);
void extended_bind(struct dialogue *d, struct reader *r);
void extended_describe(struct dialogue *d, struct reader *r);
void extended_execute(struct dialogue *d, struct reader *r);
void extended_close(struct dialogue *d, struct reader *r);

/* Sync: portals do not outlive it. */
void extended_end(struct dialogue *d);

void extended_release(struct dialogue *d);

#endif
