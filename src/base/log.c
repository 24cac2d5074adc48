#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log_syslog.h"
#include "base/sqlstate.h"
#include "base/strings.h"

/* A line with its newline: what a pipe takes in one piece (PIPE_BUF). */
#define LINE_SIZE 4096
#define FILE_MODE 0640
#define STDERR_PATIENCE 20	/* ms */

static const char *const level_names[] = {
	[LOG_FATAL] = "FATAL",
	[LOG_ERROR] = "ERROR",
	[LOG_WARNING] = "WARNING",
	[LOG_INFO] = "LOG",
	[LOG_DEBUG] = "DEBUG",
	[LOG_NOISE] = "NOISE",
};

/*
 * Written by the control thread, read by all.  The file's descriptor keeps its number
 * for ever, and a new file is moved over it with dup3: a thread that is about to write
 * meets the old file or the new one, never a closed descriptor.
 */
static atomic_int file_fd = -1;
static atomic_bool file_on;
static atomic_bool stderr_on = true;
static atomic_bool syslog_on;
static atomic_int highest_level = LOG_INFO; /* that is written anywhere; -1: none */
static atomic_int lost_by_file, lost_by_stderr; /* lines that were not taken, and have not been told of */

/* The control thread's own. */
static char file_path[PATH_MAX];
static int verbose_level;

struct line {
	char text[LINE_SIZE];
	size_t len;
	size_t message; /* where prefix and message start */
};

/* --- lines of one kind --- */

/*
 * A slot per format string, found by its address; there is no lock, and a line that comes while another thread turns to
 * the next second may be counted for either.
 */
struct kind {
	_Atomic(const char *) fmt;	/* NULL: free; once taken, it stays */
	atomic_int level;
	atomic_llong second;		/* that `lines` are of */
	atomic_int lines;
};

/* More than there are formats in the program; those that find no room are not bounded. */
#define KINDS 2048
#define PROBES 16

static struct kind kinds[KINDS];
static atomic_int rate;

static struct kind *
kind_of(const char *fmt)
{
	size_t at = ((uintptr_t)fmt >> 3) * 2654435761u;

	for (size_t i = 0; i < PROBES; i++) {
		struct kind *k = &kinds[(at + i) % KINDS];
		const char *known = atomic_load_explicit(&k->fmt, memory_order_relaxed);

		if (known == fmt || (known == NULL && atomic_compare_exchange_strong(&k->fmt, &known, fmt)) ||
		    known == fmt)
			return k;
	}
	return NULL;
}

static long long
this_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* Turn to another second: how many lines of the last one were left out. */
static int
turn(struct kind *k, long long last, long long second)
{
	int lines;

	if (last == second || !atomic_compare_exchange_strong(&k->second, &last, second))
		return 0;
	lines = atomic_exchange(&k->lines, 0) - atomic_load_explicit(&rate, memory_order_relaxed);
	return lines > 0 ? lines : 0;
}

static void tell_more(struct kind *k, int n);

/* Count a line of this kind.  false: it is to be left out. */
static bool
passes(enum log_level level, const char *fmt)
{
	int most = atomic_load_explicit(&rate, memory_order_relaxed), more;
	long long second;
	struct kind *k;

	if (most == 0 || level == LOG_FATAL || level > LOG_INFO || (k = kind_of(fmt)) == NULL)
		return true;
	second = this_second();
	more = turn(k, atomic_load_explicit(&k->second, memory_order_relaxed), second);
	if (more > 0)
		tell_more(k, more);
	atomic_store_explicit(&k->level, (int)level, memory_order_relaxed);
	return atomic_fetch_add(&k->lines, 1) < most;
}

static void
update_highest_level(void)
{
	int wanted = verbose_level <= 0 ? LOG_INFO : verbose_level == 1 ? LOG_DEBUG : LOG_NOISE;
	bool anywhere = file_on || stderr_on || syslog_on;

	highest_level = anywhere ? wanted : -1;
}

bool
log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&highest_level, memory_order_relaxed);
}

/* C0 controls, DEL, and the C1 controls as UTF-8 spells them. */
static size_t
control_size(const char *s)
{
	unsigned char c = (unsigned char)s[0];
	unsigned char next = c == 0 ? 0 : (unsigned char)s[1];

	if (c < 0x20 || c == 0x7f)
		return 1;
	return c == 0xc2 && next >= 0x80 && next <= 0x9f ? 2 : 0;
}

/* Append s, escaped; what is too long ends in "..." */
static void
add_escaped(struct line *l, const char *s)
{
	static const char digits[] = "0123456789abcdef";
	const size_t limit = sizeof(l->text) - sizeof("...\n");

	while (*s != '\0' && l->len <= limit) {
		size_t controls = control_size(s);
		size_t needed = controls > 0 ? 4 * controls : 1;
		if (l->len + needed > limit) {
			l->len = string_whole_chars(l->text, l->len);
			l->len += (size_t)sprintf(l->text + l->len, "...");
			return;
		}
		if (controls == 0)
			l->text[l->len++] = *s++;
		for (; controls > 0; controls--, s++) {
			l->text[l->len++] = '\\';
			l->text[l->len++] = 'x';
			l->text[l->len++] = digits[(unsigned char)*s >> 4];
			l->text[l->len++] = digits[(unsigned char)*s & 15];
		}
	}
}

static void
start_line(struct line *l, enum log_level level)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	l->len = strftime(l->text, sizeof(l->text), "%Y-%m-%d %H:%M:%S", &tm);
	l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len,
		".%03ld UTC [%d] %s ", now.tv_nsec / 1000000, (int)getpid(), level_names[level]);
	l->message = l->len;
}

/* An operator's full disk, or a pipe that nobody reads, must not stop traffic: what can't be written is lost. */
static bool
write_line(int fd, const struct line *l)
{
	ssize_t n;

	do
		n = write(fd, l->text, l->len);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)l->len;
}

static bool
write_to_file(const struct line *l)
{
	return write_line(file_fd, l);
}

/* A reader that is only slow is waited for, once; it has to take a line then before it is waited for again. */
static bool
takes_a_line(int fd)
{
	static bool stuck;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n;

	do
		n = poll(&p, 1, stuck ? 0 : STDERR_PATIENCE);
	while (n < 0 && errno == EINTR);
	stuck = n <= 0;
	return !stuck;
}

/* It is shared with others, who want it to block.  One thread at a time: where there is room for a line, one is written. */
static bool
write_to_stderr(const struct line *l)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool written;

	pthread_mutex_lock(&lock);
	written = takes_a_line(STDERR_FILENO) && write_line(STDERR_FILENO, l);
	pthread_mutex_unlock(&lock);
	return written;
}

static void
count_lost(atomic_int *lost, bool written)
{
	if (!written)
		atomic_fetch_add_explicit(lost, 1, memory_order_relaxed);
}

static void
emit_line(struct line *l, enum log_level level)
{
	if (syslog_on) {
		l->text[l->len] = '\0';
		log_syslog_write((int)level, l->text + l->message);
	}
	l->text[l->len++] = '\n';
	if (file_on)
		count_lost(&lost_by_file, write_to_file(l));
	if (stderr_on)
		count_lost(&lost_by_stderr, write_to_stderr(l));
}

static void
write_message(enum log_level level, const char *prefix, const char *message)
{
	struct line l;

	start_line(&l, level);
	if (prefix != NULL) {
		add_escaped(&l, prefix);
		add_escaped(&l, " ");
	}
	add_escaped(&l, message);
	emit_line(&l, level);
}

static void
tell_more(struct kind *k, int n)
{
	char message[512];

	snprintf(message, sizeof(message), "%d more lines like this in the last second: \"%.300s\"", n,
		 atomic_load(&k->fmt));
	write_message((enum log_level)atomic_load(&k->level), NULL, message);
}

/* Where lines were lost, as soon as it takes one again. */
static void
tell_lost(atomic_int *lost, bool (*write_to)(const struct line *l))
{
	int n = atomic_load_explicit(lost, memory_order_relaxed);
	struct line l;

	if (n == 0)
		return;
	start_line(&l, LOG_WARNING);
	l.len += (size_t)snprintf(l.text + l.len, sizeof(l.text) - l.len,
				  "%d lines could not be written here and are lost\n", n);
	if (write_to(&l))
		atomic_fetch_sub(lost, n);
}

void
log_tell_more(void)
{
	long long second = this_second();

	if (file_on)
		tell_lost(&lost_by_file, write_to_file);
	if (stderr_on)
		tell_lost(&lost_by_stderr, write_to_stderr);
	if (atomic_load(&rate) == 0)
		return;
	for (size_t i = 0; i < KINDS; i++) {
		struct kind *k = &kinds[i];
		int more;

		if (atomic_load_explicit(&k->lines, memory_order_relaxed) == 0)
			continue;
		more = turn(k, atomic_load(&k->second), second);
		if (more > 0)
			tell_more(k, more);
	}
}

void
log_vline(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	int saved_errno = errno;
	char message[LINE_SIZE];

	if (!log_wants(level) || !passes(level, fmt))
		return;
	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		string_copy(message, "(a message that can't be formatted)", sizeof(message));
	write_message(level, prefix, message);
	errno = saved_errno;
}

void
log_line(enum log_level level, const char *prefix, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, prefix, fmt, ap);
	va_end(ap);
}

/* A named pipe without a reader, or a full one, is an error and no reason to wait. */
static int
open_log(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
}

/* Takes fd: its file is what file_fd stands for from now on. */
static void
move_over_file_fd(int fd)
{
	if (file_fd < 0) {
		file_fd = fd;
		return;
	}
	dup3(fd, file_fd, O_CLOEXEC);
	close(fd);
}

static void
close_file(void)
{
	int fd = file_on ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

	file_on = false;
	file_path[0] = '\0';
	update_highest_level();
	if (fd >= 0)
		move_over_file_fd(fd);
}

bool
log_open_file(const char *path, struct error *e)
{
	if (path == NULL || path[0] == '\0') {
		close_file();
		return true;
	}
	int fd = strlen(path) < sizeof(file_path) ? open_log(path) : (errno = ENAMETOOLONG, -1);
	if (fd < 0) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_IO_ERROR, "can't open log file \"%s\": %s",
			path, strerror(errno));
		return false;
	}
	move_over_file_fd(fd);
	/* It may be file_path itself. */
	memmove(file_path, path, strlen(path) + 1);
	file_on = true;
	update_highest_level();
	return true;
}

void
log_reopen(void)
{
	struct error e;

	if (file_on && !log_open_file(file_path, &e))
		log_error("%s", e.message);
}

bool
log_open_syslog(const char *ident, const char *facility, struct error *e)
{
	bool wanted = ident != NULL && facility != NULL;

	if (wanted && !log_syslog_open(ident, facility)) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_CONFIG_FILE, "unknown syslog facility \"%s\"",
			facility);
		error_hint(e,
			"Use \"daemon\", \"auth\", \"authpriv\", \"user\" or \"local0\" to \"local7\".");
		return false;
	}
	syslog_on = wanted;
	update_highest_level();
	if (!wanted)
		log_syslog_close();
	return true;
}

void
log_set_verbose(int verbose)
{
	verbose_level = verbose;
	update_highest_level();
}

void
log_set_rate(int lines)
{
	atomic_store(&rate, lines);
}

void
log_set_stderr(bool on)
{
	stderr_on = on;
	update_highest_level();
}
