/*
 * resolve: the addresses of a server's name, asked on a helper.
 *
 * The system's own resolver is used (getaddrinfo: hosts file, DNS, whatever nsswitch.conf
 * says), which blocks, so it never runs on a loop's thread.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stddef.h>

#include "net/address.h"
#include "net/helpers.h"

#define RESOLVE_MOST 8		/* addresses of one name that count */

struct resolve {
	struct helper_job job;	/* mail.kind, reply, owner and done are the submitter's */
	char addresses[RESOLVE_MOST][ADDRESS_TEXT];	/* "10.0.0.5", "2001:db8::5" */
	size_t n;		/* 0: there are none, or nobody could tell; problem says so */
	char problem[100];
	char name[];
};

/* Not submitted yet. */
struct resolve *resolve_new(const char *name);
void resolve_free(struct resolve **r);

/* Does host have to be asked for: neither an address nor a folder of Unix sockets? */
bool resolve_is_name(const char *host);

#endif
