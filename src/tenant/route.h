/*
 * route: which tenant a client asks for.
 *
 * tenant_route lists where the name may stand, in the order in which it counts:
 *
 *	options		options=-c pgusher.tenant=acme, or a startup parameter pgusher.tenant or tenant
 *	sni		the host name of TLS: acme.db.example.com, with tenant_sni_suffix = .db.example.com
 *	user		user.tenant: behind the last dot; what stands before it is the user
 *	database	the database
 *
 * The first that says something counts; if two of options, sni and user say different
 * things, the client is refused (28000), whoever may be meant.  The database is only a
 * name then, unless [databases] has a line of it that is another tenant: that is a
 * contradiction, too.  If nothing says anything: tenant_fallback.
 *
 * Names that are none (config_is_tenant_name) are refused, but for those of [databases].
 * Pure function, any thread.
 */
#ifndef TENANT_ROUTE_H
#define TENANT_ROUTE_H

#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"

#define TENANT_NAME 64		/* room for a name that was folded or cut out, with its NUL */

/* What a client says; NULL: nothing. */
struct route_signs {
	const char *database;
	const char *user;	/* never NULL */
	const char *sni;
	const char *option;
};

struct route {
	const char *tenant;	/* one of the signs, or `name`, or of the snapshot */
	size_t user_length;	/* how much of signs->user is the user's name */
	char name[TENANT_NAME];
	bool late;		/* of one that failed: tell it only to who has proved a password at the tenant, which is
				 * set; for it says what stands in [databases] */
};

/* false: e (28000: contradiction; 3D000: nothing says which tenant, or what is said is no name) */
bool route_find(const struct config *c, const struct route_signs *signs, struct route *r, struct error *e);

#endif
