/*
 * check: what is odd about a whole configuration that is no error, and what is one only seen from all its lines.
 *
 * Private to this folder.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/faults.h"
#include "config/lines.h"

/* Does each limits= name a class there is?  The snapshot's lists are filled. */
void check_classes(struct lines *l);

/* Of [tenants], [hosts], [limits], and the keys that go with them: warnings. */
void check_tenants(struct lines *l);
void check_hosts(struct lines *l);
void check_limits(struct lines *l);

#endif
