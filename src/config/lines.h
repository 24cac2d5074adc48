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
#include "config/ini.h"
#include "config/keys.h"
#include "config/slots.h"

struct lines_section;

/* A line of [tenants] while not all of them are read. */
struct lines_tenant {
	struct config_database database;
	uint64_t set;	/* bits of its own keys: all others are those of "*" */
};

struct lines {
	struct config *c;
	struct config_index *index;
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

	/* where these were set; file is NULL if nowhere */
	struct ini_place http_listen, webhook_secret;

	struct config_database *autodb, *template;
	struct slots slots;
};

/* c has an arena, an index, and nothing else: its keys get their defaults. */
void lines_begin(struct lines *l, struct config *c);

/* For an ini reader; their argument is the struct lines. */
bool lines_enter_section(void *arg, const char *name, const struct ini_place *at, struct error *e);
bool lines_take_pair(void *arg, char *key, char *value, const struct ini_place *at, struct error *e);

/* The user of this name, made if there is none. */
struct config_user *lines_user(struct lines *l, const char *name);

/* Fill the lists of c, in the order of the files. */
void lines_end(struct lines *l);

#endif
