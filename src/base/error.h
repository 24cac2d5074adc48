/*
 * error: one failure, told once.
 *
 * A struct error is filled where the failure is known and passed up by
 * pointer; one place at the top logs it and sends it to the peer.  It owns
 * nothing: all text is copied into it and cut to fit.
 *
 * Messages have no capital and no full stop, as PostgreSQL's style guide asks.
 * SQLSTATEs are in base/sqlstate.h; this floor only carries the five letters.
 *
 * Any thread.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

enum severity {
	SEVERITY_WARNING,	/* told, and work goes on */
	SEVERITY_NOTICE,
	SEVERITY_ERROR,		/* the request failed; the connection lives */
	SEVERITY_FATAL,		/* the connection ends */
};

struct error {
	enum severity severity;
	char sqlstate[6];	/* five letters and a NUL */
	char message[400];
	char detail[400];	/* empty: none */
	char hint[300];		/* empty: none */
};

/* "ERROR", "FATAL", ...: PostgreSQL's words, never localized. */
const char *severity_name(enum severity severity);

/* Fill e; detail and hint become empty.  sqlstate has five letters. */
void error_set(struct error *e, enum severity severity, const char *sqlstate, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Likewise, for functions that take a format themselves. */
void error_vset(struct error *e, enum severity severity, const char *sqlstate, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

/* Add a DETAIL or HINT (full sentences) to an error that was set. */
void error_detail(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void error_hint(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
