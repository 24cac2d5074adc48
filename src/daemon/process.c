#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sqlstate.h"
#include "build.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

static bool
fail(struct error *e, const char *what, const char *about)
{
	error_set(e, SEVERITY_FATAL, SQLSTATE_IO_ERROR, "cannot %s %s: %s", what, about, strerror(errno));
	return false;
}

bool
process_detach(struct error *e)
{
	int null;
	pid_t pid = fork();

	if (pid < 0)
		return fail(e, "fork", "into the background");
	if (pid > 0)
		_exit(0);
	setsid();
	null = open("/dev/null", O_RDWR);
	if (null < 0)
		return fail(e, "open", "/dev/null");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	return true;
}

bool
process_become(const char *user, struct error *e)
{
	const struct passwd *pw = getpwnam(user);

	if (pw == NULL) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_CONFIG_FILE, "there is no user \"%s\" to become", user);
		return false;
	}
	if (getuid() == pw->pw_uid)
		return true;
	if (initgroups(user, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		return fail(e, "become user", user);
	return true;
}

static pid_t
read_pid(const char *path)
{
	FILE *f = fopen(path, "re");
	long pid = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld", &pid) != 1)
		pid = 0;
	fclose(f);
	return (pid_t)pid;
}

bool
process_write_pid(const char *path, struct error *e)
{
	pid_t other;
	FILE *f;

	if (path == NULL || path[0] == '\0')
		return true;
	other = read_pid(path);
	if (other > 0 && other != getpid() && (kill(other, 0) == 0 || errno == EPERM)) {
		error_set(e, SEVERITY_FATAL, SQLSTATE_OBJECT_NOT_IN_STATE,
			  "pidfile %s names a running process, %d", path, (int)other);
		error_hint(e, "Stop it, or remove the file if that is another program.");
		return false;
	}
	f = fopen(path, "we");
	if (f == NULL)
		return fail(e, "write pidfile", path);
	fprintf(f, "%d\n", (int)getpid());
	if (fclose(f) != 0)
		return fail(e, "write pidfile", path);
	return true;
}

void
process_remove_pid(const char *path)
{
	if (path != NULL && path[0] != '\0' && read_pid(path) == getpid())
		unlink(path);
}

void
process_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void
process_warn_of_files(int64_t files)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || (int64_t)limit.rlim_cur >= files)
		return;
	log_warning("the limit of open files, %lld, may not do: max_client_conn, max_login_clients and [hosts] allow for %lld "
		    "connections and files; raise it (LimitNOFILE in the service's unit, or ulimit -n), or lower those",
		    (long long)limit.rlim_cur, (long long)files);
}

#ifdef HAVE_SYSTEMD
int
process_inherited_sockets(int *first)
{
	int n = sd_listen_fds(1);

	*first = SD_LISTEN_FDS_START;
	return n > 0 ? n : 0;
}

void
process_notify(const char *state)
{
	sd_notify(0, state);
}
#else
int
process_inherited_sockets(int *first)
{
	*first = 0;
	return 0;
}

void
process_notify(const char *state)
{
	(void)state;
}
#endif
