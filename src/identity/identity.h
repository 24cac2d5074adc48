/*
 * identity: asks somebody else whether a password is right: PAM, or an LDAP
 * server.
 *
 * These calls block, for as long as the other side likes up to their own
 * deadlines: they are for helper threads only.  They touch nothing but their
 * arguments.
 */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define IDENTITY_TIMEOUT 5	/* seconds, for each step of a dialogue with a directory */

enum identity_verdict {
	IDENTITY_FITS,
	IDENTITY_REFUSED,	/* wrong password, unknown or locked user: not told apart to the client */
	IDENTITY_FAILED,	/* the other side could not be asked; *e says why, for the log and the client */
};

/* Ask PAM's service "pgbouncer" (account checks too: expired, locked).  host: the client's address, for PAM_RHOST;
 * NULL for a Unix socket.  One is asked at a time; who has waited for its turn for IDENTITY_TIMEOUT has FAILED. */
enum identity_verdict pam_check(const char *user, const char *password, const char *host, struct error *e);

/* What TLS believes is libldap's ldap.conf to say, which is read once in the life of the process, as are the files
 * that it names.  Several servers are asked in turn, the next when one does not answer.
 * Options as in pg_hba.conf (ldapserver ldapport ldapscheme ldaptls ldapprefix ldapsuffix ldapbasedn ldapbinddn
 * ldapbindpasswd ldapsearchattribute ldapsearchfilter ldapurl), as `name="value" name=value ...`.  An empty password
 * is refused without asking: a directory takes it for an anonymous bind. */
enum identity_verdict ldap_check(const char *options, const char *user, const char *password, struct error *e);

/* Are these options whole and not in conflict?  false: e (F0000) says what is wrong. */
bool ldap_options_check(const char *options, struct error *e);

/* Were they built in? */
bool identity_has_pam(void);
bool identity_has_ldap(void);

#endif
