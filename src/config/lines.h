/*
 * lines: from the lines of the sections to what a snapshot lists.
 *
 *	lines_begin ── ini_read(..., &lines_ops, l) ── [ lines_user ]* ── lines_end
 *
 * Private to this folder; one thread.
 */
#ifndef CONFIG_LINES_H
#define CONFIG_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "config/faults.h"
#include "config/ini.h"
#include "config/keys.h"
#include "config/slots.h"

struct lines_section;

/* What the lists have of each line of [databases] and [tenants]. */
struct lines_database {
	struct config_database database;
	uint64_t set;	/* of [tenants]: bits of its own keys; all others are those of "*" */
	struct ini_place at;
};

/* And of [tls_certificates]. */
struct lines_certificate {
	struct tls_certificate certificate;
	struct ini_place at;
};

struct lines {
	struct config *c;
	struct config_index *index;
	struct faults faults;
	const struct lines_section *section; /* NULL before the first one */
	bool pgbouncer_seen;

	/* a line of each section in which nothing is set */
	struct config_database database;
	struct config_user user;
	struct config_host host;
	struct config_limits limits;
	struct config_peer peer;
	struct tls_certificate certificate;
	struct http_token token;

	struct lines_database *autodb, *template;
	struct slots slots;
};

/* c has an arena, an index, and nothing else: its keys get their defaults. */
void lines_begin(struct lines *l, struct config *c);

/* For an ini reader; their argument is the struct lines. */
bool lines_enter_section(void *arg, const char *name, const struct ini_place *at, struct error *e);
bool lines_take_pair(void *arg, char *key, char *value, const struct ini_place *at, struct error *e);
void lines_refused(void *arg, const struct ini_place *at, const struct error *e);

/* Where one of c->databases, c->tenants, c->autodb, c->template stands, as long as its snapshot does. */
const struct ini_place *lines_place(const struct config_database *d);

/* The user of this name, made if there is none. */
struct config_user *lines_user(struct lines *l, const char *name);

/* Fill the lists of c, in the order of the files. */
void lines_end(struct lines *l);

#endif
