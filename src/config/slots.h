/*
 * slots: the different ways in which databases want TLS with their servers.
 *
 * However many databases there are, few sets of server_tls_* keys of their own
 * are: each set is a slot, and a context is made for each slot.  Slot 0 is that
 * of all who have none of their own.
 *
 * Filled while loading, by one thread.
 */
#ifndef CONFIG_SLOTS_H
#define CONFIG_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/arena.h"
#include "config/config.h"
#include "config/ini.h"
#include "config/lookup.h"

/* What the databases of a slot set themselves; as in struct config_database. */
struct slot {
	size_t number;
	const char *database;	/* the first of them, for messages; NULL: slot 0 */
	const struct ini_place *at;	/* of its line, or NULL */
	int sslmode;
	int negotiation;
	const char *ca_file, *cert_file, *key_file;
};

/* Zeroed at first; what is found lies in the arena. */
struct slots {
	struct lookup by_text;
};

/* The slot of this database, made if it is the first.  Its strings are borrowed, and so is at, which may be NULL. */
size_t slots_number(struct slots *s, const struct config_database *d, const struct ini_place *at, struct config_arena *arena);

/* Are these what the database sets itself? */
bool slot_fits(const struct slot *slot, const struct config_database *d);

/* All of them by number, *n in all; then release. */
const struct slot *slots_list(const struct slots *s, struct config_arena *arena, size_t *n);
void slots_release(struct slots *s);

#endif
