/*
 * snapshot: what a struct config holds behind its fields.  Private to this folder.
 *
 *	struct config ── arena: the struct and the text of [pgbouncer]'s keys
 *	      │
 *	      └── index ── arena: databases, users, peers and their names
 *
 * SET makes a new struct config with an arena of its own and takes a reference
 * to the index, so that the lists are there once and old values go with the
 * snapshot that held them.
 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include <stdatomic.h>

#include "config/arena.h"
#include "config/lookup.h"

struct config_index {
	atomic_int refs;
	struct config_arena *arena;
	struct lookup databases; /* struct config_database; without "*" */
	struct lookup users;	/* struct config_user */
	struct lookup peers;	/* struct config_peer, by number without leading zeros */
};

#endif
