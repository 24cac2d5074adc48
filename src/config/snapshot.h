/*
 * snapshot: what a struct config holds behind its fields.  Private to this folder.
 *
 *	struct config ── arena: the struct and the text of [pgbouncer]'s keys
 *	      │
 *	      ├── index ── arena: databases, tenants, users, hosts, limits ... and their names
 *	      ├── client_tls, http_tls, servers: contexts (config/contexts.h)
 *	      └── access: hba and ident (config/access.h)
 *
 * SET makes a new struct config with an arena of its own and takes a reference
 * to the index, so that the lists are there once and old values go with the
 * snapshot that held them.  It does so too with all else but what the key
 * changes.
 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/arena.h"
#include "config/lookup.h"
#include "config/slots.h"

struct config_index {
	atomic_int refs;
	struct config_arena *arena;
	struct lookup databases; /* struct lines_database; without "*" */
	struct lookup users;	/* struct config_user */
	struct lookup peers;	/* struct config_peer, by number without leading zeros */
	struct lookup certificates; /* struct lines_certificate, by host */
	struct lookup tokens;	/* struct http_token, by name */
	struct lookup token_hashes; /* the same, by the hash in hex */
	struct lookup tenants;	/* struct lines_database; without "*" */
	struct lookup hosts;	/* struct hosts_line, by host_key */
	struct lookup limits;	/* struct config_limit_line, by limit_key */
	bool limit_bits[129];	/* lengths of networks in limits */
	uint64_t template_signs; /* of "*" in [tenants]: config/template.h */
	struct config_database nothing; /* a line in which nothing is set */
	const struct slot *slots;
	size_t nslots;
};

#endif
