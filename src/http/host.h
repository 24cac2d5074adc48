/*
 * host: is it us who is asked?
 *
 * A web page can give its own name our address (DNS rebinding), and then its scripts may
 * read what we answer.  Their requests name that host.  So only these are answered: localhost, loopback addresses,
 * the address that the connection came to, names in http_listen, and http_hosts.
 *
 * Pure functions.
 */
#ifndef HTTP_HOST_H
#define HTTP_HOST_H

#include <stdbool.h>

#include "config/config.h"
#include "net/address.h"

/* host: the value of Host, "name", "name:port", "[v6]:port".  self: our end of the connection. */
bool host_is_ours(const char *host, const struct address *self, const struct config *c);

/* origin: the value of Origin, "https://name:port". */
bool host_is_our_origin(const char *origin, const struct address *self, const struct config *c);

#endif
