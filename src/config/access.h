/*
 * access: the rules of who may come in, of a snapshot.
 *
 * c->hba and c->ident from the files that auth_hba_file and auth_ident_file
 * name, and a check that auth_type, the rules and the other keys go together.
 * What can't work is an error; what only lets nobody in is a warning.
 *
 * Private to this folder.
 */
#ifndef CONFIG_ACCESS_H
#define CONFIG_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"
#include "config/faults.h"

struct config_access {
	atomic_int refs;
	struct hba *hba;
	struct ident *ident;
};

/* Read the files and check, after c->client_tls was made.  What c has is given back when all is well; otherwise f has
 * more errors than before, and c is as it was. */
void access_make(struct config *c, struct faults *f);

/* Do auth_type and client_tls_sslmode go together?  access_make asks this too. */
bool access_check(const struct config *c, struct error *e);

/* For a copy of a snapshot, and for its end. */
void access_ref(const struct config *c);
void access_unref(const struct config *c);

#endif
