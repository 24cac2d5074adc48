/*
 * check: what is odd about a configuration that is no error.  It is told in the log, and so by --check-config.
 *
 * Private to this folder.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config.h"

/* Of [tenants], [hosts], [limits], and the keys that go with them. */
void check_tenants(const struct config *c);
void check_hosts(const struct config *c);
void check_limits(const struct config *c);

#endif
