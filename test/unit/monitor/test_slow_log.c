#include "monitor/slow_log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "stage.h"

#define SECOND USEC_PER_SEC
#define MINUTE (60 * SECOND)

static struct slow_log *slow_log;
static usec_t now;

static void
setup(void)
{
	stage_begin();
	slow_log = slow_log_new();
	now = 1000 * SECOND;
}

static void
teardown(void)
{
	slow_log_free(&slow_log);
	stage_end();
}

TestSuite(slow_log, .init = setup, .fini = teardown, .timeout = 60);

/* "" is the main log, and a name a file of the directory. */
static void
log_to(const char *where, int rate)
{
	char lines[256];

	snprintf(lines, sizeof(lines), "slow_query_log = %s\nslow_query_log_rate = %d",
		 where[0] == '\0' || where[0] == '/' || strcmp(where, "off") == 0 ? where : stage_path(where), rate);
	stage_configure(lines);
	slow_log_configure(slow_log, stage.config, now);
}

static void
write_slow(const char *tenant)
{
	struct slow_query *q = stage_slow(tenant, 2 * SECOND);

	slow_log_write(slow_log, q, now);
	slow_query_free(&q);
}

static void
expect_tenant(const char *file, int line, const char *tenant)
{
	json_t *v = stage_json(file, line);

	cr_expect_str_eq(json_string_value(json_object_get(v, "tenant")), tenant);
	json_decref(v);
}

static void
expect_gap(const char *file, int line, int count)
{
	json_t *v = stage_json(file, line);

	cr_expect_eq(json_integer_value(json_object_get(v, "left_out")), count);
	json_decref(v);
}

Test(slow_log, a_file_of_its_own)
{
	struct stat st;

	log_to("slow", 0);
	write_slow("a");
	write_slow("b");
	cr_assert_eq(stage_lines("slow"), 2);
	expect_tenant("slow", 0, "a");
	expect_tenant("slow", 1, "b");
	cr_expect_eq(stat(stage_path("slow"), &st), 0);
	cr_expect_eq(st.st_mode & 0777 & ~0640, 0, "mode %o", st.st_mode);
	cr_expect_eq(stage_logged("slow query"), 0);
	cr_expect_eq(slow_log_lost(slow_log), 0);
}

Test(slow_log, what_is_there_is_kept)
{
	FILE *f = fopen(stage_path("slow"), "w");

	fputs("{}\n", f);
	fclose(f);
	log_to("slow", 0);
	write_slow("a");
	cr_expect_eq(stage_lines("slow"), 2);
}

Test(slow_log, the_main_log)
{
	log_to("", 0);
	write_slow("acme");
	cr_expect_eq(stage_logged("LOG slow query: {\"at\":\"2025-11-25T22:35:13.123Z\",\"tenant\":\"acme\""), 1);
	cr_expect_eq(stage_logged("\"parameter_types\":[]}\n"), 1);
}

/* The log cuts lines and rewrites control characters: neither may happen to JSON. */
Test(slow_log, lines_in_the_main_log_are_whole)
{
	struct slow_query *q = stage_slow("acme", 2 * SECOND);
	char *text = memory_zalloc(20001), *line;
	json_t *v;

	for (int i = 0; i < 20000; i += 4)
		memcpy(text + i, "\xc2\x9b\x7f\n", 4);
	free(q->text);
	q->text = text;
	log_to("", 0);
	slow_log_write(slow_log, q, now);
	slow_query_free(&q);
	line = stage_line("main.log", 0);
	v = json_loads(strchr(line, '{'), 0, NULL);
	cr_assert_not_null(v, "%s", line);
	cr_expect_gt(json_string_length(json_object_get(v, "text")), 150);
	json_decref(v);
	free(line);
}

Test(slow_log, off_is_nowhere)
{
	log_to("off", 1);
	for (int i = 0; i < 5; i++)
		write_slow("a");
	slow_log_tick(slow_log, now + SECOND);
	cr_expect_eq(stage_logged("slow"), 0);
	cr_expect_eq(slow_log_lost(slow_log), 0);
	cr_expect_eq(access(stage_path("off"), F_OK), -1);
}

/* ---- rotation and settings ---- */

Test(slow_log, reopened_after_it_was_moved)
{
	log_to("slow", 0);
	write_slow("a");
	cr_assert_eq(rename(stage_path("slow"), stage_path("slow.1")), 0);
	write_slow("b");
	slow_log_reopen(slow_log, now);
	write_slow("c");
	cr_expect_eq(stage_lines("slow.1"), 2);
	cr_expect_eq(stage_lines("slow"), 1);
	expect_tenant("slow", 0, "c");
}

Test(slow_log, another_path)
{
	log_to("slow", 0);
	write_slow("a");
	log_to("other", 0);
	write_slow("b");
	log_to("", 0);
	write_slow("c");
	log_to("slow", 0);
	write_slow("d");
	cr_expect_eq(stage_lines("slow"), 2);
	cr_expect_eq(stage_lines("other"), 1);
	cr_expect_eq(stage_logged("slow query"), 1);
}

Test(slow_log, a_path_that_can_not_be_opened_keeps_the_old_file)
{
	log_to("slow", 0);
	log_to("no/such/folder", 0);
	cr_expect_eq(stage_logged("ERROR cannot open slow_query_log"), 1);
	cr_expect_eq(stage_logged("No such file or directory; lines go to the old file"), 1);
	write_slow("a");
	cr_expect_eq(stage_lines("slow"), 1);
	cr_expect_eq(slow_log_lost(slow_log), 0);
}

Test(slow_log, a_path_is_tried_again_once_a_minute)
{
	char folder[128];

	strcpy(folder, stage_path("sub"));
	log_to("sub/slow", 0);
	write_slow("a");
	cr_expect_eq(slow_log_lost(slow_log), 1);
	slow_log_tick(slow_log, now + MINUTE - 1);
	cr_expect_eq(stage_logged("cannot open"), 1);
	slow_log_tick(slow_log, now + MINUTE);
	cr_expect_eq(stage_logged("cannot open"), 2);
	cr_assert_eq(mkdir(folder, 0700), 0);
	slow_log_tick(slow_log, now + 2 * MINUTE);
	write_slow("b");
	cr_expect_eq(stage_lines("sub/slow"), 1);
	cr_expect_eq(slow_log_lost(slow_log), 1);
	unlink(stage_path("sub/slow"));
	rmdir(folder);
}

/* ---- what can't be written ---- */

Test(slow_log, why_it_could_not_be_opened_is_why_lines_are_lost)
{
	fclose(fopen(stage_path("file"), "w"));
	log_to("file/slow", 0);
	write_slow("a");
	cr_expect_eq(stage_logged("cannot open"), 1);
	cr_expect_eq(stage_logged(": Not a directory; 1 lines lost"), 1);
	unlink(stage_path("file"));
}

Test(slow_log, a_full_disk_is_told_once_a_minute)
{
	log_to("/dev/full", 0);
	for (int i = 0; i < 10; i++)
		write_slow("a");
	cr_expect_eq(slow_log_lost(slow_log), 10);
	cr_expect_eq(stage_logged("cannot write to slow_query_log \"/dev/full\": No space left on device; 1 lines lost"), 1);
	cr_expect_eq(stage_logged("cannot write"), 1);
	slow_log_tick(slow_log, now + MINUTE - 1);
	cr_expect_eq(stage_logged("cannot write"), 1);
	slow_log_tick(slow_log, now + MINUTE);
	cr_expect_eq(stage_logged("No space left on device; 9 lines lost"), 1);
	slow_log_tick(slow_log, now + 10 * MINUTE);
	cr_expect_eq(stage_logged("cannot write"), 2);
}

/* A disk that is full in the middle of a line: the next one begins a line of its own. */
Test(slow_log, half_a_line_spoils_no_other)
{
	struct rlimit limit = { .rlim_cur = 700, .rlim_max = RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	log_to("slow", 0);
	write_slow("a");
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 700;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	write_slow("b");
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	write_slow("c");
	write_slow("d");
	cr_expect_eq(slow_log_lost(slow_log), 1);
	cr_assert_eq(stage_lines("slow"), 4);
	expect_tenant("slow", 0, "a");
	expect_tenant("slow", 2, "c");
	expect_tenant("slow", 3, "d");
}

Test(slow_log, a_pipe_without_a_reader_holds_up_nothing)
{
	int fd;

	cr_assert_eq(mkfifo(stage_path("slow"), 0600), 0);
	log_to("slow", 0);
	write_slow("a");
	cr_expect_eq(slow_log_lost(slow_log), 1);
	fd = open(stage_path("slow"), O_RDONLY | O_NONBLOCK);
	slow_log_reopen(slow_log, now);
	for (int i = 0; i < 1000; i++)
		write_slow("a");
	cr_expect_gt(slow_log_lost(slow_log), 500, "a pipe holds no half of them");
	close(fd);
}

/* ---- not too many ---- */

Test(slow_log, lines_beyond_the_rate_are_counted)
{
	log_to("slow", 2);
	for (int i = 0; i < 5; i++)
		write_slow("a");
	cr_expect_eq(stage_lines("slow"), 2);
	cr_expect_eq(slow_log_lost(slow_log), 3);
	now += SECOND;
	write_slow("b");
	cr_assert_eq(stage_lines("slow"), 4);
	expect_gap("slow", 2, 3);
	expect_tenant("slow", 3, "b");
}

Test(slow_log, what_was_left_out_is_told_when_no_more_comes)
{
	log_to("slow", 1);
	for (int i = 0; i < 5; i++)
		write_slow("a");
	slow_log_tick(slow_log, now + SECOND - 1);
	cr_expect_eq(stage_lines("slow"), 1);
	slow_log_tick(slow_log, now + SECOND);
	cr_assert_eq(stage_lines("slow"), 2);
	expect_gap("slow", 1, 4);
	slow_log_tick(slow_log, now + 2 * SECOND);
	cr_expect_eq(stage_lines("slow"), 2);
}

Test(slow_log, what_was_left_out_is_told_at_the_end)
{
	log_to("slow", 1);
	write_slow("a");
	write_slow("a");
	slow_log_free(&slow_log);
	expect_gap("slow", 1, 1);
}

Test(slow_log, the_rate_can_change)
{
	log_to("slow", 1);
	write_slow("a");
	log_to("slow", 3);
	write_slow("a");
	write_slow("a");
	write_slow("a");
	cr_expect_eq(stage_lines("slow"), 3);
	log_to("slow", 0);
	for (int i = 0; i < 100; i++)
		write_slow("a");
	cr_expect_eq(stage_lines("slow"), 104);
	expect_gap("slow", 3, 1);
}

Test(slow_log, gaps_in_the_main_log)
{
	log_to("", 1);
	write_slow("a");
	write_slow("a");
	slow_log_tick(slow_log, now + SECOND);
	cr_expect_eq(stage_logged("\"left_out\":1,"), 1);
}
