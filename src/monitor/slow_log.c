#include "monitor/slow_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "monitor/slow_line.h"

#define FILE_MODE 0640
#define MAIN_LOG_LINE 3900	/* what a line of the main log holds beside its head */
#define LINE_KEEP (64 * 1024)	/* memory for a line that is kept for the next */
#define TELL_PERIOD (60 * USEC_PER_SEC)

enum target {
	TARGET_NOWHERE,
	TARGET_MAIN,
	TARGET_FILE,
};

struct slow_log {
	enum target target;
	char *path;		/* NULL: not a file */
	int fd;			/* -1: not open */
	bool is_other;		/* fd is none, or an older file than path says */
	bool torn;		/* the file ends in half a line */
	struct buffer line;

	int rate;		/* lines a second; 0: no bound */
	usec_t second;		/* that `written` counts; began then */
	int written;
	uint64_t left_out;	/* since the last line */

	uint64_t lost;		/* in all */
	uint64_t failed;	/* of these, not told yet */
	int error;		/* errno of the last one */
	usec_t tell_at;		/* not before then */
	usec_t open_at;		/* likewise, if is_other */
	int open_error;		/* errno, if is_other */
};

/* ---- the file ---- */

/* A pipe without a reader, or a full one, is an error and no reason to wait. */
static int
open_path(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
}

static void
close_file(struct slow_log *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->torn = false;
}

static void
open_file(struct slow_log *s, usec_t now)
{
	int fd = open_path(s->path);

	s->is_other = fd < 0;
	if (fd >= 0) {
		close_file(s);
		s->fd = fd;
		return;
	}
	s->open_error = errno;
	s->open_at = now + TELL_PERIOD;
	log_error("cannot open slow_query_log \"%s\": %s%s", s->path, strerror(errno),
		  s->fd >= 0 ? "; lines go to the old file" : "");
}

/* ---- what is lost ---- */

static void
tell_failures(struct slow_log *s, usec_t now)
{
	if (s->failed == 0 || now < s->tell_at)
		return;
	log_error("cannot write to slow_query_log \"%s\": %s; %llu lines lost", s->path, strerror(s->error),
		  (unsigned long long)s->failed);
	s->failed = 0;
	s->tell_at = now + TELL_PERIOD;
}

static void
lose(struct slow_log *s, int error, usec_t now)
{
	s->lost++;
	s->failed++;
	s->error = error;
	tell_failures(s, now);
}

/* ---- writing ---- */

static ssize_t
write_out(int fd, const struct buffer *b)
{
	ssize_t n;

	do
		n = write(fd, buffer_head(b), buffer_left(b));
	while (n < 0 && errno == EINTR);
	return n;
}

/* A newline ahead ends what a full disk has left of an earlier line. */
static void
begin_line(struct slow_log *s)
{
	buffer_clear(&s->line);
	if (s->line.cap > LINE_KEEP)
		buffer_release(&s->line);
	if (s->torn)
		buffer_append(&s->line, "\n", 1);
}

static bool
end_line_in_file(struct slow_log *s)
{
	ssize_t n;

	buffer_append(&s->line, "\n", 1);
	n = s->fd < 0 ? (errno = s->open_error, -1) : write_out(s->fd, &s->line);
	if (n == (ssize_t)buffer_left(&s->line)) {
		s->torn = false;
		return true;
	}
	if (n > 0) {
		s->torn = true;
		errno = ENOSPC;
	}
	return false;
}

static bool
end_line(struct slow_log *s)
{
	if (s->target == TARGET_FILE)
		return end_line_in_file(s);
	log_info("slow query: %.*s", (int)buffer_left(&s->line), (const char *)buffer_head(&s->line));
	return true;
}

/* ---- not too many ---- */

static bool
is_too_many(struct slow_log *s, usec_t now)
{
	if (now - s->second >= USEC_PER_SEC) {
		s->second = now;
		s->written = 0;
	}
	return s->rate > 0 && s->written >= s->rate;
}

static void
tell_gap(struct slow_log *s, usec_t now)
{
	if (s->left_out == 0 || s->target == TARGET_NOWHERE)
		return;
	begin_line(s);
	slow_line_write_gap(&s->line, clock_wall(), s->left_out);
	s->left_out = 0;
	if (!end_line(s))
		lose(s, errno, now);
}

void
slow_log_write(struct slow_log *s, const struct slow_query *q, usec_t now)
{
	if (s->target == TARGET_NOWHERE)
		return;
	if (is_too_many(s, now)) {
		s->left_out++;
		s->lost++;
		return;
	}
	tell_gap(s, now);
	s->written++;
	begin_line(s);
	if (!slow_line_write(&s->line, q, s->target == TARGET_MAIN ? MAIN_LOG_LINE : 0))
		s->lost++;
	else if (!end_line(s))
		lose(s, errno, now);
}

void
slow_log_tick(struct slow_log *s, usec_t now)
{
	if (!is_too_many(s, now))
		tell_gap(s, now);
	tell_failures(s, now);
	if (s->is_other && now >= s->open_at)
		open_file(s, now);
}

/* ---- settings ---- */

static void
leave_file(struct slow_log *s)
{
	close_file(s);
	free(s->path);
	s->path = NULL;
	s->is_other = false;
}

static void
aim_at_file(struct slow_log *s, const char *path, usec_t now)
{
	if (s->path != NULL && strcmp(s->path, path) == 0)
		return;
	free(s->path);
	s->path = memory_strdup(path);
	s->target = TARGET_FILE;
	open_file(s, now);
}

void
slow_log_configure(struct slow_log *s, const struct config *c, usec_t now)
{
	const char *where = c->slow_query_log;
	bool is_file = where[0] != '\0' && strcmp(where, "off") != 0;

	s->rate = c->slow_query_log_rate;
	if (is_file) {
		aim_at_file(s, where, now);
		return;
	}
	s->target = where[0] == '\0' ? TARGET_MAIN : TARGET_NOWHERE;
	leave_file(s);
}

void
slow_log_reopen(struct slow_log *s, usec_t now)
{
	if (s->target == TARGET_FILE)
		open_file(s, now);
}

/* ---- life ---- */

struct slow_log *
slow_log_new(void)
{
	struct slow_log *s = memory_zalloc(sizeof(*s));

	s->fd = -1;
	return s;
}

void
slow_log_free(struct slow_log **sp)
{
	struct slow_log *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	s->tell_at = 0;
	tell_gap(s, 0);
	tell_failures(s, 0);
	leave_file(s);
	buffer_release(&s->line);
	free(s);
}

uint64_t
slow_log_lost(const struct slow_log *s)
{
	return s->lost;
}
