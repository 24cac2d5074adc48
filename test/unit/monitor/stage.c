#include "stage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "session/shard.h"
#include "../net/until.h"

#define MAIN_LOG "main.log"
#define PATIENCE (30 * USEC_PER_SEC)

struct stage stage;

/* ---- the loop ---- */

static void
on_mail(void *arg, struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	(void)arg;
	job->done(job);
}

static void
discard(struct mail *m)
{
	struct helper_job *job = container_of(m, struct helper_job, mail);

	job->owner = NULL;
	job->done(job);
}

static void
answer(void *arg)
{
	struct inquiry *q = arg;

	for (int i = 0; i < WORKERS; i++)
		q->visit(&stage.shards[i], q);
	q->finish(q);
}

static void
ask(void *daemon, struct inquiry *q)
{
	(void)daemon;
	stage.asked++;
	q->nworkers = WORKERS;
	loop_after(stage.loop, 0, answer, q);
}

void
stage_until(bool (*is)(void *arg), void *arg, const char *what)
{
	cr_assert(until_within(stage.loop, is, arg, PATIENCE), "%s: not in time", what);
}

/* ---- settings ---- */

void
stage_configure(const char *lines)
{
	const struct config *old = stage.config;
	char text[2048];
	struct error e;
	int n = snprintf(text, sizeof(text), "[databases]\nacme =\n[pgbouncer]\n%s\n", lines);

	stage.config = config_from_text(text, (size_t)n, &e);
	cr_assert_not_null(stage.config, "%s", e.message);
	config_unref(&old);
}

/* ---- files ---- */

const char *
stage_path(const char *name)
{
	static char paths[2][512];
	static int turn;
	char *path = paths[turn++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", stage.dir, name);
	return path;
}

static char *
read_file(const char *name)
{
	FILE *f = fopen(name[0] == '/' ? name : stage_path(name), "r");
	char *text = NULL;
	size_t size = 0;

	cr_assert_not_null(f, "%s: %m", name);
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = memory_strdup("");
	}
	fclose(f);
	return text;
}

int
stage_count(const char *file, const char *text)
{
	char *all = read_file(file);
	int n = 0;

	for (const char *at = all; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	free(all);
	return n;
}

int
stage_logged(const char *text)
{
	return stage_count(MAIN_LOG, text);
}

int
stage_lines(const char *file)
{
	return stage_count(file, "\n");
}

char *
stage_line(const char *file, int n)
{
	char *all = read_file(file), *at = all, *line;

	for (; n > 0 && at != NULL; n--) {
		at = strchr(at, '\n');
		at = at == NULL ? NULL : at + 1;
	}
	cr_assert(at != NULL && *at != '\0', "%s has not that many lines", file);
	line = memory_strndup(at, strcspn(at, "\n"));
	free(all);
	return line;
}

json_t *
stage_json(const char *file, int n)
{
	char *line = stage_line(file, n);
	json_error_t e;
	json_t *v = json_loads(line, 0, &e);

	cr_assert_not_null(v, "%s: %s", e.text, line);
	free(line);
	return v;
}

/* ---- queries ---- */

struct slow_query *
stage_slow(const char *tenant, usec_t total)
{
	struct slow_query *q = memory_zalloc(sizeof(*q));

	q->at = 1764110113123999;
	q->tenant = memory_strdup(tenant);
	q->user = memory_strdup("app");
	q->database = memory_strdup("acme_live");
	q->client = memory_strdup("127.0.0.1:50312");
	q->application_name = memory_strdup("shop");
	q->hash = 0x0123456789abcdef;
	q->text = memory_strdup("select pg_sleep($1)");
	q->verb = SQL_SELECT;
	q->sample = (struct query_sample){ .wait = 1500, .first_byte = 20, .total = total, .blocked = 7, .rows = 3,
					   .bytes_in = 40, .bytes_out = 90, .slow = true };
	q->threshold = USEC_PER_SEC;
	return q;
}

/* ---- life ---- */

void
stage_begin(void)
{
	static const struct query_limits limits = { .on = true, .entries = 1000, .entries_per_tenant = 100,
						    .text_size = 4096, .period = 300 * USEC_PER_SEC };
	struct error e;

	strcpy(stage.dir, "/tmp/pgusher-mon-XXXXXX");
	cr_assert_not_null(mkdtemp(stage.dir));
	log_set_stderr(false);
	cr_assert(log_open_file(stage_path(MAIN_LOG), &e), "%s", e.message);
	stage.loop = loop_new();
	stage.mailbox = mailbox_new(stage.loop, on_mail, NULL);
	stage.askers = helpers_new(2);
	stage.inquirer = (struct inquirer){ .nworkers = WORKERS, .ask = ask };
	stage.shards = memory_zalloc(WORKERS * sizeof(*stage.shards));
	for (int i = 0; i < WORKERS; i++) {
		stage.shards[i].index = i;
		query_store_init(&stage.shards[i].queries, &limits, clock_now());
	}
	stage_configure("");
}

static void
remove_files(void)
{
	DIR *d = opendir(stage.dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		unlink(stage_path(entry->d_name));
	closedir(d);
	rmdir(stage.dir);
}

void
stage_end(void)
{
	helpers_free(&stage.askers, discard);
	mailbox_free(&stage.mailbox, discard);
	loop_free(&stage.loop);
	for (int i = 0; i < WORKERS; i++)
		query_store_release(&stage.shards[i].queries);
	free(stage.shards);
	config_unref(&stage.config);
	remove_files();
}
