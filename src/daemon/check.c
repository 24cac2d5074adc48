#include "daemon/check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "config/http.h"
#include "daemon/process.h"
#include "net/listener.h"
#include "threat/habit_file.h"

struct check {
	const struct options *options;
	const struct config *config;
	struct config_counts *counts;
};

/* key: what it is about. */
static void __attribute__((format(printf, 4, 0)))
tell(const struct check *k, enum log_level level, const char *key, const char *fmt, va_list ap)
{
	char place[500], text[900];

	vsnprintf(text, sizeof(text), fmt, ap);
	log_line(level, NULL, "%s%s", config_place(k->config, key, place, sizeof(place)), text);
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct check *k, const char *key, const char *fmt, ...)
{
	va_list ap;

	k->counts->errors++;
	va_start(ap, fmt);
	tell(k, LOG_ERROR, key, fmt, ap);
	va_end(ap);
}

static void
refuse_error(struct check *k, const char *key, const struct error *e)
{
	refuse(k, key, "%s%s%s", e->message, e->hint[0] != '\0' ? "; " : "", e->hint);
}

/* Of what start only complains: what is not written, or is tried again. */
static void __attribute__((format(printf, 3, 4)))
warn(struct check *k, const char *key, const char *fmt, ...)
{
	va_list ap;

	k->counts->warnings++;
	va_start(ap, fmt);
	tell(k, LOG_WARNING, key, fmt, ap);
	va_end(ap);
}

/* --- who we are --- */

const char *
check_daemon(const struct config *c)
{
	if (c->logfile[0] == '\0' && !c->syslog)
		return "a daemon needs a logfile or syslog";
	return c->pidfile[0] == '\0' ? "a daemon needs a pidfile" : NULL;
}

/* false: what it could do can't be tried. */
static bool
become_user(struct check *k)
{
	const char *user = k->options->user != NULL ? k->options->user : k->config->user;
	const struct passwd *pw = user[0] != '\0' ? getpwnam(user) : NULL;
	struct error e;

	if (user[0] == '\0')
		return true;
	if (pw != NULL && getuid() != 0 && getuid() != pw->pw_uid) {
		warn(k, "user", "which files and addresses the user \"%s\" may use is not checked: only root and that user can", user);
		return false;
	}
	if (process_become(user, &e))
		return true;
	refuse_error(k, "user", &e);
	return false;
}

/* --- files that are written --- */

/* errno of making a file beside it; 0: it can be. */
static int
try_folder(const char *path)
{
	char *copy = memory_strdup(path);
	int err = access(dirname(copy), W_OK | X_OK) == 0 ? 0 : errno;

	free(copy);
	return err;
}

/* errno of opening it to append, as if it were made if there is none. */
static int
try_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return err == ENOENT ? try_folder(path) : err;
}

static void
check_log(struct check *k)
{
	const struct config *c = k->config;
	int err = c->logfile[0] == '\0' ? 0 : try_file(c->logfile);
	struct error e;

	if (err != 0)
		refuse(k, "logfile", "can't open log file \"%s\": %s", c->logfile, strerror(err));
	if (!log_open_syslog(c->syslog ? c->syslog_ident : NULL, c->syslog_facility, &e))
		refuse_error(k, "syslog_facility", &e);
	log_open_syslog(NULL, NULL, &e);
}

static void
check_slow_log(struct check *k)
{
	const char *path = k->config->slow_query_log;
	int err = path[0] == '\0' || strcmp(path, "off") == 0 ? 0 : try_file(path);

	if (err != 0)
		warn(k, "slow_query_log", "cannot open slow_query_log \"%s\": %s", path, strerror(err));
}

static void
check_threats(struct check *k)
{
	const char *path = k->config->threat_file;
	struct habits *habits;
	struct error e;
	int err;

	if (path[0] == '\0')
		return;
	habits = habits_new();
	if (!habit_file_load(habits, path, &e))
		warn(k, "threat_file", "threat_file: %s%s%s", e.message, e.hint[0] != '\0' ? ": " : "", e.hint);
	else if ((err = try_folder(path)) != 0) /* it is replaced, not written to */
		warn(k, "threat_file", "threat_file: cannot write %s: %s", path, strerror(err));
	habits_free(&habits);
}

static void
check_pidfile(struct check *k)
{
	const char *path = k->config->pidfile;
	int err = path[0] == '\0' ? 0 : try_file(path);

	if (err != 0)
		refuse(k, "pidfile", "cannot write pidfile %s: %s", path, strerror(err));
}

/* --- addresses --- */

static void
check_addresses(struct check *k)
{
	const struct config *c = k->config;
	struct listen_options options = { .reuse_port = c->so_reuseport, .unix_group = c->unix_socket_group };
	struct error e;

	if (c->listen_addr[0] == '\0' && c->unix_socket_dir[0] == '\0')
		warn(k, "listen_addr", "nowhere to listen but on sockets of the service manager: set listen_addr or unix_socket_dir");
	if (!listener_try(c->listen_addr, c->listen_port, NULL, &options, &e))
		refuse_error(k, "listen_addr", &e);
	if (!listener_try(NULL, c->listen_port, c->unix_socket_dir, &options, &e))
		refuse_error(k, "unix_socket_dir", &e);
}

static void
check_http(struct check *k)
{
	struct listen_options options = { .unix_group = k->config->unix_socket_group };
	const char *rest = k->config->http_listen;
	struct http_address a;
	struct error e;

	while (http_address_next(&rest, &a))
		if (a.port != 0 && !listener_try(a.host, a.port, NULL, &options, &e))
			warn(k, "http_listen", "HTTP: %s", e.message);
}

void
check_start(const struct options *o, const struct config *c, struct config_counts *counts)
{
	struct check k = { o, c, counts };

	if (o->daemon && check_daemon(c) != NULL)
		refuse(&k, c->logfile[0] == '\0' ? "logfile" : "pidfile", "%s", check_daemon(c));
	if (!become_user(&k))
		return;
	check_log(&k);
	check_slow_log(&k);
	check_threats(&k);
	check_addresses(&k);
	check_http(&k);
	check_pidfile(&k);
}
