/*
 * show: a report, made and sent to an operator.
 */
#ifndef CONSOLE_SHOW_H
#define CONSOLE_SHOW_H

#include "console/inside.h"

/* tenant: NULL, or the only one that is wanted.  Ends with a task. */
void show_run(struct dialogue *d, const struct report_kind *kind, const char *tenant);

#endif
