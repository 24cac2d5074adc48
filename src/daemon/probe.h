/*
 * probe: is there a tenant's database at a place?  Asked over libpq on a helper.
 *
 * It logs in as the pooler would: as the line's user=, else as auth_user, else as somebody who
 * uses the tenant now.  Where the server wants a password that nobody here knows, it is enough
 * that it answers.  Who submits it has a place for it at each of its hosts: libpq does not say which it is at.
 */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

#include "config/config.h"
#include "net/helpers.h"

#define PROBE_PATIENCE (5 * USEC_PER_SEC)	/* with a server; a resolver may take longer */

struct probe {
	struct helper_job job;	/* mail.kind, reply, owner and done are the submitter's */
	struct error error;	/* sqlstate "": it is there */
	bool unsure;		/* the server answers, and that is all that is known */
	int port;		/* of all its hosts */
	char *dbname;
	char *options[12];	/* of libpq, private; secrets among them */
};

/* user: who uses the tenant, or NULL. */
struct probe *probe_new(const struct config *c, const struct config_database *db, const char *user);
void probe_free(struct probe **p);

/* The n-th of host=a,b.  false: there is none. */
bool probe_host(const struct probe *p, int n, char *host, size_t size);

#endif
