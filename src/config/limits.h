/*
 * limits: the lines of [limits], and which of them count for somebody.
 *
 *	name = scope ( ":" whom )?  |  "class:" name
 *
 * Private to this folder.
 */
#ifndef CONFIG_LIMITS_H
#define CONFIG_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/error.h"
#include "config/networks.h"

#define LIMIT_KEY 200
#define LIMIT_MAX_DELAY (1 * USEC_PER_SEC)	/* if no line says */

/* A line's name: *whom is "" or stands in name, or, for networks, in buf.  false: e (F0000) says what is wrong. */
bool limit_parse_name(const char *name, int *scope, const char **whom, char buf[NETWORK_TEXT], struct error *e);

/* What index->limits has it under.  Returns key. */
const char *limit_key(int scope, const char *whom, char key[LIMIT_KEY]);

/* Note in bits (129 of them) which length whom has, if it is a network. */
void limit_note_network(bool *bits, int scope, const char *whom);

#endif
