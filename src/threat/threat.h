/*
 * threat: what was noticed; goes to the monitor, which keeps, counts and tells it.
 */
#ifndef THREAT_THREAT_H
#define THREAT_THREAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/config.h"
#include "net/mailbox.h"
#include "threat/rules.h"

/* Strings are owned. */
struct threat {
	struct mail mail;	/* the daemon's */
	usec_t at;		/* wall clock */
	char *tenant, *user, *client;
	char *application_name;	/* NULL: none */
	enum threat_mode mode;
	uint32_t rules;		/* THREAT_BIT of enum threat_rule */
	bool refused;
	uint64_t hash;		/* of the digest; 0: not known */
	char *text;		/* normalized: no literal of it; NULL: it can't be shown */
};

void threat_free(struct threat **t);	/* NULL is fine */

const char *threat_mode_name(enum threat_mode m);	/* "off", "record" ... */

#endif
