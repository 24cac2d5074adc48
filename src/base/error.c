#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/strings.h"

static const char *const severity_names[] = {
	[SEVERITY_WARNING] = "WARNING",
	[SEVERITY_NOTICE] = "NOTICE",
	[SEVERITY_ERROR] = "ERROR",
	[SEVERITY_FATAL] = "FATAL",
};

const char *
severity_name(enum severity severity)
{
	return severity_names[severity];
}

/* What does not fit is cut between characters: a driver that decodes half of one fails. */
__attribute__((format(printf, 3, 0))) static void
format_text(char *to, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(to, size, fmt, ap);

	if (n < 0)
		to[0] = '\0';
	else if ((size_t)n >= size)
		to[string_whole_chars(to, size - 1)] = '\0';
}

void
error_vset(struct error *e, enum severity severity, const char *sqlstate, const char *fmt, va_list ap)
{
	e->severity = severity;
	string_copy(e->sqlstate, sqlstate, sizeof(e->sqlstate));
	e->detail[0] = '\0';
	e->hint[0] = '\0';
	format_text(e->message, sizeof(e->message), fmt, ap);
}

void
error_set(struct error *e, enum severity severity, const char *sqlstate, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(e, severity, sqlstate, fmt, ap);
	va_end(ap);
}

void
error_detail(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_text(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
}

void
error_hint(struct error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_text(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}
