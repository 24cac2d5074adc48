/*
 * deadline: the point in time up to which an LDAP connection is waited for.
 *
 * libldap's own timeouts end at poll: half a message, or a TLS handshake that
 * does not go on, holds it up for ever (or, with a timeout for the network, has
 * it ask again and again without a pause).  So each read and write of the
 * socket goes through a layer that waits until the deadline and then fails.
 *
 * Private to identity/.
 */
#ifndef IDENTITY_DEADLINE_H
#define IDENTITY_DEADLINE_H

#include <lber.h>

#include "base/clock.h"

struct deadline {
	usec_t at;	/* may be set anew before each step */
	int fd;
};

/* Watch over a connected socket, as long as it is open; d must stay in place. 0: done. */
int deadline_watch(struct deadline *d, Sockbuf *sb);

#endif
