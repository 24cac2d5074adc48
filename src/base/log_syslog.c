#include "base/log_syslog.h"

#include <stddef.h>
#include <syslog.h>

#include "base/memory.h"
#include "base/strings.h"

static const struct facility {
	const char *name;
	int code;
} facilities[] = {
	{ "auth", LOG_AUTH },
	{ "authpriv", LOG_AUTHPRIV },
	{ "cron", LOG_CRON },
	{ "daemon", LOG_DAEMON },
	{ "ftp", LOG_FTP },
	{ "kern", LOG_KERN },
	{ "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
	{ "lpr", LOG_LPR },
	{ "mail", LOG_MAIL },
	{ "news", LOG_NEWS },
	{ "syslog", LOG_SYSLOG },
	{ "user", LOG_USER },
	{ "uucp", LOG_UUCP },
};

/* In the order of enum log_level. */
static const int priorities[] = {
	LOG_CRIT,
	LOG_ERR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
	LOG_DEBUG,
};

bool
log_syslog_open(const char *ident, const char *facility)
{
	static char kept_ident[64]; /* openlog keeps the pointer */

	for (size_t i = 0; i < lengthof(facilities); i++) {
		if (!string_equal_nocase(facilities[i].name, facility))
			continue;
		closelog();
		string_copy(kept_ident, ident, sizeof(kept_ident));
		openlog(kept_ident, LOG_PID, facilities[i].code);
		return true;
	}
	return false;
}

void
log_syslog_close(void)
{
	closelog();
}

void
log_syslog_write(int level, const char *text)
{
	syslog(priorities[level], "%s", text);
}
