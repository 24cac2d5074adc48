/*
 * check: --check-config's second half: what start would refuse, or complain of, that is not in the files themselves.
 *
 * It is tried as far as it leaves nothing behind: no file is made, nobody is listened to, and that an address or the
 * pidfile is in use is no fault, as the pooler whose configuration it is may be running.
 */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "config/config.h"
#include "daemon/options.h"

/* Why --daemon can't be, or NULL. */
const char *check_daemon(const struct config *c);

/* Log what is wrong or odd, in the words of start, and count it.  Becomes the user of the configuration if it can. */
void check_start(const struct options *o, const struct config *c, struct config_counts *counts);

#endif
