/*
 * parameters: the session parameters that drivers look for, as constants.
 * Some are told at login; SHOW tells all of them, and SET is ignored.
 */
#ifndef CONSOLE_PARAMETERS_H
#define CONSOLE_PARAMETERS_H

#include "base/report.h"
#include "pg/params.h"

struct parameter {
	struct column column; /* of SHOW name; its row is a pointer to the value */
	const char *value;
	bool told; /* at login */
};

/* NULL: there is none of this name. */
const struct parameter *parameter_find(const char *name);

/* What a client is told at login; a reference. */
const struct params *parameters_welcome(struct params_table *t, bool admin);

#endif
