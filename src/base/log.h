/*
 * log: lines for operators.
 *
 * A line is written with one write(2), so that lines of several threads never
 * mix, and it is on its way to the file before the call returns: an operator
 * who sees a client's error finds its line in the log.
 *
 *	2026-11-25 22:35:13.123 UTC [4711] LOG C-0x55d0c8: shop/app@127.0.0.1:50312 closing because: client close request (age=3s)
 *
 * Targets: the log file (log_open_file), syslog (log_open_syslog), and stderr
 * while neither the daemon is detached nor --quiet was given.  A line that a target
 * does not take (a full disk, a pipe that nobody reads) is lost there: nothing waits for it.
 * Control characters of a message are written as \xNN: nothing that a peer
 * sends can forge a line.
 *
 * log_set_rate bounds how many lines of one kind there are a second; the kind is the
 * format string.  What is beyond is counted, and told in one line as soon as the second is
 * over:
 *
 *	... WARNING 1234 more lines like this in the last second: "prepared statement did not exist: '%.64s'"
 *
 * FATAL, and what verbose asks for, is never left out.
 *
 * Any thread.  log_open_*, log_set_*, log_reopen and log_tell_more: the control thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/error.h"

enum log_level {
	LOG_FATAL,	/* the process ends */
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,	/* printed as "LOG", like PostgreSQL and PgBouncer do */
	LOG_DEBUG,	/* verbose >= 1 */
	LOG_NOISE,	/* verbose >= 2 */
};

/* Write a line.  prefix (may be NULL) names the connection: "C-0x...: db/user@addr". */
void log_line(enum log_level level, const char *prefix, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_vline(enum log_level level, const char *prefix, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

#define log_fatal(...)   log_line(LOG_FATAL, NULL, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, NULL, __VA_ARGS__)

/* Is this level written anywhere?  One load: guard the building of costly text with it. */
bool log_wants(enum log_level level);

/* Append to path from now on, created with mode 0640; "" or NULL: no file.
 * false: e (58030) says why, and the old target stays. */
bool log_open_file(const char *path, struct error *e);

/* Open the same path again (after logrotate moved it).  A failure is logged to the old file. */
void log_reopen(void);

/* facility: "daemon", "auth", "local0".. ; NULL ident or facility: syslog off. false: unknown facility, e set. */
bool log_open_syslog(const char *ident, const char *facility, struct error *e);

void log_set_verbose(int verbose);	/* 0: up to LOG_INFO */
void log_set_rate(int lines);		/* of one kind a second; 0: no bound */

/* Several times a second: tell of lines that were left out in a second that is over, or that the file or stderr has not
 * taken, and that have not been told of. */
void log_tell_more(void);
void log_set_stderr(bool on);

#endif
