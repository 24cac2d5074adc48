/*
 * watch: which statements are usual for a role of a tenant, and what is done about others.
 *
 *	THREAT_RECORD	each digest is learned
 *	THREAT_DETECT	what is not learned, or hits a rule, is told (struct threat)
 *	THREAT_PROTECT	... and refused (42501), before it is sent
 *
 * One struct watch per (tenant, role) that has a mode, on the tenant's worker; what was
 * learned is written to threat_file by the control thread and read at start.  Eight
 * bytes a statement, threat_max of them.
 */
#ifndef THREAT_WATCH_H
#define THREAT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"
#include "net/mailbox.h"
#include "threat/rules.h"

struct watch;

/* What was noticed; goes to the monitor, which keeps, counts and tells it.  Strings are owned. */
struct threat {
	struct mail mail;	/* the daemon's */
	usec_t at;		/* wall clock */
	char *tenant, *user, *client, *application_name;
	enum threat_mode mode;
	uint32_t rules;		/* bits of enum threat_rule */
	bool refused;
	uint64_t hash;
	char *text;		/* normalized: no literal of it */
};

void threat_free(struct threat **t);

#endif
