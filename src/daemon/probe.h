/*
 * probe: is there a tenant's database at a place?  Asked over libpq on a helper.
 *
 * It logs in as the pooler would: as the line's user=, else as auth_user, else as somebody who
 * uses the tenant now.  Where the server wants a password that nobody here knows, it is enough
 * that it answers.  Each connection has a place among those that [hosts] allows.
 */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

#include "config/config.h"
#include "net/helpers.h"
#include "tenant/host.h"

#define PROBE_PATIENCE (5 * USEC_PER_SEC)	/* with a server; a resolver may take longer */

struct probe {
	struct helper_job job;	/* mail.kind, reply, owner and done are the submitter's */
	struct error error;	/* sqlstate "": it is there */
	bool unsure;		/* the server answers, and that is all that is known */
	struct hosts *hosts;	/* borrowed */
	int port;
	char *dbname;
	char *options[12];	/* of libpq, private; secrets among them */
};

/* user: who uses the tenant, or NULL. */
struct probe *probe_new(const struct config *c, struct hosts *hosts, const struct config_database *db, const char *user);
void probe_free(struct probe **p);

#endif
