#include "base/log_syslog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

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

#define LINE_MAX_BYTES (8 * 1024)

/*
 * The C library's syslog() waits for a daemon that has stopped reading, and with it would every thread that logs.  So a
 * line is sent from a socket of our own, which does not wait and is connected to nobody: a daemon that was started again
 * needs no more.
 */
static atomic_int fd = -1;	/* once made, it stays */
static struct sockaddr_un daemon_at = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
static char kept_ident[64];	/* openlog keeps the pointer */
static atomic_int kept_facility;

bool
log_syslog_open(const char *ident, const char *facility)
{
	for (size_t i = 0; i < lengthof(facilities); i++) {
		if (!string_equal_nocase(facilities[i].name, facility))
			continue;
		closelog();
		string_copy(kept_ident, ident, sizeof(kept_ident));
		kept_facility = facilities[i].code;
		openlog(kept_ident, LOG_PID, facilities[i].code);
		if (fd < 0)
			fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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
log_syslog_aim(const char *path)
{
	string_copy(daemon_at.sun_path, path, sizeof(daemon_at.sun_path));
}

static size_t
write_head(char *line, size_t size, int level)
{
	time_t now = time(NULL);
	struct tm tm;
	size_t n = (size_t)snprintf(line, size, "<%d>", kept_facility | priorities[level]);

	localtime_r(&now, &tm);
	n += strftime(line + n, size - n, "%b %e %H:%M:%S ", &tm);
	return n + (size_t)snprintf(line + n, size - n, "%s[%d]: ", kept_ident, (int)getpid());
}

/* A daemon that is not there, or takes nothing, is no reason to wait: the line is lost. */
void
log_syslog_write(int level, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = write_head(line, sizeof(line), level);

	string_copy(line + n, text, sizeof(line) - n);
	if (sendto(fd, line, n + strlen(line + n), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&daemon_at,
		   sizeof(daemon_at)) < 0 && errno == EPROTOTYPE)
		syslog(priorities[level], "%s", text);	/* one that wants a stream */
}
