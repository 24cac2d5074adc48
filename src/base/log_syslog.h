/*
 * log_syslog: the syslog target of base/log.h.
 *
 * Apart from it because <syslog.h> uses names of enum log_level for other numbers.
 * Any thread, except that open and close belong to the control thread.
 */
#ifndef BASE_LOG_SYSLOG_H
#define BASE_LOG_SYSLOG_H

#include <stdbool.h>

/* facility: "daemon", "auth", "local0".. without case.  false: unknown, and nothing has changed. */
bool log_syslog_open(const char *ident, const char *facility);
void log_syslog_close(void);

/* Where the daemon listens, instead of /dev/log: for tests. */
void log_syslog_aim(const char *path);

/* level: an enum log_level.  Does not wait: what the daemon does not take is lost. */
void log_syslog_write(int level, const char *text);

#endif
