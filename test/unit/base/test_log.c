#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log_syslog.h"
#include "base/memory.h"

static char dir[] = "/tmp/pgusher-log-XXXXXX";
static char path[64];
static char moved[64];

static void
open_temporary_log(void)
{
	struct error e;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(moved, sizeof(moved), "%s/log.1", dir);
	log_set_stderr(false);
	cr_assert(log_open_file(path, &e), "%s", e.message);
}

static void
remove_temporary_log(void)
{
	unlink(path);
	unlink(moved);
	rmdir(dir);
}

TestSuite(log, .init = open_temporary_log, .fini = remove_temporary_log);

/* The whole file; freed by the caller. */
static char *
read_file(const char *name)
{
	FILE *f = fopen(name, "r");
	char *text = NULL;
	size_t size = 0;

	cr_assert_not_null(f, "%s", name);
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(f);
	return text;
}

/* The file has this text behind the head of its only line. */
static void
expect_message(const char *want)
{
	char *text = read_file(path);
	char *message = strstr(text, "] ");

	cr_assert_not_null(message, "%s", text);
	cr_assert_str_eq(message + 2, want);
	free(text);
}

Test(log, line_has_time_pid_level_and_prefix)
{
	regex_t form;

	log_line(LOG_INFO, "C-0x1: shop/app@[::1]:5", "closing because: %s (age=%ds)", "x", 3);
	char *text = read_file(path);
	cr_assert_eq(
		regcomp(&form,
			"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} UTC "
			"\\[[0-9]+\\] LOG C-0x1: shop/app@\\[::1\\]:5 closing because: x \\(age=3s\\)\n$",
			REG_EXTENDED | REG_NOSUB),
		0);
	cr_assert_eq(regexec(&form, text, 0, NULL, 0), 0, "%s", text);
	regfree(&form);
	free(text);
}

Test(log, control_characters_are_escaped)
{
	log_line(LOG_WARNING, "db\n/u", "a\nb\r\tc\x1b[0m\x7f \xc3\xa4 \xc2\x9b \\");
	expect_message(
		"WARNING db\\x0a/u a\\x0ab\\x0d\\x09c\\x1b[0m\\x7f \xc3\xa4 \\xc2\\x9b \\\n");
}

/* A client's database name must not look like a line of its own. */
Test(log, a_peer_can_not_forge_a_line)
{
	log_error("no such database: %s", "x\n2026-01-01 00:00:00.000 UTC [1] LOG all is well");
	char *text = read_file(path);
	cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

Test(log, level_words)
{
	static const char *const words[] = { "FATAL", "ERROR", "WARNING", "LOG", "DEBUG", "NOISE" };
	struct error e;

	log_set_verbose(2);
	for (int level = LOG_FATAL; level <= LOG_NOISE; level++) {
		char want[32];
		unlink(path);
		cr_assert(log_open_file(path, &e));
		log_line((enum log_level)level, NULL, "text");
		snprintf(want, sizeof(want), "%s text\n", words[level]);
		expect_message(want);
	}
}

Test(log, verbose_decides_what_is_written)
{
	struct error e;

	for (int verbose = 0; verbose <= 3; verbose++) {
		log_set_verbose(verbose);
		cr_assert(log_wants(LOG_INFO));
		cr_assert_eq(log_wants(LOG_DEBUG), verbose >= 1);
		cr_assert_eq(log_wants(LOG_NOISE), verbose >= 2);
	}
	log_set_verbose(0);
	log_debug("unwanted");
	char *text = read_file(path);
	cr_assert_str_empty(text);
	free(text);
	cr_assert(log_open_file("", &e));
	cr_assert_not(log_wants(LOG_FATAL), "there is no target left");
	log_set_stderr(true);
	cr_assert(log_wants(LOG_INFO));
}

/* Lengths around the limit, and characters that grow by escaping. */
Test(log, a_long_line_is_cut_and_stays_one)
{
	static const char *const units[] = { "a", "\n", "\xe2\x82\xac", "\xc2\x85" };
	struct error e;
	char text[6000];

	for (size_t u = 0; u < 4; u++) {
		for (size_t count = 1000; count < 1400; count += u == 0 ? 1 : 7) {
			text[0] = '\0';
			char *end = text;
			for (size_t i = 0; i < (u == 0 ? count + 2900 : count); i++)
				end = stpcpy(end, units[u]);
			unlink(path);
			cr_assert(log_open_file(path, &e));
			log_line(LOG_INFO, "prefix", "%s", text);
			char *got = read_file(path);
			size_t len = strlen(got);
			cr_assert_leq(len, 4096);
			cr_assert_eq(strchr(got, '\n'), got + len - 1);
			if (len > 4092)
				cr_assert(strncmp(got + len - 4, "...\n", 4) == 0 ||
					got[len - 2] == text[0]);
			free(got);
		}
	}
}

Test(log, a_long_prefix_does_no_harm)
{
	char prefix[6000];

	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	log_line(LOG_INFO, prefix, "%s", prefix);
	char *got = read_file(path);
	cr_assert_leq(strlen(got), 4096);
	cr_assert_not_null(strstr(got, "ppp..."));
	free(got);
}

Test(log, reopen_follows_the_path)
{
	log_info("first");
	cr_assert_eq(rename(path, moved), 0);
	log_info("second");
	log_reopen();
	log_info("third");
	expect_message("LOG third\n");
	char *old = read_file(moved);
	cr_assert_not_null(strstr(old, "LOG first\n"));
	cr_assert_not_null(strstr(old, "LOG second\n"));
	free(old);
}

Test(log, a_file_that_can_not_be_opened_leaves_the_old_one)
{
	struct error e;

	cr_assert_not(log_open_file("/nonexistent/log", &e));
	cr_assert_str_eq(e.sqlstate, "58030");
	cr_assert_not_null(strstr(e.message, "/nonexistent/log"));
	log_info("still here");
	expect_message("LOG still here\n");
}

Test(log, a_path_without_end_is_refused)
{
	static char name[10000];
	struct error e;

	memset(name, 'x', sizeof(name) - 1);
	cr_assert_not(log_open_file(name, &e));
	cr_assert_str_eq(e.sqlstate, "58030");
}

Test(log, file_is_private_to_user_and_group)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0137, 0, "mode %o", (unsigned)st.st_mode);
}

Test(log, errno_survives)
{
	errno = EXDEV;
	log_info("text");
	cr_assert_eq(errno, EXDEV);
}

Test(log, unknown_syslog_facility_is_refused)
{
	struct error e;

	cr_assert_not(log_open_syslog("pgusher", "local8", &e));
	cr_assert_str_eq(e.sqlstate, "F0000");
	cr_assert_str_not_empty(e.hint);
	cr_assert(log_open_syslog("pgusher", "LOCAL0", &e));
	cr_assert(log_open_syslog(NULL, NULL, &e));
}

static int
open_daemon(const char *at)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", at);
	cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0, "%s: %s", at, strerror(errno));
	return fd;
}

static void
expect_in_syslog(int fd, const char *end)
{
	char line[1000] = "";
	ssize_t n = recv(fd, line, sizeof(line) - 1, 0);

	cr_assert_gt(n, (ssize_t)strlen(end), "nothing came: %s", strerror(errno));
	cr_assert_eq(strncmp(line, "<134>", 5), 0, "local0, info: %s", line);
	cr_assert_str_eq(line + n - strlen(end), end);
}

Test(log, syslog_that_takes_nothing_is_not_waited_for, .timeout = 60)
{
	char end[80];
	struct error e;
	int fd;

	log_syslog_aim(moved);
	cr_assert(log_open_syslog("pooler", "local0", &e));
	log_info("nobody is there");
	fd = open_daemon(moved);
	for (int i = 0; i < 20000; i++)
		log_info("line %d", i);
	snprintf(end, sizeof(end), " pooler[%d]: line 0", (int)getpid());
	expect_in_syslog(fd, end);
	close(fd);
	unlink(moved);
	fd = open_daemon(moved);
	log_info("started again");
	snprintf(end, sizeof(end), " pooler[%d]: started again", (int)getpid());
	expect_in_syslog(fd, end);
	close(fd);
	cr_assert(log_open_syslog(NULL, NULL, &e));
}

#define THREADS 4
#define LINES_EACH 500

static void *
write_many(void *arg)
{
	for (int i = 0; i < LINES_EACH; i++)
		log_info("thread %s says %0100d and stops", (const char *)arg, i);
	return NULL;
}

/* A pipe stands for a full disk that is emptied. */
Test(log, what_is_lost_is_told_where_it_was_lost)
{
	enum { LINES = 3000 };
	char *text = memory_alloc(1 << 20);
	char fifo[300];
	int pipe, lost = 0, n = 0;
	ssize_t size;
	struct error e;

	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	pipe = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert(log_open_file(fifo, &e));
	for (int i = 0; i < LINES; i++)
		log_info("a line among others, to fill a pipe");
	log_tell_more();	/* it does not take that, either */
	size = read(pipe, text, (1 << 20) - 1);
	cr_assert_gt(size, 0);
	text[size] = '\0';
	cr_assert_null(strstr(text, "are lost"));
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	cr_assert(n > 0 && n < LINES, "%d", n);
	log_tell_more();
	log_tell_more();	/* once is enough */
	size = read(pipe, text, (1 << 20) - 1);
	cr_assert_gt(size, 0);
	text[size] = '\0';
	cr_assert_eq(sscanf(strstr(text, "WARNING"), "WARNING %d lines could not be written", &lost), 1, "%s", text);
	cr_assert_eq(n + lost, LINES);
	cr_assert_eq(strchr(text, '\n')[1], '\0');
	close(pipe);
	unlink(fifo);
	free(text);
}

/* Lines of several threads stay whole while the control thread reopens the file. */
Test(log, threads_do_not_mix)
{
	static char names[THREADS][2] = { "a", "b", "c", "d" };
	pthread_t threads[THREADS];
	size_t lines = 0;

	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
	for (int i = 0; i < 50; i++)
		log_reopen();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);

	char *text = read_file(path);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		cr_assert_eq(strncmp(line, "20", 2), 0, "%s", line);
		cr_assert_not_null(strstr(line, "LOG thread "), "%s", line);
		cr_assert_str_eq(line + strlen(line) - 10, " and stops");
	}
	cr_assert_eq(lines, THREADS * LINES_EACH);
	free(text);
}

/* --- log_rate --- */

static int
count_lines(const char *part)
{
	char *text = read_file(path);
	int n = 0;

	for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
		n++;
	free(text);
	return n;
}

static void
await_next_second(void)
{
	struct timespec now;
	time_t second;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	for (second = now.tv_sec; now.tv_sec == second; usleep(1000))
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
}

/* All in one second, but for a machine that stands still: then it begins once more. */
static void
flood(int lines)
{
	struct timespec before, after;

	do {
		await_next_second();
		log_tell_more();
		unlink(path);
		log_reopen();
		clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
		for (int i = 0; i < lines; i++)
			log_info("flood %d", i);
		clock_gettime(CLOCK_MONOTONIC_COARSE, &after);
	} while (before.tv_sec != after.tv_sec);
}

Test(log, a_flood_is_counted)
{
	log_set_rate(10);
	flood(1000);
	log_tell_more();
	cr_assert_eq(count_lines("LOG flood"), 10);
	cr_assert_eq(count_lines("more lines"), 0, "the second is not over");
	await_next_second();
	log_tell_more();
	cr_assert_eq(count_lines("LOG 990 more lines like this in the last second: \"flood %d\""), 1);
	log_tell_more();
	cr_assert_eq(count_lines("more lines"), 1);
	log_set_rate(0);
}

Test(log, the_next_line_of_a_flood_tells_of_it_too)
{
	log_set_rate(10);
	flood(100);
	await_next_second();
	log_info("flood %d", 0);
	cr_assert_eq(count_lines("LOG 90 more lines"), 1);
	log_tell_more();
	cr_assert_eq(count_lines("more lines"), 1);
	log_set_rate(0);
}

Test(log, other_kinds_and_what_matters_pass)
{
	log_set_rate(10);
	log_set_verbose(1);
	flood(100);
	for (int i = 0; i < 20; i++)
		log_fatal("the end %d", i);
	for (int i = 0; i < 20; i++)
		log_debug("detail %d", i);
	for (int i = 0; i < 5; i++)
		log_info("other %d", i);
	cr_assert_eq(count_lines("the end"), 20);
	cr_assert_eq(count_lines("detail"), 20);
	cr_assert_eq(count_lines("other"), 5);
	log_set_rate(0);
}

static void *
write_flood(void *arg)
{
	for (int i = 0; i < 1000; i++)
		log_warning("of a thread %d", i);
	return arg;
}

/* None is lost: each is there, or counted. */
Test(log, a_flood_of_several_threads)
{
	pthread_t threads[4];
	char *text, *at;
	int n = 0;

	log_set_rate(100);
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, write_flood, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	await_next_second();
	log_tell_more();
	n = count_lines("WARNING of a thread");
	text = read_file(path);
	for (at = text; (at = strstr(at, "WARNING ")) != NULL; at++) {
		int more;

		if (sscanf(at, "WARNING %d more lines", &more) == 1)
			n += more;
	}
	free(text);
	cr_assert_eq(n, 4000, "%d", n);
	log_set_rate(0);
}
